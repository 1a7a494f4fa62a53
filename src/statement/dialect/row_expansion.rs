//! `(t).*` is `t.*`, which sqlparser reads. Of any other value, `*` is read as a field of a name that no client can write.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// The field that stands for all fields: `(value).*`.
pub const ALL_FIELDS: &str = "\u{0}*";

/// Gives `*` behind a value in parentheses the name of a field.
pub(super) fn name_all_fields(tokens: &mut [TokenWithSpan]) {
    for index in 2..tokens.len() {
        if tokens[index].token != Token::Mul || tokens[index - 1].token != Token::Period {
            continue;
        }
        let mut before = index - 2;
        while before > 1 && matches!(tokens[before].token, Token::Word(_)) && tokens[before - 1].token == Token::Period
        {
            before -= 2;
        }
        if tokens[before].token == Token::RParen {
            tokens[index].token = Token::Word(Word {
                value: ALL_FIELDS.to_string(),
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            });
        }
    }
}

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
