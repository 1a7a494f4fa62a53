//! Functions that print values of any type: concat(), concat_ws(), array_to_string(); and the way back.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::ArrayRef;
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::names::quote_literal;
use super::super::overload::{Arguments, OverloadedFunction, kernel, rows};
use crate::error::{Error, Result};
use crate::types::text::write_text;
use crate::types::values::{Column, ColumnValues, ListValues};
use crate::types::{FormatSettings, SqlType};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable("quote_literal", vec![kernel("(any) text", |args| quoted(args, None))]),
        immutable(
            "quote_nullable",
            vec![kernel("(any) text", |args| quoted(args, Some("NULL")))],
        ),
        immutable("concat", vec![kernel("(any, variadic any) text", concat)]),
        immutable("concat_ws", vec![kernel("(text, variadic any) text", concat_ws)]),
        immutable(
            "array_to_string",
            vec![
                kernel("(anyarray, text) text", array_to_string),
                kernel("(anyarray, text, text) text", array_to_string),
            ],
        ),
        immutable(
            "string_to_array",
            vec![
                rows("(text, text) text[]", |_, row| Ok(string_to_array(row))).called_on_null(),
                rows("(text, text, text) text[]", |_, row| Ok(string_to_array(row))).called_on_null(),
            ],
        ),
    ]
}

/// Arguments ready to be printed, with the settings they are printed with.
struct Printer {
    columns: Vec<(Column, bool)>,
    settings: FormatSettings,
    scratch: BytesMut,
}

impl Printer {
    fn new(args: &Arguments<'_>, first: usize) -> Result<Printer> {
        let columns = (first..args.len())
            .map(|index| {
                Ok((
                    Column::new(args.array(index), args.sql_type(index))?,
                    args.is_constant(index),
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Printer {
            columns,
            settings: args.settings(),
            scratch: BytesMut::new(),
        })
    }

    /// Appends a value's text; answers false for NULL.
    fn print(&mut self, index: usize, row: usize, out: &mut String) -> bool {
        let (column, is_constant) = &self.columns[index];
        let row = if *is_constant { 0 } else { row };
        if column.is_null(row) || matches!(column.values, ColumnValues::Null) {
            return false;
        }
        self.scratch.clear();
        write_text(&column.values, row, &self.settings, &mut self.scratch);
        out.push_str(&String::from_utf8_lossy(&self.scratch));
        true
    }
}

/// A value's text as a literal; `null` stands for NULL.
fn quoted(args: &Arguments<'_>, null: Option<&str>) -> Result<ArrayRef> {
    let mut printer = Printer::new(args, 0)?;
    let mut shown = String::new();
    args.build_text(|row, out| {
        shown.clear();
        if printer.print(0, row, &mut shown) {
            // The cast to text spells truth values out.
            let shown = match (args.sql_type(0), shown.as_str()) {
                (SqlType::Bool, "t") => "true",
                (SqlType::Bool, _) => "false",
                (_, shown) => shown,
            };
            out.push_str(&quote_literal(shown));
            return Ok(true);
        }
        out.push_str(null.unwrap_or_default());
        Ok(null.is_some())
    })
}

fn concat(args: &Arguments<'_>) -> Result<ArrayRef> {
    let mut printer = Printer::new(args, 0)?;
    args.build_text(|row, out| {
        for index in 0..printer.columns.len() {
            printer.print(index, row, out);
        }
        Ok(true)
    })
}

fn concat_ws(args: &Arguments<'_>) -> Result<ArrayRef> {
    let separators = args.texts(0)?;
    let mut printer = Printer::new(args, 1)?;
    args.build_text(|row, out| {
        let Some(separator) = separators.get(row) else {
            return Ok(false);
        };
        let mut is_first = true;
        for index in 0..printer.columns.len() {
            let length = out.len();
            if !is_first {
                out.push_str(separator);
            }
            match printer.print(index, row, out) {
                true => is_first = false,
                false => out.truncate(length),
            }
        }
        Ok(true)
    })
}

fn array_to_string(args: &Arguments<'_>) -> Result<ArrayRef> {
    let column = Column::new(args.array(0), args.sql_type(0))?;
    let separators = args.texts(1)?;
    let nulls = if args.len() > 2 { Some(args.texts(2)?) } else { None };
    let settings = args.settings();
    let mut scratch = BytesMut::new();
    args.build_text(|row, out| {
        let at = args.row_of(0, row);
        let (false, Some(separator)) = (column.is_null(at), separators.get(row)) else {
            return Ok(false);
        };
        let ColumnValues::List(list) = &column.values else {
            return Err(Error::internal("an array was expected"));
        };
        let null = nulls.as_ref().and_then(|nulls| nulls.get(row));
        let mut is_first = true;
        let mut print = |elements: &Column, element: usize| {
            let is_null = elements.is_null(element);
            if is_null && null.is_none() {
                return;
            }
            if !std::mem::take(&mut is_first) {
                out.push_str(separator);
            }
            if is_null {
                return out.push_str(null.unwrap_or_default());
            }
            scratch.clear();
            write_text(&elements.values, element, &settings, &mut scratch);
            out.push_str(&String::from_utf8_lossy(&scratch));
        };
        each_element(list, at, &mut print);
        Ok(true)
    })
}

/// The elements of all dimensions of a row's array, in their order.
fn each_element(list: &ListValues, row: usize, print: &mut impl FnMut(&Column, usize)) {
    let (begin, end) = list.ranges[row];
    for element in begin..end {
        match &list.elements.values {
            ColumnValues::List(inner) => each_element(inner, element, print),
            _ => print(&list.elements, element),
        }
    }
}

/// Parts between separators; each character without one. The third argument is read as NULL.
fn string_to_array(row: &[Datum]) -> Datum {
    let Some(text) = row.first().and_then(Datum::as_text) else {
        return Datum::Null;
    };
    let null = row.get(2).and_then(Datum::as_text);
    let part = |part: &str| match Some(part) == null {
        true => Datum::Null,
        false => Datum::text(part),
    };
    let parts = match row.get(1).and_then(Datum::as_text) {
        _ if text.is_empty() => vec![],
        None => text.chars().map(|character| part(&character.to_string())).collect(),
        Some("") => vec![part(text)],
        Some(separator) => text.split(separator).map(part).collect(),
    };
    Datum::List(parts)
}
