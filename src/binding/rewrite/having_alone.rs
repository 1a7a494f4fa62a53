//! HAVING without GROUP BY and without an aggregate: all rows are one group, so a count stands beside the condition. In a
//! subquery the aggregates may be the outer query's, which only the planner can tell.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Query, Select, VisitMut, VisitorMut};

use super::aggregates::is_aggregate;
use super::syntax::system_name;
use crate::error::{Error, Result};
use crate::statement::{change_own_expressions, parse_expression};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Selects {
        depth: usize,
    }
    impl VisitorMut for Selects {
        type Break = Error;
        fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            match group_all(select, self.depth > 1) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Selects { depth: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn group_all(select: &mut Select, is_within: bool) -> Result<()> {
    let has_keys = !matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty());
    let Some(condition) = &select.having else { return Ok(()) };
    if has_keys || !is_within && (aggregates(condition) || aggregates(&select.projection)) {
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
