//! `FROM ONLY t`: there are no tables that inherit, so ONLY says nothing.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

pub(super) fn drop_only(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 1;
    while index + 1 < tokens.len() {
        let begins_table = is_word(&tokens[index - 1].token, "from") || is_word(&tokens[index - 1].token, "join");
        let names_table = matches!(tokens[index + 1].token, Token::Word(_));
        if begins_table && names_table && is_word(&tokens[index].token, "only") {
            tokens.remove(index);
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn only_goes_before_a_table() {
        assert_eq!(fixed("from only t join only u"), "from t join u");
        assert_eq!(fixed("only from t"), "only from t");
    }
}
