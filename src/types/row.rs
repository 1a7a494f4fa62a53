//! Rows on the wire: a column encoder per output column, and whole batches as DataRow messages.
//! Arrays are downcast once per batch; writing a value allocates nothing.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::Array;
use datafusion::arrow::array::{ArrayRef, RecordBatch, make_array};

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::binary::write_binary;
use crate::types::format::{Format, FormatSettings};
use crate::types::text::write_text;
use crate::types::values::Column;

/// How the values of one output column are written.
#[derive(Debug, Clone)]
pub struct ColumnEncoder {
    sql_type: SqlType,
    format: Format,
    settings: FormatSettings,
}

/// An encoder with the values of one batch, ready to write any row.
pub struct BoundColumn<'a> {
    encoder: &'a ColumnEncoder,
    column: Column,
}

impl ColumnEncoder {
    pub fn new(sql_type: &SqlType, format: Format, settings: &FormatSettings) -> ColumnEncoder {
        ColumnEncoder {
            sql_type: sql_type.clone(),
            format,
            settings: settings.clone(),
        }
    }

    pub fn sql_type(&self) -> &SqlType {
        &self.sql_type
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Prepares a batch's array; do this once per batch.
    pub fn bind(&self, array: &ArrayRef) -> Result<BoundColumn<'_>> {
        Ok(BoundColumn {
            encoder: self,
            column: Column::new(array, &self.sql_type)?,
        })
    }

    /// Appends one value without its length; answers false and appends nothing for NULL. For many rows
    /// use `bind`.
    pub fn encode(&self, array: &dyn Array, row: usize, out: &mut BytesMut) -> Result<bool> {
        let bound = self.bind(&make_array(array.to_data().slice(row, 1)))?;
        if bound.is_null(0) {
            return Ok(false);
        }
        bound.write(0, out)?;
        Ok(true)
    }
}

impl BoundColumn<'_> {
    pub fn is_null(&self, row: usize) -> bool {
        self.column.is_null(row)
    }

    /// Appends the value without its length; it must not be NULL.
    pub fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        match self.encoder.format {
            Format::Text => write_text(&self.column.values, row, &self.encoder.settings, out),
            Format::Binary => write_binary(&self.column.values, row, &self.encoder.sql_type, out)?,
        }
        Ok(())
    }

    /// Appends the value with its length in front, -1 for NULL: the form of DataRow and of binary COPY.
    pub fn write_with_length(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let length_at = out.len();
        out.put_i32(0);
        self.write(row, out)?;
        set_length(length_at, out.len() - length_at - 4, out)
    }
}

/// Encodes batches as DataRow messages.
#[derive(Debug, Clone)]
pub struct RowEncoder {
    columns: Vec<ColumnEncoder>,
}

impl RowEncoder {
    /// One type and format per output column.
    pub fn new(columns: &[(SqlType, Format)], settings: &FormatSettings) -> RowEncoder {
        let columns = columns
            .iter()
            .map(|(sql_type, format)| ColumnEncoder::new(sql_type, *format, settings))
            .collect();
        RowEncoder { columns }
    }

    pub fn columns(&self) -> &[ColumnEncoder] {
        &self.columns
    }

    /// Prepares every column of a batch.
    pub fn bind(&self, batch: &RecordBatch) -> Result<Vec<BoundColumn<'_>>> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::internal(format!(
                "a batch of {} columns came where {} were described",
                batch.num_columns(),
                self.columns.len()
            )));
        }
        self.columns
            .iter()
            .zip(batch.columns())
            .map(|(encoder, array)| encoder.bind(array))
            .collect()
    }

    /// Appends a DataRow message for each row of the batch.
    pub fn encode(&self, batch: &RecordBatch, out: &mut BytesMut) -> Result<()> {
        self.encode_rows(batch, 0..batch.num_rows(), out)
    }

    /// Appends a DataRow message for each row of the range.
    pub fn encode_rows(&self, batch: &RecordBatch, rows: Range<usize>, out: &mut BytesMut) -> Result<()> {
        let columns = self.bind(batch)?;
        let count = columns.len() as u16;
        out.reserve(rows.len() * (7 + columns.len() * 12));
        for row in rows {
            out.put_u8(b'D');
            let length_at = out.len();
            out.put_i32(0);
            out.put_u16(count);
            for column in &columns {
                column.write_with_length(row, out)?;
            }
            set_length(length_at, out.len() - length_at, out)?;
        }
        Ok(())
    }
}

fn set_length(length_at: usize, length: usize, out: &mut BytesMut) -> Result<()> {
    let length = i32::try_from(length)
        .map_err(|_| Error::new(SqlState::ProgramLimitExceeded, "a value is too large for a message"))?;
    out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int32Array, StringViewArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn a_batch_becomes_data_rows() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int32, true),
            Field::new("b", DataType::Utf8View, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(vec![Some(7), None])),
            Arc::new(StringViewArray::from(vec![Some("x"), Some("")])),
        ];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let described = [(SqlType::Int4, Format::Binary), (SqlType::Text, Format::Text)];
        let mut out = BytesMut::new();
        RowEncoder::new(&described, &FormatSettings::default())
            .encode(&batch, &mut out)
            .unwrap();
        let first = b"D\0\0\0\x13\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x01x";
        let second = b"D\0\0\0\x0e\0\x02\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(&out[..], [&first[..], &second[..]].concat());
    }
}
