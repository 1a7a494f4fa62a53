//! Parentheses in a statement's tokens.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Where the parenthesis that opens at `open` closes.
pub(super) fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}
