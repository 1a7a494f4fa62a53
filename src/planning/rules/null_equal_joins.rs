//! Joins whose conditions hold for two NULLs (IS NOT DISTINCT FROM). DataFusion makes keys of such a condition, with a mark at the join
//! that NULLs are equal, and in a later pass adds plain equalities to the keys or mixes the keys of several joins under one mark. Here the
//! conditions stay as they are written while rules run, and become keys at the end, equalities with a test that the value is there.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{NullEquality, Result as PlanResult};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::utils::{can_hash, conjunction, find_valid_equijoin_key_pair, split_conjunction_owned};
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan, Operator};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::planning::rules::correction::{self, Rule};

/// The rule that makes keys of conditions, kept from those that hold for NULLs.
pub(super) fn corrected(rule: Rule) -> Rule {
    correction::corrected(rule, "extract_equijoin_predicate", rewrite)
}

fn rewrite(
    rule: &dyn OptimizerRule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> PlanResult<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(join) = &plan else {
        return Ok(Transformed::no(plan));
    };
    // EXCEPT and INTERSECT are such joins from the start.
    if join.null_equality == NullEquality::NullEqualsNull {
        return Ok(Transformed::no(plan));
    }
    let rewritten = rule.rewrite(plan.clone(), config)?;
    match &rewritten.data {
        LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNull => Ok(Transformed::no(plan)),
        _ => Ok(rewritten),
    }
}

/// The plan with keys in the place of conditions that hold for NULLs.
pub fn with_null_keys(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let transformed = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => keyed(join),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(transformed.data)
}

fn keyed(mut join: Join) -> PlanResult<Transformed<LogicalPlan>> {
    let is_plain = join.null_equality == NullEquality::NullEqualsNothing && !join.null_aware;
    let Some(filter) = join.filter.clone().filter(|_| is_plain) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let mut keys = vec![];
    let mut others = vec![];
    for condition in split_conjunction_owned(filter) {
        match null_key(&condition, &join)? {
            Some(key) => keys.push(key),
            None => others.push(condition),
        }
    }
    if keys.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    others.extend(join.on.iter().map(|(left, _)| left.clone().is_not_null()));
    join.on.extend(keys);
    join.filter = conjunction(others);
    join.null_equality = NullEquality::NullEqualsNull;
    Ok(Transformed::yes(LogicalPlan::Join(join)))
}

/// Both sides of a condition between the sides of the join that holds for NULLs.
fn null_key(condition: &Expr, join: &Join) -> PlanResult<Option<(Expr, Expr)>> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::IsNotDistinctFrom,
        right,
    }) = condition
    else {
        return Ok(None);
    };
    let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
    let Some((left, right)) = find_valid_equijoin_key_pair(left, right, left_schema, right_schema)? else {
        return Ok(None);
    };
    let data_type = left.get_type(left_schema)?;
    let is_key = data_type == right.get_type(right_schema)? && can_hash(&data_type);
    Ok(is_key.then_some((left, right)))
}
