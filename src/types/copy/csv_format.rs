//! The csv format: quoted fields, a quote escaped inside, and NULL as an unquoted word.

use bytes::{BufMut, BytesMut};

use super::CopyOptions;
use super::columns::Columns;
use crate::error::Result;

/// Decodes one record into a row.
pub(super) fn decode_line(columns: &mut Columns, options: &CopyOptions, line: &str, number: u64) -> Result<()> {
    let mut rest = Some(line);
    let mut unquoted = String::new();
    if columns.len() == 0 {
        return match line.is_empty() {
            true => Ok(()),
            false => Err(columns.bad_line("extra data after last expected column", number, line)),
        };
    }
    for column in 0..columns.len() {
        let Some(remaining) = rest else {
            let message = format!("missing data for column \"{}\"", columns.name(column));
            return Err(columns.bad_line(message, number, line));
        };
        let Some(field) = read_field(remaining, options, &mut unquoted) else {
            return Err(columns.bad_line("unterminated CSV quoted field", number, line));
        };
        rest = remaining.get(field.length + 1..);
        let name = columns.name(column);
        let may_be_null = match field.quoted {
            true => options.force_null.has(name),
            false => !options.force_not_null.has(name),
        };
        let value = Some(field.value).filter(|value| !may_be_null || *value != options.null);
        columns.append_text(column, value, number)?;
    }
    match rest {
        None => Ok(()),
        Some(_) => Err(columns.bad_line("extra data after last expected column", number, line)),
    }
}

/// The values of a record, whatever the columns are. `None` when a quote is not closed.
pub(super) fn values(options: &CopyOptions, line: &str) -> Option<Vec<Option<String>>> {
    let mut values = vec![];
    let mut unquoted = String::new();
    let mut rest = Some(line);
    while let Some(remaining) = rest {
        let field = read_field(remaining, options, &mut unquoted)?;
        rest = remaining.get(field.length + 1..);
        let is_null = !field.quoted && field.value == options.null;
        values.push((!is_null).then(|| field.value.to_string()));
    }
    Some(values)
}

struct CsvField<'a> {
    value: &'a str,
    /// Its length in the input.
    length: usize,
    /// Whether any of it was.
    quoted: bool,
}

/// Reads a field, through `unquoted` if need be. `None` when a quote is not closed.
fn read_field<'a>(text: &'a str, options: &CopyOptions, unquoted: &'a mut String) -> Option<CsvField<'a>> {
    let is_special = |byte| byte == options.delimiter || byte == options.quote;
    let plain_from = |start: usize| {
        let plain = text.as_bytes()[start..].iter().position(|byte| is_special(*byte));
        plain.map_or(text.len(), |plain| start + plain)
    };
    let mut length = plain_from(0);
    let is_quote = |position| text.as_bytes().get(position) == Some(&options.quote);
    if !is_quote(length) {
        return Some(CsvField {
            value: &text[..length],
            length,
            quoted: false,
        });
    }
    unquoted.clear();
    unquoted.push_str(&text[..length]);
    while is_quote(length) {
        let start = read_quoted(text, length + 1, options, unquoted)?;
        length = plain_from(start);
        unquoted.push_str(&text[start..length]);
    }
    Some(CsvField {
        value: unquoted,
        length,
        quoted: true,
    })
}

/// From behind an opening quote to behind the closing one.
fn read_quoted(text: &str, start: usize, options: &CopyOptions, value: &mut String) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut taken, mut position) = (start, start);
    loop {
        let byte = *bytes.get(position)?;
        let is_escaping = byte == options.escape
            && matches!(bytes.get(position + 1), Some(next) if *next == options.escape || *next == options.quote);
        if is_escaping {
            value.push_str(&text[taken..position]);
            taken = position + 1;
            position += 2;
        } else if byte == options.quote {
            value.push_str(&text[taken..position]);
            return Some(position + 1);
        } else {
            position += 1;
        }
    }
}

/// Quotes what was appended since `start`, where it would otherwise be read as something else.
pub(super) fn quote_from(start: usize, options: &CopyOptions, forced: bool, single_column: bool, out: &mut BytesMut) {
    let value = &out[start..];
    let special = |byte: &u8| *byte == options.delimiter || *byte == options.quote || matches!(byte, b'\n' | b'\r');
    // `\.` alone on a line would end the data.
    let needs_quotes =
        forced || value == options.null.as_bytes() || (single_column && value == b"\\.") || value.iter().any(special);
    if !needs_quotes {
        return;
    }
    let plain = value.to_vec();
    out.truncate(start);
    out.put_u8(options.quote);
    for byte in plain {
        if byte == options.quote || byte == options.escape {
            out.put_u8(options.escape);
        }
        out.put_u8(byte);
    }
    out.put_u8(options.quote);
}
