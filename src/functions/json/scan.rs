//! Looking into JSON texts without building trees: a value is the piece of text that it is. The texts were checked
//! when they became json, so that a scan only has to find where each value ends.

use crate::error::{Error, Result, SqlState};

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }
}

/// The kind of a value by its first character.
pub(crate) fn kind(text: &str) -> Kind {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}

/// Where the string that begins at `start` ends.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    while position < bytes.len() {
        match bytes[position] {
            b'\\' => position += 2,
            b'"' => return position + 1,
            _ => position += 1,
        }
    }
    bytes.len()
}

/// Where the value that begins at `start` ends.
fn value_end(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => string_end(bytes, start),
        Some(b'{' | b'[') => {
            let (mut depth, mut position) = (0_usize, start);
            while position < bytes.len() {
                match bytes[position] {
                    b'"' => {
                        position = string_end(bytes, position);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return position + 1;
                        }
                    }
                    _ => {}
                }
                position += 1;
            }
            bytes.len()
        }
        _ => {
            let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\n' | b'\r');
            let rest = bytes.get(start..).unwrap_or_default();
            start + rest.iter().position(is_end).unwrap_or(rest.len())
        }
    }
}

fn skip_space(bytes: &[u8], mut position: usize) -> usize {
    while matches!(bytes.get(position), Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')) {
        position += 1;
    }
    position
}

/// The elements of an array; nothing of anything else.
pub(crate) fn elements(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut found = vec![];
    if kind(text) != Kind::Array {
        return found;
    }
    let mut position = skip_space(bytes, skip_space(bytes, 0) + 1);
    while position < bytes.len() && bytes[position] != b']' {
        let end = value_end(bytes, position);
        found.push(&text[position..end]);
        position = skip_space(bytes, end);
    }
    found
}

/// The members of an object, keys as they are quoted; nothing of anything else.
pub(crate) fn members(text: &str) -> Vec<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut found = vec![];
    if kind(text) != Kind::Object {
        return found;
    }
    let mut position = skip_space(bytes, skip_space(bytes, 0) + 1);
    while position < bytes.len() && bytes[position] != b'}' {
        let key_end = value_end(bytes, position);
        let start = skip_space(bytes, key_end);
        let end = value_end(bytes, start);
        found.push((&text[position..key_end], &text[start..end]));
        position = skip_space(bytes, end);
    }
    found
}

/// The text of a quoted string.
pub(crate) fn unquoted(text: &str) -> Result<String> {
    let text = text.trim();
    let inside = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    if !inside.contains('\\') {
        return Ok(inside.to_string());
    }
    serde_json::from_str(text).map_err(|_| {
        Error::new(
            SqlState::InvalidTextRepresentation,
            "unsupported Unicode escape sequence",
        )
        .with_detail("\\u0000 cannot be converted to text.")
    })
}

/// A member by name; the last where a json text repeats it.
pub(crate) fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let found = members(text).into_iter().rev().find(|(key, _)| {
        let plain = &key[1..key.len() - 1];
        plain == name || (plain.contains('\\') && unquoted(key).is_ok_and(|key| key == name))
    });
    found.map(|(_, value)| value)
}

/// An element by position; negative positions count from the end.
pub(crate) fn element(text: &str, position: i64) -> Option<&str> {
    let all = elements(text);
    let position = if position < 0 {
        position + all.len() as i64
    } else {
        position
    };
    usize::try_from(position)
        .ok()
        .and_then(|position| all.get(position).copied())
}

/// The value at a path; in an array a step is a position.
pub(crate) fn at_path<'a>(text: &'a str, steps: &[String]) -> Option<&'a str> {
    steps.iter().try_fold(text, |value, step| match kind(value) {
        Kind::Array => element(value, step.trim().parse().ok()?),
        Kind::Object => member(value, step),
        _ => None,
    })
}

/// As `->>` shows it: strings without quotes, null as NULL.
pub(crate) fn shown(value: &str) -> Result<Option<String>> {
    match kind(value) {
        Kind::Null => Ok(None),
        Kind::String => unquoted(value).map(Some),
        _ => Ok(Some(value.trim().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_where_they_stand() {
        let text = r#"{"a": [1, {"b": "x,]"}], "n": null, "q\"": 2.50}"#;
        assert_eq!(member(text, "a"), Some(r#"[1, {"b": "x,]"}]"#));
        assert_eq!(member(text, "q\""), Some("2.50"));
        let path = |steps: &[&str]| at_path(text, &steps.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(path(&["a", "1", "b"]), Some("\"x,]\""));
        assert_eq!(path(&["a", "-2"]), Some("1"));
        assert_eq!(path(&["n", "x"]), None);
        assert_eq!(elements("[ ]"), Vec::<&str>::new());
        assert_eq!(shown("\"x\\ny\"").unwrap().unwrap(), "x\ny");
        assert_eq!(shown("null").unwrap(), None);
    }
}
