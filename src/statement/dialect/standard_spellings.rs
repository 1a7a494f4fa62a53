//! Spellings that sqlparser does not read, written as those that it does: `'1 day'::interval PRECEDING`, `ORDER BY x
//! USING >`, `SUBSTRING(x SIMILAR p ESCAPE e)`, `x RLIKE p`, `inet '10.0.0.1'`.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;
use crate::types::{Spelled, SqlType};

/// Types that may stand before a literal, beside those whose values are spelled.
const LITERAL_TYPES: [&str; 8] = [
    "bpchar",
    "char",
    "character",
    "name",
    "oid",
    "regproc",
    "regprocedure",
    "regtype",
];

pub(super) fn respell(tokens: &mut Vec<TokenWithSpan>) {
    // The tokens become more and fewer on the way.
    let mut index = 0;
    while index < tokens.len() {
        frame_bound(tokens, index);
        order_using(tokens, index);
        substring_similar(tokens, index);
        regular_match(tokens, index);
        typed_literal(tokens, index);
        at_local(tokens, index);
        index += 1;
    }
}

/// `x AT LOCAL` is `x AT TIME ZONE` of the session's zone.
fn at_local(tokens: &mut Vec<TokenWithSpan>, index: usize) {
    if index == 0 || !word_at(tokens, index, &["at"]) || !word_at(tokens, index + 1, &["local"]) {
        return;
    }
    let span = tokens[index].span;
    let zone = [
        Token::make_word("time", None),
        Token::make_word("zone", None),
        Token::make_word("current_setting", None),
        Token::LParen,
        Token::SingleQuotedString("timezone".to_string()),
        Token::RParen,
    ];
    tokens.splice(index + 1..index + 2, zone.map(|token| TokenWithSpan { token, span }));
}

/// Databricks' `x RLIKE 'pattern'`, between two operands.
fn regular_match(tokens: &mut Vec<TokenWithSpan>, index: usize) {
    let is_literal = |token: Option<&TokenWithSpan>| {
        token.is_some_and(|token| {
            matches!(
                token.token,
                Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)
            )
        })
    };
    if index == 0 || !word_at(tokens, index, &["rlike", "regexp"]) || !is_literal(tokens.get(index + 1)) {
        return;
    }
    if word_at(tokens, index - 1, &["not"]) {
        tokens[index].token = Token::ExclamationMarkTilde;
        tokens.remove(index - 1);
    } else if !matches!(tokens[index - 1].token, Token::Comma | Token::LParen) {
        tokens[index].token = Token::Tilde;
    }
}

/// `inet '10.0.0.1'` as `'10.0.0.1'::inet`: sqlparser knows the names of its own types only. What is of one bit or
/// character in a cast is of any length here.
fn typed_literal(tokens: &mut Vec<TokenWithSpan>, index: usize) {
    if index > 0 && (word_at(tokens, index - 1, &["as"]) || tokens[index - 1].token == Token::Period) {
        return;
    }
    let Some(name_end) = end_of_type(tokens, index) else {
        return;
    };
    let Some(Token::SingleQuotedString(text)) = tokens.get(name_end).map(|token| &token.token) else {
        return;
    };
    if word_at(tokens, index, &["bit"]) {
        tokens[index].token = Token::SingleQuotedByteStringLiteral(text.clone());
        tokens.remove(name_end);
        return;
    }
    if word_at(tokens, index, &["char", "character"]) {
        tokens[index].token = Token::make_word("bpchar", None);
    }
    let literal = tokens.remove(name_end);
    let colons = TokenWithSpan::new(Token::DoubleColon, literal.span);
    tokens.splice(index..index, [literal, colons]);
}

/// The end of a type's name that begins here and that sqlparser reads in a cast only.
fn end_of_type(tokens: &[TokenWithSpan], index: usize) -> Option<usize> {
    let Token::Word(word) = &tokens.get(index)?.token else {
        return None;
    };
    let name = word.value.as_str();
    if word.quote_style.is_some() {
        return (name == "char").then_some(index + 1);
    }
    if word_at(tokens, index, &["interval"]) {
        let modifier = tokens.get(index + 1..index + 4)?;
        let is_modifier = matches!(
            modifier,
            [open, digits, close] if open.token == Token::LParen
                && matches!(digits.token, Token::Number(..))
                && close.token == Token::RParen
        );
        return is_modifier.then_some(index + 4);
    }
    let is_array = || {
        name.strip_prefix('_')
            .is_some_and(|element| element.parse::<SqlType>().is_ok())
    };
    let is_type = word_at(tokens, index, &LITERAL_TYPES)
        || Spelled::all().any(|spelled| name == spelled.internal_name())
        || is_array();
    is_type.then_some(index + 1)
}

fn word_at(tokens: &[TokenWithSpan], index: usize, words: &[&str]) -> bool {
    let token = tokens.get(index).map(|token| &token.token);
    words.iter().any(|word| token.is_some_and(|token| is_word(token, word)))
}

/// A literal's cast before PRECEDING and FOLLOWING: intervals keep their word, other types follow the ordered column.
fn frame_bound(tokens: &mut Vec<TokenWithSpan>, index: usize) {
    let is_cast = matches!(
        tokens.get(index..index + 3),
        Some([literal, colons, name]) if matches!(literal.token, Token::SingleQuotedString(_) | Token::Number(..))
            && colons.token == Token::DoubleColon
            && matches!(name.token, Token::Word(_))
    );
    if !is_cast || !word_at(tokens, index + 3, &["preceding", "following"]) {
        return;
    }
    let is_interval = word_at(tokens, index + 2, &["interval"]);
    let removed: Vec<TokenWithSpan> = tokens.drain(index + 1..index + 3).collect();
    if let (true, Some(name)) = (is_interval, removed.into_iter().nth(1)) {
        tokens.insert(index, name);
    }
}

fn order_using(tokens: &mut Vec<TokenWithSpan>, index: usize) {
    let direction = match tokens.get(index + 1).map(|token| &token.token) {
        Some(Token::Lt) => "asc",
        Some(Token::Gt) => "desc",
        _ => return,
    };
    if word_at(tokens, index, &["using"]) {
        tokens[index].token = Token::make_word(direction, None);
        tokens.remove(index + 1);
    }
}

fn substring_similar(tokens: &mut [TokenWithSpan], index: usize) {
    if !word_at(tokens, index, &["substring"])
        || tokens.get(index + 1).map(|token| &token.token) != Some(&Token::LParen)
    {
        return;
    }
    let mut depth = 0_usize;
    let mut is_similar = false;
    for token in &mut tokens[index + 1..] {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return,
            Token::RParen => depth -= 1,
            word if depth == 1 && is_word(word, "similar") => {
                is_similar = true;
                token.token = Token::make_word("from", None);
            }
            word if depth == 1 && is_similar && is_word(word, "escape") => {
                token.token = Token::make_word("for", None);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn spellings_are_those_that_the_parser_reads() {
        assert_eq!(
            fixed("range between '1 day'::interval preceding and 1::int following"),
            "range between interval '1 day' preceding and 1 following"
        );
        assert_eq!(fixed("order by a using >, b using <"), "order by a desc , b asc");
        assert_eq!(
            fixed("substring(a similar 'b' escape '#')"),
            "substring ( a from 'b' for '#' )"
        );
        assert_eq!(fixed("a similar to 'b' escape '#'"), "a similar to 'b' escape '#'");
        assert_eq!(fixed("a rlike 'b' and c not rlike 'd'"), "a ~ 'b' and c !~ 'd'");
        assert_eq!(fixed("a at local"), "a at time zone current_setting ( 'timezone' )");
        assert_eq!(fixed("select rlike from t"), "select rlike from t");
    }
}
