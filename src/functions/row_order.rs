//! What rows compare by: PostgreSQL compares them field by field, with NULL as the largest value of each, and the engine
//! has no such order. A text stands for each row whose bytes are in that order; and a row is NULL by its fields.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, ListArray, StringViewArray, StructArray,
};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Float32Type, Float64Type, IntervalMonthDayNanoType,
};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::enumerations::positions;
use super::intervals::interval_nanos;
use super::json::order_keys;
use crate::error::Result;
use crate::types::numeric::COMPUTED_NUMERIC;
use crate::types::{SqlType, row_columns};

/// What a function over rows gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    /// A text whose bytes compare as the rows do.
    Key,
    /// Whether all fields are NULL.
    IsNull,
    /// Whether no field is.
    IsNotNull,
}

/// What a row compares and sorts by.
pub fn row_key(rows: Expr, sql_type: SqlType) -> Expr {
    call(Task::Key, rows, sql_type)
}

/// `row IS NULL`.
pub fn row_is_null(rows: Expr, sql_type: SqlType) -> Expr {
    call(Task::IsNull, rows, sql_type)
}

/// `row IS NOT NULL`, which is not the contrary.
pub fn row_is_not_null(rows: Expr, sql_type: SqlType) -> Expr {
    call(Task::IsNotNull, rows, sql_type)
}

fn call(task: Task, rows: Expr, sql_type: SqlType) -> Expr {
    let function = RowTest {
        task,
        sql_type,
        signature: Signature::any(1, Volatility::Immutable),
    };
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![rows])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowTest {
    task: Task,
    sql_type: SqlType,
    signature: Signature,
}

impl RowTest {
    fn evaluate(&self, rows: &ArrayRef) -> Result<ArrayRef> {
        match self.task {
            Task::Key => keys(rows, &self.sql_type),
            Task::IsNull => Ok(Arc::new(tested(rows, &self.sql_type, true))),
            Task::IsNotNull => Ok(Arc::new(tested(rows, &self.sql_type, false))),
        }
    }
}

impl ScalarUDFImpl for RowTest {
    fn name(&self) -> &str {
        match self.task {
            Task::Key => "row_key",
            Task::IsNull => "row_is_null",
            Task::IsNotNull => "row_is_not_null",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(match self.task {
            Task::Key => DataType::Utf8View,
            Task::IsNull | Task::IsNotNull => DataType::Boolean,
        })
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let is_key = self.task == Task::Key;
        Ok(Arc::new(Field::new(self.name(), self.return_type(&[])?, is_key)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Ok(match &arguments.args[0] {
            ColumnarValue::Array(rows) => ColumnarValue::Array(self.evaluate(rows)?),
            ColumnarValue::Scalar(row) => {
                let value = self.evaluate(&row.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?)
            }
        })
    }
}

fn tested(rows: &ArrayRef, sql_type: &SqlType, is_null: bool) -> BooleanArray {
    let Some((columns, whole)) = row_columns(rows, sql_type) else {
        return BooleanArray::from(vec![is_null; rows.len()]);
    };
    let nulls: Vec<_> = columns.iter().map(|(column, _)| column.logical_nulls()).collect();
    let field_is_null = |place: usize, row: usize| nulls[place].as_ref().is_some_and(|nulls| nulls.is_null(row));
    let passes = (0..rows.len()).map(|row| match whole.is_null(row) {
        true => is_null,
        false => (0..nulls.len()).all(|place| field_is_null(place, row) == is_null),
    });
    BooleanArray::from(passes.collect::<Vec<bool>>())
}

fn keys(rows: &ArrayRef, sql_type: &SqlType) -> Result<ArrayRef> {
    if rows.data_type() == &DataType::Null {
        return Ok(datafusion::arrow::array::new_null_array(
            &DataType::Utf8View,
            rows.len(),
        ));
    }
    let comparable = comparable(rows, sql_type)?;
    // PostgreSQL sorts NULL behind all values.
    let options = SortOptions {
        descending: false,
        nulls_first: false,
    };
    let field = SortField::new_with_options(comparable.data_type().clone(), options);
    let keys = RowConverter::new(vec![field])?.convert_columns(std::slice::from_ref(&comparable))?;
    let keys = keys.iter().enumerate();
    let keys = keys.map(|(row, key)| comparable.is_valid(row).then(|| as_text(key.data())));
    Ok(Arc::new(keys.collect::<StringViewArray>()))
}

/// Two digits for each byte, in the order of the bytes: frames of windows and EXPLAIN know texts, and no bytes.
fn as_text(key: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = key.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.map(|digit| char::from(HEX[usize::from(digit)])).collect()
}

/// The values in a layout whose own order is PostgreSQL's.
fn comparable(values: &ArrayRef, sql_type: &SqlType) -> Result<ArrayRef> {
    if let Some((columns, rows)) = row_columns(values, sql_type) {
        let columns = columns.iter().map(|(column, sql_type)| comparable(column, sql_type));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let fields = columns.iter().enumerate();
        let fields: Fields = fields
            .map(|(place, column)| Field::new(format!("f{place}"), column.data_type().clone(), true))
            .collect();
        let rows = StructArray::try_new_with_length(fields, columns, rows.nulls().cloned(), values.len())?;
        return Ok(Arc::new(rows));
    }
    Ok(match sql_type {
        SqlType::Interval(_) => {
            let lengths = values.as_primitive::<IntervalMonthDayNanoType>().iter();
            Arc::new(
                lengths
                    .map(|interval| Some(interval_nanos(interval?)))
                    .collect::<Decimal128Array>(),
            )
        }
        // Rows of several types have numerics of several layouts.
        SqlType::Numeric(_) => {
            let layout = DataType::Decimal256(COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1);
            datafusion::arrow::compute::cast(values, &layout)?
        }
        SqlType::Jsonb => order_keys(values)?,
        SqlType::Enum(definition) => positions(definition, values)?,
        SqlType::Spelled(spelled) if !spelled.is_ordered_by_spelling() => {
            let texts = datafusion::arrow::compute::cast(values, &DataType::Utf8View)?;
            let keys = texts.as_string_view().iter().map(|text| {
                let mut key = vec![];
                text.map(|text| spelled.order_key(text, &mut key)).transpose()?;
                Ok(text.map(|_| as_text(&key)))
            });
            Arc::new(keys.collect::<Result<StringViewArray>>()?)
        }
        // Zero has two forms, and both are one value.
        SqlType::Float4 => Arc::new(
            values
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|value| value + 0.0),
        ),
        SqlType::Float8 => Arc::new(
            values
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|value| value + 0.0),
        ),
        SqlType::Array(element) => match values.as_list_opt::<i32>() {
            Some(list) => {
                let elements = comparable(list.values(), element)?;
                let field = Arc::new(Field::new("item", elements.data_type().clone(), true));
                let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
                Arc::new(ListArray::try_new(field, offsets, elements, nulls)?)
            }
            None => Arc::clone(values),
        },
        _ => Arc::clone(values),
    })
}
