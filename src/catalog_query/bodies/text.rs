//! Functions on text.

use super::super::evaluate::Executor;
use super::super::node::{Body, Callable};
use super::{int_at, list_at, text_at};
use crate::error::{Error, Result, SqlState};
use crate::functions::{Datum, quote_identifier, quote_literal};

pub(super) fn body(name: &str) -> Option<Body> {
    Some(match name {
        "lower" => |_, _, row| Ok(text_at(row, 0).to_lowercase().into()),
        "upper" => |_, _, row| Ok(text_at(row, 0).to_uppercase().into()),
        "length" | "char_length" | "character_length" => |_, _, row| match row.first() {
            Some(Datum::Bytes(bytes)) => Ok((bytes.len() as i64).into()),
            _ => Ok((text_at(row, 0).chars().count() as i64).into()),
        },
        "octet_length" => |_, _, row| Ok((text_at(row, 0).len() as i64).into()),
        "replace" => |_, _, row| match text_at(row, 1) {
            "" => Ok(row[0].clone()),
            from => Ok(text_at(row, 0).replace(from, text_at(row, 2)).into()),
        },
        "strpos" => |_, _, row| {
            let text = text_at(row, 0);
            let found = text.find(text_at(row, 1));
            Ok(found.map_or(0, |at| text[..at].chars().count() as i64 + 1).into())
        },
        "substring" | "substr" => substring,
        "left" => |_, _, row| {
            let count = text_at(row, 0).chars().count() as i64;
            let kept = match int_at(row, 1) {
                number if number < 0 => (count + number).max(0),
                number => number,
            };
            Ok(text_at(row, 0).chars().take(kept as usize).collect::<String>().into())
        },
        "right" => |_, _, row| {
            let count = text_at(row, 0).chars().count() as i64;
            let dropped = match int_at(row, 1) {
                number if number < 0 => -number,
                number => (count - number).max(0),
            };
            Ok(text_at(row, 0)
                .chars()
                .skip(dropped as usize)
                .collect::<String>()
                .into())
        },
        "btrim" | "ltrim" | "rtrim" => trim,
        "split_part" => |_, _, row| {
            let parts: Vec<&str> = match text_at(row, 1) {
                "" => vec![text_at(row, 0)],
                separator => text_at(row, 0).split(separator).collect(),
            };
            let index = match int_at(row, 2) {
                0 => {
                    let message = "field position must not be zero";
                    return Err(Error::new(SqlState::InvalidParameterValue, message));
                }
                number if number < 0 => parts.len() as i64 + number,
                number => number - 1,
            };
            let part = usize::try_from(index).ok().and_then(|index| parts.get(index));
            Ok(part.copied().unwrap_or_default().into())
        },
        "starts_with" => |_, _, row| Ok(text_at(row, 0).starts_with(text_at(row, 1)).into()),
        "repeat" => |_, _, row| Ok(text_at(row, 0).repeat(int_at(row, 1).clamp(0, 1 << 20) as usize).into()),
        "reverse" => |_, _, row| Ok(text_at(row, 0).chars().rev().collect::<String>().into()),
        "concat" => |executor, callable, row| {
            let mut text = String::new();
            for (value, ty) in row.iter().zip(&callable.arguments) {
                text.push_str(&executor.output(value, ty)?);
            }
            Ok(text.into())
        },
        "concat_ws" => |executor, callable, row| {
            if row.first().is_none_or(Datum::is_null) {
                return Ok(Datum::Null);
            }
            let mut texts = vec![];
            for (value, ty) in row.iter().zip(&callable.arguments).skip(1) {
                if !value.is_null() {
                    texts.push(executor.output(value, ty)?);
                }
            }
            Ok(texts.join(text_at(row, 0)).into())
        },
        "format" => format,
        // Casts that are called by their type's name.
        "bpchar" | "text" | "varchar" | "name" => {
            |executor, callable, row| executor.cast(row[0].clone(), &callable.arguments[0], &callable.result, true)
        }
        // An address without its mask.
        "host" => |_, _, row| Ok(text_at(row, 0).split('/').next().unwrap_or_default().into()),
        "encode" => encode,
        "like_escape" => like_escape,
        "similar_to_escape" => similar_to_escape,
        "quote_ident" => |_, _, row| Ok(quote_identifier(text_at(row, 0)).into()),
        "string_to_array" => |_, _, row| {
            let Some(text) = row.first().and_then(Datum::as_text) else {
                return Ok(Datum::Null);
            };
            let null = row.get(2).and_then(Datum::as_text);
            let element = |part: &str| match null == Some(part) {
                true => Datum::Null,
                false => part.into(),
            };
            let parts = match row.get(1).and_then(Datum::as_text) {
                _ if text.is_empty() => vec![],
                None => text.chars().map(|character| element(&character.to_string())).collect(),
                Some("") => vec![element(text)],
                Some(separator) => text.split(separator).map(element).collect(),
            };
            Ok(Datum::List(parts))
        },
        "array_to_string" => array_to_string,
        "regexp_replace" => regexp_replace,
        _ => return None,
    })
}

fn substring(executor: &Executor<'_>, _: &Callable, row: &[Datum]) -> Result<Datum> {
    let text = text_at(row, 0);
    if let Some(Datum::Text(pattern)) = row.get(1) {
        if row.len() > 2 {
            return Err(super::super::analyzer::not_covered("substring with an escape"));
        }
        let pattern = executor.pattern(pattern, false)?;
        let found = pattern.captures(text);
        let group = found.and_then(|captures| captures.get(1).or_else(|| captures.get(0)));
        return Ok(group.map(|group| group.as_str()).into());
    }
    if !matches!(row.first(), Some(Datum::Text(_))) {
        return Err(super::super::analyzer::not_covered("substring of bytes"));
    }
    let start = int_at(row, 1);
    let end = match row.get(2) {
        None => i64::MAX,
        Some(_) if int_at(row, 2) < 0 => {
            let message = "negative substring length not allowed";
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        }
        Some(_) => start.saturating_add(int_at(row, 2)),
    };
    let kept = text
        .chars()
        .zip(1_i64..)
        .filter(|(_, position)| *position >= start && *position < end)
        .map(|(character, _)| character);
    Ok(kept.collect::<String>().into())
}

fn trim(_: &Executor<'_>, callable: &Callable, row: &[Datum]) -> Result<Datum> {
    let characters = match row.get(1) {
        Some(Datum::Text(characters)) => characters.as_str(),
        _ => " ",
    };
    let is_cut = |character: char| characters.contains(character);
    let text = text_at(row, 0);
    Ok(match callable.name.as_str() {
        "ltrim" => text.trim_start_matches(is_cut),
        "rtrim" => text.trim_end_matches(is_cut),
        _ => text.trim_matches(is_cut),
    }
    .into())
}

/// format() with %s, %I, %L and %%.
fn format(executor: &Executor<'_>, callable: &Callable, row: &[Datum]) -> Result<Datum> {
    let Some(template) = row.first().and_then(Datum::as_text) else {
        return Ok(Datum::Null);
    };
    let mut out = String::new();
    let mut next = 1;
    let mut characters = template.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let kind = characters.next();
        if kind == Some('%') {
            out.push('%');
            continue;
        }
        let (Some(value), Some(ty)) = (row.get(next), callable.arguments.get(next)) else {
            return Err(Error::new(
                SqlState::InvalidParameterValue,
                "too few arguments for format()",
            ));
        };
        next += 1;
        let text = executor.output(value, ty)?;
        match kind {
            Some('s') => out.push_str(&text),
            Some('I') => out.push_str(&quote_identifier(&text)),
            Some('L') if value.is_null() => out.push_str("NULL"),
            Some('L') => out.push_str(&quote_literal(&text)),
            _ => return Err(super::super::analyzer::not_covered("this conversion of format()")),
        }
    }
    Ok(out.into())
}

/// encode() of bytea.
fn encode(_: &Executor<'_>, _: &Callable, row: &[Datum]) -> Result<Datum> {
    let Some(Datum::Bytes(bytes)) = row.first() else {
        return Ok(Datum::Null);
    };
    let mut text = String::new();
    match text_at(row, 1) {
        "hex" => bytes.iter().for_each(|byte| text.push_str(&format!("{byte:02x}"))),
        "escape" => {
            for byte in bytes {
                match byte {
                    0 | 128.. => text.push_str(&format!("\\{byte:03o}")),
                    b'\\' => text.push_str("\\\\"),
                    other => text.push(char::from(*other)),
                }
            }
        }
        other => return Err(super::super::analyzer::not_covered(format!("the encoding {other}"))),
    }
    Ok(text.into())
}

/// A pattern with an escape character of its own, as one with `\`.
fn like_escape(_: &Executor<'_>, _: &Callable, row: &[Datum]) -> Result<Datum> {
    let mut own = text_at(row, 1).chars();
    let (escape, rest) = (own.next(), own.next());
    if rest.is_some() {
        return Err(Error::new(SqlState::InvalidEscapeSequence, "invalid escape string")
            .with_hint("Escape string must be empty or one character."));
    }
    if escape == Some('\\') {
        return Ok(row[0].clone());
    }
    let mut pattern = String::new();
    let mut characters = text_at(row, 0).chars();
    while let Some(character) = characters.next() {
        match character {
            found if Some(found) == escape => {
                pattern.push('\\');
                pattern.extend(characters.next());
            }
            '\\' => pattern.push_str("\\\\"),
            other => pattern.push(other),
        }
    }
    Ok(pattern.into())
}

/// A pattern of SIMILAR TO as a regular expression over the whole text.
fn similar_to_escape(_: &Executor<'_>, _: &Callable, row: &[Datum]) -> Result<Datum> {
    let escape = match row.get(1).and_then(Datum::as_text) {
        None => Some('\\'),
        Some(own) => own.chars().next(),
    };
    let mut pattern = String::from("^(?:");
    let mut characters = text_at(row, 0).chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            found if Some(found) == escape => {
                if let Some(literal) = characters.next() {
                    pattern.push_str(&regex::escape(&literal.to_string()));
                }
            }
            ']' => {
                in_class = false;
                pattern.push(']');
            }
            other if in_class => pattern.push(other),
            '[' => {
                in_class = true;
                pattern.push('[');
            }
            '%' => pattern.push_str(".*"),
            '_' => pattern.push('.'),
            // Signs of regular expressions that SIMILAR TO does not have.
            '.' | '^' | '$' | '\\' => pattern.push_str(&regex::escape(&character.to_string())),
            other => pattern.push(other),
        }
    }
    pattern.push_str(")$");
    Ok(pattern.into())
}

fn array_to_string(executor: &Executor<'_>, callable: &Callable, row: &[Datum]) -> Result<Datum> {
    let (Some(Datum::List(_)), Some(separator)) = (row.first(), row.get(1).and_then(Datum::as_text)) else {
        return Ok(Datum::Null);
    };
    let element = callable.arguments[0]
        .element()
        .unwrap_or(super::super::value_type::Type::of(super::super::value_type::TEXT));
    let null = row.get(2).and_then(Datum::as_text);
    let mut texts = vec![];
    for value in list_at(row, 0) {
        match (value, null) {
            (Datum::Null, None) => {}
            (Datum::Null, Some(null)) => texts.push(null.to_string()),
            (value, _) => texts.push(executor.output(value, &element)?),
        }
    }
    Ok(texts.join(separator).into())
}

fn regexp_replace(executor: &Executor<'_>, _: &Callable, row: &[Datum]) -> Result<Datum> {
    let flags = match row.get(3) {
        None => "",
        Some(Datum::Text(flags)) => flags,
        Some(_) => return Err(super::super::analyzer::not_covered("regexp_replace from a position")),
    };
    let pattern = executor.pattern(text_at(row, 1), flags.contains('i'))?;
    // PostgreSQL writes \1 and \& where the library has ${1} and ${0}.
    let mut replacement = String::new();
    let mut characters = text_at(row, 2).chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('&') => replacement.push_str("${0}"),
                Some(digit) if digit.is_ascii_digit() => replacement.push_str(&format!("${{{digit}}}")),
                Some(other) => replacement.push(other),
                None => replacement.push('\\'),
            },
            ('$', _) => replacement.push_str("$$"),
            (other, _) => replacement.push(other),
        }
    }
    let limit = usize::from(!flags.contains('g'));
    Ok(pattern
        .replacen(text_at(row, 0), limit, replacement.as_str())
        .into_owned()
        .into())
}
