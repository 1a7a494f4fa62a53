//! format() and some of PostgreSQL's short functions.

use std::iter::Peekable;
use std::str::Chars;

use bytes::BytesMut;
use datafusion::logical_expr::Volatility;

use super::datum::{Datum, to_array};
use super::lookup::quote_identifier;
use super::names::quote_literal;
use super::row_function::{Argument, Call, RowFunction};
use crate::error::{Error, Result, SqlState};
use crate::types::text::write_text;
use crate::types::values::Column;
use crate::types::{FormatSettings, SqlType};

pub(super) fn functions() -> Vec<RowFunction> {
    let immutable = RowFunction::immutable;
    vec![
        immutable(
            "format",
            &[&[Argument::Text], &[Argument::Text, Argument::Any]],
            SqlType::Text,
            format,
        )
        .called_on_null()
        .variadic(),
        immutable("num_nulls", &[&[Argument::Any]], SqlType::Int4, |_, row| {
            Ok((row.iter().filter(|value| value.is_null()).count() as i64).into())
        })
        .called_on_null()
        .variadic(),
        immutable("num_nonnulls", &[&[Argument::Any]], SqlType::Int4, |_, row| {
            Ok((row.iter().filter(|value| !value.is_null()).count() as i64).into())
        })
        .called_on_null()
        .variadic(),
        immutable("gen_random_uuid", &[&[]], SqlType::Uuid, |_, _| {
            Ok(uuid::Uuid::new_v4().to_string().into())
        })
        .with_volatility(Volatility::Volatile),
        immutable("uuid_extract_version", &[&[Argument::Text]], SqlType::Int2, |_, row| {
            Ok(standard_uuid(row).map(|uuid| uuid.get_version_num() as i64).into())
        }),
        immutable(
            "uuid_extract_timestamp",
            &[&[Argument::Text]],
            SqlType::Timestamptz(None),
            |_, row| {
                Ok(standard_uuid(row)
                    .and_then(|uuid| moment_of(&uuid))
                    .map_or(Datum::Null, Datum::Micros))
            },
        ),
        immutable("getdatabaseencoding", &[&[]], SqlType::Name, |_, _| Ok("UTF8".into())),
    ]
}

/// A UUID of the variant that has versions.
fn standard_uuid(row: &[Datum]) -> Option<uuid::Uuid> {
    let uuid = uuid::Uuid::parse_str(text(row, 0)?).ok()?;
    (uuid.get_variant() == uuid::Variant::RFC4122).then_some(uuid)
}

/// When a UUID of version 1 was made.
fn moment_of(uuid: &uuid::Uuid) -> Option<i64> {
    /// Microseconds from the Gregorian calendar's beginning to 1970.
    const GREGORIAN_MICROS: i64 = 12_219_292_800_000_000;
    if uuid.get_version_num() != 1 {
        return None;
    }
    let (low, middle, high, _) = uuid.as_fields();
    let ticks = i64::from(low) | i64::from(middle) << 32 | i64::from(high & 0x0fff) << 48;
    Some(ticks / 10 - GREGORIAN_MICROS)
}

fn text(row: &[Datum], index: usize) -> Option<&str> {
    row.get(index).and_then(Datum::as_text)
}

/// The text that a value prints as.
fn shown(call: &Call<'_>, row: &[Datum], index: usize) -> Result<String> {
    let (Some(value), Some(field)) = (row.get(index), call.argument_fields.get(index)) else {
        return Ok(String::new());
    };
    if let Datum::Text(text) = value {
        return Ok(text.clone());
    }
    if value.is_null() {
        return Ok(String::new());
    }
    let sql_type = SqlType::from_field(field);
    let array = to_array(field.data_type(), std::slice::from_ref(value))?;
    let column = Column::new(&array, &sql_type)?;
    let mut bytes = BytesMut::new();
    write_text(&column.values, 0, &FormatSettings::default(), &mut bytes);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The most characters that a width fills.
const WIDEST: usize = 10_000;

fn number(characters: &mut Peekable<Chars<'_>>) -> usize {
    let mut number = 0_usize;
    while let Some(digit) = characters.next_if(char::is_ascii_digit) {
        let digit = digit.to_digit(10).unwrap_or_default() as usize;
        number = number.saturating_mul(10).saturating_add(digit).min(WIDEST);
    }
    number
}

/// format(): %s, %I, %L and %% with positions `n$`, widths (`*` is an argument's) and `-`.
fn format(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let Some(pattern) = text(row, 0) else {
        return Ok(Datum::Null);
    };
    let invalid = |what: &str| Error::new(SqlState::InvalidParameterValue, what.to_string());
    let mut out = String::new();
    let mut next = 1;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        if characters.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut is_left = false;
        while characters.next_if_eq(&'-').is_some() {
            is_left = true;
        }
        let mut width = number(&mut characters);
        let mut chosen = None;
        if characters.next_if_eq(&'$').is_some() {
            if width == 0 {
                return Err(invalid(
                    "format specifies argument 0, but arguments are numbered from 1",
                ));
            }
            chosen = Some(width);
            while characters.next_if_eq(&'-').is_some() {
                is_left = true;
            }
            width = number(&mut characters);
        }
        if characters.next_if_eq(&'*').is_some() {
            let mut place = number(&mut characters);
            if characters.next_if_eq(&'$').is_none() {
                if place > 0 {
                    return Err(invalid("width argument position must be ended by \"$\""));
                }
                place = next;
            }
            next = place + 1;
            let given = row
                .get(place)
                .ok_or_else(|| invalid("too few arguments for format()"))?;
            let given = match given {
                Datum::Null => 0,
                _ => shown(call, row, place)?.parse::<i64>().unwrap_or_default(),
            };
            is_left |= given < 0;
            width = usize::try_from(given.unsigned_abs()).unwrap_or(WIDEST).min(WIDEST);
        }
        next = chosen.unwrap_or(next);
        let kind = characters.next().ok_or_else(|| {
            invalid("unterminated format() type specifier").with_hint("For a single \"%\" use \"%%\".")
        })?;
        let value = row.get(next).ok_or_else(|| invalid("too few arguments for format()"))?;
        let formatted = match kind {
            's' => shown(call, row, next)?,
            'I' if value.is_null() => {
                return Err(Error::new(
                    SqlState::NullValueNotAllowed,
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            'I' => quote_identifier(&shown(call, row, next)?),
            'L' if value.is_null() => "NULL".into(),
            'L' => quote_literal(&shown(call, row, next)?),
            other => {
                return Err(invalid(&format!("unrecognized format() type specifier \"{other}\""))
                    .with_hint("For a single \"%\" use \"%%\"."));
            }
        };
        next += 1;
        let padding = " ".repeat(width.saturating_sub(formatted.chars().count()));
        match is_left {
            true => out.extend([formatted, padding]),
            false => out.extend([padding, formatted]),
        }
    }
    Ok(out.into())
}
