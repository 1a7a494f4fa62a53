//! A string is no name: sqlparser takes the second one of `SELECT 'a' 'b'` for an alias, PostgreSQL complains.
//! (After AS a string stays an alias, as other databases have it: nothing else can be meant.)

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// The first such string of a query; `tokens` may go on after the parenthesis that closes the query.
pub(in crate::statement) fn misplaced_string<'t>(
    tokens: impl Iterator<Item = &'t TokenWithSpan>,
) -> Option<&'t TokenWithSpan> {
    let mut depth = 0usize;
    let mut after_value = false;
    for token in tokens {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.checked_sub(1)?,
            Token::SingleQuotedString(_) if after_value => return Some(token),
            _ => {}
        }
        after_value = matches!(
            token.token,
            Token::SingleQuotedString(_) | Token::Number(..) | Token::Placeholder(_)
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_after_values_are_found() {
        let found = |text: &str| {
            let tokens = crate::statement::lexer::tokenize(text).unwrap();
            misplaced_string(tokens.iter()).map(|token| token.span.start.column)
        };
        assert_eq!((found("select 1 'x'"), found("select 'a' 'b'")), (Some(10), Some(12)));
        assert_eq!(
            (found("select date 'x', 'y'"), found("select 1) from 1 'x'")),
            (None, None)
        );
    }
}
