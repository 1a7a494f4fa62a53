//! Puts values in the place of an optimized plan's parameters. All that a short statement of a known shape needs of the
//! optimizer is here, so it is little: the conditions that held parameters are simplified, and go down to the scans, which may
//! take a condition with a value where they did not take one with a parameter.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, Result as PlanResult};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::eliminate_limit::EliminateLimit;
use datafusion::optimizer::push_down_limit::PushDownLimit;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerRule};

use super::PlanningSession;
use super::rules::pushing_filters;

/// The plan with its parameters' values.
pub(super) fn with_values(
    plan: LogicalPlan,
    values: &ParamValues,
    session: &PlanningSession,
) -> PlanResult<LogicalPlan> {
    match are_in_conditions_only(&plan)? {
        true => in_conditions(plan, values, session),
        false => anywhere(plan, values, session),
    }
}

/// Parameters may be what nodes give out, whose schemas change with them.
fn anywhere(plan: LogicalPlan, values: &ParamValues, session: &PlanningSession) -> PlanResult<LogicalPlan> {
    let bound = plan.replace_params_with_values(values)?;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(SimplifyExpressions::new()),
        pushing_filters(),
        // Without this, a sort for none of its rows panics.
        Arc::new(EliminateLimit::new()),
        Arc::new(PushDownLimit::new()),
    ];
    Optimizer::with_rules(rules).optimize(bound, session, |_, _| {})
}

/// A filter gives out what it gets, so no schema changes, and nothing but the filters has anything to simplify.
fn in_conditions(plan: LogicalPlan, values: &ParamValues, session: &PlanningSession) -> PlanResult<LogicalPlan> {
    let simplify = SimplifyExpressions::new();
    let mut limits = false;
    let bound = plan.transform_up_with_subqueries(|node| {
        limits |= matches!(node, LogicalPlan::Limit(_));
        if !has_parameters(&node)? {
            return Ok(Transformed::no(node));
        }
        let node = node.map_expressions(|expression| expression.transform_up(|part| with_value(part, values)))?;
        Ok(Transformed::yes(simplify.rewrite(node.data, session)?.data))
    })?;
    let filter = pushing_filters();
    let bound = bound
        .data
        .transform_down_with_subqueries(|node| filter.rewrite(node, session))?
        .data;
    if !limits {
        return Ok(bound);
    }
    // Where a scan took all of a filter, the limit above goes down too.
    let limit = PushDownLimit::new();
    Ok(bound
        .transform_down_with_subqueries(|node| limit.rewrite(node, session))?
        .data)
}

fn with_value(expression: Expr, values: &ParamValues) -> PlanResult<Transformed<Expr>> {
    let Expr::Placeholder(Placeholder { id, .. }) = &expression else {
        return Ok(Transformed::no(expression));
    };
    let (value, metadata) = values.get_placeholders_with_values(id)?.into_inner();
    Ok(Transformed::yes(Expr::Literal(value, metadata)))
}

fn are_in_conditions_only(plan: &LogicalPlan) -> PlanResult<bool> {
    let mut only = true;
    plan.apply_with_subqueries(|node| {
        let is_condition = matches!(node, LogicalPlan::Filter(_) | LogicalPlan::TableScan(_));
        only &= is_condition || !has_parameters(node)?;
        Ok(match only {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(only)
}

/// Whether the node's own expressions have a parameter.
fn has_parameters(node: &LogicalPlan) -> PlanResult<bool> {
    let mut found = false;
    node.apply_expressions(|expression| {
        found = found || expression.exists(|part| Ok(matches!(part, Expr::Placeholder(_))))?;
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}
