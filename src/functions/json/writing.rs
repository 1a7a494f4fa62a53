//! SQL values as JSON: numbers and truth values as they are, times in ISO 8601, json inside json, all else as a string.

use bytes::BytesMut;
use datafusion::arrow::array::ArrayRef;

use crate::error::Result;
use crate::types::format::DateStyle;
use crate::types::json::{canonical, write_string};
use crate::types::text::write_text;
use crate::types::values::{Column, ColumnValues};
use crate::types::{FormatSettings, SqlType};

/// json keeps the spelling that PostgreSQL's json functions write; jsonb has one spelling only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonStyle {
    Json,
    Jsonb,
}

impl JsonStyle {
    /// The text as this type keeps it.
    pub fn finish(self, text: String) -> Result<String> {
        match self {
            JsonStyle::Json => Ok(text),
            JsonStyle::Jsonb => canonical(&text),
        }
    }
}

/// One column whose values are written as JSON.
pub(crate) struct ValueWriter {
    column: Column,
    sql_type: SqlType,
    settings: FormatSettings,
    scratch: BytesMut,
}

impl ValueWriter {
    pub fn new(array: &ArrayRef, sql_type: &SqlType, settings: FormatSettings) -> Result<ValueWriter> {
        Ok(ValueWriter {
            column: Column::new(array, sql_type)?,
            sql_type: sql_type.clone(),
            // Dates are in the standard's form, whatever the session shows.
            settings: FormatSettings {
                date_style: DateStyle::default(),
                ..settings
            },
            scratch: BytesMut::new(),
        })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.column.is_null(row) || matches!(self.column.values, ColumnValues::Null)
    }

    /// Appends a row's value.
    pub fn write(&mut self, row: usize, out: &mut String) {
        write_value(
            &self.column,
            row,
            &self.sql_type,
            &self.settings,
            &mut self.scratch,
            out,
        );
    }

    /// A row's value as a key: its text.
    pub fn key(&mut self, row: usize) -> String {
        if let ColumnValues::Bool(values) = &self.column.values {
            return values.value(row).to_string();
        }
        self.scratch.clear();
        write_text(&self.column.values, row, &self.settings, &mut self.scratch);
        String::from_utf8_lossy(&self.scratch).into_owned()
    }
}

fn write_value(
    column: &Column,
    row: usize,
    sql_type: &SqlType,
    settings: &FormatSettings,
    scratch: &mut BytesMut,
    out: &mut String,
) {
    if column.is_null(row) || matches!(column.values, ColumnValues::Null) {
        return out.push_str("null");
    }
    match &column.values {
        ColumnValues::Bool(array) => return out.push_str(if array.value(row) { "true" } else { "false" }),
        ColumnValues::List(list) => {
            let (begin, end) = list.ranges[row];
            out.push('[');
            for element in begin..end {
                if element > begin {
                    out.push(',');
                }
                write_value(&list.elements, element, &list.element_type, settings, scratch, out);
            }
            return out.push(']');
        }
        ColumnValues::Struct(fields) | ColumnValues::Record(fields) => {
            out.push('{');
            for (index, (name, field)) in fields.names.iter().zip(&fields.columns).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write_value(field, row, &fields.types[index], settings, scratch, out);
            }
            return out.push('}');
        }
        _ => {}
    }
    scratch.clear();
    write_text(&column.values, row, settings, scratch);
    let text = String::from_utf8_lossy(scratch);
    match sql_type {
        SqlType::Json | SqlType::Jsonb => out.push_str(&text),
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Numeric(_) => out.push_str(&text),
        SqlType::Float4 | SqlType::Float8 if !text.contains(['N', 'I']) => out.push_str(&text),
        SqlType::Timestamp(_) | SqlType::Timestamptz(_) if !text.contains("infinity") => {
            write_string(&iso_zone(&text.replacen(' ', "T", 1)), out);
        }
        _ => write_string(&text, out),
    }
}

/// Hours of a zone get minutes: `+00` is written `+00:00`.
fn iso_zone(text: &str) -> String {
    let has_short_zone = text.len() > 3
        && text.is_char_boundary(text.len() - 3)
        && text.contains('T')
        && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-')
        && text.matches(':').count() == 2;
    match has_short_zone {
        true => format!("{text}:00"),
        false => text.to_string(),
    }
}
