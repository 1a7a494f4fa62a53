//! Numeric constants: decimal, with fraction and exponent, and PostgreSQL 16's underscores and 0x, 0o, 0b.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::Lexer;
use crate::error::Result;

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Result<Token> {
        let start = self.at;
        let radix = match (self.peek(), self.peek_at(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => 16,
            (Some(b'0'), Some(b'o' | b'O')) => 8,
            (Some(b'0'), Some(b'b' | b'B')) => 2,
            _ => 10,
        };
        if radix != 10 {
            return self.radix_number(start, radix);
        }
        self.digits();
        // `1..2` is a range of two integers, not `1.` and `.2`.
        if self.peek() == Some(b'.') && self.peek_at(1) != Some(b'.') {
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek_at(1), Some(b'+' | b'-')));
            if self.peek_at(1 + sign).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1 + sign;
                self.digits();
            }
        }
        self.refuse_junk(start)?;
        Ok(Token::Number(self.text[start..self.at].replace('_', ""), false))
    }

    fn radix_number(&mut self, start: usize, radix: u32) -> Result<Token> {
        self.at += 2;
        let first = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte == b'_' || char::from(byte).is_digit(radix))
        {
            self.at += 1;
        }
        self.refuse_junk(start)?;
        match u128::from_str_radix(&self.text[first..self.at].replace('_', ""), radix) {
            Ok(value) => Ok(Token::Number(value.to_string(), false)),
            Err(_) => Err(self.error_near("invalid integer literal", start)),
        }
    }

    /// Digits, with single underscores between them.
    fn digits(&mut self) {
        while let Some(byte) = self.peek() {
            let separator = byte == b'_' && self.peek_at(1).is_some_and(|next| next.is_ascii_digit());
            if !byte.is_ascii_digit() && !separator {
                break;
            }
            self.at += 1;
        }
    }

    fn refuse_junk(&mut self, start: usize) -> Result<()> {
        if self.peek().is_some_and(super::is_identifier_start) {
            self.skip_junk();
            return Err(self.error_near("trailing junk after numeric literal", start));
        }
        Ok(())
    }
}
