//! Aggregates of `CASE WHEN condition THEN value END` as those of the value where the condition is met: no copy of the
//! value is made for each condition, and it may come in a compact type.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result as PlanResult;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{CaseExpr, Column, Literal};
use datafusion::physical_plan::PhysicalExpr;

use super::aggregate_shape::is_value;

/// What is aggregated, and the condition on it: the arguments, of which a count of rows has none, and the filter.
type Conditional = (Vec<Arc<dyn PhysicalExpr>>, Arc<dyn PhysicalExpr>);

/// The value and the condition of an aggregate that leaves nulls out; `None` for any other.
pub fn conditional(
    function: &AggregateFunctionExpr,
    arguments: &[Arc<dyn PhysicalExpr>],
    source: &Schema,
) -> PlanResult<Option<Conditional>> {
    let name = function.fun().name();
    let [argument] = arguments else { return Ok(None) };
    let Some(case) = argument.downcast_ref::<CaseExpr>() else {
        return Ok(None);
    };
    let [(condition, value)] = case.when_then_expr() else {
        return Ok(None);
    };
    // Where the condition is not met nothing else may be computed: it could fail.
    let is_covered = matches!(name, "sum" | "count" | "min" | "max")
        && !function.is_distinct()
        && case.expr().is_none()
        && case.else_expr().is_none_or(is_null)
        && (value.is::<Column>() || is_value(value))
        && value.data_type(source)? == case.data_type(source)?;
    let value = match name == "count" && is_value(value) {
        true => Vec::new(),
        false => vec![Arc::clone(value)],
    };
    Ok(is_covered.then(|| (value, Arc::clone(condition))))
}

fn is_null(expression: &Arc<dyn PhysicalExpr>) -> bool {
    let literal = expression.downcast_ref::<Literal>();
    literal.is_some_and(|literal| literal.value().is_null())
}
