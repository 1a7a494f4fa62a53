//! Regular expressions: the operators `~` and SIMILAR TO, and the regexp_ functions. A pattern that is the same in
//! many rows is compiled once.

mod backtracking;
mod pattern;

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::logical_expr::ScalarUDF;

use self::pattern::{Captures, Flags, Pattern, compile, similar};
use super::datum::Datum;
use super::overload::{Arguments, OverloadedFunction, Texts, invalid, kernel, rows};
use crate::error::{Error, Result, SqlState};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "regexp_matches_pattern",
            // A char(n) is looked at with its padding.
            vec![
                kernel("(text, text) bool", |args| matches(args, Flags::default())),
                kernel("(bpchar, text) bool", |args| matches(args, Flags::default())),
            ],
        ),
        immutable(
            "regexp_imatches_pattern",
            vec![
                kernel("(text, text) bool", |args| {
                    matches(args, Flags::default().ignoring_case())
                }),
                kernel("(bpchar, text) bool", |args| {
                    matches(args, Flags::default().ignoring_case())
                }),
            ],
        ),
        immutable(
            "regexp_like",
            vec![
                kernel("(text, text) bool", |args| matches(args, Flags::default())),
                kernel("(text, text, text) bool", like),
            ],
        ),
        immutable(
            "like_escape",
            vec![kernel("(text, text) text", |args| {
                let (patterns, escapes) = (args.texts(0)?, args.texts(1)?);
                args.build_text(|row, out| {
                    let (Some(pattern), Some(escape)) = (patterns.get(row), escapes.get(row)) else {
                        return Ok(false);
                    };
                    with_backslash(pattern, escape_of(Some(escape))?, out)?;
                    Ok(true)
                })
            })],
        ),
        immutable(
            "similar_to",
            vec![
                kernel("(text, text) bool", similar_to),
                kernel("(bpchar, text) bool", similar_to),
                kernel("(bpchar, text, text) bool", similar_to),
                kernel("(text, text, text) bool", similar_to),
            ],
        ),
        immutable("substring_regex", vec![kernel("(text, text) text", substring)]),
        immutable(
            "regexp_replace",
            vec![
                kernel("(text, text, text) text", |args| replace(args, None)),
                kernel("(text, text, text, text) text", |args| replace(args, Some(3))),
                kernel("(text, text, text, int4) text", |args| replace(args, None)),
                kernel("(text, text, text, int4, int4) text", |args| replace(args, None)),
                kernel("(text, text, text, int4, int4, text) text", |args| {
                    replace(args, Some(5))
                }),
            ],
        ),
        immutable(
            "regexp_match",
            vec![
                rows("(text, text) text[]", |_, row| match_first(row)),
                rows("(text, text, text) text[]", |_, row| match_first(row)),
            ],
        ),
        // The sets of rows that regexp_matches() gives, as an array of arrays.
        immutable(
            "regexp_matches_rows",
            vec![
                rows("(text, text) text[][]", |_, row| match_all(row)),
                rows("(text, text, text) text[][]", |_, row| match_all(row)),
            ],
        ),
        immutable(
            "regexp_split_to_array",
            vec![
                rows("(text, text) text[]", |_, row| split(row)),
                rows("(text, text, text) text[]", |_, row| split(row)),
            ],
        ),
        immutable(
            "regexp_count",
            vec![
                kernel("(text, text) int4", count),
                kernel("(text, text, int4) int4", count),
                kernel("(text, text, int4, text) int4", count),
            ],
        ),
        immutable(
            "regexp_instr",
            vec![
                rows("(text, text, variadic int4) int4", |_, row| position(row)),
                rows("(text, text, int4, int4, int4, text) int4", |_, row| position(row)),
                rows("(text, text, int4, int4, int4, text, int4) int4", |_, row| {
                    position(row)
                }),
            ],
        ),
        immutable(
            "regexp_substr",
            vec![
                rows("(text, text, variadic int4) text", |_, row| nth_match(row)),
                rows("(text, text, int4, int4, text) text", |_, row| nth_match(row)),
                rows("(text, text, int4, int4, text, int4) text", |_, row| nth_match(row)),
            ],
        ),
    ]
}

/// Whether a text matches a LIKE pattern.
pub(super) fn is_like(text: &str, pattern: &str, ignore_case: bool) -> Result<bool> {
    let mut regular = String::from("^");
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => regular.push_str(".*"),
            '_' => regular.push('.'),
            '\\' => match characters.next() {
                Some(escaped) => regular.push_str(&regex::escape(&escaped.to_string())),
                None => {
                    return Err(Error::new(
                        SqlState::InvalidEscapeSequence,
                        "LIKE pattern must not end with escape character",
                    ));
                }
            },
            other => regular.push_str(&regex::escape(&other.to_string())),
        }
    }
    regular.push('$');
    is_match(text, &regular, ignore_case)
}

/// Whether a text matches a regular expression.
pub(super) fn is_match(text: &str, pattern: &str, ignore_case: bool) -> Result<bool> {
    let flags = Flags::default();
    let flags = if ignore_case { flags.ignoring_case() } else { flags };
    compile(pattern, flags)?.is_match(text)
}

/// The same with options as letters.
pub(super) fn is_match_with(text: &str, pattern: &str, options: &str) -> Result<bool> {
    compile(pattern, Flags::parse(options, false)?)?.is_match(text)
}

/// A LIKE pattern with another escape character, as one that escapes with a backslash.
fn with_backslash(pattern: &str, escape: Option<char>, out: &mut String) -> Result<()> {
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            let escaped = characters.next().ok_or_else(|| {
                Error::new(
                    SqlState::InvalidEscapeSequence,
                    "LIKE pattern must not end with escape character",
                )
            })?;
            out.push('\\');
            out.push(escaped);
        } else {
            if character == '\\' {
                out.push('\\');
            }
            out.push(character);
        }
    }
    Ok(())
}

/// The pattern of the row before, most often that of the next row too.
#[derive(Default)]
struct Compiled {
    last: Option<(String, Flags, Pattern)>,
}

impl Compiled {
    fn get(&mut self, pattern: &str, flags: Flags) -> Result<&Pattern> {
        let is_same = matches!(&self.last, Some((text, with, _)) if text == pattern && *with == flags);
        if !is_same {
            self.last = Some((pattern.to_string(), flags, compile(pattern, flags)?));
        }
        match &self.last {
            Some((_, _, regex)) => Ok(regex),
            None => Err(Error::internal("a pattern was lost")),
        }
    }
}

fn matches(args: &Arguments<'_>, flags: Flags) -> Result<ArrayRef> {
    let (texts, patterns) = (args.texts(0)?, args.texts(1)?);
    let mut compiled = Compiled::default();
    args.build_bool(|row| match (texts.get(row), patterns.get(row)) {
        (Some(text), Some(pattern)) => compiled.get(pattern, flags)?.is_match(text).map(Some),
        _ => Ok(None),
    })
}

fn like(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, patterns, options) = (args.texts(0)?, args.texts(1)?, args.texts(2)?);
    let mut compiled = Compiled::default();
    args.build_bool(|row| match (texts.get(row), patterns.get(row), options.get(row)) {
        (Some(text), Some(pattern), Some(options)) => {
            let flags = Flags::parse(options, false)?;
            compiled.get(pattern, flags)?.is_match(text).map(Some)
        }
        _ => Ok(None),
    })
}

fn escape_of(text: Option<&str>) -> Result<Option<char>> {
    let Some(text) = text else { return Ok(Some('\\')) };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (first, None) => Ok(first),
        _ => Err(Error::new(SqlState::InvalidEscapeSequence, "invalid escape string")
            .with_hint("Escape string must be empty or one character.")),
    }
}

fn similar_to(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (args.texts(0)?, args.texts(1)?);
    let escapes = if args.len() > 2 { Some(args.texts(2)?) } else { None };
    let mut compiled = Compiled::default();
    let mut last: Option<(String, String)> = None;
    args.build_bool(|row| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else {
            return Ok(None);
        };
        let escape = escapes.as_ref().and_then(|escapes| escapes.get(row));
        if escapes.is_some() && escape.is_none() {
            return Ok(None);
        }
        if last.as_ref().is_none_or(|(before, _)| before != pattern) {
            last = Some((pattern.to_string(), similar(pattern, escape_of(escape)?)?));
        }
        let regular = last.as_ref().map(|(_, regular)| regular.as_str()).unwrap_or_default();
        compiled.get(regular, Flags::default())?.is_match(text).map(Some)
    })
}

/// substring(text from pattern): the first group, or the whole match where there is none.
pub(super) fn substring(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (args.texts(0)?, args.texts(1)?);
    let mut compiled = Compiled::default();
    args.build_text(|row, out| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else {
            return Ok(false);
        };
        let found = compiled.get(pattern, Flags::default())?.captures(text)?;
        Ok(push_group(found.as_ref(), out))
    })
}

/// substring(text similar pattern escape character).
pub(super) fn similar_substring(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, patterns, escapes) = (args.texts(0)?, args.texts(1)?, args.texts(2)?);
    let mut compiled = Compiled::default();
    args.build_text(|row, out| {
        let (Some(text), Some(pattern), Some(escape)) = (texts.get(row), patterns.get(row), escapes.get(row)) else {
            return Ok(false);
        };
        let regular = similar(pattern, escape_of(Some(escape))?)?;
        let found = compiled.get(&regular, Flags::default())?.captures(text)?;
        Ok(push_group(found.as_ref(), out))
    })
}

fn push_group(found: Option<&Captures<'_>>, out: &mut String) -> bool {
    let part = found.and_then(|found| if found.len() > 1 { found.get(1) } else { found.get(0) });
    part.inspect(|part| out.push_str(part.as_str())).is_some()
}

/// Where a search from a character position begins.
fn start_offset(text: &str, start: i32) -> Result<Option<usize>> {
    if start <= 0 {
        return Err(invalid(format!("invalid value for parameter \"start\": {start}")));
    }
    let skipped = start as usize - 1;
    match text.char_indices().nth(skipped) {
        Some((offset, _)) => Ok(Some(offset)),
        None if text.chars().count() == skipped => Ok(Some(text.len())),
        None => Ok(None),
    }
}

fn replace(args: &Arguments<'_>, flags_at: Option<usize>) -> Result<ArrayRef> {
    let (texts, patterns, replacements) = (args.texts(0)?, args.texts(1)?, args.texts(2)?);
    let options: Option<Texts<'_>> = flags_at.map(|index| args.texts(index)).transpose()?;
    let number = |index: usize| {
        (args.len() > index && flags_at != Some(index))
            .then(|| args.int4(index))
            .transpose()
    };
    let (starts, counts) = (number(3)?, number(4)?);
    let mut compiled = Compiled::default();
    args.build_text(|row, out| {
        let (Some(text), Some(pattern), Some(replacement)) = (texts.get(row), patterns.get(row), replacements.get(row))
        else {
            return Ok(false);
        };
        let flags = match &options {
            None => Flags::default(),
            Some(options) => match options.get(row) {
                None => return Ok(false),
                Some(options) => Flags::parse(options, true)?,
            },
        };
        let start = match &starts {
            None => 1,
            Some(starts) => match starts.get(row) {
                None => return Ok(false),
                Some(start) => start,
            },
        };
        // The n-th match; 0 is every one.
        let wanted = match &counts {
            None if flags.global => 0,
            None => 1,
            Some(counts) => match counts.get(row) {
                None => return Ok(false),
                Some(count) if count < 0 => {
                    return Err(invalid(format!("invalid value for parameter \"n\": {count}")));
                }
                Some(count) => count as usize,
            },
        };
        let Some(offset) = start_offset(text, start)? else {
            out.push_str(text);
            return Ok(true);
        };
        let regex = compiled.get(pattern, flags.searching_once())?;
        let mut last = 0;
        let most = if wanted == 0 { usize::MAX } else { wanted };
        for (index, found) in regex.all(&text[offset..], most)?.into_iter().enumerate() {
            if wanted != 0 && index + 1 != wanted {
                continue;
            }
            let Some(whole) = found.get(0) else { continue };
            out.push_str(&text[last..offset + whole.start]);
            expand(replacement, &found, out);
            last = offset + whole.end;
            if wanted != 0 {
                break;
            }
        }
        out.push_str(&text[last..]);
        Ok(true)
    })
}

/// `\1` is a group, `\&` the whole match.
fn expand(replacement: &str, found: &Captures<'_>, out: &mut String) {
    let mut characters = replacement.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('&') => out.push_str(found.get(0).map_or("", |whole| whole.as_str())),
            Some(digit @ '1'..='9') => {
                let group = digit.to_digit(10).unwrap_or_default() as usize;
                out.push_str(found.get(group).map_or("", |part| part.as_str()));
            }
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
}

fn text(row: &[Datum], index: usize) -> &str {
    row.get(index).and_then(Datum::as_text).unwrap_or_default()
}

fn groups(found: &Captures<'_>) -> Datum {
    let first = usize::from(found.len() > 1);
    let parts = (first..found.len()).map(|index| Datum::from(found.get(index).map(|part| part.as_str())));
    Datum::List(parts.collect())
}

fn match_first(row: &[Datum]) -> Result<Datum> {
    let regex = compile(text(row, 1), Flags::parse(text(row, 2), false)?)?;
    Ok(regex
        .captures(text(row, 0))?
        .map_or(Datum::Null, |found| groups(&found)))
}

fn match_all(row: &[Datum]) -> Result<Datum> {
    let flags = Flags::parse(text(row, 2), true)?;
    let regex = compile(text(row, 1), flags)?;
    let limit = if flags.global { usize::MAX } else { 1 };
    let found = regex.all(text(row, 0), limit)?;
    Ok(Datum::List(found.iter().map(groups).collect()))
}

/// Empty matches at the ends and next to another match separate nothing.
fn split(row: &[Datum]) -> Result<Datum> {
    let regex = compile(text(row, 1), Flags::parse(text(row, 2), false)?)?;
    let whole = text(row, 0);
    let (mut parts, mut last, mut before) = (vec![], 0, 0);
    let found = regex.all(whole, usize::MAX)?;
    for found in found.iter().filter_map(|found| found.get(0)) {
        // Nothing at the text's ends, or right behind a match, parts nothing.
        let is_kept = found.start < whole.len() && found.end > before;
        before = found.end;
        if !is_kept {
            continue;
        }
        parts.push(Datum::text(&whole[last..found.start]));
        last = found.end;
    }
    parts.push(Datum::text(&whole[last..]));
    Ok(Datum::List(parts))
}

fn count(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (args.texts(0)?, args.texts(1)?);
    let starts = if args.len() > 2 { Some(args.int4(2)?) } else { None };
    let options = if args.len() > 3 { Some(args.texts(3)?) } else { None };
    let mut compiled = Compiled::default();
    args.build::<Int32Type>(|row| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else {
            return Ok(None);
        };
        let start = starts.as_ref().map_or(Some(1), |starts| starts.get(row));
        let flags = options.as_ref().map_or(Some(""), |options| options.get(row));
        let (Some(start), Some(flags)) = (start, flags) else {
            return Ok(None);
        };
        let regex = compiled.get(pattern, Flags::parse(flags, false)?)?;
        Ok(Some(match start_offset(text, start)? {
            Some(offset) => regex.all(&text[offset..], usize::MAX)?.len() as i32,
            None => 0,
        }))
    })
}

/// The matches from `start` on: (row, its n-th match as captures, offset of the search).
fn nth(row: &[Datum], options_at: usize) -> Result<Option<(Captures<'_>, usize)>> {
    let number = |index: usize| row.get(index).and_then(Datum::as_int);
    let whole = text(row, 0);
    let start = number(2).unwrap_or(1);
    let wanted = number(3).unwrap_or(1);
    if wanted <= 0 {
        return Err(invalid(format!("invalid value for parameter \"n\": {wanted}")));
    }
    let regex = compile(text(row, 1), Flags::parse(text(row, options_at), false)?)?;
    let Some(offset) = start_offset(whole, start as i32)? else {
        return Ok(None);
    };
    let found = regex
        .all(&whole[offset..], wanted as usize)?
        .into_iter()
        .nth(wanted as usize - 1);
    Ok(found.map(|found| (found, offset)))
}

fn position(row: &[Datum]) -> Result<Datum> {
    let number = |index: usize| row.get(index).and_then(Datum::as_int);
    let at_end = number(4).unwrap_or(0);
    if !(0..=1).contains(&at_end) {
        return Err(invalid(format!("invalid value for parameter \"endoption\": {at_end}")));
    }
    let group = group_number(row.get(6))?;
    let whole = text(row, 0);
    let Some((found, offset)) = nth(row, 5)? else {
        return Ok(Datum::Int(0));
    };
    Ok(Datum::Int(found.get(group).map_or(0, |part| {
        let end = if at_end == 1 { part.end } else { part.start };
        whole[..offset + end].chars().count() as i64 + 1
    })))
}

fn group_number(argument: Option<&Datum>) -> Result<usize> {
    let number = argument.and_then(Datum::as_int).unwrap_or(0);
    usize::try_from(number).map_err(|_| invalid(format!("invalid value for parameter \"subexpr\": {number}")))
}

fn nth_match(row: &[Datum]) -> Result<Datum> {
    let group = group_number(row.get(5))?;
    let found = nth(row, 4)?;
    Ok(found
        .and_then(|(found, _)| found.get(group).map(|part| part.as_str().to_string()))
        .into())
}
