//! `current_schema`, `current_role` and `system_user` are functions that PostgreSQL calls without
//! parentheses; sqlparser would read them as columns.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

/// Takes away what Databricks lets stand behind `current_timestamp` and its kin: parentheses around nothing.
pub(super) fn drop_parentheses(tokens: &mut Vec<TokenWithSpan>) {
    let keywords = [
        "current_timestamp",
        "current_date",
        "current_time",
        "current_user",
        "session_user",
        "user",
    ];
    let mut index = 0;
    while index + 2 < tokens.len() {
        let is_call = keywords.iter().any(|name| is_word(&tokens[index].token, name))
            && tokens[index + 1].token == Token::LParen
            && tokens[index + 2].token == Token::RParen;
        if is_call {
            tokens.drain(index + 1..index + 3);
        }
        index += 1;
    }
}

pub(super) fn add_parentheses(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index < tokens.len() {
        let called = ["current_schema", "current_role", "system_user"]
            .iter()
            .any(|name| is_word(&tokens[index].token, name));
        let is_name = index > 0 && precedes_a_name(&tokens[index - 1].token);
        let followed = tokens
            .get(index + 1)
            .is_some_and(|next| matches!(next.token, Token::LParen | Token::Period));
        if called && !is_name && !followed {
            let span = tokens[index].span;
            tokens.insert(
                index + 1,
                TokenWithSpan {
                    token: Token::LParen,
                    span,
                },
            );
            tokens.insert(
                index + 2,
                TokenWithSpan {
                    token: Token::RParen,
                    span,
                },
            );
        }
        index += 1;
    }
}

/// Where a role or an alias is named, the word stands for itself.
fn precedes_a_name(token: &Token) -> bool {
    *token == Token::Period
        || ["as", "to", "by", "from", "authorization", "owner", "role"]
            .iter()
            .any(|word| is_word(token, word))
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn calls_get_parentheses_and_names_do_not() {
        assert_eq!(
            fixed("select current_schema, current_role"),
            "select current_schema ( ) , current_role ( )"
        );
        assert_eq!(
            fixed("select current_schema() as current_schema"),
            "select current_schema ( ) as current_schema"
        );
        assert_eq!(fixed("\"current_role\""), "\"current_role\"");
        assert_eq!(fixed("current_timestamp()"), "current_timestamp");
    }
}
