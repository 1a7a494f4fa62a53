//! The text format: fields between delimiters, backslash escapes, `\N` for NULL.

use bytes::{BufMut, BytesMut};

use super::CopyOptions;
use super::columns::Columns;
use crate::error::Result;
use crate::types::parse::utf8;

/// Decodes one line into a row.
pub(super) fn decode_line(columns: &mut Columns, options: &CopyOptions, line: &str, number: u64) -> Result<()> {
    let mut rest = Some(line);
    let mut unescaped = Vec::new();
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
        let (raw, escaped) = split_field(remaining, options.delimiter);
        rest = remaining.get(raw.len() + 1..);
        let value = match escaped {
            _ if raw == options.null => None,
            false => Some(raw),
            true => {
                unescape(raw.as_bytes(), &mut unescaped);
                Some(utf8(&unescaped).map_err(|error| columns.at_line(error, number))?)
            }
        };
        columns.append_text(column, value, number)?;
    }
    match rest {
        None => Ok(()),
        Some(_) => Err(columns.bad_line("extra data after last expected column", number, line)),
    }
}

/// The values of a line, whatever the columns are.
pub(super) fn values(options: &CopyOptions, line: &str) -> Option<Vec<Option<String>>> {
    let mut values = vec![];
    let mut unescaped = Vec::new();
    let mut rest = Some(line);
    while let Some(remaining) = rest {
        let (raw, _) = split_field(remaining, options.delimiter);
        rest = remaining.get(raw.len() + 1..);
        unescape(raw.as_bytes(), &mut unescaped);
        values.push((raw != options.null).then(|| String::from_utf8_lossy(&unescaped).into_owned()));
    }
    Some(values)
}

/// The field up to a delimiter that no backslash protects, and whether it has a backslash.
fn split_field(text: &str, delimiter: u8) -> (&str, bool) {
    let (mut position, mut escaped) = (0, false);
    while let Some(byte) = text.as_bytes().get(position) {
        if *byte == delimiter {
            return (&text[..position], escaped);
        }
        if *byte == b'\\' {
            escaped = true;
            position += 1;
        }
        position += 1;
    }
    (text, escaped)
}

fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let octal = |digit: &u8| (b'0'..=b'7').contains(digit).then(|| digit - b'0');
    let hex = |digit: &u8| char::from(*digit).to_digit(16).map(|digit| digit as u8);
    let mut rest = raw;
    loop {
        rest = match rest {
            [] => return,
            [b'\\', first @ b'0'..=b'7', rest @ ..] => {
                let (mut value, mut rest) = (first - b'0', rest);
                for _ in 0..2 {
                    let Some(digit) = rest.first().and_then(octal) else {
                        break;
                    };
                    value = value.wrapping_shl(3) | digit;
                    rest = &rest[1..];
                }
                out.push(value);
                rest
            }
            [b'\\', b'x', digit, rest @ ..] if digit.is_ascii_hexdigit() => {
                let (mut value, mut rest) = (hex(digit).unwrap_or(0), rest);
                if let Some(digit) = rest.first().and_then(hex) {
                    value = value << 4 | digit;
                    rest = &rest[1..];
                }
                out.push(value);
                rest
            }
            [b'\\', letter, rest @ ..] => {
                out.push(match letter {
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 0x0b,
                    other => *other,
                });
                rest
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

/// Escapes what was appended since `start`.
pub(super) fn escape_from(start: usize, delimiter: u8, out: &mut BytesMut) {
    let special = |byte: &u8| matches!(byte, b'\\' | 0x08 | 0x0c | b'\n' | b'\r' | b'\t' | 0x0b) || *byte == delimiter;
    if !out[start..].iter().any(special) {
        return;
    }
    let plain = out[start..].to_vec();
    out.truncate(start);
    for byte in plain {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            other if other == b'\\' || other == delimiter => other,
            other => {
                out.put_u8(other);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}
