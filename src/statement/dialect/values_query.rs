//! `(VALUES (1))` where a value stands: sqlparser reads it as a call of a function, so the query gets a select list.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parentheses::closing;
use super::{is_reserved, is_word};

/// Words after which an expression begins.
const BEFORE_A_VALUE: [&str; 20] = [
    "select",
    "case",
    "when",
    "then",
    "else",
    "and",
    "or",
    "not",
    "where",
    "on",
    "having",
    "in",
    "any",
    "some",
    "by",
    "returning",
    "limit",
    "offset",
    "like",
    "ilike",
];

pub(super) fn give_select_lists(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index + 2 < tokens.len() {
        if tokens[index].token == Token::LParen
            && is_word(&tokens[index + 1].token, "values")
            && tokens[index + 2].token == Token::LParen
            && begins_value(tokens, index)
            && let Some(close) = closing(tokens, index)
        {
            let span = tokens[index].span;
            let as_values = [Token::RParen, Token::make_word("as", None), quoted_name()];
            tokens.splice(close..close, as_values.map(|token| TokenWithSpan { token, span }));
            let mut head = vec![Token::make_word("select", None)];
            for number in 1..=width(tokens, index + 2) {
                if number > 1 {
                    head.push(Token::Comma);
                }
                head.push(Token::make_word(&format!("column{number}"), None));
            }
            head.extend([Token::make_word("from", None), Token::LParen]);
            let head = head.into_iter().map(|token| TokenWithSpan { token, span });
            tokens.splice(index + 1..index + 1, head);
        }
        index += 1;
    }
}

fn quoted_name() -> Token {
    Token::make_word("*VALUES*", Some('"'))
}

/// How many values the row has that opens here.
fn width(tokens: &[TokenWithSpan], open: usize) -> usize {
    let mut depth = 0_usize;
    let mut commas = 0;
    for token in &tokens[open..] {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth -= 1,
            Token::Comma if depth == 1 => commas += 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    commas + 1
}

/// Whether the parenthesis that opens here stands for a value, and not for a relation or a part of a query.
pub(super) fn begins_value(tokens: &[TokenWithSpan], open: usize) -> bool {
    let Some((previous, before)) = tokens[..open].split_last() else {
        return false;
    };
    match &previous.token {
        Token::Word(word) => word.quote_style.is_none() && BEFORE_A_VALUE.contains(&word.value.as_str()),
        Token::Comma => !super::rows_from::is_in_from(before),
        Token::LParen => match before.last().map(|token| &token.token) {
            // The arguments of a function.
            Some(Token::Word(word)) if word.quote_style.is_some() || !is_reserved(&word.value) => true,
            _ => begins_value(tokens, open - 1),
        },
        Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Plus
        | Token::Minus
        | Token::Div
        | Token::Mod
        | Token::StringConcat => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn values_are_selected_where_a_value_stands() {
        assert_eq!(
            fixed("select 1 + (values (2))"),
            "select 1 + ( select column1 from ( values ( 2 ) ) as \"*VALUES*\" )"
        );
        assert_eq!(
            fixed("where (a, b) in (values (1, 2), (3, 4))"),
            "where ( a , b ) in ( select column1 , column2 from ( values ( 1 , 2 ) , ( 3 , 4 ) ) as \"*VALUES*\" )"
        );
        assert_eq!(
            fixed("select f((values (1)))"),
            "select f ( ( select column1 from ( values ( 1 ) ) as \"*VALUES*\" ) )"
        );
        for text in [
            "from ( values ( 1 ) ) v",
            "from a , ( values ( 1 ) ) v",
            "with a as ( values ( 1 ) ) select 1",
            "insert into t ( values ( 1 ) )",
            "select 1 union all ( values ( 1 ) )",
        ] {
            assert_eq!(fixed(text), text);
        }
    }
}
