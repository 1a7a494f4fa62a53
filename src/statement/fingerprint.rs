//! Statements without their literals: what system.queries groups by. Passwords are literals too, so a
//! normalized text may be shown where the statement itself may not.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::ParsedStatement;
use super::lexer;

/// The statement's text with every literal as `?`, words in lower case, comments gone, one space
/// between tokens; lists of literals are one `?`, so that IN lists of any length are one statement.
pub fn normalized_text(statement: &ParsedStatement) -> String {
    normalize(&statement.text)
}

/// A hash of the normalized text; equal in every process of one build.
pub fn fingerprint(statement: &ParsedStatement) -> u64 {
    let mut hasher = DefaultHasher::new();
    normalize(&statement.text).hash(&mut hasher);
    hasher.finish()
}

fn normalize(text: &str) -> String {
    // The text has been parsed before, so it has tokens.
    let tokens = lexer::tokenize(text).unwrap_or_default();
    let mut normalized = String::with_capacity(text.len());
    let (mut before_last, mut last) = (Part::Opening, Part::Opening);
    let mut comma = 0;
    for TokenWithSpan { token, .. } in &tokens {
        let part = Part::of(token);
        if part == Part::Literal && last == Part::Comma && before_last == Part::Literal {
            normalized.truncate(comma);
            (before_last, last) = (Part::Other, Part::Literal);
            continue;
        }
        let start = normalized.len();
        let is_glued = matches!(part, Part::Comma | Part::Glued)
            || matches!(token, Token::LBracket | Token::Period | Token::DoubleColon);
        if last != Part::Opening && !is_glued {
            normalized.push(' ');
        }
        if part == Part::Literal {
            normalized.push('?');
        } else {
            // Writing to a string does not fail.
            let _ = write!(normalized, "{token}");
        }
        if part == Part::Comma {
            comma = start;
        }
        (before_last, last) = (last, part);
    }
    normalized
}

/// What a token is to those beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal,
    Comma,
    /// Nothing stands between it and what follows.
    Opening,
    /// Nothing stands between it and what comes before.
    Glued,
    Other,
}

impl Part {
    fn of(token: &Token) -> Part {
        match token {
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Question => Part::Literal,
            Token::Placeholder(name) if name == "?" => Part::Literal,
            Token::Comma => Part::Comma,
            Token::LParen | Token::LBracket | Token::Period | Token::DoubleColon => Part::Opening,
            Token::RParen | Token::RBracket => Part::Glued,
            _ => Part::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse;

    #[test]
    fn literals_comments_and_case_do_not_count() {
        let cases = [
            (
                "SELECT a, 1 FROM T where x = 'y' -- c",
                "select a, ? from t where x = ?",
            ),
            ("select * from t where a in (1,2 , 3)", "select * from t where a in (?)"),
            (
                "select \"A\".b[1]::int, $1 from \"A\"",
                "select \"A\".b[?]::int, $1 from \"A\"",
            ),
            ("create role r password 'secret'", "create role r password ?"),
        ];
        for (text, expected) in cases {
            assert_eq!(normalized_text(&parse(text).unwrap()[0]), expected);
        }
        let print = |text: &str| fingerprint(&parse(text).unwrap()[0]);
        assert_eq!(print("select 1"), print("SELECT  /* x */ 2"));
        assert_ne!(print("select 1"), print("select a"));
    }
}
