//! `COLLATE "default"`, `COLLATE pg_catalog.default` and `COLLATE "C"` name the one order that Boathouse
//! has (by bytes), so they go; any other collation stays and is refused where names are resolved.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

pub(super) fn drop_default_collations(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index < tokens.len() {
        if !is_word(&tokens[index].token, "collate") {
            index += 1;
            continue;
        }
        let qualified = matches!(tokens.get(index + 1).map(|token| &token.token), Some(Token::Word(word)) if word.value == "pg_catalog")
            && tokens.get(index + 2).is_some_and(|token| token.token == Token::Period);
        let name = if qualified { index + 3 } else { index + 1 };
        let known = matches!(tokens.get(name).map(|token| &token.token), Some(Token::Word(word))
            if matches!(word.value.as_str(), "default" | "C" | "POSIX" | "c" | "posix" | "ucs_basic" | "unicode" | "UTF8_BINARY" | "utf8_binary"));
        if known {
            tokens.drain(index..=name);
        } else {
            index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn byte_order_collations_go_and_others_stay() {
        assert_eq!(
            fixed("a ~ '^(t)$' COLLATE pg_catalog.default and b"),
            "a ~ '^(t)$' and b"
        );
        assert_eq!(fixed("order by a collate \"C\" desc"), "order by a desc");
        assert_eq!(fixed("a collate \"de_DE\""), "a collate \"de_DE\"");
    }
}
