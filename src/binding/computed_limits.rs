//! `LIMIT (SELECT …)` and `OFFSET (SELECT …)`: the engine's counts are known before a query runs, so these rows are numbered
//! and chosen by their numbers.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, ExprSchemable, Limit, LogicalPlan, LogicalPlanBuilder, Volatility, cast, lit,
};

use super::calls;
use crate::error::{Error, Result, SqlState};
use crate::functions::{WITHIN_LIMIT, is_unknown_literal, postgres_cast, scalar_functions};
use crate::types::SqlType;
use crate::types::coercion::shown;
use crate::types::format::FormatSettings;

const PLACE: &str = "\u{1}limited";

/// A count of rows as the bigint that it has to be.
pub(super) fn counted(count: Expr, clause: &str, settings: &FormatSettings) -> Result<Expr> {
    let Ok((_, field)) = count.to_field(&DFSchema::empty()) else {
        return Ok(count);
    };
    let source = SqlType::from_field(&field);
    match source {
        _ if is_unknown_literal(&count) || field.data_type().is_null() => Ok(count),
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => Ok(count),
        SqlType::Numeric(_) | SqlType::Float4 | SqlType::Float8 => Ok(postgres_cast(
            count,
            source,
            SqlType::Int8,
            settings,
            Volatility::Immutable,
        )),
        other => {
            let message = format!("argument of {clause} must be type bigint, not type {}", shown(&other));
            Err(Error::new(SqlState::DatatypeMismatch, message))
        }
    }
}

/// The rows that a limit keeps which asks a subquery; any other limit as it is.
pub(super) fn number_rows(limit: Limit) -> Result<LogicalPlan> {
    let asks = |count: &Option<Box<Expr>>| match count {
        Some(count) => count.exists(|part| Ok(matches!(part, Expr::ScalarSubquery(_)))),
        None => Ok(false),
    };
    if !asks(&limit.skip)? && !asks(&limit.fetch)? {
        return Ok(LogicalPlan::Limit(limit));
    }
    // Columns that only the order needs are taken away above the sort.
    let mut above = vec![];
    let mut plan = Arc::clone(&limit.input);
    let order = loop {
        plan = match plan.as_ref() {
            LogicalPlan::Sort(sort) => break Some(sort.clone()),
            LogicalPlan::Projection(projection) => {
                above.push(projection.expr.clone());
                Arc::clone(&projection.input)
            }
            _ => break None,
        };
    };
    let (input, number) = match order {
        Some(sort) => (sort.input, row_number().order_by(sort.expr).build()?),
        None => {
            above.clear();
            (limit.input, row_number())
        }
    };
    let kept: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    let mut plan = LogicalPlanBuilder::from(input).window(vec![number.alias(PLACE)])?;
    let place = || Expr::Column(Column::new_unqualified(PLACE));
    let count = |count: Option<Box<Expr>>| match count {
        Some(count) => cast(*count, DataType::Int64),
        None => lit(ScalarValue::Int64(None)),
    };
    let arguments = vec![cast(place(), DataType::Int64), count(limit.skip), count(limit.fetch)];
    let is_kept = within_limit(arguments, plan.schema())?;
    plan = plan
        .filter(is_kept)?
        .sort(vec![place().sort(true, false)])?
        .project(kept)?;
    for expressions in above.into_iter().rev() {
        plan = plan.project(expressions)?;
    }
    Ok(plan.build()?)
}

fn within_limit(args: Vec<Expr>, schema: &DFSchema) -> Result<Expr> {
    let func = scalar_functions()
        .iter()
        .find(|function| function.name() == WITHIN_LIMIT)
        .ok_or_else(|| Error::internal(format!("{WITHIN_LIMIT}() is missing")))?;
    let func = Arc::clone(func);
    Ok(calls::pin(ScalarFunction { func, args }, schema)?.data)
}
