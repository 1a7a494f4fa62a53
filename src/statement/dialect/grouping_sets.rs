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
    without_quantifiers(tokens);
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

/// `GROUP BY DISTINCT` is the product of its elements without sets that are there before; `ALL` is what holds anyway.
fn without_quantifiers(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 2;
    while index < tokens.len() {
        let word_at = |place: usize, word: &str| tokens.get(place).is_some_and(|token| is_word(&token.token, word));
        if word_at(index - 2, "group") && word_at(index - 1, "by") {
            if word_at(index, "all") && !ends_clause(tokens, index + 1) {
                tokens.remove(index);
            } else if word_at(index, "distinct") {
                let span = tokens[index].span;
                if let Some((sets, end)) = product(tokens, index + 1) {
                    let written = written(&sets).into_iter().map(|token| TokenWithSpan { token, span });
                    tokens.splice(index..end, written);
                }
            }
        }
        index += 1;
    }
}

/// Whether a GROUP BY ends before this token.
fn ends_clause(tokens: &[TokenWithSpan], at: usize) -> bool {
    const BEHIND: [&str; 11] = [
        "having",
        "window",
        "qualify",
        "order",
        "limit",
        "offset",
        "fetch",
        "for",
        "union",
        "intersect",
        "except",
    ];
    tokens.get(at).is_none_or(|token| {
        matches!(token.token, Token::RParen | Token::SemiColon | Token::EOF)
            || BEHIND.iter().any(|word| is_word(&token.token, word))
    })
}

/// The different sets of all elements of a GROUP BY together, and where it ends.
fn product(tokens: &[TokenWithSpan], begin: usize) -> Option<(Vec<Set>, usize)> {
    let mut depth = 0_usize;
    let end = (begin..=tokens.len()).find(|place| {
        let ends = depth == 0 && ends_clause(tokens, *place);
        match tokens.get(*place).map(|token| &token.token) {
            Some(Token::LParen | Token::LBracket) => depth += 1,
            Some(Token::RParen | Token::RBracket) => depth = depth.saturating_sub(1),
            _ => {}
        }
        ends
    })?;
    // An element ends with a comma or a parenthesis.
    let mut clause = tokens[begin..end].to_vec();
    clause.push(TokenWithSpan::wrap(Token::RParen));
    let (mut sets, mut place) = (vec![vec![]], 0);
    loop {
        let (choices, next) = element(&clause, place)?;
        if sets.len().checked_mul(choices.len())? > MOST_SETS {
            return None;
        }
        let pairs = sets
            .iter()
            .flat_map(|set: &Set| choices.iter().map(|choice| set.iter().chain(choice).cloned().collect()));
        sets = pairs.collect();
        match clause.get(next)?.token {
            Token::Comma => place = next + 1,
            _ => break,
        }
    }
    let mut different: Vec<Set> = vec![];
    for set in sets {
        let holds = |set: &Set, other: &Set| other.iter().all(|expression| set.contains(expression));
        if !different.iter().any(|known| holds(known, &set) && holds(&set, known)) {
            different.push(set);
        }
    }
    Some((different, end))
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
            (
                "group by distinct rollup(a, b), rollup(a) order by 1",
                "group by grouping sets ( ( a , b ) , ( a ) , ( ) ) order by 1",
            ),
            (
                "(select 1 group by distinct a, b)",
                "( select 1 group by grouping sets ( ( a , b ) ) )",
            ),
            ("group by all a, cube(b)", "group by a , cube ( b )"),
            ("group by all order by 1", "group by all order by 1"),
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
