//! Rows of composite types in queries: what a record becomes in a cast to one, and what NULL means for rows.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::meaning::of_expression;
use crate::error::{Error, SqlState};
use crate::functions::{ROW_VALUE, as_composite, composite_of, row_is_not_null, row_is_null};
use crate::types::{CompositeType, FormatSettings, SqlType};

/// A record as a row of a composite type: each field of `ROW(…)` is cast by itself, so that literals are read as what
/// the field is.
pub(super) fn of_record(
    record: Expr,
    composite: &Arc<CompositeType>,
    field: &Field,
    schema: &DFSchema,
    settings: &FormatSettings,
) -> PlanResult<Transformed<Expr>> {
    let target = SqlType::Composite(Arc::clone(composite));
    let DataType::Struct(fields) = field.data_type() else {
        return Err(Error::internal("a record without fields").into());
    };
    if fields.len() != composite.fields.len() {
        let message = format!("cannot cast type record to {target}");
        let detail = match fields.len() < composite.fields.len() {
            true => "Input has too few columns.",
            false => "Input has too many columns.",
        };
        return Err(Error::new(SqlState::CannotCoerce, message).with_detail(detail).into());
    }
    let row = match record {
        Expr::ScalarFunction(row) if row.func.name() == ROW_VALUE => row,
        other => return Ok(Transformed::yes(as_composite(other, composite))),
    };
    let mut arguments = row.args;
    for (value, field) in arguments.iter_mut().skip(2).step_by(2).zip(&composite.fields) {
        let target = Arc::new(field.sql_type.to_field("cast", true));
        let cast = Expr::Cast(Cast::new_from_field(Box::new(value.clone()), target));
        *value = of_expression(cast, schema, settings)?.data;
    }
    Ok(Transformed::yes(composite_of(arguments, composite)))
}

/// The type of what is cast: an array of records does not tell that its elements are some.
pub(super) fn source_of(field: &Field, target: &SqlType) -> SqlType {
    let is_of_rows = matches!(target, SqlType::Array(element) if matches!(**element, SqlType::Composite(_)));
    match (SqlType::from_field(field), field.data_type()) {
        (SqlType::Array(element), DataType::List(item))
            if is_of_rows && *element == SqlType::Json && matches!(item.data_type(), DataType::Struct(_)) =>
        {
            SqlType::Array(Box::new(SqlType::Record))
        }
        (source, _) => source,
    }
}

/// `row IS [NOT] NULL` goes by the fields.
pub(super) fn null_test(value: Expr, is_null: bool, schema: &DFSchema) -> Transformed<Expr> {
    let sql_type = value.to_field(schema).map(|(_, field)| SqlType::from_field(&field));
    match (sql_type, is_null) {
        (Ok(sql_type @ (SqlType::Composite(_) | SqlType::Record)), true) => {
            Transformed::yes(row_is_null(value, sql_type))
        }
        (Ok(sql_type @ (SqlType::Composite(_) | SqlType::Record)), false) => {
            Transformed::yes(row_is_not_null(value, sql_type))
        }
        (_, true) => Transformed::no(Expr::IsNull(Box::new(value))),
        (_, false) => Transformed::no(Expr::IsNotNull(Box::new(value))),
    }
}
