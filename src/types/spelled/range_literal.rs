//! The brackets, commas and quotes of a range's text.

use crate::error::{Error, Result, SqlState};

/// The brackets of a literal and the texts between them.
pub(super) struct Literal {
    pub opening: char,
    pub lower: Option<String>,
    pub upper: Option<String>,
    pub closing: char,
}

/// The parts of a literal; `None` for `empty`.
pub(super) fn split(text: &str) -> Result<Option<Literal>> {
    let malformed = |detail: &str| {
        let message = format!("malformed range literal: \"{text}\"");
        Error::new(SqlState::InvalidTextRepresentation, message).with_detail(detail)
    };
    let is_space = |character: char| matches!(character, ' ' | '\t'..='\r');
    let trimmed = text.trim_start_matches(is_space);
    if let Some((_, rest)) = trimmed
        .split_at_checked("empty".len())
        .filter(|(word, _)| word.eq_ignore_ascii_case("empty"))
    {
        return match rest.trim_start_matches(is_space).is_empty() {
            true => Ok(None),
            false => Err(malformed("Junk after \"empty\" key word.")),
        };
    }
    let mut rest = trimmed.chars().peekable();
    let Some(opening) = rest.next_if(|first| matches!(first, '[' | '(')) else {
        return Err(malformed("Missing left parenthesis or bracket."));
    };
    let lower = bound_text(&mut rest).ok_or_else(|| malformed("Unexpected end of input."))?;
    if rest.next_if_eq(&',').is_none() {
        return Err(malformed("Missing comma after lower bound."));
    }
    let upper = bound_text(&mut rest).ok_or_else(|| malformed("Unexpected end of input."))?;
    let closing = match rest.next() {
        Some(closing @ (']' | ')')) => closing,
        _ => return Err(malformed("Too many commas.")),
    };
    match rest.all(is_space) {
        true => Ok(Some(Literal {
            opening,
            lower,
            upper,
            closing,
        })),
        false => Err(malformed("Junk after right parenthesis or bracket.")),
    }
}

/// The text up to the bound's end, `Some(None)` where there is none; `None` where the input ends.
fn bound_text(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Option<String>> {
    let is_end = |character: char| matches!(character, ',' | ')' | ']');
    if rest.peek().copied().is_some_and(is_end) {
        return Some(None);
    }
    let mut value = String::new();
    let mut is_quoted = false;
    loop {
        let next = *rest.peek()?;
        if !is_quoted && is_end(next) {
            return Some(Some(value));
        }
        rest.next();
        match next {
            '\\' => value.push(rest.next()?),
            '"' if is_quoted && rest.next_if_eq(&'"').is_some() => value.push('"'),
            '"' => is_quoted = !is_quoted,
            other => value.push(other),
        }
    }
}

/// A bound with quotes where it needs them.
pub(super) fn quote_into(value: &str, out: &mut String) {
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | '[' | ']' | ',' | ' ' | '\t'..='\r');
    if !value.is_empty() && !value.contains(special) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            out.push(character);
        }
        out.push(character);
    }
    out.push('"');
}
