//! `count(t.*)` counts the rows in which `t` is there. The planner counts all rows, which is the same but over
//! an outer join, where it is refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, JoinOperator, Select, TableFactor, TableWithJoins, Visit,
    VisitMut, Visitor, VisitorMut,
};

use super::syntax::system_name;
use crate::error::{Error, Result};

pub(super) fn check(tree: &mut impl VisitMut) -> Result<()> {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = Error;

        fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            let counts = select.projection.visit(&mut Counts).is_break() || select.having.visit(&mut Counts).is_break();
            match counts && select.from.iter().any(joins_outer) {
                true => ControlFlow::Break(Error::unsupported("count of whole rows over an outer join")),
                false => ControlFlow::Continue(()),
            }
        }
    }
    match VisitMut::visit(tree, &mut Selects) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn joins_outer(table: &TableWithJoins) -> bool {
    let nested = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => joins_outer(table_with_joins),
        _ => false,
    };
    let outer = |operator: &JoinOperator| {
        matches!(
            operator,
            JoinOperator::Left(_)
                | JoinOperator::LeftOuter(_)
                | JoinOperator::Right(_)
                | JoinOperator::RightOuter(_)
                | JoinOperator::FullOuter(_)
        )
    };
    let mut joins = table.joins.iter();
    nested(&table.relation) || joins.any(|join| outer(&join.join_operator) || nested(&join.relation))
}

/// Stops at a count of a relation's rows.
struct Counts;

impl Visitor for Counts {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expression else {
            return ControlFlow::Continue(());
        };
        let FunctionArguments::List(arguments) = &function.args else {
            return ControlFlow::Continue(());
        };
        let whole_row =
            |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)));
        match system_name(&function.name).as_deref() == Some("count") && arguments.args.iter().any(whole_row) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}
