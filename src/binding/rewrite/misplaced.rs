//! Faults that PostgreSQL's analysis finds and the planner would take: window functions where rows are chosen, or
//! without OVER; constants to order by; one name for two relations.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, DuplicateTreatment, Expr, Function, FunctionArguments, GroupByExpr, OrderByKind, Query, Select,
    SelectItem, Spanned, TableFactor, TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::aggregates::is_aggregate;
use super::syntax::{folded, system_name};
use crate::error::{Error, Result, SqlState};

/// Functions that only make sense over a window.
const WINDOW_FUNCTIONS: [&str; 11] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

pub(super) fn check(tree: &mut impl VisitMut) -> Result<()> {
    struct Checker {
        /// Empty arrays to come whose type a cast around them tells.
        typed_arrays: usize,
    }
    impl VisitorMut for Checker {
        type Break = Error;

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            as_flow(check_select(select))
        }

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
            as_flow(check_order(query))
        }

        fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
            match expression {
                Expr::Cast { expr, .. } => self.typed_arrays += empty_arrays(expr),
                Expr::Array(array) if array.elem.is_empty() => match self.typed_arrays.checked_sub(1) {
                    Some(others) => self.typed_arrays = others,
                    None => return ControlFlow::Break(untyped_array()),
                },
                _ => {}
            }
            as_flow(check_window(expression))
        }
    }
    match VisitMut::visit(tree, &mut Checker { typed_arrays: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Empty arrays that the expression is or that are its elements.
fn empty_arrays(expression: &Expr) -> usize {
    match expression {
        Expr::Array(array) if array.elem.is_empty() => 1,
        Expr::Array(array) => array.elem.iter().map(empty_arrays).sum(),
        Expr::Nested(inner) => empty_arrays(inner),
        _ => 0,
    }
}

fn untyped_array() -> Error {
    Error::new(SqlState::IndeterminateDatatype, "cannot determine type of empty array")
        .with_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
}

fn as_flow(checked: Result<()>) -> ControlFlow<Error> {
    match checked {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn check_window(expression: &Expr) -> Result<()> {
    let Expr::Function(function) = expression else {
        return Ok(());
    };
    let name = system_name(&function.name).unwrap_or_default();
    if function.over.is_none() && function.within_group.is_empty() && WINDOW_FUNCTIONS.contains(&name.as_str()) {
        let message = format!("window function {name} requires an OVER clause");
        return Err(placed(Error::new(SqlState::WrongObjectType, message), expression));
    }
    if function.over.is_some()
        && matches!(&function.args, FunctionArguments::List(list) if list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
    {
        let message = "DISTINCT is not implemented for window functions";
        return Err(Error::new(SqlState::FeatureNotSupported, message));
    }
    Ok(())
}

fn check_order(query: &Query) -> Result<()> {
    let Some(order) = &query.order_by else {
        return match query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties) {
            true => Err(Error::syntax("WITH TIES cannot be specified without ORDER BY clause")),
            false => Ok(()),
        };
    };
    let OrderByKind::Expressions(keys) = &order.kind else {
        return Ok(());
    };
    let is_constant = |key: &Expr| match key {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse::<i64>().is_err(),
            Value::SingleQuotedString(_) => true,
            _ => false,
        },
        _ => false,
    };
    match keys.iter().any(|key| is_constant(&key.expr)) {
        true => Err(Error::syntax("non-integer constant in ORDER BY")),
        false => Ok(()),
    }
}

/// Constants to group by are positions, and not of aggregates.
fn check_grouping(select: &Select) -> Result<()> {
    let GroupByExpr::Expressions(keys, _) = &select.group_by else {
        return Ok(());
    };
    let keys = keys.iter().flat_map(|key| match key {
        Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => sets.iter().flatten().collect(),
        key => vec![key],
    });
    for key in keys {
        let Expr::Value(value) = key else { continue };
        let position = match &value.value {
            Value::Number(text, _) => text.parse::<i32>().ok(),
            Value::SingleQuotedString(_) => None,
            _ => continue,
        };
        let Some(position) = position else {
            return Err(Error::syntax("non-integer constant in GROUP BY"));
        };
        let item = usize::try_from(position - 1)
            .ok()
            .and_then(|index| select.projection.get(index));
        let (SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }) = (match item {
            Some(item) => item,
            None => continue,
        }) else {
            continue;
        };
        if call(expression, |function| function.over.is_some()).is_some() {
            let message = "window functions are not allowed in GROUP BY";
            return Err(Error::new(SqlState::WindowingError, message));
        }
        let is_aggregating = |function: &Function| system_name(&function.name).is_some_and(|name| is_aggregate(&name));
        if call(expression, is_aggregating).is_some() {
            let message = "aggregate functions are not allowed in GROUP BY";
            return Err(Error::new(SqlState::GroupingError, message));
        }
    }
    Ok(())
}

fn check_select(select: &Select) -> Result<()> {
    if select.projection.is_empty()
        && select
            .distinct
            .as_ref()
            .is_some_and(|distinct| *distinct != Distinct::All)
    {
        return Err(Error::syntax("SELECT DISTINCT must have a select list"));
    }
    check_grouping(select)?;
    let clauses = [(&select.selection, "WHERE"), (&select.having, "HAVING")];
    for (clause, name) in clauses {
        if let Some(window) = clause
            .as_ref()
            .and_then(|clause| call(clause, |function| function.over.is_some()))
        {
            let message = format!("window functions are not allowed in {name}");
            return Err(placed(Error::new(SqlState::WindowingError, message), &window));
        }
    }
    let mut seen = HashSet::new();
    for table in &select.from {
        for name in names(table) {
            if !seen.insert(name.clone()) {
                let message = format!("table name \"{name}\" specified more than once");
                return Err(Error::new(SqlState::DuplicateAlias, message));
            }
        }
    }
    Ok(())
}

/// The names by which the columns of a FROM item can be qualified.
fn names(table: &TableWithJoins) -> Vec<String> {
    let joined = table.joins.iter().map(|join| &join.relation);
    let factors = std::iter::once(&table.relation).chain(joined);
    factors
        .filter_map(|factor| match factor {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. } => Some(folded(&alias.name)),
            // Tables of two schemas may have one name.
            TableFactor::Table { name, args: None, .. } => match name.0.as_slice() {
                [only] => only.as_ident().map(folded),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// The error with the place of the expression in the client's text.
fn placed(error: Error, expression: &Expr) -> Error {
    match usize::try_from(expression.span().start.column) {
        Ok(start @ 1..) => error.at(start),
        _ => error,
    }
}

/// The first such call in an expression, outside its subqueries.
fn call(expression: &Expr, is_such: impl Fn(&Function) -> bool) -> Option<Expr> {
    struct Calls<F> {
        depth: usize,
        is_such: F,
    }
    impl<F: Fn(&Function) -> bool> Visitor for Calls<F> {
        type Break = Expr;

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Expr> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Expr> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Expr> {
            match expression {
                Expr::Function(function) if self.depth == 0 && (self.is_such)(function) => {
                    ControlFlow::Break(expression.clone())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match expression.visit(&mut Calls { depth: 0, is_such }) {
        ControlFlow::Break(call) => Some(call),
        ControlFlow::Continue(()) => None,
    }
}
