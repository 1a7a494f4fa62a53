//! Rows as values: a record of named fields, and a field of it. Binding writes these calls for `ROW(…)`, `t` and
//! `(t).a`; no client names them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, SqlState};
use crate::types::{SqlType, TYPE_KEY};

/// `row_value(is there, name, value, name, value …)`: NULL where the row is not there.
pub const ROW_VALUE: &str = "row_value";
/// `row_field(record, name)`.
pub const ROW_FIELD: &str = "row_field";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let row = Row {
        signature: Signature::variadic_any(Volatility::Immutable),
    };
    let field = RowField {
        signature: Signature::any(2, Volatility::Immutable),
    };
    vec![
        Arc::new(ScalarUDF::new_from_impl(row)),
        Arc::new(ScalarUDF::new_from_impl(field)),
    ]
}

fn text(scalar: Option<&ScalarValue>) -> Option<&str> {
    match scalar? {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => text.as_deref(),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    signature: Signature,
}

impl ScalarUDFImpl for Row {
    fn name(&self) -> &str {
        ROW_VALUE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal("the fields of a row have names").into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let names = arguments.scalar_arguments.iter().skip(1).step_by(2);
        let values = arguments.arg_fields.iter().skip(2).step_by(2);
        let fields = names.zip(values).map(|(name, value)| {
            let name = text(*name).ok_or_else(|| Error::internal("a field of a row has no name"))?;
            Ok(Arc::new(value.as_ref().clone().with_name(name).with_nullable(true)))
        });
        let fields = fields.collect::<PlanResult<Vec<FieldRef>>>()?;
        Ok(Arc::new(record_field(ROW_VALUE, fields.into())))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let DataType::Struct(fields) = arguments.return_field.data_type() else {
            return Err(Error::internal("a row is no record").into());
        };
        let rows = arguments.number_rows;
        let there = match arguments.args.first() {
            Some(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true)))) => None,
            Some(there) => {
                let there = there.to_array(rows)?;
                let there = there.as_boolean();
                Some(NullBuffer::from_iter(there.iter().map(|there| there == Some(true))))
            }
            None => None,
        };
        let columns = arguments
            .args
            .iter()
            .skip(2)
            .step_by(2)
            .map(|value| value.to_array(rows));
        let columns = columns.collect::<PlanResult<Vec<ArrayRef>>>()?;
        let records = StructArray::try_new_with_length(fields.clone(), columns, there, rows)?;
        Ok(ColumnarValue::Array(Arc::new(records)))
    }
}

fn record_field(name: &str, fields: Fields) -> Field {
    let metadata = [(TYPE_KEY.to_string(), SqlType::Record.to_string())].into();
    Field::new(name, DataType::Struct(fields), true).with_metadata(metadata)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowField {
    signature: Signature,
}

impl ScalarUDFImpl for RowField {
    fn name(&self) -> &str {
        ROW_FIELD
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal("a field is known by its name").into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let name = text(arguments.scalar_arguments.get(1).copied().flatten()).unwrap_or_default();
        let record = arguments.arg_fields.first().map(|field| field.data_type());
        match record {
            Some(DataType::Struct(fields)) => match fields.find(name) {
                Some((_, field)) => Ok(Arc::new(field.as_ref().clone().with_nullable(true))),
                None => {
                    let message = format!("could not identify column \"{name}\" in record data type");
                    Err(Error::new(SqlState::UndefinedColumn, message).into())
                }
            },
            _ => {
                let found = arguments.arg_fields.first().map(|field| SqlType::from_field(field));
                let found = found.unwrap_or(SqlType::Unknown);
                let message = format!("column notation .{name} applied to type {found}, which is not a composite type");
                Err(Error::new(SqlState::WrongObjectType, message).into())
            }
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let record = arguments.args[0].to_array(arguments.number_rows)?;
        let record = record.as_struct();
        let name = match &arguments.args[1] {
            ColumnarValue::Scalar(name) => text(Some(name)).unwrap_or_default(),
            ColumnarValue::Array(_) => "",
        };
        let Some(column) = record.column_by_name(name) else {
            return Err(Error::internal("a record lost a field").into());
        };
        let nulls = NullBuffer::union(column.logical_nulls().as_ref(), record.nulls());
        let data = column.to_data().into_builder().nulls(nulls).build()?;
        Ok(ColumnarValue::Array(datafusion::arrow::array::make_array(data)))
    }
}
