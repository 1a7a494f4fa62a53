//! `t.* = u.*`, `t.*::text`: beside an operator the star is the row, which sqlparser reads in parentheses only.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

pub(super) fn write_parentheses(tokens: &mut Vec<TokenWithSpan>) {
    let mut star = 2;
    while star < tokens.len() {
        if let Some(start) = start_of_row(tokens, star)
            && (is_followed(&tokens[star + 1..]) || is_preceded(&tokens[..start]))
        {
            let (before, behind) = (tokens[start].span, tokens[star].span);
            let token = Token::RParen;
            tokens.insert(star + 1, TokenWithSpan { token, span: behind });
            let token = Token::LParen;
            tokens.insert(start, TokenWithSpan { token, span: before });
            star += 1;
        }
        star += 1;
    }
}

/// Where the name before `.*` begins, if this is one.
fn start_of_row(tokens: &[TokenWithSpan], star: usize) -> Option<usize> {
    let is_name = |index: usize| matches!(tokens[index].token, Token::Word(_));
    let is_period = |index: usize| tokens[index].token == Token::Period;
    if tokens[star].token != Token::Mul || !is_period(star - 1) || !is_name(star - 2) {
        return None;
    }
    let mut start = star - 2;
    while start > 1 && is_period(start - 1) && is_name(start - 2) {
        start -= 2;
    }
    // Behind a value the name is that of a field.
    (start == 0 || !is_period(start - 1)).then_some(start)
}

fn compares(token: &Token) -> bool {
    matches!(
        token,
        Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq
    )
}

fn is_followed(rest: &[TokenWithSpan]) -> bool {
    let word = |place: usize, word: &str| rest.get(place).is_some_and(|token| is_word(&token.token, word));
    let is_distinct = word(1, "distinct") || word(1, "not") && word(2, "distinct");
    match rest.first().map(|next| &next.token) {
        Some(Token::DoubleColon) => true,
        Some(next) => compares(next) || is_word(next, "is") && is_distinct,
        None => false,
    }
}

fn is_preceded(before: &[TokenWithSpan]) -> bool {
    match before {
        [.., distinct, from] if is_word(&from.token, "from") => is_word(&distinct.token, "distinct"),
        [.., last] => compares(&last.token),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn a_row_beside_an_operator_stands_in_parentheses() {
        for (text, expected) in [
            ("select t.*::text", "select ( t . * ) :: text"),
            ("t.* = u.*", "( t . * ) = ( u . * )"),
            ("t.* is distinct from s.u.*", "( t . * ) is distinct from ( s . u . * )"),
            (
                "t.* is not distinct from u.*",
                "( t . * ) is not distinct from ( u . * )",
            ),
            ("select t.*, u.* from t", "select t . * , u . * from t"),
            ("count(t.*), a.b * c", "count ( t . * ) , a . b * c"),
            ("select t.* from t", "select t . * from t"),
        ] {
            assert_eq!(fixed(text), expected);
        }
    }
}
