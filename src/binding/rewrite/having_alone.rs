//! HAVING without GROUP BY and without an aggregate: all rows are one group, so a count stands beside the condition.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Select, VisitMut, VisitorMut};

use super::aggregates::is_aggregate;
use super::syntax::system_name;
use crate::error::{Error, Result};
use crate::statement::{change_own_expressions, parse_expression};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = Error;
        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            match group_all(select) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Selects) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn group_all(select: &mut Select) -> Result<()> {
    let has_keys = !matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty());
    let Some(condition) = &select.having else { return Ok(()) };
    if has_keys || aggregates(condition) || aggregates(&select.projection) {
        return Ok(());
    }
    let mut grouped = parse_expression("x AND count(*) >= 0")?;
    if let Expr::BinaryOp { left, .. } = &mut grouped {
        **left = Expr::Nested(Box::new(condition.clone()));
    }
    select.having = Some(grouped);
    Ok(())
}

/// Whether an aggregate stands in the part itself.
fn aggregates(part: &(impl VisitMut + Clone)) -> bool {
    let mut found = false;
    change_own_expressions(&mut part.clone(), |expression| {
        found |= matches!(expression, Expr::Function(function)
            if function.over.is_none() && system_name(&function.name).is_some_and(|name| is_aggregate(&name)));
    });
    found
}
