//! `FROM f(…) AS (a int, b text)`: a list of column definitions without a name. sqlparser wants one, so the function's is
//! written before it.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;
use super::rows_from::begins_relation;

pub(super) fn name_relations(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 1;
    while index + 1 < tokens.len() {
        if is_word(&tokens[index].token, "as")
            && tokens[index - 1].token == Token::RParen
            && tokens[index + 1].token == Token::LParen
            && let Some(name) = function_called(tokens, index - 1)
        {
            let token = Token::make_word(&name, Some('"'));
            let span = tokens[index].span;
            tokens.insert(index + 1, TokenWithSpan { token, span });
        }
        index += 1;
    }
}

/// The function of FROM whose arguments this parenthesis closes.
fn function_called(tokens: &[TokenWithSpan], close: usize) -> Option<String> {
    let mut depth = 0_usize;
    let open = (0..=close).rev().find(|index| {
        match tokens[*index].token {
            Token::RParen => depth += 1,
            Token::LParen => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    let mut start = open.checked_sub(1)?;
    let Token::Word(name) = &tokens[start].token else {
        return None;
    };
    while start >= 2 && tokens[start - 1].token == Token::Period && matches!(tokens[start - 2].token, Token::Word(_)) {
        start -= 2;
    }
    begins_relation(tokens, start).then(|| name.value.clone())
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn a_list_alone_gets_the_functions_name() {
        assert_eq!(
            fixed("from f(1) as (a int), s.g(f(2)) as (b int) join h() as t(c)"),
            "from f ( 1 ) as \"f\" ( a int ) , s . g ( f ( 2 ) ) as \"g\" ( b int ) join h ( ) as t ( c )"
        );
        for text in [
            "with a ( x ) as ( select 1 ) , b ( y ) as ( select 2 ) select 1",
            "create view v ( a ) as ( select 1 )",
        ] {
            assert_eq!(fixed(text), text);
        }
    }
}
