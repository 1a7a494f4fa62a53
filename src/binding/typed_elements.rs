//! Elements of a type that their layout does not tell: `jsonb_array_elements` gives jsonb and no text. The engine passes
//! on layouts alone.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Unnest};

use crate::error::Result;
use crate::functions::retyped;
use crate::types::SqlType;

/// The columns of unnested arrays with their types.
pub(super) fn of_unnest(unnest: Unnest) -> Result<LogicalPlan> {
    let input = unnest.input.schema();
    let element = |place: &usize| {
        let is_list = unnest.list_type_columns.iter().any(|(list, _)| list == place);
        match SqlType::from_field(input.fields().get(*place).filter(|_| is_list)?) {
            SqlType::Array(element) if element.is_named() => Some(*element),
            _ => None,
        }
    };
    let types: Vec<Option<SqlType>> = unnest.dependency_indices.iter().map(element).collect();
    typed(LogicalPlan::Unnest(unnest), types)
}

/// An element of an array with its type.
pub(super) fn of_subscript(expression: Expr, schema: &DFSchema) -> Expr {
    let element = match &expression {
        Expr::ScalarFunction(call) if call.func.name() == "array_element" => call
            .args
            .first()
            .and_then(|array| array.to_field(schema).ok())
            .map(|(_, field)| SqlType::from_field(&field)),
        _ => None,
    };
    match element {
        Some(SqlType::Array(element)) if matches!(*element, SqlType::Composite(_) | SqlType::Record) => {
            retyped(expression, *element)
        }
        _ => expression,
    }
}

fn typed(plan: LogicalPlan, types: Vec<Option<SqlType>>) -> Result<LogicalPlan> {
    if types.iter().all(Option::is_none) {
        return Ok(plan);
    }
    let columns = plan.schema().columns().into_iter().zip(types);
    let columns = columns.map(|(column, sql_type)| {
        let Column { relation, name, .. } = column.clone();
        match sql_type {
            Some(sql_type) => retyped(Expr::Column(column), sql_type).alias_qualified(relation, name),
            None => Expr::Column(column),
        }
    });
    let columns: Vec<Expr> = columns.collect();
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}

/// What `array_agg()` gathered: it is looked at only where that are arrays.
pub(super) fn of_gathered(mut call: ScalarFunction, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    let gathered = call
        .args
        .first()
        .map(|gathered| gathered.get_type(schema))
        .transpose()?;
    let are_arrays =
        matches!(gathered, Some(DataType::List(element)) if matches!(element.data_type(), DataType::List(_)));
    Ok(match call.args.pop() {
        Some(gathered) if !are_arrays => Transformed::yes(gathered),
        gathered => {
            call.args.extend(gathered);
            Transformed::no(Expr::ScalarFunction(call))
        }
    })
}
