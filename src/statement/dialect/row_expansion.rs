//! `(t).*` is `t.*`, which sqlparser reads.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

pub(super) fn drop_parentheses(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index + 4 < tokens.len() {
        if tokens[index].token == Token::LParen
            && matches!(tokens[index + 1].token, Token::Word(_))
            && tokens[index + 2].token == Token::RParen
            && tokens[index + 3].token == Token::Period
            && tokens[index + 4].token == Token::Mul
        {
            tokens.remove(index + 2);
            tokens.remove(index);
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn a_relation_needs_no_parentheses() {
        assert_eq!(fixed("select (t).*, (t).a"), "select t . * , ( t ) . a");
    }
}
