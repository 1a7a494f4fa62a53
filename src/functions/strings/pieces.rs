//! Parts of texts: slices, padding, trimming, searching, replacing.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{Arguments, OverloadedFunction, invalid, kernel, rows};
use crate::error::{Error, Result, SqlState};

/// Longer results than this are refused before memory is asked for them.
const LONGEST: usize = 1 << 30;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    let mut functions = vec![
        immutable("left", vec![kernel("(text, int4) text", |args| ends(args, true))]),
        immutable("right", vec![kernel("(text, int4) text", |args| ends(args, false))]),
        immutable(
            "lpad",
            vec![
                kernel("(text, int4) text", |args| padded(args, true)),
                kernel("(text, int4, text) text", |args| padded(args, true)),
            ],
        ),
        immutable(
            "rpad",
            vec![
                kernel("(text, int4) text", |args| padded(args, false)),
                kernel("(text, int4, text) text", |args| padded(args, false)),
            ],
        ),
        trim("btrim", true, true),
        trim("ltrim", true, false),
        trim("rtrim", false, true),
        immutable("repeat", vec![kernel("(text, int4) text", repeat)]),
        immutable("replace", vec![kernel("(text, text, text) text", replace)]),
        immutable("translate", vec![kernel("(text, text, text) text", translate)]),
        immutable("split_part", vec![kernel("(text, text, int4) text", split_part)]),
        immutable(
            "strpos",
            vec![
                kernel("(text, text) int4", position),
                kernel(r#"("bit", "bit") int4"#, position),
                rows("(bytea, bytea) int4", |_, row| match row {
                    [Datum::Bytes(whole), Datum::Bytes(part)] => {
                        let found = match part.as_slice() {
                            [] => Some(0),
                            part => whole.windows(part.len()).position(|window| window == part),
                        };
                        Ok(Datum::Int(found.map_or(0, |found| found as i64 + 1)))
                    }
                    _ => Ok(Datum::Null),
                }),
            ],
        ),
        immutable(
            "starts_with",
            vec![kernel("(text, text) bool", |args| {
                let (texts, prefixes) = (args.texts(0)?, args.texts(1)?);
                args.build_bool(|row| {
                    Ok(texts
                        .get(row)
                        .zip(prefixes.get(row))
                        .map(|(text, prefix)| text.starts_with(prefix)))
                })
            })],
        ),
        immutable(
            "overlay",
            vec![
                kernel("(text, text, int4) text", overlay),
                kernel("(text, text, int4, int4) text", overlay),
                kernel(r#"("bit", "bit", int4) "bit""#, overlay),
                kernel(r#"("bit", "bit", int4, int4) "bit""#, overlay),
                rows("(bytea, bytea, int4) bytea", |_, row| super::bytes::overlay(row)),
                rows("(bytea, bytea, int4, int4) bytea", |_, row| super::bytes::overlay(row)),
            ],
        ),
    ];
    for name in ["substr", "substring"] {
        let mut overloads = vec![
            kernel("(text, int4) text", substring),
            kernel("(text, int4, int4) text", substring),
            rows("(bytea, int4) bytea", |_, row| sliced_bytes(row)),
            rows("(bytea, int4, int4) bytea", |_, row| sliced_bytes(row)),
        ];
        if name == "substring" {
            overloads.push(kernel(r#"("bit", int4) "bit""#, substring));
            overloads.push(kernel(r#"("bit", int4, int4) "bit""#, substring));
            overloads.push(kernel("(text, text) text", super::super::regular::substring));
            overloads.push(kernel(
                "(text, text, text) text",
                super::super::regular::similar_substring,
            ));
        }
        functions.push(immutable(name, overloads));
    }
    functions
}

/// The byte offset of a character; the text's length past its end.
fn offset(text: &str, characters: usize) -> usize {
    match text.is_ascii() {
        true => characters.min(text.len()),
        false => text
            .char_indices()
            .nth(characters)
            .map_or(text.len(), |(offset, _)| offset),
    }
}

fn count(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

fn ends(args: &Arguments<'_>, first: bool) -> Result<ArrayRef> {
    let (texts, lengths) = (args.texts(0)?, args.int4(1)?);
    args.build_text(|row, out| {
        let (Some(text), Some(length)) = (texts.get(row), lengths.get(row)) else {
            return Ok(false);
        };
        let kept = match length >= 0 {
            true => length as usize,
            false => count(text).saturating_sub(length.unsigned_abs() as usize),
        };
        out.push_str(match first {
            true => &text[..offset(text, kept)],
            false => &text[offset(text, count(text).saturating_sub(kept))..],
        });
        Ok(true)
    })
}

/// Where a slice of `length` characters from position `start` begins and ends, counted from zero.
fn slice(start: i32, length: Option<i32>) -> Result<(usize, usize)> {
    let begin = i64::from(start) - 1;
    let end = match length {
        None => i64::MAX,
        Some(length) if length < 0 => {
            return Err(Error::new(
                SqlState::SubstringError,
                "negative substring length not allowed",
            ));
        }
        Some(length) => begin + i64::from(length),
    };
    let begin = begin.max(0);
    Ok((begin as usize, end.max(begin) as usize))
}

fn substring(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, starts) = (args.texts(0)?, args.int4(1)?);
    let lengths = if args.len() > 2 { Some(args.int4(2)?) } else { None };
    args.build_text(|row, out| {
        let (Some(text), Some(start)) = (texts.get(row), starts.get(row)) else {
            return Ok(false);
        };
        let length = match &lengths {
            None => None,
            Some(lengths) => match lengths.get(row) {
                None => return Ok(false),
                length => length,
            },
        };
        let (begin, end) = slice(start, length)?;
        let first = offset(text, begin);
        let rest = &text[first..];
        out.push_str(&rest[..offset(rest, end - begin)]);
        Ok(true)
    })
}

fn sliced_bytes(row: &[Datum]) -> Result<Datum> {
    let number = |index: usize| row.get(index).and_then(Datum::as_int).map(|number| number as i32);
    let (Some(Datum::Bytes(bytes)), Some(start)) = (row.first(), number(1)) else {
        return Ok(Datum::Null);
    };
    let (begin, end) = slice(start, number(2))?;
    let (begin, end) = (begin.min(bytes.len()), end.min(bytes.len()));
    Ok(Datum::Bytes(bytes[begin..end].to_vec()))
}

fn padded(args: &Arguments<'_>, before: bool) -> Result<ArrayRef> {
    let (texts, lengths) = (args.texts(0)?, args.int4(1)?);
    let fills = if args.len() > 2 { Some(args.texts(2)?) } else { None };
    args.build_text(|row, out| {
        let (Some(text), Some(length)) = (texts.get(row), lengths.get(row)) else {
            return Ok(false);
        };
        let fill = match &fills {
            None => " ",
            Some(fills) => match fills.get(row) {
                None => return Ok(false),
                Some(fill) => fill,
            },
        };
        let length = usize::try_from(length).unwrap_or_default();
        check_length(length)?;
        let present = count(text);
        if present >= length {
            out.push_str(&text[..offset(text, length)]);
            return Ok(true);
        }
        let filling = fill.chars().cycle().take(length - present);
        match before {
            true => {
                out.extend(filling);
                out.push_str(text);
            }
            false => {
                out.push_str(text);
                out.extend(filling);
            }
        }
        Ok(true)
    })
}

fn check_length(length: usize) -> Result<()> {
    match length > LONGEST {
        true => Err(Error::new(SqlState::ProgramLimitExceeded, "requested length too large")),
        false => Ok(()),
    }
}

fn trim(name: &'static str, left: bool, right: bool) -> Arc<ScalarUDF> {
    macro_rules! trimming {
        ($left:literal, $right:literal) => {
            vec![
                kernel("(text) text", |args| trimmed(args, $left, $right)),
                kernel("(text, text) text", |args| trimmed(args, $left, $right)),
                rows("(bytea, bytea) bytea", |_, row| {
                    Ok(trimmed_bytes(row, $left, $right))
                }),
            ]
        };
    }
    let overloads = match (left, right) {
        (true, true) => trimming!(true, true),
        (true, false) => trimming!(true, false),
        _ => trimming!(false, true),
    };
    OverloadedFunction::immutable(name, overloads)
}

fn trimmed(args: &Arguments<'_>, left: bool, right: bool) -> Result<ArrayRef> {
    let texts = args.texts(0)?;
    let sets = if args.len() > 1 { Some(args.texts(1)?) } else { None };
    args.build_text(|row, out| {
        let Some(mut text) = texts.get(row) else {
            return Ok(false);
        };
        let set = match &sets {
            None => " ",
            Some(sets) => match sets.get(row) {
                None => return Ok(false),
                Some(set) => set,
            },
        };
        let is_in_set = |character: char| set.contains(character);
        if left {
            text = text.trim_start_matches(is_in_set);
        }
        if right {
            text = text.trim_end_matches(is_in_set);
        }
        out.push_str(text);
        Ok(true)
    })
}

fn trimmed_bytes(row: &[Datum], left: bool, right: bool) -> Datum {
    let [Datum::Bytes(bytes), Datum::Bytes(set)] = row else {
        return Datum::Null;
    };
    let is_kept = |byte: &u8| !set.contains(byte);
    let start = match left {
        true => bytes.iter().position(is_kept).unwrap_or(bytes.len()),
        false => 0,
    };
    let end = match right {
        true => bytes.iter().rposition(is_kept).map_or(start, |last| last + 1),
        false => bytes.len(),
    };
    Datum::Bytes(bytes[start..end].to_vec())
}

fn repeat(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (args.texts(0)?, args.int4(1)?);
    args.build_text(|row, out| {
        let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else {
            return Ok(false);
        };
        let count = usize::try_from(count).unwrap_or_default();
        check_length(count.saturating_mul(text.len()))?;
        (0..count).for_each(|_| out.push_str(text));
        Ok(true)
    })
}

fn replace(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, wanted, with) = (args.texts(0)?, args.texts(1)?, args.texts(2)?);
    args.build_text(|row, out| {
        let (Some(text), Some(wanted), Some(with)) = (texts.get(row), wanted.get(row), with.get(row)) else {
            return Ok(false);
        };
        if wanted.is_empty() {
            out.push_str(text);
            return Ok(true);
        }
        let mut last = 0;
        for (found, part) in text.match_indices(wanted) {
            out.push_str(&text[last..found]);
            out.push_str(with);
            last = found + part.len();
        }
        out.push_str(&text[last..]);
        Ok(true)
    })
}

fn translate(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, from, to) = (args.texts(0)?, args.texts(1)?, args.texts(2)?);
    args.build_text(|row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row)) else {
            return Ok(false);
        };
        for character in text.chars() {
            match from.chars().position(|other| other == character) {
                None => out.push(character),
                Some(position) => out.extend(to.chars().nth(position)),
            }
        }
        Ok(true)
    })
}

fn split_part(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, separators, positions) = (args.texts(0)?, args.texts(1)?, args.int4(2)?);
    args.build_text(|row, out| {
        let (Some(text), Some(separator), Some(position)) = (texts.get(row), separators.get(row), positions.get(row))
        else {
            return Ok(false);
        };
        if position == 0 {
            return Err(invalid("field position must not be zero"));
        }
        let index = position.unsigned_abs() as usize - 1;
        let part = match separator {
            "" => (index == 0).then_some(text),
            separator if position > 0 => text.split(separator).nth(index),
            separator => text.rsplit(separator).nth(index),
        };
        out.push_str(part.unwrap_or_default());
        Ok(true)
    })
}

fn position(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, parts) = (args.texts(0)?, args.texts(1)?);
    args.build::<Int32Type>(|row| {
        let (Some(text), Some(part)) = (texts.get(row), parts.get(row)) else {
            return Ok(None);
        };
        Ok(Some(
            text.find(part).map_or(0, |found| count(&text[..found]) as i32 + 1),
        ))
    })
}

fn overlay(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, parts, starts) = (args.texts(0)?, args.texts(1)?, args.int4(2)?);
    let lengths = if args.len() > 3 { Some(args.int4(3)?) } else { None };
    args.build_text(|row, out| {
        let (Some(text), Some(part), Some(start)) = (texts.get(row), parts.get(row), starts.get(row)) else {
            return Ok(false);
        };
        let length = match &lengths {
            None => count(part) as i32,
            Some(lengths) => match lengths.get(row) {
                None => return Ok(false),
                Some(length) => length,
            },
        };
        let (begin, end) = overlaid(start, length)?;
        out.push_str(&text[..offset(text, begin)]);
        out.push_str(part);
        out.push_str(&text[offset(text, end)..]);
        Ok(true)
    })
}

/// What overlay() leaves of the whole: what is before the first place and what begins at the second.
pub(super) fn overlaid(start: i32, length: i32) -> Result<(usize, usize)> {
    let begin = usize::try_from(i64::from(start) - 1);
    let begin = begin.map_err(|_| Error::new(SqlState::SubstringError, "negative substring length not allowed"))?;
    let after = start
        .checked_add(length)
        .ok_or_else(|| Error::new(SqlState::NumericValueOutOfRange, "integer out of range"))?;
    Ok((begin, usize::try_from(i64::from(after) - 1).unwrap_or_default()))
}
