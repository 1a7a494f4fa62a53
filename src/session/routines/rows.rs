//! The rows of a routine as columns: a result of their own, or a relation of the query that called it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, new_empty_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;

use crate::binding::WithRelation;
use crate::error::Result;
use crate::execution::outcome::{OutputColumn, RowSet, Rows, stream_of};
use crate::session::plpgsql::{DeclaredColumn, Given, null_of};
use crate::types::SqlType;

/// The most digits that the narrower of Arrow's decimals holds, and the wider one.
const NARROW: u8 = 38;
const WIDE: u8 = 76;

/// Rows that a client gets, in the columns that it was told of.
pub(super) fn row_set(given: Given, tag: &'static str) -> Result<RowSet> {
    let columns = given.columns.iter();
    let columns: Vec<OutputColumn> = columns
        .map(|(name, sql_type)| OutputColumn::new(name, sql_type.clone()))
        .collect();
    Ok(RowSet {
        columns: columns.into(),
        rows: Rows::Stream {
            stream: stream_of(batch(&given.columns, given.rows, false)?),
            fill: None,
        },
        tag,
    })
}

/// Rows as a relation with columns of these names; the last one numbers them if there is one more.
pub(super) fn relation(
    name: String,
    columns: &[DeclaredColumn],
    rows: Vec<Vec<ScalarValue>>,
    is_numbered: bool,
) -> Result<WithRelation> {
    let batch = batch(columns, rows, is_numbered)?;
    let rows = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    Ok(WithRelation {
        name,
        rows: Some(Arc::new(rows) as Arc<dyn TableProvider>),
    })
}

fn batch(columns: &[DeclaredColumn], rows: Vec<Vec<ScalarValue>>, is_numbered: bool) -> Result<RecordBatch> {
    let count = rows.len();
    let mut values: Vec<Vec<ScalarValue>> = columns.iter().map(|_| Vec::with_capacity(count)).collect();
    for row in rows {
        for (column, value) in values.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (vec![], vec![]);
    for (place, ((name, sql_type), values)) in columns.iter().zip(values).enumerate() {
        let array = match is_numbered && place + 1 == columns.len() {
            true => Arc::new(Int64Array::from_iter_values(1..=count as i64)) as ArrayRef,
            false => array(sql_type, values)?,
        };
        fields.push(sql_type.to_field(name, true).with_data_type(array.data_type().clone()));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn array(sql_type: &SqlType, values: Vec<ScalarValue>) -> Result<ArrayRef> {
    let layout = match sql_type {
        // Shown as text.
        SqlType::Void => DataType::Utf8View,
        SqlType::Numeric(None) => common_decimal(&values).unwrap_or_else(|| sql_type.to_arrow()),
        _ => sql_type.to_arrow(),
    };
    if values.is_empty() {
        return Ok(new_empty_array(&layout));
    }
    let values = values.into_iter().map(|value| match value {
        value if value.is_null() && *sql_type == SqlType::Void => Ok(ScalarValue::Utf8View(None)),
        value if value.is_null() && *sql_type != SqlType::Numeric(None) => null_of(sql_type),
        value if sql_type.to_arrow().is_decimal() && value.data_type() != layout => Ok(value.cast_to(&layout)?),
        value => Ok(value),
    });
    Ok(ScalarValue::iter_to_array(values.collect::<Result<Vec<_>>>()?)?)
}

/// The layout that holds numerics of several widths.
fn common_decimal(values: &[ScalarValue]) -> Option<DataType> {
    let widths = values
        .iter()
        .filter(|value| !value.is_null())
        .filter_map(|value| match value.data_type() {
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                Some((i16::from(precision) - i16::from(scale), scale))
            }
            _ => None,
        });
    let (whole, scale) = widths.reduce(|(whole, scale), (other, behind)| (whole.max(other), scale.max(behind)))?;
    let digits = whole + i16::from(scale);
    Some(match digits <= i16::from(NARROW) {
        true => DataType::Decimal128(u8::try_from(digits).unwrap_or(NARROW), scale),
        false => DataType::Decimal256(WIDE, scale),
    })
}
