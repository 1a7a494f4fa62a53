//! Unicode in text: normal forms, and the escapes of unistr().

use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use unicode_normalization::UnicodeNormalization;

use super::super::datum::Datum;
use super::super::overload::{OverloadedFunction, invalid, rows};
use crate::error::{Error, Result};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "normalize",
            vec![
                rows("(text) text", |_, row| Ok(normalized(row)?.into())),
                rows("(text, text) text", |_, row| Ok(normalized(row)?.into())),
            ],
        ),
        immutable(
            "is_normalized",
            vec![
                rows("(text) bool", |_, row| is_normalized(row)),
                rows("(text, text) bool", |_, row| is_normalized(row)),
            ],
        ),
        immutable(
            "unistr",
            vec![rows("(text) text", |_, row| {
                unescaped(row.first().and_then(Datum::as_text).unwrap_or_default()).map(Datum::from)
            })],
        ),
    ]
}

/// The text in the form that the second argument names; NFC without one.
fn normalized(row: &[Datum]) -> Result<String> {
    let text = row.first().and_then(Datum::as_text).unwrap_or_default();
    let form = row.get(1).and_then(Datum::as_text).unwrap_or("NFC");
    match form.to_ascii_uppercase().as_str() {
        "NFC" => Ok(text.nfc().collect()),
        "NFD" => Ok(text.nfd().collect()),
        "NFKC" => Ok(text.nfkc().collect()),
        "NFKD" => Ok(text.nfkd().collect()),
        _ => Err(invalid(format!("invalid normalization form: {form}"))),
    }
}

fn is_normalized(row: &[Datum]) -> Result<Datum> {
    let normal = normalized(row)?;
    Ok((row.first().and_then(Datum::as_text) == Some(normal.as_str())).into())
}

/// `\XXXX`, `\+XXXXXX`, `\uXXXX`, `\UXXXXXXXX` and `\\` as the characters that they stand for.
fn unescaped(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut high: Option<u32> = None;
    let pair = || Error::syntax("invalid Unicode surrogate pair");
    while let Some(character) = rest.next() {
        let is_escape = character == '\\' && rest.next_if_eq(&'\\').is_none();
        let code = match is_escape {
            true => Some(escape(&mut rest)?),
            false => None,
        };
        match (high.take(), code) {
            (Some(first), Some(second @ 0xdc00..=0xdfff)) => {
                out.extend(char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)));
            }
            (Some(_), _) | (None, Some(0xdc00..=0xdfff)) => return Err(pair()),
            (None, Some(first @ 0xd800..=0xdbff)) => high = Some(first),
            (None, Some(code)) => {
                let found = char::from_u32(code).filter(|found| *found != '\0');
                out.push(found.ok_or_else(|| invalid(format!("invalid Unicode code point: {code:04X}")))?);
            }
            (None, None) => out.push(character),
        }
    }
    match high {
        Some(_) => Err(pair()),
        None => Ok(out),
    }
}

/// The code behind a backslash.
fn escape(rest: &mut Peekable<Chars<'_>>) -> Result<u32> {
    let digits = match rest.peek() {
        Some('+') => 6,
        Some('u') => 4,
        Some('U') => 8,
        _ => 0,
    };
    if digits > 0 {
        rest.next();
    }
    let mut code = 0;
    for _ in 0..digits.max(4) {
        let digit = rest.next().and_then(|digit| digit.to_digit(16)).ok_or_else(|| {
            Error::syntax("invalid Unicode escape")
                .with_hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
        })?;
        code = (code << 4) | digit;
    }
    Ok(code)
}
