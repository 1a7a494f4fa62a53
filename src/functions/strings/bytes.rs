//! bytea: lengths, slices, encodings and digests.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::functions::crypto;
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{Arguments, OverloadedFunction, delegate, invalid, kernel, rows};
use crate::error::{Error, Result, SqlState};
use crate::types::encoding::{self, Encoding};

/// A number's digits in another base; a negative one's are those of its two's complement.
macro_rules! in_base {
    ($format:literal) => {
        vec![
            kernel("(int4) text", |args| {
                let numbers = args.int4(0)?;
                args.build_text(|row, out| Ok(numbers.get(row).map(|number| *out = format!($format, number)).is_some()))
            }),
            kernel("(int8) text", |args| {
                let numbers = args.int8(0)?;
                args.build_text(|row, out| Ok(numbers.get(row).map(|number| *out = format!($format, number)).is_some()))
            }),
        ]
    };
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "md5",
            vec![
                delegate("(text) text", crypto::md5()),
                delegate("(bytea) text", crypto::md5()),
            ],
        ),
        immutable("sha224", vec![delegate("(bytea) bytea", crypto::sha224())]),
        immutable("sha256", vec![delegate("(bytea) bytea", crypto::sha256())]),
        immutable("sha384", vec![delegate("(bytea) bytea", crypto::sha384())]),
        immutable("sha512", vec![delegate("(bytea) bytea", crypto::sha512())]),
        immutable(
            "encode",
            vec![rows("(bytea, text) text", |_, row| match row {
                [Datum::Bytes(bytes), Datum::Text(format)] => encoded(bytes, format).map(Datum::from),
                _ => Ok(Datum::Null),
            })],
        ),
        immutable(
            "decode",
            vec![rows("(text, text) bytea", |_, row| match row {
                [Datum::Text(text), Datum::Text(format)] => decoded(text, format).map(Datum::Bytes),
                _ => Ok(Datum::Null),
            })],
        ),
        immutable(
            "byteacat",
            vec![rows("(bytea, bytea) bytea", |_, row| match row {
                [Datum::Bytes(left), Datum::Bytes(right)] => Ok(Datum::Bytes([left.as_slice(), right].concat())),
                _ => Ok(Datum::Null),
            })],
        ),
        immutable(
            "get_byte",
            vec![rows("(bytea, int4) int4", |_, row| match row {
                [Datum::Bytes(bytes), Datum::Int(index)] => {
                    let byte = usize::try_from(*index).ok().and_then(|index| bytes.get(index));
                    byte.map(|byte| Datum::Int(i64::from(*byte)))
                        .ok_or_else(|| outside(*index, bytes.len()))
                }
                _ => Ok(Datum::Null),
            })],
        ),
        immutable(
            "set_byte",
            vec![rows("(bytea, int4, int4) bytea", |_, row| match row {
                [Datum::Bytes(bytes), Datum::Int(index), Datum::Int(value)] => {
                    let mut bytes = bytes.clone();
                    let length = bytes.len();
                    let byte = usize::try_from(*index).ok().and_then(|index| bytes.get_mut(index));
                    *byte.ok_or_else(|| outside(*index, length))? = *value as u8;
                    Ok(Datum::Bytes(bytes))
                }
                _ => Ok(Datum::Null),
            })],
        ),
        immutable(
            "convert_from",
            vec![rows("(bytea, text) text", |_, row| match row {
                [Datum::Bytes(bytes), Datum::Text(encoding)] => {
                    convert_from(bytes, encoding, "source").map(Datum::from)
                }
                _ => Ok(Datum::Null),
            })],
        ),
        immutable(
            "convert_to",
            vec![rows("(text, text) bytea", |_, row| match row {
                [Datum::Text(text), Datum::Text(encoding)] => convert_to(text, encoding).map(Datum::Bytes),
                _ => Ok(Datum::Null),
            })],
        ),
        immutable(
            "convert",
            vec![rows("(bytea, text, text) bytea", |_, row| match row {
                [Datum::Bytes(bytes), Datum::Text(source), Datum::Text(target)] => {
                    convert_to(&convert_from(bytes, source, "source")?, target).map(Datum::Bytes)
                }
                _ => Ok(Datum::Null),
            })],
        ),
        immutable("to_hex", in_base!("{:x}")),
        immutable("to_oct", in_base!("{:o}")),
        immutable("to_bin", in_base!("{:b}")),
    ]
}

/// `overlay(whole, part, start [, length])`; the length is the part's.
pub(super) fn overlay(row: &[Datum]) -> Result<Datum> {
    let (whole, part, start, length) = match row {
        [Datum::Bytes(whole), Datum::Bytes(part), Datum::Int(start)] => (whole, part, *start, part.len() as i64),
        [
            Datum::Bytes(whole),
            Datum::Bytes(part),
            Datum::Int(start),
            Datum::Int(length),
        ] => (whole, part, *start, *length),
        _ => return Ok(Datum::Null),
    };
    // Both are integers of 32 bits, as the function is declared and as values are long.
    let (begin, end) = super::pieces::overlaid(start as i32, length as i32)?;
    let (begin, end) = (begin.min(whole.len()), end.min(whole.len()));
    Ok(Datum::Bytes([&whole[..begin], part, &whole[end..]].concat()))
}

fn binaries<'a>(args: &'a Arguments<'_>) -> Result<&'a BinaryArray> {
    let array = args.array(0).as_binary_opt::<i32>();
    array.ok_or_else(|| Error::internal("bytea was expected"))
}

pub(super) fn length(args: &Arguments<'_>) -> Result<ArrayRef> {
    let bytes = binaries(args)?;
    args.build::<Int32Type>(|row| {
        let row = args.row_of(0, row);
        Ok(bytes.is_valid(row).then(|| bytes.value(row).len() as i32))
    })
}

pub(super) fn bit_length(args: &Arguments<'_>) -> Result<ArrayRef> {
    let bytes = binaries(args)?;
    args.build::<Int32Type>(|row| {
        let row = args.row_of(0, row);
        Ok(bytes.is_valid(row).then(|| bytes.value(row).len() as i32 * 8))
    })
}

fn outside(index: i64, length: usize) -> Error {
    let last = length as i64 - 1;
    Error::new(
        SqlState::ArraySubscriptError,
        format!("index {index} out of valid range, 0..{last}"),
    )
}

fn convert_from(bytes: &[u8], encoding: &str, side: &str) -> Result<String> {
    match conversion(encoding, side)? {
        Some(encoding) => encoding.decode(bytes),
        None => crate::types::parse::utf8(bytes).map(str::to_string),
    }
}

fn convert_to(text: &str, encoding: &str) -> Result<Vec<u8>> {
    match conversion(encoding, "destination")? {
        Some(encoding) => {
            let mut bytes = vec![];
            encoding.encode(text, &mut bytes)?;
            Ok(bytes)
        }
        None => Ok(text.as_bytes().to_vec()),
    }
}

fn conversion(name: &str, side: &str) -> Result<Option<&'static Encoding>> {
    let named = encoding::named(name);
    named
        .ok_or_else(|| invalid(format!("invalid {side} encoding name \"{name}\"")))?
        .conversion()
}

fn encoded(bytes: &[u8], format: &str) -> Result<String> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        // Lines of 76 characters, as MIME has them.
        "base64" => {
            let text = STANDARD.encode(bytes);
            let lines: Vec<&str> = (0..text.len())
                .step_by(76)
                .map(|start| &text[start..text.len().min(start + 76)])
                .collect();
            Ok(lines.join("\n"))
        }
        "escape" => {
            let mut out = String::new();
            for byte in bytes {
                match byte {
                    b'\\' => out.push_str("\\\\"),
                    0 | 128.. => out.push_str(&format!("\\{byte:03o}")),
                    byte => out.push(char::from(*byte)),
                }
            }
            Ok(out)
        }
        _ => Err(invalid(format!("unrecognized encoding: \"{format}\""))),
    }
}

fn decoded(text: &str, format: &str) -> Result<Vec<u8>> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => {
            let mut digits = vec![];
            for character in text.chars().filter(|character| !character.is_whitespace()) {
                let digit = character.to_digit(16);
                digits.push(digit.ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{character}\"")))? as u8);
            }
            if digits.len() % 2 == 1 {
                return Err(invalid("invalid hexadecimal data: odd number of digits"));
            }
            Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        "base64" => {
            let plain: String = text.chars().filter(|character| !character.is_whitespace()).collect();
            STANDARD.decode(plain).map_err(|_| {
                invalid("invalid base64 end sequence")
                    .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted.")
            })
        }
        "escape" => crate::types::parse::parse_bytea(text),
        _ => Err(invalid(format!("unrecognized encoding: \"{format}\""))),
    }
}
