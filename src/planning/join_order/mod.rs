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

/// The plan with its joins in order; `None` when they are.
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
    if !has_joins {
        return Ok(None);
    }
    let ordered = ordered(plan.clone())?;
    Ok(ordered.transformed.then_some(ordered.data))
}

/// Whether all that was reorderable is: a semi or anti join whose relation is built begins a chain of its own.
pub(super) fn can_be_ordered_again(plan: &LogicalPlan) -> Result<bool> {
    let ends_chain = |node: &LogicalPlan| match node {
        LogicalPlan::Join(join) => matches!(join.join_type, JoinType::RightSemi | JoinType::RightAnti),
        _ => false,
    };
    let mut can_be = true;
    plan.apply_with_subqueries(|node| {
        can_be &= !ends_chain(node);
        Ok(match can_be {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(can_be)
}

fn ordered(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if graph::is_chain(&plan)
        && let Some(graph) = Graph::of(&plan)?
    {
        let columns: Vec<Column> = plan.schema().columns();
        return match enumerate::best_plan(graph, &plan)? {
            Some(best) => with_columns(best, columns).map(Transformed::yes),
            None => Ok(Transformed::no(plan)),
        };
    }
    inputs_ordered(plan)?.transform_data(|plan| match plan {
        LogicalPlan::Join(join) => {
            let columns: Vec<Column> = join.schema.columns();
            with_smaller_side_built(join)?.map_data(|join| with_columns(join, columns))
        }
        other => Ok(Transformed::no(other)),
    })
}

fn inputs_ordered(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    plan.map_children(ordered)?
        .transform_data(|plan| plan.map_subqueries(ordered))
}

/// The plan with these columns, in this order.
fn with_columns(plan: LogicalPlan, columns: Vec<Column>) -> Result<LogicalPlan> {
    if plan.schema().columns() == columns {
        return Ok(plan);
    }
    let columns = columns.into_iter().map(Expr::Column).collect();
    Projection::try_new(columns, Arc::new(plan)).map(LogicalPlan::Projection)
}

fn with_smaller_side_built(join: Join) -> Result<Transformed<LogicalPlan>> {
    // NOT IN looks at its sides differently.
    if join.null_aware || estimate(&join.left).rows <= estimate(&join.right).rows {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    Ok(Transformed::yes(LogicalPlan::Join(swapped(join)?)))
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
