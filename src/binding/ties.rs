//! `FETCH FIRST n ROWS WITH TIES`: the rows up to the n-th, and those that its order does not tell from it.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_window::expr_fn::{rank, row_number};
use datafusion::logical_expr::{Expr, ExprFunctionExt, Limit, LogicalPlan, LogicalPlanBuilder, cast, lit};

use crate::error::{Error, Result};
use crate::statement::WITH_TIES;

const RANK: &str = "\u{1}rank";
const NUMBER: &str = "\u{1}place";

/// The limit that counts rows of one rank as one; any other as it is.
pub(super) fn keep_ties(limit: Limit) -> Result<LogicalPlan> {
    let quantity = match limit.fetch.as_deref() {
        Some(Expr::ScalarFunction(call)) if call.func.name() == WITH_TIES => call.args.first().cloned(),
        _ => None,
    };
    let Some(quantity) = quantity else {
        return Ok(LogicalPlan::Limit(limit));
    };
    // Columns that only the order needs are taken away above the sort.
    let mut above = vec![];
    let mut plan = Arc::clone(&limit.input);
    let sort = loop {
        plan = match plan.as_ref() {
            LogicalPlan::Sort(sort) => break sort.clone(),
            LogicalPlan::Projection(projection) => {
                above.push(projection.expr.clone());
                Arc::clone(&projection.input)
            }
            _ => return Err(Error::syntax("WITH TIES cannot be specified without ORDER BY clause")),
        };
    };
    let skipped = limit
        .skip
        .map_or_else(|| lit(0_i64), |skip| cast(*skip, DataType::Int64));
    let last = cast(quantity, DataType::Int64) + skipped.clone();
    let in_order =
        |function: Expr, name: &str| -> Result<Expr> { Ok(function.order_by(sort.expr.clone()).build()?.alias(name)) };
    let counted = |name: &str| {
        cast(
            Expr::Column(datafusion::common::Column::new_unqualified(name)),
            DataType::Int64,
        )
    };
    let kept: Vec<Expr> = sort.input.schema().columns().into_iter().map(Expr::Column).collect();
    let mut ranked = LogicalPlanBuilder::from(Arc::clone(&sort.input))
        .window(vec![in_order(rank(), RANK)?, in_order(row_number(), NUMBER)?])?
        .filter(counted(RANK).lt_eq(last).and(counted(NUMBER).gt(skipped)))?
        .sort(sort.expr)?
        .project(kept)?;
    for expressions in above.into_iter().rev() {
        ranked = ranked.project(expressions)?;
    }
    Ok(ranked.build()?)
}
