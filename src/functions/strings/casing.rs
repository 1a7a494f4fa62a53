//! Case, lengths and single characters.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::logical_expr::ScalarUDF;

use super::super::overload::{Arguments, Overload, OverloadedFunction, kernel};
use super::super::ranges;
use crate::error::{Error, Result, SqlState};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    let mut functions = vec![
        immutable(
            "upper",
            with(ranges::upper(), kernel("(text) text", |args| mapped(args, upper))),
        ),
        immutable(
            "lower",
            with(ranges::lower(), kernel("(text) text", |args| mapped(args, lower))),
        ),
        immutable("initcap", vec![kernel("(text) text", |args| mapped(args, initcap))]),
        immutable(
            "reverse",
            vec![kernel("(text) text", |args| {
                mapped(args, |text, out| out.extend(text.chars().rev()))
            })],
        ),
        immutable(
            "ascii",
            vec![kernel("(text) int4", |args| {
                counted(args, |text| text.chars().next().map_or(0, |first| first as i32))
            })],
        ),
        immutable("chr", vec![kernel("(int4) text", chr)]),
        immutable(
            "length",
            vec![
                kernel("(text) int4", characters),
                kernel(r#"("bit") int4"#, characters),
                kernel("(bytea) int4", super::bytes::length),
            ],
        ),
        immutable(
            "octet_length",
            vec![
                kernel(r#"("bit") int4"#, |args| {
                    counted(args, |bits| bits.len().div_ceil(8) as i32)
                }),
                kernel("(text) int4", |args| counted(args, |text| text.len() as i32)),
                kernel("(bpchar) int4", |args| counted(args, |text| text.len() as i32)),
                kernel("(bytea) int4", super::bytes::length),
            ],
        ),
        immutable(
            "bit_length",
            vec![
                kernel("(text) int4", |args| counted(args, |text| text.len() as i32 * 8)),
                kernel(r#"("bit") int4"#, characters),
                kernel("(bytea) int4", super::bytes::bit_length),
            ],
        ),
    ];
    for name in ["char_length", "character_length"] {
        functions.push(immutable(name, vec![kernel("(text) int4", characters)]));
    }
    functions
}

fn with(mut others: Vec<Overload>, overload: Overload) -> Vec<Overload> {
    others.push(overload);
    others
}

fn mapped(args: &Arguments<'_>, write: fn(&str, &mut String)) -> Result<ArrayRef> {
    let texts = args.texts(0)?;
    args.build_text(|row, out| {
        let Some(text) = texts.get(row) else { return Ok(false) };
        write(text, out);
        Ok(true)
    })
}

fn counted(args: &Arguments<'_>, count: fn(&str) -> i32) -> Result<ArrayRef> {
    let texts = args.texts(0)?;
    args.build::<Int32Type>(|row| Ok(texts.get(row).map(count)))
}

fn characters(args: &Arguments<'_>) -> Result<ArrayRef> {
    counted(args, |text| match text.is_ascii() {
        true => text.len() as i32,
        false => text.chars().count() as i32,
    })
}

/// A character becomes one character: the C library maps none to several.
fn upper(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.push_str(text);
        return out.make_ascii_uppercase();
    }
    out.extend(
        text.chars()
            .map(|character| single(character.to_uppercase(), character)),
    );
}

fn lower(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.push_str(text);
        return out.make_ascii_lowercase();
    }
    out.extend(
        text.chars()
            .map(|character| single(character.to_lowercase(), character)),
    );
}

fn single(mut mapped: impl Iterator<Item = char>, original: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => original,
    }
}

fn initcap(text: &str, out: &mut String) {
    let mut inside_word = false;
    for character in text.chars() {
        out.push(match inside_word {
            true => single(character.to_lowercase(), character),
            false => single(character.to_uppercase(), character),
        });
        inside_word = character.is_alphanumeric();
    }
}

fn chr(args: &Arguments<'_>) -> Result<ArrayRef> {
    let codes = args.int4(0)?;
    let limit = |message: &str| Error::new(SqlState::ProgramLimitExceeded, message);
    args.build_text(|row, out| {
        let Some(code) = codes.get(row) else { return Ok(false) };
        match code {
            0 => return Err(limit("null character not permitted")),
            code if code < 0 => return Err(limit("character number must be positive")),
            _ => {}
        }
        let character = u32::try_from(code).ok().and_then(char::from_u32);
        out.push(character.ok_or_else(|| limit("requested character too large for encoding"))?);
        Ok(true)
    })
}
