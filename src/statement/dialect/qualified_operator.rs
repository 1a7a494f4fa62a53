//! `a OPERATOR(pg_catalog.~) b` → `a ~ b`: psql spells operators so, and sqlparser gives them a generic
//! operator without the precedence or the meaning of the plain one.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

pub(super) fn unqualify_operators(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index + 3 < tokens.len() {
        if is_word(&tokens[index].token, "operator") && tokens[index + 1].token == Token::LParen {
            let qualified = matches!(&tokens[index + 2].token, Token::Word(word) if word.value == "pg_catalog")
                && tokens[index + 3].token == Token::Period;
            let operator = if qualified { index + 4 } else { index + 2 };
            if tokens
                .get(operator + 1)
                .is_some_and(|close| close.token == Token::RParen)
                && !matches!(tokens[operator].token, Token::Word(_))
            {
                tokens.remove(operator + 1);
                tokens.drain(index..operator);
            }
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn operators_lose_their_schema() {
        assert_eq!(fixed("a OPERATOR(pg_catalog.~) '^(t)$'"), "a ~ '^(t)$'");
        assert_eq!(fixed("a OPERATOR(pg_catalog.=) ANY (b)"), "a = any ( b )");
        assert_eq!(fixed("a operator(+) b"), "a + b");
        assert_eq!(fixed("a OPERATOR(mine.+) b"), "a operator ( mine . + ) b");
        assert_eq!(fixed("operator"), "operator");
    }
}
