//! LATERAL: joins whose right side reads columns of the left. Over functions of the left row the left
//! side itself is pushed into the right; else the right runs over the distinct values it reads.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, Result as PlanResult};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Subquery, SubqueryAlias};

use super::apply::same_columns;
use super::dependent::Dependent;
use super::outer_references::{Substitution, outer_columns};
use super::pull_up::Asked;
use super::{FreshNames, can_pull_up};

/// Unnests a lateral join whose inputs are done.
pub(super) fn unnest(join: Join, names: &mut FreshNames) -> PlanResult<Transformed<LogicalPlan>> {
    let Some(subquery) = lateral_subquery(&join.right) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let outer: Vec<Column> = outer_columns(&subquery.subquery)?
        .into_iter()
        .filter(|column| join.left.schema().has_column(column))
        .collect();
    if outer.is_empty() {
        // It reads columns further out only: an ordinary join here, unnested further up.
        let right = without_marker(&join.right)?;
        return Ok(Transformed::yes(LogicalPlan::Join(Join {
            right: Arc::new(right),
            ..join
        })));
    }
    // The optimizer makes nothing of a subquery whose condition is never true, and forgets what it was to be joined by.
    let is_left_to_it = !has_constant_condition(&subquery.subquery)? && can_pull_up(subquery, Asked::Rows);
    if is_left_to_it && matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let right = without_marker(&join.right)?;
    let plan = match join.join_type {
        JoinType::Inner if is_expansion(&right)? => expand_left(&join, &right, names)?,
        JoinType::Inner | JoinType::Left => join_domain(&join, &right, outer, names)?,
        other => return datafusion::common::not_impl_err!("LATERAL in a {other} join is not supported yet"),
    };
    Ok(Transformed::yes(plan))
}

/// Whether a condition depends on no row at all.
fn has_constant_condition(plan: &LogicalPlan) -> PlanResult<bool> {
    plan.exists(|node| match node {
        LogicalPlan::Filter(filter) => Ok(split_conjunction(&filter.predicate)
            .into_iter()
            .any(|part| part.column_refs().is_empty() && !part.contains_outer())),
        _ => Ok(false),
    })
}

fn lateral_subquery(plan: &LogicalPlan) -> Option<&Subquery> {
    match plan {
        LogicalPlan::Subquery(subquery) => Some(subquery),
        LogicalPlan::SubqueryAlias(alias) => lateral_subquery(&alias.input),
        LogicalPlan::Projection(projection) => lateral_subquery(&projection.input),
        _ => None,
    }
}

/// The right side without the node that marks it as lateral.
fn without_marker(plan: &LogicalPlan) -> PlanResult<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Subquery(subquery) => subquery.subquery.as_ref().clone(),
        LogicalPlan::SubqueryAlias(alias) => {
            let input = without_marker(&alias.input)?;
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?)
        }
        LogicalPlan::Projection(projection) => LogicalPlanBuilder::from(without_marker(&projection.input)?)
            .project(projection.expr.clone())?
            .build()?,
        other => other.clone(),
    })
}

/// Whether each left row only passes through row-wise nodes, so that it can be carried along.
fn is_expansion(plan: &LogicalPlan) -> PlanResult<bool> {
    Ok(match plan {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Unnest(_) => {
            let mut all = true;
            for input in plan.inputs() {
                all &= is_expansion(input)?;
            }
            all
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            let left = outer_columns(&join.left)?.is_empty();
            let right = outer_columns(&join.right)?.is_empty();
            (left && is_expansion(&join.right)?) || (right && is_expansion(&join.left)?)
        }
        other => outer_columns(other)?.is_empty(),
    })
}

fn expand_left(join: &Join, right: &LogicalPlan, names: &mut FreshNames) -> PlanResult<LogicalPlan> {
    let left_columns = join.left.schema().columns();
    let mut dependent = Dependent::whole(join.left.as_ref().clone(), left_columns.clone(), names);
    let (plan, domain) = dependent.push(right)?;
    let left = domain
        .into_iter()
        .zip(left_columns)
        .map(|(carried, column)| Expr::Column(carried).alias_qualified(column.relation, column.name));
    let projected = left.chain(right.schema().columns().into_iter().map(Expr::Column));
    let plan = LogicalPlanBuilder::from(plan).project(projected)?;
    with_condition(plan, join)?.build()
}

fn with_condition(plan: LogicalPlanBuilder, join: &Join) -> PlanResult<LogicalPlanBuilder> {
    let equalities = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    match equalities.chain(join.filter.clone()).reduce(Expr::and) {
        Some(condition) => plan.filter(condition),
        None => Ok(plan),
    }
}

fn join_domain(
    join: &Join,
    right: &LogicalPlan,
    outer: Vec<Column>,
    names: &mut FreshNames,
) -> PlanResult<LogicalPlan> {
    let mut dependent = Dependent::distinct(join.left.as_ref().clone(), outer.clone(), names);
    let (plan, domain) = dependent.push(right)?;
    let mut condition = same_columns(&Substitution { outer, inner: domain });
    condition.extend(join.on.iter().map(|(left, right)| left.clone().eq(right.clone())));
    condition.extend(join.filter.clone());
    let kept = join.schema.columns().into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(join.left.as_ref().clone())
        .join_on(plan, join.join_type, condition)?
        .project(kept)?
        .build()
}
