//! JSON input: json keeps the text once it is checked, jsonb gets PostgreSQL's canonical text (keys by
//! length and bytes, the last of equal keys, numbers as numeric prints them).

use std::collections::BTreeMap;

use crate::error::{Error, Result, SqlState};

const MAX_DEPTH: usize = 6000;
/// Digits that an exponent may add; PostgreSQL's numeric allows as many before its point.
const MAX_EXPONENT: i64 = 131_072;

/// Checks that a text is JSON.
pub fn check(text: &str) -> Result<()> {
    Reader::new(text, None).document()
}

/// The text that jsonb prints for a JSON text.
pub fn canonical(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    Reader::new(text, Some(&mut out)).document()?;
    Ok(out)
}

/// Appends a JSON string with quotes.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Keys of jsonb sort by length first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(usize, String);

struct Reader<'a> {
    text: &'a str,
    position: usize,
    /// Where the canonical text goes; `None` only checks.
    out: Option<&'a mut String>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, out: Option<&'a mut String>) -> Reader<'a> {
        Reader {
            text,
            position: 0,
            out,
            depth: 0,
        }
    }

    fn document(&mut self) -> Result<()> {
        self.value()?;
        self.skip_space();
        if self.position < self.text.len() {
            Err(self.invalid())
        } else {
            Ok(())
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn write(&mut self, text: &str) {
        if let Some(out) = &mut self.out {
            out.push_str(text);
        }
    }

    fn invalid(&self) -> Error {
        let error = Error::new(
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type json",
        );
        let rest = &self.text[self.position.min(self.text.len())..];
        if rest.is_empty() {
            return error.with_detail("The input string ended unexpectedly.");
        }
        let word = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        error.with_detail(format!("Token \"{}\" is invalid.", &rest[..word.max(first)]))
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        self.skip_space();
        if self.peek() != Some(byte) {
            return Err(self.invalid());
        }
        self.position += 1;
        Ok(())
    }

    fn value(&mut self) -> Result<()> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => {
                let string = self.string()?;
                if let Some(out) = &mut self.out {
                    write_string(&string, out);
                }
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for word in ["true", "false", "null"] {
                    let rest = &self.text[self.position..];
                    let whole = |rest: &str| !rest[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
                    if rest.starts_with(word) && whole(rest) {
                        self.position += word.len();
                        self.write(word);
                        return Ok(());
                    }
                }
                Err(self.invalid())
            }
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(SqlState::ProgramLimitExceeded, "stack depth limit exceeded"));
        }
        self.position += 1;
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<()> {
        self.write("[");
        self.skip_space();
        if self.peek() == Some(b']') {
            self.position += 1;
            self.write("]");
            return Ok(());
        }
        loop {
            self.value()?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.write(", "),
                Some(b']') => break,
                _ => return Err(self.invalid()),
            }
            self.position += 1;
        }
        self.position += 1;
        self.write("]");
        Ok(())
    }

    fn object(&mut self) -> Result<()> {
        let mut members = BTreeMap::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.position += 1;
            self.write("{}");
            return Ok(());
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.invalid());
            }
            let key = self.string()?;
            self.expect(b':')?;
            if self.out.is_some() {
                let mut text = String::new();
                let mut inner = Reader {
                    text: self.text,
                    position: self.position,
                    out: Some(&mut text),
                    depth: self.depth,
                };
                inner.value()?;
                self.position = inner.position;
                members.insert(Key(key.len(), key), text);
            } else {
                self.value()?;
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.position += 1,
                Some(b'}') => break,
                _ => return Err(self.invalid()),
            }
        }
        self.position += 1;
        if let Some(out) = &mut self.out {
            for (position, (Key(_, key), value)) in members.iter().enumerate() {
                out.push_str(if position == 0 { "{" } else { ", " });
                write_string(key, out);
                out.push_str(": ");
                out.push_str(value);
            }
            out.push('}');
        }
        Ok(())
    }

    /// A string with its escapes resolved.
    fn string(&mut self) -> Result<String> {
        self.position += 1;
        let mut value = String::new();
        loop {
            let rest = &self.text[self.position..];
            let Some(end) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') else {
                self.position = self.text.len();
                return Err(self.invalid());
            };
            value.push_str(&rest[..end]);
            self.position += end;
            match rest.as_bytes()[end] {
                b'"' => {
                    self.position += 1;
                    return Ok(value);
                }
                b'\\' => value.push(self.escape()?),
                _ => return Err(self.invalid()),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        self.position += 1;
        let letter = self.peek().ok_or_else(|| self.invalid())?;
        self.position += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => {
                self.position -= 1;
                return Err(self.invalid());
            }
        })
    }

    fn unicode(&mut self) -> Result<char> {
        let first = self.four_hex_digits()?;
        if first == 0 && self.out.is_some() {
            return Err(Error::new(
                SqlState::InvalidTextRepresentation,
                "unsupported Unicode escape sequence",
            )
            .with_detail("\\u0000 cannot be converted to text."));
        }
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.invalid());
        }
        if !self.text[self.position..].starts_with("\\u") {
            return Err(self.invalid());
        }
        self.position += 2;
        let second = self.four_hex_digits()?;
        let low = second
            .checked_sub(0xdc00)
            .filter(|low| *low < 0x400)
            .ok_or_else(|| self.invalid())?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + low).ok_or_else(|| self.invalid())
    }

    fn four_hex_digits(&mut self) -> Result<u32> {
        let digits = self
            .text
            .get(self.position..self.position + 4)
            .ok_or_else(|| self.invalid())?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.invalid());
        }
        self.position += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.invalid())
    }

    fn digits(&mut self) -> Result<&'a str> {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        if start == self.position {
            Err(self.invalid())
        } else {
            Ok(&self.text[start..self.position])
        }
    }

    fn number(&mut self) -> Result<()> {
        let start = self.position;
        let negative = self.peek() == Some(b'-');
        self.position += usize::from(negative);
        let integer = self.digits()?;
        if integer.len() > 1 && integer.starts_with('0') {
            self.position = start;
            return Err(self.invalid());
        }
        let mut fraction = "";
        if self.peek() == Some(b'.') {
            self.position += 1;
            fraction = self.digits()?;
        }
        let mut exponent = 0;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            let sign = self.peek();
            self.position += usize::from(matches!(sign, Some(b'+' | b'-')));
            let magnitude = self.digits()?.parse::<i64>().unwrap_or(i64::MAX);
            exponent = if sign == Some(b'-') { -magnitude } else { magnitude };
        }
        if matches!(self.peek(), Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.') {
            return Err(self.invalid());
        }
        let Some(out) = &mut self.out else { return Ok(()) };
        if exponent.abs() > MAX_EXPONENT {
            return Err(Error::new(
                SqlState::NumericValueOutOfRange,
                "value overflows numeric format",
            ));
        }
        write_number(negative, integer, fraction, exponent, out);
        Ok(())
    }
}

/// Moves the decimal point by the exponent, as numeric prints it.
fn write_number(negative: bool, integer: &str, fraction: &str, exponent: i64, out: &mut String) {
    let digits = format!("{integer}{fraction}");
    let point = integer.len() as i64 + exponent;
    let zeros = |count: i64| "0".repeat(count.max(0) as usize);
    let split = point.clamp(0, digits.len() as i64) as usize;
    let whole = format!("{}{}", &digits[..split], zeros(point - digits.len() as i64));
    let part = format!("{}{}", zeros(-point), &digits[split..]);
    let whole = whole.trim_start_matches('0');
    if negative && digits.bytes().any(|digit| digit != b'0') {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !part.is_empty() {
        out.push('.');
        out.push_str(&part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_is_canonical() {
        for (text, expected) in [
            (r#"{"b":1,"a":2}"#, r#"{"a": 2, "b": 1}"#),
            (r#"{"bb":1,"c":[1,{"x":null}],"c":true}"#, r#"{"c": true, "bb": 1}"#),
            (" [ ] ", "[]"),
            ("{}", "{}"),
            ("1.50", "1.50"),
            ("1e3", "1000"),
            ("1.5E-5", "0.000015"),
            ("-0", "0"),
            ("12.34e1", "123.4"),
            (r#""\u00e4\n\u0001\ud83d\ude00""#, "\"ä\\n\\u0001😀\""),
        ] {
            assert_eq!(canonical(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for (text, detail) in [
            ("", "The input string ended unexpectedly."),
            ("{a:1}", "Token \"a\" is invalid."),
            ("[1,]", "Token \"]\" is invalid."),
            ("01", "Token \"01\" is invalid."),
            ("truex", "Token \"truex\" is invalid."),
            ("{} x", "Token \"x\" is invalid."),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(
                (error.state().code(), error.detail()),
                ("22P02", Some(detail)),
                "{text}"
            );
        }
        assert!(check(r#"["\u0000"]"#).is_ok() && canonical(r#"["\u0000"]"#).is_err());
    }
}
