//! The NOT NULL check of INSERT and UPDATE, with PostgreSQL's message.

use bytes::BytesMut;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::format::FormatSettings;
use crate::types::text::write_text;
use crate::types::values::Column;

/// Fails with 23502 for the first row that has NULL in a column of `table` that refuses it. The batch
/// has the table's columns in order.
pub fn check_not_null(batch: &RecordBatch, table: &SchemaRef, relation: &str, settings: &FormatSettings) -> Result<()> {
    let mut first: Option<(usize, usize)> = None;
    for (column, _) in table
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| !field.is_nullable())
    {
        let Some(array) = batch.columns().get(column) else {
            continue;
        };
        let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) else {
            continue;
        };
        if let Some(row) = (0..array.len()).find(|row| nulls.is_null(*row))
            && first.is_none_or(|(earliest, _)| row < earliest)
        {
            first = Some((row, column));
        }
    }
    let Some((row, column)) = first else { return Ok(()) };
    let name = table.field(column).name();
    let message = format!("null value in column \"{name}\" of relation \"{relation}\" violates not-null constraint");
    let error = Error::new(SqlState::NotNullViolation, message).in_column(name);
    Err(error.with_detail(failing_row(batch, table, row, settings)?))
}

/// The DETAIL that shows a row: its values with commas between; long ones are cut.
pub fn failing_row(batch: &RecordBatch, table: &SchemaRef, row: usize, settings: &FormatSettings) -> Result<String> {
    const MAX_SHOWN: usize = 64;
    let mut shown = Vec::with_capacity(batch.num_columns());
    for (array, field) in batch.columns().iter().zip(table.fields()) {
        let column = Column::new(&array.slice(row, 1), &SqlType::from_field(field))?;
        if column.is_null(0) {
            shown.push("null".to_string());
            continue;
        }
        let mut out = BytesMut::new();
        write_text(&column.values, 0, settings, &mut out);
        let text = String::from_utf8_lossy(&out);
        shown.push(match text.len() <= MAX_SHOWN {
            true => text.into_owned(),
            false => format!("{}...", &text[..text.floor_char_boundary(MAX_SHOWN)]),
        });
    }
    Ok(format!("Failing row contains ({}).", shown.join(", ")))
}
