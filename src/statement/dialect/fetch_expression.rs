//! `FETCH FIRST (expression) ROWS ONLY` → `LIMIT (expression)`: sqlparser takes only a literal there. WITH TIES becomes
//! a call around the expression.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;
use super::parentheses::closing;

/// Marks the quantity of WITH TIES.
pub const WITH_TIES: &str = "with_ties";

pub(super) fn write_limits(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index + 2 < tokens.len() {
        let word_at = |place: usize, words: &[&str]| {
            let token = tokens.get(place).map(|token| &token.token);
            words.iter().any(|word| token.is_some_and(|token| is_word(token, word)))
        };
        if word_at(index, &["fetch"])
            && word_at(index + 1, &["first", "next"])
            && tokens[index + 2].token == Token::LParen
            && let Some(close) = closing(tokens, index + 2)
            && word_at(close + 1, &["row", "rows"])
            && let only = word_at(close + 2, &["only"])
            && (only || (word_at(close + 2, &["with"]) && word_at(close + 3, &["ties"])))
        {
            tokens.drain(close + 1..=close + if only { 2 } else { 3 });
            match only {
                true => drop(tokens.remove(index + 1)),
                false => tokens[index + 1].token = Token::make_word(WITH_TIES, None),
            }
            tokens[index].token = Token::make_word("limit", None);
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn a_fetched_expression_is_a_limit() {
        assert_eq!(
            fixed("select 1 offset 2 rows fetch first (1 + (2)) rows only"),
            "select 1 offset 2 rows limit ( 1 + ( 2 ) )"
        );
        assert_eq!(fixed("fetch next 3 rows only"), "fetch next 3 rows only");
        assert_eq!(fixed("fetch first (1) rows with ties"), "limit with_ties ( 1 )");
        assert_eq!(fixed("fetch first (1"), "fetch first ( 1");
    }
}
