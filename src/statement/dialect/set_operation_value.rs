//! `((SELECT 1) UNION (SELECT 2))` where a value stands: sqlparser takes the first branch for all of it, so the set operation
//! becomes a relation that all is selected from.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;
use super::parentheses::closing;
use super::values_query::begins_value;

pub(super) fn select_from_operations(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index + 2 < tokens.len() {
        if begins_operation(tokens, index)
            && begins_value(tokens, index)
            && let Some(close) = closing(tokens, index)
        {
            let span = tokens[index].span;
            let tail = [
                Token::RParen,
                Token::make_word("as", None),
                Token::make_word("*SET*", Some('"')),
            ];
            tokens.splice(close..close, tail.map(|token| TokenWithSpan { token, span }));
            let head = [
                Token::make_word("select", None),
                Token::Mul,
                Token::make_word("from", None),
                Token::LParen,
            ];
            tokens.splice(index + 1..index + 1, head.map(|token| TokenWithSpan { token, span }));
        }
        index += 1;
    }
}

/// Whether this parenthesis holds branches of which the first is in parentheses.
fn begins_operation(tokens: &[TokenWithSpan], open: usize) -> bool {
    if tokens[open].token != Token::LParen || tokens[open + 1].token != Token::LParen {
        return false;
    }
    let inner = tokens[open + 1..].iter().find(|token| token.token != Token::LParen);
    let is_query = inner.is_some_and(|token| {
        ["select", "with", "values"]
            .iter()
            .any(|word| is_word(&token.token, word))
    });
    let behind = closing(tokens, open + 1).and_then(|close| tokens.get(close + 1));
    is_query
        && behind.is_some_and(|token| {
            let words = ["union", "intersect", "except"];
            words.iter().any(|word| is_word(&token.token, word))
        })
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn set_operations_are_selected_from_where_a_value_stands() {
        assert_eq!(
            fixed("select ((select 1) union (select 2))"),
            "select ( select * from ( ( select 1 ) union ( select 2 ) ) as \"*SET*\" )"
        );
        for text in [
            "( ( select 1 ) union ( select 2 ) ) order by 1",
            "select * from ( ( select 1 ) union ( select 2 ) ) s",
            "with recursive r as ( ( select 1 ) union ( select n from r ) ) select 1",
            "select ( ( select 1 ) + 2 )",
            "select ( select 1 union select 2 )",
        ] {
            assert_eq!(fixed(text), text);
        }
    }
}
