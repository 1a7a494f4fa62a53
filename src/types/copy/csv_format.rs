//! The csv format: quoted fields, a quote escaped inside, and NULL as an unquoted word.

use bytes::{BufMut, BytesMut};

use super::CopyOptions;
use super::columns::Columns;
use crate::error::Result;
use crate::types::parse::utf8;

/// Decodes one record into a row.
pub(super) fn decode_line(columns: &mut Columns, options: &CopyOptions, line: &[u8], number: u64) -> Result<()> {
    let mut rest = Some(line);
    let mut value = Vec::new();
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
        let Some((length, quoted)) = read_field(remaining, options, &mut value) else {
            return Err(columns.bad_line("unterminated CSV quoted field", number, line));
        };
        rest = remaining.get(length + 1..).filter(|_| length < remaining.len());
        let name = columns.name(column);
        let may_be_null = match quoted {
            true => options.force_null.has(name),
            false => !options.force_not_null.has(name),
        };
        if may_be_null && value == options.null.as_bytes() {
            columns.append_text(column, None, number)?;
            continue;
        }
        let text = utf8(&value).map_err(|error| columns.at_line(error, number))?;
        columns.append_text(column, Some(text), number)?;
    }
    match rest {
        None => Ok(()),
        Some(_) => Err(columns.bad_line("extra data after last expected column", number, line)),
    }
}

/// Reads a field into `value`: its length in the input, and whether any of it was quoted. `None` when a
/// quote is not closed.
fn read_field(text: &[u8], options: &CopyOptions, value: &mut Vec<u8>) -> Option<(usize, bool)> {
    value.clear();
    let (mut position, mut quoted) = (0, false);
    loop {
        match text.get(position) {
            None => return Some((position, quoted)),
            Some(byte) if *byte == options.delimiter => return Some((position, quoted)),
            Some(byte) if *byte == options.quote => {
                quoted = true;
                position = read_quoted(text, position + 1, options, value)?;
            }
            Some(byte) => {
                value.push(*byte);
                position += 1;
            }
        }
    }
}

/// From behind an opening quote to behind the closing one.
fn read_quoted(text: &[u8], start: usize, options: &CopyOptions, value: &mut Vec<u8>) -> Option<usize> {
    let mut position = start;
    loop {
        let byte = *text.get(position)?;
        position += 1;
        if byte == options.escape
            && let Some(next) = text.get(position)
            && (*next == options.escape || *next == options.quote)
        {
            value.push(*next);
            position += 1;
        } else if byte == options.quote {
            return Some(position);
        } else {
            value.push(byte);
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
