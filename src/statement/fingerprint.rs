//! Statements without their literals: what system.queries groups by. Passwords are literals too, so a
//! normalized text may be shown where the statement itself may not.

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
    let mut parts: Vec<(String, bool)> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let (part, glued) = part_of(&token);
        if part == "?" && ends_with_literal_and_comma(&parts) {
            parts.pop();
            continue;
        }
        parts.push((part, glued));
    }
    let mut normalized = String::with_capacity(text.len());
    let mut after_opening = true;
    for (part, glued) in parts {
        if !after_opening && !glued {
            normalized.push(' ');
        }
        after_opening = matches!(part.as_str(), "(" | "[" | "." | "::");
        normalized.push_str(&part);
    }
    normalized
}

/// The token's text, and whether it follows the one before without a space.
fn part_of(token: &TokenWithSpan) -> (String, bool) {
    match &token.token {
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::HexStringLiteral(_) => ("?".to_string(), false),
        Token::Comma | Token::RParen | Token::RBracket | Token::Period | Token::DoubleColon | Token::LBracket => {
            (token.token.to_string(), true)
        }
        other => (other.to_string(), false),
    }
}

fn ends_with_literal_and_comma(parts: &[(String, bool)]) -> bool {
    matches!(parts, [.., (literal, _), (comma, _)] if literal == "?" && comma == ",")
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
