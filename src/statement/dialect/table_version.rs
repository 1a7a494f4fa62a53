//! Databricks' short spelling of time travel: `t@v3` → `t VERSION AS OF 3`, `t@20260131235959000` →
//! `t TIMESTAMP AS OF '2026-01-31 23:59:59.000'`. The three parts touch each other.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

pub(super) fn expand_at_sign(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 1;
    while index + 1 < tokens.len() {
        if let Some(replacement) = version_of(&tokens[index - 1], &tokens[index], &tokens[index + 1]) {
            let length = replacement.len();
            tokens.splice(index..=index + 1, replacement);
            index += length;
        }
        index += 1;
    }
}

fn version_of(name: &TokenWithSpan, at: &TokenWithSpan, version: &TokenWithSpan) -> Option<Vec<TokenWithSpan>> {
    let touching = name.span.end == at.span.start && at.span.end == version.span.start;
    if at.token != Token::AtSign || !matches!(name.token, Token::Word(_)) || !touching {
        return None;
    }
    let (word, value) = match &version.token {
        Token::Word(word) if word.quote_style.is_none() => {
            let number = word.value.strip_prefix('v')?;
            number.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
            ("version", Token::Number(number.to_string(), false))
        }
        Token::Number(digits, _) if digits.len() == 17 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            ("timestamp", Token::SingleQuotedString(timestamp_of(digits)))
        }
        _ => return None,
    };
    let span = Span {
        start: at.span.start,
        end: version.span.end,
    };
    let words = [word, "as", "of"].map(|word| Token::make_word(word, None));
    Some(
        words
            .into_iter()
            .chain([value])
            .map(|token| TokenWithSpan { token, span })
            .collect(),
    )
}

/// yyyyMMddHHmmssSSS with separators.
fn timestamp_of(digits: &str) -> String {
    format!(
        "{}-{}-{} {}:{}:{}.{}",
        &digits[0..4],
        &digits[4..6],
        &digits[6..8],
        &digits[8..10],
        &digits[10..12],
        &digits[12..14],
        &digits[14..17]
    )
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn at_sign_becomes_time_travel() {
        assert_eq!(fixed("from s.t@v12 x"), "from s . t version as of 12 x");
        assert_eq!(
            fixed("from t@20260131235959000"),
            "from t timestamp as of '2026-01-31 23:59:59.000'"
        );
        assert_eq!(fixed("select @ v3, a @v3"), "select @ v3 , a @ v3");
    }
}
