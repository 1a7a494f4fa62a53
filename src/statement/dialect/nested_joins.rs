//! `a JOIN b JOIN c ON … ON …`: the first condition is of the join behind, which is then in parentheses, because sqlparser
//! expects a condition behind each relation.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

/// A join that waits for its condition.
struct Waiting {
    /// Where the relation on its right begins.
    right: usize,
    /// That relation is a join itself.
    is_nested: bool,
}

pub(super) fn write_parentheses(tokens: &mut Vec<TokenWithSpan>) {
    if tokens.iter().filter(|token| is_word(&token.token, "join")).count() < 2 {
        return;
    }
    let (opening, closing) = places(tokens);
    if opening.is_empty() {
        return;
    }
    let mut written = Vec::with_capacity(tokens.len() + 2 * opening.len());
    for (index, token) in std::mem::take(tokens).into_iter().enumerate() {
        let mut write = |parenthesis: Token, count: usize| {
            for _ in 0..count {
                written.push(TokenWithSpan {
                    token: parenthesis.clone(),
                    span: token.span,
                });
            }
        };
        write(Token::LParen, opening.iter().filter(|place| **place == index).count());
        write(Token::RParen, closing.iter().filter(|place| **place == index).count());
        written.push(token);
    }
    *tokens = written;
}

/// Before which tokens parentheses open and close.
fn places(tokens: &[TokenWithSpan]) -> (Vec<usize>, Vec<usize>) {
    let (mut opening, mut closing) = (vec![], vec![]);
    // The joins of each level of parentheses.
    let mut levels: Vec<Vec<Waiting>> = vec![vec![]];
    for (index, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => levels.push(vec![]),
            Token::RParen if levels.len() > 1 => drop(levels.pop()),
            Token::Word(_) => {
                let Some(waiting) = levels.last_mut() else { continue };
                let is = |word: &str| is_word(&token.token, word);
                if is("join") {
                    if let Some(outer) = waiting.last_mut() {
                        outer.is_nested = true;
                    }
                    if has_condition(&tokens[..index]) {
                        waiting.push(Waiting {
                            right: index + 1,
                            is_nested: false,
                        });
                    }
                } else if is("on") || is("using") {
                    if let Some(Waiting { right, is_nested: true }) = waiting.pop() {
                        opening.push(right);
                        closing.push(index);
                    }
                } else if is("select") || is("where") {
                    waiting.clear();
                }
            }
            Token::SemiColon => levels = vec![vec![]],
            _ => {}
        }
    }
    (opening, closing)
}

/// Whether a condition follows a JOIN with these words before it.
fn has_condition(before: &[TokenWithSpan]) -> bool {
    let kinds = [
        "inner", "left", "right", "full", "outer", "cross", "natural", "semi", "anti",
    ];
    let of_join = before.iter().rev().map(|token| &token.token);
    let mut of_join = of_join.take_while(|token| kinds.iter().any(|kind| is_word(token, kind)));
    !of_join.any(|token| is_word(token, "cross") || is_word(token, "natural"))
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn a_join_behind_a_join_is_in_parentheses() {
        assert_eq!(
            fixed("from a join b left join c on 1 = 1 on 2 = 2 join d using (x)"),
            "from a join ( b left join c on 1 = 1 ) on 2 = 2 join d using ( x )"
        );
        assert_eq!(
            fixed("from a join b join c join d on 1 on 2 on 3"),
            "from a join ( b join ( c join d on 1 ) on 2 ) on 3"
        );
        assert_eq!(
            fixed("from a left join b cross join c on 1"),
            "from a left join ( b cross join c ) on 1"
        );
        assert_eq!(
            fixed("from a join b on 1 join c on 2"),
            "from a join b on 1 join c on 2"
        );
    }
}
