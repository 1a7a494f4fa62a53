//! `EXCEPT ALL` and `INTERSECT ALL` count duplicates: each row is numbered among its equals, so that the planner's joins
//! compare rows together with their number.

use std::sync::Arc;

use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Distinct, Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder};

use crate::error::Result;

const NUMBER: &str = "\u{1}number";

/// Whether the planner made this join of EXCEPT or INTERSECT.
pub(super) fn is_set_operation(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
}

/// The join of a set operation, with ALL over numbered rows.
pub(super) fn count_duplicates(join: Join) -> Result<LogicalPlan> {
    // Without ALL its left side is distinct.
    let is_distinct = |plan: &LogicalPlan| matches!(plan, LogicalPlan::Distinct(Distinct::All(_)));
    let without_casts = match join.left.as_ref() {
        LogicalPlan::Projection(projection) => projection.input.as_ref(),
        other => other,
    };
    if is_distinct(&join.left) || is_distinct(without_casts) {
        return Ok(LogicalPlan::Join(join));
    }
    let shown: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let (mut left_keys, mut right_keys): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
    let (left, left_number) = numbered(&join.left, left_keys.clone(), "left")?;
    let (right, right_number) = numbered(&join.right, right_keys.clone(), "right")?;
    left_keys.push(Expr::Column(left_number));
    right_keys.push(Expr::Column(right_number));
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        left_keys.into_iter().zip(right_keys).collect(),
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    Ok(LogicalPlanBuilder::from(LogicalPlan::Join(joined))
        .project(shown)?
        .build()?)
}

fn numbered(side: &LogicalPlan, keys: Vec<Expr>, name: &str) -> Result<(LogicalPlan, Column)> {
    let name = format!("{NUMBER}{name}");
    let number = row_number().partition_by(keys).build()?.alias(&name);
    let plan = LogicalPlanBuilder::from(side.clone()).window(vec![number])?.build()?;
    Ok((plan, Column::new_unqualified(name)))
}
