//! Where a call is made once whatever the query's rows are, so that it can be made before the query is planned.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, ObjectName, Query, Select, TableFactor,
    TableWithJoins, Visit, Visitor,
};

use crate::binding::{self, WithRelation};

/// Whether the parts of an expression may go without being evaluated.
pub(super) fn is_conditional(expression: &Expr) -> bool {
    match expression {
        Expr::Case { .. } => true,
        Expr::BinaryOp { op, .. } => matches!(op, BinaryOperator::And | BinaryOperator::Or),
        Expr::Function(call) => {
            let name = binding::name_parts(&call.name);
            matches!(
                name.last().map(String::as_str),
                Some("coalesce" | "nullif" | "greatest" | "least")
            )
        }
        _ => false,
    }
}

/// The relations of a part of FROM that are on its own level.
pub(super) fn factors(from: &mut TableWithJoins) -> impl Iterator<Item = &mut TableFactor> {
    let joined = from.joins.iter_mut().map(|join| &mut join.relation);
    std::iter::once(&mut from.relation).chain(joined)
}

/// Whether the select list is evaluated once, whatever there is in tables.
pub(super) fn has_one_row(select: &Select) -> bool {
    let is_ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty());
    select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && is_ungrouped
        && !matches!(select.distinct, Some(Distinct::On(_)))
}

/// Whether arguments mean the same before the query runs: they name no column, and read no table.
pub(super) fn are_constant(arguments: &[FunctionArg]) -> bool {
    struct Columns;
    impl Visitor for Columns {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    arguments.iter().all(|argument| {
        let value = match argument {
            FunctionArg::Unnamed(value)
            | FunctionArg::Named { arg: value, .. }
            | FunctionArg::ExprNamed { arg: value, .. } => value,
        };
        match value {
            FunctionArgExpr::Expr(value) => value.visit(&mut Columns).is_continue(),
            _ => false,
        }
    })
}

/// Whether the query names relations beside those that its calls gave.
pub(super) fn reads_others(query: &Query, own: &[WithRelation]) -> bool {
    struct Others<'a>(&'a [WithRelation]);
    impl Visitor for Others<'_> {
        type Break = ();
        fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
            let parts = binding::name_parts(name);
            match self.0.iter().any(|own| parts == [own.name.clone()]) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        }
    }
    query.visit(&mut Others(own)).is_break()
}
