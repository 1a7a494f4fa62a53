//! `TRIM(LEADING FROM x)` and `TRIM(FROM x)` trim blanks; sqlparser wants the characters written.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

pub(super) fn write_blanks(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index + 3 < tokens.len() {
        if is_word(&tokens[index].token, "trim") && tokens[index + 1].token == Token::LParen {
            let side = ["both", "leading", "trailing"]
                .iter()
                .any(|side| is_word(&tokens[index + 2].token, side));
            let from = index + if side { 3 } else { 2 };
            if is_word(&tokens[from].token, "from") {
                let span = tokens[from].span;
                let mut missing = vec![Token::SingleQuotedString(" ".to_string())];
                if !side {
                    missing.insert(0, Token::make_word("both", None));
                }
                tokens.splice(
                    from..from,
                    missing.into_iter().map(|token| TokenWithSpan { token, span }),
                );
            }
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn blanks_are_written() {
        assert_eq!(fixed("trim(leading from a)"), "trim ( leading ' ' from a )");
        assert_eq!(fixed("trim(from a)"), "trim ( both ' ' from a )");
        assert_eq!(
            fixed("trim(both 'x' from a), trim(a)"),
            "trim ( both 'x' from a ) , trim ( a )"
        );
    }
}
