//! Booleans, byte strings, uuids and the character types with a length.

use std::borrow::Cow;

use super::invalid_syntax;
use super::number::trim;
use crate::error::{Error, Result, SqlState};

/// Reads a boolean: any unambiguous beginning of true, false, yes, no, on and off, or 1 and 0.
pub fn parse_bool(text: &str) -> Result<bool> {
    let word = trim(text).to_ascii_lowercase();
    let begins = |whole: &str, shortest: usize| word.len() >= shortest && whole.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_syntax("boolean", text))
    }
}

/// Reads a bytea in the hex or the escape format.
pub fn parse_bytea(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => parse_hex(digits),
        None => parse_escaped(text),
    }
}

fn parse_hex(digits: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut high = None;
    for digit in digits.chars() {
        if high.is_none() && matches!(digit, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let value = digit.to_digit(16).ok_or_else(|| {
            Error::new(
                SqlState::InvalidParameterValue,
                format!("invalid hexadecimal digit: \"{digit}\""),
            )
        })? as u8;
        match high.take() {
            Some(first) => bytes.push(first << 4 | value),
            None => high = Some(value),
        }
    }
    match high {
        Some(_) => Err(Error::new(
            SqlState::InvalidParameterValue,
            "invalid hexadecimal data: odd number of digits",
        )),
        None => Ok(bytes),
    }
}

fn parse_escaped(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => {
                return Err(Error::new(
                    SqlState::InvalidTextRepresentation,
                    "invalid input syntax for type bytea",
                ));
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

/// Reads a uuid in any of PostgreSQL's spellings and answers the canonical one.
pub fn parse_uuid(text: &str) -> Result<String> {
    let invalid = || invalid_syntax("uuid", text);
    let inside = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut digits = String::with_capacity(36);
    let mut count = 0;
    let mut after_hyphen = true;
    for character in inside.chars() {
        match character {
            '-' if !after_hyphen && count % 4 == 0 => after_hyphen = true,
            digit if digit.is_ascii_hexdigit() && count < 32 => {
                if matches!(count, 8 | 12 | 16 | 20) {
                    digits.push('-');
                }
                digits.push(digit.to_ascii_lowercase());
                count += 1;
                after_hyphen = false;
            }
            _ => return Err(invalid()),
        }
    }
    if count == 32 && !after_hyphen {
        Ok(digits)
    } else {
        Err(invalid())
    }
}

/// A value for varchar(n): blanks past the end are cut, other characters are an error.
pub fn fit_varchar(text: &str, length: Option<u32>) -> Result<&str> {
    let Some(length) = length else { return Ok(text) };
    fit_characters(text, length as usize).ok_or_else(|| too_long(format!("character varying({length})")))
}

/// A value for char(n), padded with blanks.
pub fn fit_bpchar(text: &str, length: Option<u32>) -> Result<Cow<'_, str>> {
    let Some(length) = length else { return Ok(text.into()) };
    let fitted = fit_characters(text, length as usize).ok_or_else(|| too_long(format!("character({length})")))?;
    let characters = fitted.chars().count();
    match (length as usize).saturating_sub(characters) {
        0 => Ok(fitted.into()),
        missing => Ok(format!("{fitted}{}", " ".repeat(missing)).into()),
    }
}

fn fit_characters(text: &str, length: usize) -> Option<&str> {
    if text.len() <= length {
        return Some(text);
    }
    match text.char_indices().nth(length) {
        None => Some(text),
        Some((end, _)) => text[end..].bytes().all(|byte| byte == b' ').then(|| &text[..end]),
    }
}

fn too_long(type_name: String) -> Error {
    Error::new(
        SqlState::StringDataRightTruncation,
        format!("value too long for type {type_name}"),
    )
}

/// A value of `"char"`: its first character, of one byte in PostgreSQL.
pub fn parse_char(text: &str) -> &str {
    text.char_indices().nth(1).map_or(text, |(end, _)| &text[..end])
}
