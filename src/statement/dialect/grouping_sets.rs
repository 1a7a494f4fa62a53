//! Grouping sets within grouping sets, and rows of columns in ROLLUP and CUBE: sqlparser and the planner know sets of
//! single columns, so the sets that they stand for are written out.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;
use super::parentheses::closing;

type Expression = Vec<Token>;
type Set = Vec<Expression>;

/// More sets than this are left to be refused.
const MOST_SETS: usize = 4096;

pub(super) fn write_out(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 1;
    while index < tokens.len() {
        let begins_item = is_word(&tokens[index - 1].token, "by") || tokens[index - 1].token == Token::Comma;
        if begins_item
            && construct(tokens, index).is_some()
            && let Some((sets, end)) = element(tokens, index)
            && is_nested(&tokens[index..end])
        {
            let span = tokens[index].span;
            let written = written(&sets).into_iter().map(|token| TokenWithSpan { token, span });
            tokens.splice(index..end, written);
        }
        index += 1;
    }
}

/// What begins here, and where its parenthesis opens.
fn construct(tokens: &[TokenWithSpan], at: usize) -> Option<(&'static str, usize)> {
    let word_at = |place: usize, word: &str| tokens.get(place).is_some_and(|token| is_word(&token.token, word));
    let (name, open) = if word_at(at, "grouping") && word_at(at + 1, "sets") {
        ("sets", at + 2)
    } else if word_at(at, "rollup") {
        ("rollup", at + 1)
    } else if word_at(at, "cube") {
        ("cube", at + 1)
    } else {
        return None;
    };
    (tokens.get(open)?.token == Token::LParen).then_some((name, open))
}

/// Whether the construct holds others, or rows of columns where it should hold columns.
fn is_nested(tokens: &[TokenWithSpan]) -> bool {
    let holds_others = (1..tokens.len()).any(|at| construct(tokens, at).is_some());
    let is_sets = is_word(&tokens[0].token, "grouping");
    let mut depth = 0_usize;
    let mut begins_item = false;
    let mut holds_rows = false;
    for (at, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => {
                let is_row = closing(tokens, at).is_some_and(|close| ends_item(tokens, close + 1));
                // An element of GROUPING SETS is a row, and sqlparser takes every parenthesis that begins one for its.
                holds_rows |= begins_item
                    && match (is_sets, depth) {
                        (_, 0) => false,
                        (true, 1) => !is_row,
                        (false, 1) => true,
                        _ => is_row,
                    };
                depth += 1;
            }
            Token::RParen => depth -= 1,
            _ => {}
        }
        begins_item = matches!(token.token, Token::LParen | Token::Comma);
    }
    holds_others || holds_rows
}

/// The sets that an element of a GROUP BY stands for, and where it ends.
fn element(tokens: &[TokenWithSpan], at: usize) -> Option<(Vec<Set>, usize)> {
    let Some((name, open)) = construct(tokens, at) else {
        let (set, end) = row(tokens, at)?;
        return Some((vec![set], end));
    };
    let mut parts: Vec<Vec<Set>> = vec![];
    let mut place = open + 1;
    while tokens.get(place)?.token != Token::RParen {
        let (sets, end) = match name {
            "sets" => element(tokens, place)?,
            _ => row(tokens, place).map(|(set, end)| (vec![set], end))?,
        };
        parts.push(sets);
        place = match tokens.get(end)?.token {
            Token::Comma => end + 1,
            _ => end,
        };
    }
    let items = || parts.iter().flatten().cloned();
    let count = parts.len();
    let sets: Vec<Set> = match name {
        "sets" => items().collect(),
        "rollup" => (0..=count)
            .rev()
            .map(|length| items().take(length).flatten().collect())
            .collect(),
        _ if count < 13 => {
            let chosen = |mask: usize| {
                items()
                    .enumerate()
                    .filter(move |(place, _)| (mask >> (count - 1 - place)) & 1 == 1)
            };
            (0..1 << count)
                .rev()
                .map(|mask| chosen(mask).flat_map(|(_, item)| item).collect())
                .collect()
        }
        _ => return None,
    };
    (sets.len() <= MOST_SETS).then_some((sets, place + 1))
}

/// A row of expressions, or one, up to the comma or parenthesis behind it.
fn row(tokens: &[TokenWithSpan], at: usize) -> Option<(Set, usize)> {
    if tokens.get(at)?.token == Token::LParen
        && let Some(close) = closing(tokens, at)
        && ends_item(tokens, close + 1)
    {
        let mut set = vec![];
        let mut place = at + 1;
        while place < close {
            let (items, end) = row(tokens, place)?;
            set.extend(items);
            place = end + 1;
        }
        return Some((set, close + 1));
    }
    let mut depth = 0_usize;
    let end = (at..tokens.len()).find(|place| {
        let ends = depth == 0 && ends_item(tokens, *place);
        match tokens[*place].token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        ends
    })?;
    let expression = tokens[at..end].iter().map(|token| token.token.clone());
    Some((vec![expression.collect()], end))
}

fn ends_item(tokens: &[TokenWithSpan], at: usize) -> bool {
    tokens
        .get(at)
        .is_some_and(|token| matches!(token.token, Token::Comma | Token::RParen))
}

fn written(sets: &[Set]) -> Vec<Token> {
    let mut out = vec![
        Token::make_word("grouping", None),
        Token::make_word("sets", None),
        Token::LParen,
    ];
    for (index, set) in sets.iter().enumerate() {
        if index > 0 {
            out.push(Token::Comma);
        }
        out.push(Token::LParen);
        for (place, expression) in set.iter().enumerate() {
            if set[..place].contains(expression) {
                continue;
            }
            if place > 0 {
                out.push(Token::Comma);
            }
            out.extend(expression.iter().cloned());
        }
        out.push(Token::RParen);
    }
    out.push(Token::RParen);
    out
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn sets_within_sets_are_written_out() {
        for (text, expected) in [
            ("group by rollup(a, b)", "group by rollup ( a , b )"),
            (
                "group by grouping sets ((a, b), ())",
                "group by grouping sets ( ( a , b ) , ( ) )",
            ),
            (
                "group by grouping sets ((), grouping sets ((), grouping sets (())))",
                "group by grouping sets ( ( ) , ( ) , ( ) )",
            ),
            (
                "group by x, rollup((a, b), f(c, d))",
                "group by x , grouping sets ( ( a , b , f ( c , d ) ) , ( a , b ) , ( ) )",
            ),
            (
                "group by grouping sets (a, cube(b, c))",
                "group by grouping sets ( ( a ) , ( b , c ) , ( b ) , ( c ) , ( ) )",
            ),
            (
                "group by grouping sets ((a, (a, b)), (a + 1) * 2)",
                "group by grouping sets ( ( a , b ) , ( ( a + 1 ) * 2 ) )",
            ),
        ] {
            assert_eq!(fixed(text), expected);
        }
    }
}
