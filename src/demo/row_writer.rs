//! Rows → a record batch, value by value in the order of the columns.

use std::fmt::{Display, Write};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Date32Builder, Decimal128Builder, Int32Builder, Int64Builder, StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::types::SqlType;

/// Builders for one batch, and the column that comes next. A value of another kind than its column's
/// leaves the row short, which `finish` reports.
pub(super) struct RowWriter {
    schema: SchemaRef,
    columns: Vec<Column>,
    next: usize,
    buffer: String,
}

enum Column {
    Int4(Int32Builder),
    Int8(Int64Builder),
    Numeric(Decimal128Builder),
    Date(Date32Builder),
    Text(StringViewBuilder),
}

impl RowWriter {
    pub(super) fn new(columns: &[(&str, &str)]) -> Result<RowWriter> {
        let mut fields = vec![];
        let mut builders = vec![];
        for (name, sql_type) in columns {
            let field = sql_type.parse::<SqlType>()?.to_field(*name, false);
            builders.push(Column::of(field.data_type())?);
            fields.push(field);
        }
        Ok(RowWriter {
            schema: Arc::new(Schema::new(fields)),
            columns: builders,
            next: 0,
            buffer: String::new(),
        })
    }

    fn column(&mut self) -> Option<&mut Column> {
        let index = self.next;
        self.next = (self.next + 1) % self.columns.len().max(1);
        self.columns.get_mut(index)
    }

    pub(super) fn int4(&mut self, value: i64) {
        // Region, nation and size never leave the range.
        if let Some(Column::Int4(builder)) = self.column() {
            builder.append_value(value as i32);
        }
    }

    pub(super) fn int8(&mut self, value: i64) {
        if let Some(Column::Int8(builder)) = self.column() {
            builder.append_value(value);
        }
    }

    /// A numeric in units of its last digit.
    pub(super) fn numeric(&mut self, unscaled: i64) {
        if let Some(Column::Numeric(builder)) = self.column() {
            builder.append_value(i128::from(unscaled));
        }
    }

    /// Days since 1970.
    pub(super) fn date(&mut self, days: i32) {
        if let Some(Column::Date(builder)) = self.column() {
            builder.append_value(days);
        }
    }

    pub(super) fn text(&mut self, value: &str) {
        if let Some(Column::Text(builder)) = self.column() {
            builder.append_value(value);
        }
    }

    pub(super) fn display(&mut self, value: &dyn Display) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        // Writing to a String cannot fail.
        let _ = write!(buffer, "{value}");
        self.text(&buffer);
        self.buffer = buffer;
    }

    /// The rows so far as a batch; the writer starts anew.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self.columns.iter_mut().map(Column::finish).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

impl Column {
    fn of(data_type: &DataType) -> Result<Column> {
        Ok(match data_type {
            DataType::Int32 => Column::Int4(Int32Builder::new()),
            DataType::Int64 => Column::Int8(Int64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                Column::Numeric(Decimal128Builder::new().with_precision_and_scale(*precision, *scale)?)
            }
            DataType::Date32 => Column::Date(Date32Builder::new()),
            DataType::Utf8View => Column::Text(StringViewBuilder::new()),
            other => {
                return Err(Error::internal(format!(
                    "the sample data has no column of type {other}"
                )));
            }
        })
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Int4(builder) => Arc::new(builder.finish()),
            Column::Int8(builder) => Arc::new(builder.finish()),
            Column::Numeric(builder) => Arc::new(builder.finish()),
            Column::Date(builder) => Arc::new(builder.finish()),
            Column::Text(builder) => Arc::new(builder.finish()),
        }
    }
}
