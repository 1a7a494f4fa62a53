//! Quoted text: plain, escape, Unicode and dollar-quoted strings, and quoted identifiers.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Lexer, is_identifier_part, is_identifier_start, truncate_name};
use crate::error::{Error, Result, SqlState};
use crate::types::encoding::invalid_sequence;

/// Behind these, plans and rewritten texts keep what belongs to a name: a table's version, an output's number.
const RESERVED: [char; 2] = ['\u{1}', '\u{2}'];

impl Lexer<'_> {
    /// `'…'` with `''` for a quote; a further part after white space with a line break belongs to it.
    pub(super) fn plain_string(&mut self) -> Result<String> {
        let start = self.at;
        let mut value = String::new();
        loop {
            self.at += 1;
            let from = self.at;
            while !matches!(self.peek(), None | Some(b'\'')) {
                self.at += 1;
            }
            value.push_str(&self.text[from..self.at]);
            if self.peek().is_none() {
                return Err(self.error_near("unterminated quoted string", start));
            }
            if self.peek_at(1) == Some(b'\'') {
                value.push('\'');
                self.at += 1;
                continue;
            }
            self.at += 1;
            if !self.continues_on_next_line()? {
                return Ok(value);
            }
        }
    }

    /// Moves to the next part's quote when only white space with a line break lies between.
    pub(super) fn continues_on_next_line(&mut self) -> Result<bool> {
        let end = self.at;
        let mut line_break = false;
        loop {
            match self.peek() {
                Some(b'\n' | b'\r') => {
                    line_break = true;
                    self.at += 1;
                }
                Some(b' ' | b'\t' | 0x0b | 0x0c) => self.at += 1,
                Some(b'-') if self.peek_at(1) == Some(b'-') => self.skip_line_comment(),
                Some(b'\'') if line_break => return Ok(true),
                _ => break,
            }
        }
        self.at = end;
        Ok(false)
    }

    /// `E'…'`: backslash escapes. Octal and hexadecimal escapes are bytes, which must make UTF-8.
    pub(super) fn escape_string(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 1;
        let mut value: Vec<u8> = vec![];
        loop {
            self.at += 1;
            loop {
                match self.peek() {
                    None => return Err(self.error_near("unterminated quoted string", start)),
                    Some(b'\'') if self.peek_at(1) == Some(b'\'') => {
                        value.push(b'\'');
                        self.at += 2;
                    }
                    Some(b'\'') => break,
                    Some(b'\\') => self.escape(start, &mut value)?,
                    Some(byte) => {
                        value.push(byte);
                        self.at += 1;
                    }
                }
            }
            self.at += 1;
            if !self.continues_on_next_line()? {
                break;
            }
        }
        if let Some(zero) = value.iter().position(|byte| *byte == 0) {
            return Err(self.invalid_bytes(&value[zero..=zero], start));
        }
        String::from_utf8(value).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let length = error.utf8_error().error_len().unwrap_or(1);
            self.invalid_bytes(&error.as_bytes()[valid..valid + length], start)
        })
    }

    fn invalid_bytes(&mut self, bytes: &[u8], start: usize) -> Error {
        invalid_sequence(bytes, "UTF8").at(self.position_of(start))
    }

    fn escape(&mut self, start: usize, value: &mut Vec<u8>) -> Result<()> {
        let escape_start = self.at;
        self.at += 1;
        let Some(byte) = self.peek() else {
            return Err(self.error_near("unterminated quoted string", start));
        };
        self.at += 1;
        match byte {
            b'b' => value.push(8),
            b'f' => value.push(12),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'v' => value.push(11),
            b'0'..=b'7' => {
                self.at -= 1;
                // PostgreSQL keeps the low eight bits.
                value.push(self.take_number(8, 1, 3).unwrap_or(0) as u8);
            }
            b'x' => match self.take_number(16, 1, 2) {
                Some(code) => value.push(code as u8),
                None => value.push(b'x'),
            },
            b'u' | b'U' => {
                let length = if byte == b'u' { 4 } else { 8 };
                let character = self.unicode_escape(length, escape_start, &['\\', char::from(byte)])?;
                value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => value.push(other),
        }
        Ok(())
    }

    /// Between `least` and `most` digits.
    fn take_number(&mut self, radix: u32, least: usize, most: usize) -> Option<u32> {
        let start = self.at;
        while self.at - start < most && self.peek().is_some_and(|byte| char::from(byte).is_digit(radix)) {
            self.at += 1;
        }
        if self.at - start < least {
            self.at = start;
            return None;
        }
        u32::from_str_radix(&self.text[start..self.at], radix).ok()
    }

    /// A code point of exactly `length` hexadecimal digits; a leading surrogate takes its partner along.
    fn unicode_escape(&mut self, length: usize, start: usize, introducer: &[char]) -> Result<char> {
        let Some(code) = self.take_number(16, length, length) else {
            return Err(self.invalid_unicode("invalid Unicode escape", start));
        };
        if (0xd800..0xdc00).contains(&code) {
            let prefix: String = introducer.iter().collect();
            if !self.text[self.at..].starts_with(&prefix) {
                return Err(self.invalid_unicode("invalid Unicode surrogate pair", start));
            }
            self.at += prefix.len();
            let second = self
                .take_number(16, length, length)
                .filter(|second| (0xdc00..0xe000).contains(second));
            let Some(second) = second else {
                return Err(self.invalid_unicode("invalid Unicode surrogate pair", start));
            };
            let combined = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
            return char::from_u32(combined).ok_or_else(|| self.invalid_unicode("invalid Unicode escape value", start));
        }
        char::from_u32(code)
            .filter(|character| *character != '\0')
            .ok_or_else(|| self.invalid_unicode("invalid Unicode escape value", start))
    }

    fn invalid_unicode(&mut self, message: &str, start: usize) -> Error {
        let state = match message {
            "invalid Unicode surrogate pair" => SqlState::SyntaxError,
            _ => SqlState::InvalidEscapeSequence,
        };
        Error::new(state, message)
            .with_hint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.")
            .at(self.position_of(start))
    }

    /// `U&'…' [UESCAPE 'c']`.
    pub(super) fn unicode_string(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 2;
        let raw = self.plain_string()?;
        let escape = self.unicode_escape_character()?;
        self.decode_unicode(&raw, escape, start)
    }

    /// `U&"…" [UESCAPE 'c']`.
    pub(super) fn unicode_identifier(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 2;
        let raw = self.quoted_identifier(b'"')?;
        let escape = self.unicode_escape_character()?;
        let mut name = self.decode_unicode(&raw, escape, start)?;
        self.check_name(&name, start)?;
        truncate_name(&mut name);
        Ok(name)
    }

    /// Keeps names free of the characters that set apart what plans put into them.
    fn check_name(&mut self, name: &str, start: usize) -> Result<()> {
        let Some(character) = name.chars().find(|character| RESERVED.contains(character)) else {
            return Ok(());
        };
        let what = format!("the character U+{:04X} in a name", u32::from(character));
        let position = self.position_of(start);
        Err(Error::unsupported(what).at(position))
    }

    fn unicode_escape_character(&mut self) -> Result<char> {
        let end = self.at;
        let clause = self.skip_blank()? && self.text.as_bytes()[self.at..].len() >= 7 && {
            let word = &self.bytes[self.at..self.at + 7];
            word.eq_ignore_ascii_case(b"uescape")
        };
        if !clause {
            self.at = end;
            return Ok('\\');
        }
        let start = self.at;
        self.at += 7;
        self.skip_blank()?;
        if self.peek() == Some(b'\'') {
            let value = self.plain_string()?;
            let mut characters = value.chars();
            if let (Some(character), None) = (characters.next(), characters.next())
                && !character.is_ascii_hexdigit()
                && !matches!(character, '+' | '\'' | '"' | ' ' | '\t' | '\n' | '\r')
            {
                return Ok(character);
            }
        }
        Err(self.error_near("invalid Unicode escape character", start))
    }

    /// `\XXXX` and `\+XXXXXX` of a standard Unicode string, with another escape character if given.
    fn decode_unicode(&mut self, raw: &str, escape: char, start: usize) -> Result<String> {
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        let mut surrogate: Option<u32> = None;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            if character != escape {
                value.push(character);
                continue;
            }
            if rest.starts_with(escape) {
                rest = &rest[escape.len_utf8()..];
                value.push(escape);
                continue;
            }
            let (skip, length) = if rest.starts_with('+') { (1, 6) } else { (0, 4) };
            let code = rest
                .get(skip..skip + length)
                .and_then(|digits| u32::from_str_radix(digits, 16).ok());
            let Some(code) = code else {
                return Err(self.invalid_unicode("invalid Unicode escape", start));
            };
            rest = &rest[skip + length..];
            let whole = match (surrogate.take(), code) {
                (None, 0xd800..=0xdbff) => {
                    surrogate = Some(code);
                    continue;
                }
                (Some(high), 0xdc00..=0xdfff) => 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00),
                (Some(_), _) => return Err(self.invalid_unicode("invalid Unicode surrogate pair", start)),
                (None, code) => code,
            };
            match char::from_u32(whole).filter(|character| *character != '\0') {
                Some(character) => value.push(character),
                None => return Err(self.invalid_unicode("invalid Unicode escape value", start)),
            }
        }
        if surrogate.is_some() {
            return Err(self.invalid_unicode("invalid Unicode surrogate pair", start));
        }
        Ok(value)
    }

    /// `"…"` with `""` for a quote; backticks are Databricks' spelling of the same.
    pub(super) fn quoted_identifier(&mut self, quote: u8) -> Result<String> {
        let start = self.at;
        let mut name = String::new();
        loop {
            self.at += 1;
            let from = self.at;
            while self.peek().is_some_and(|byte| byte != quote) {
                self.at += 1;
            }
            name.push_str(&self.text[from..self.at]);
            if self.peek().is_none() {
                return Err(self.error_near("unterminated quoted identifier", start));
            }
            if self.peek_at(1) != Some(quote) {
                break;
            }
            name.push(char::from(quote));
            self.at += 1;
        }
        self.at += 1;
        if name.is_empty() {
            return Err(self.error_near("zero-length delimited identifier", start));
        }
        self.check_name(&name, start)?;
        truncate_name(&mut name);
        Ok(name)
    }

    /// `$tag$ … $tag$`, nothing escaped inside.
    pub(super) fn dollar_string(&mut self) -> Result<Token> {
        let start = self.at;
        let mut end = start + 1;
        if self.bytes.get(end).copied().is_some_and(is_identifier_start) {
            while self
                .bytes
                .get(end)
                .copied()
                .is_some_and(|byte| byte != b'$' && is_identifier_part(byte))
            {
                end += 1;
            }
        }
        if self.bytes.get(end) != Some(&b'$') {
            self.at += 1;
            return Ok(Token::Char('$'));
        }
        let delimiter = &self.text[start..=end];
        let body = &self.text[end + 1..];
        match body.find(delimiter) {
            Some(length) => {
                let value = body[..length].to_string();
                self.at = end + 1 + length + delimiter.len();
                Ok(Token::SingleQuotedString(value))
            }
            None => {
                self.at = self.bytes.len();
                Err(self.error_near("unterminated dollar-quoted string", start))
            }
        }
    }
}
