//! Chooses the order of joins and which side of each is built, from guesses of rows. Inner joins and the semi and
//! anti joins above them are taken apart into relations and predicates and put together again; what else a plan
//! holds (outer joins, aggregates, aliases, policy barriers) is a relation of its own. Left is the built side.

mod enumerate;
mod graph;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::logical_expr::{Expr, Join, JoinConstraint, LogicalPlan, Projection};

use super::cardinality::estimate;
use graph::Graph;

/// The plan with its joins in order; `None` when it has none.
pub(super) fn order_joins(plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let mut has_joins = false;
    plan.apply_with_subqueries(|node| {
        has_joins |= matches!(node, LogicalPlan::Join(_));
        Ok(if has_joins {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    has_joins.then(|| ordered(plan.clone())).transpose()
}

fn ordered(plan: LogicalPlan) -> Result<LogicalPlan> {
    if graph::is_chain(&plan)
        && let Some(graph) = Graph::of(&plan)?
    {
        let columns: Vec<Column> = plan.schema().columns();
        return with_columns(enumerate::best_plan(graph)?, columns);
    }
    let plan = inputs_ordered(plan)?;
    match plan {
        LogicalPlan::Join(join) => {
            let columns: Vec<Column> = join.schema.columns();
            with_columns(with_smaller_side_built(join)?, columns)
        }
        other => Ok(other),
    }
}

fn inputs_ordered(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.map_children(|input| ordered(input).map(Transformed::yes))?.data;
    Ok(plan
        .map_subqueries(|subquery| ordered(subquery).map(Transformed::yes))?
        .data)
}

/// The plan with these columns, in this order.
fn with_columns(plan: LogicalPlan, columns: Vec<Column>) -> Result<LogicalPlan> {
    if plan.schema().columns() == columns {
        return Ok(plan);
    }
    let columns = columns.into_iter().map(Expr::Column).collect();
    Projection::try_new(columns, Arc::new(plan)).map(LogicalPlan::Projection)
}

fn with_smaller_side_built(join: Join) -> Result<LogicalPlan> {
    // NOT IN looks at its sides differently.
    if join.null_aware || estimate(&join.left).rows <= estimate(&join.right).rows {
        return Ok(LogicalPlan::Join(join));
    }
    swapped(join).map(LogicalPlan::Join)
}

/// The same join with its sides exchanged.
fn swapped(join: Join) -> Result<Join> {
    let on = join.on.into_iter().map(|(left, right)| (right, left)).collect();
    Join::try_new(
        join.right,
        join.left,
        on,
        join.filter,
        join.join_type.swap(),
        JoinConstraint::On,
        join.null_equality,
        false,
    )
}

/// A join of which `left` is the built side.
fn joined(
    left: LogicalPlan,
    right: LogicalPlan,
    on: Vec<(Expr, Expr)>,
    filter: Option<Expr>,
    join_type: JoinType,
) -> Result<LogicalPlan> {
    let join = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        filter,
        join_type,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?;
    Ok(LogicalPlan::Join(join))
}
