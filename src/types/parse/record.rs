//! Record literals: `(1,"a b",)`, where nothing is NULL.

use crate::error::{Error, Result, SqlState};

/// Reads a record of so many fields; the fields are still text.
pub fn parse_record(text: &str, count: usize) -> Result<Vec<Option<String>>> {
    let malformed = |detail: &str| {
        let message = format!("malformed record literal: \"{text}\"");
        Error::new(SqlState::InvalidTextRepresentation, message).with_detail(detail)
    };
    let is_space = |character: char| matches!(character, ' ' | '\t'..='\r');
    let Some(rest) = text.trim_start_matches(is_space).strip_prefix('(') else {
        return Err(malformed("Missing left parenthesis."));
    };
    let mut rest = rest.chars().peekable();
    let mut fields = Vec::with_capacity(count);
    for place in 0..count {
        if place > 0 && rest.next_if_eq(&',').is_none() {
            return Err(malformed("Too few columns."));
        }
        if matches!(rest.peek(), Some(',' | ')')) {
            fields.push(None);
            continue;
        }
        let (mut field, mut quoted) = (String::new(), false);
        let next = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            rest.next().ok_or_else(|| malformed("Unexpected end of input."))
        };
        while quoted || !matches!(rest.peek(), Some(',' | ')')) {
            match next(&mut rest)? {
                '\\' => field.push(next(&mut rest)?),
                '"' if !quoted => quoted = true,
                '"' if rest.next_if_eq(&'"').is_some() => field.push('"'),
                '"' => quoted = false,
                other => field.push(other),
            }
        }
        fields.push(Some(field));
    }
    if rest.next() != Some(')') {
        return Err(malformed("Too many columns."));
    }
    match rest.all(is_space) {
        true => Ok(fields),
        false => Err(malformed("Junk after right parenthesis.")),
    }
}
