//! `ROWS FROM (f(…), g(…) AS (a int))`, which sqlparser does not read: a call of one function of a name that no client can
//! write, whose arguments are the functions. A list of column definitions becomes a text behind its function.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::is_word;
use super::parentheses::closing;

/// The relation of several functions side by side.
pub const ROWS_FROM: &str = "\u{0}rows from";

/// A function of these, with the definitions of its columns.
pub const DEFINED: &str = "\u{0}defined";

pub(super) fn write_calls(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 1;
    while index + 2 < tokens.len() {
        if is_word(&tokens[index].token, "rows")
            && is_word(&tokens[index + 1].token, "from")
            && tokens[index + 2].token == Token::LParen
            && begins_relation(tokens, index)
            && let Some(close) = closing(tokens, index + 2)
        {
            write_definitions(tokens, index + 2, close);
            tokens[index].token = quoted(ROWS_FROM);
            tokens.remove(index + 1);
        }
        index += 1;
    }
}

/// Whether an item of FROM stands here, and not a column called `rows` before FROM.
pub(super) fn begins_relation(tokens: &[TokenWithSpan], index: usize) -> bool {
    let Some((previous, before)) = tokens[..index].split_last() else {
        return false;
    };
    match &previous.token {
        Token::Comma => is_in_from(before),
        Token::LParen => before.last().is_some_and(|token| {
            ["from", "join", "lateral"]
                .iter()
                .any(|word| is_word(&token.token, word))
                || matches!(token.token, Token::Comma | Token::LParen) && begins_relation(tokens, index - 1)
        }),
        word if is_word(word, "from") => !follows_distinct(tokens, index - 1),
        word => ["join", "lateral", "using"]
            .iter()
            .any(|relation| is_word(word, relation)),
    }
}

/// Whether the clause that these tokens end in is FROM.
pub(super) fn is_in_from(before: &[TokenWithSpan]) -> bool {
    const CLAUSES: [&str; 10] = [
        "from",
        "using",
        "select",
        "where",
        "group",
        "having",
        "order",
        "set",
        "returning",
        "values",
    ];
    let mut depth = 0_usize;
    for (index, token) in before.iter().enumerate().rev() {
        match &token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return false,
            Token::LParen => depth -= 1,
            word if depth == 0 && !follows_distinct(before, index) => {
                if let Some(clause) = CLAUSES.iter().find(|clause| is_word(word, clause)) {
                    return matches!(*clause, "from" | "using");
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether the FROM here is that of `a IS DISTINCT FROM rows`.
fn follows_distinct(tokens: &[TokenWithSpan], from: usize) -> bool {
    from > 0 && is_word(&tokens[from - 1].token, "distinct")
}

/// `f(…) AS (a int)` between the parentheses as `defined(f(…), 'a int')`, from the last to the first.
fn write_definitions(tokens: &mut Vec<TokenWithSpan>, open: usize, close: usize) {
    let mut depth = 0_usize;
    let mut starts = vec![open + 1];
    for (index, token) in tokens.iter().enumerate().take(close).skip(open + 1) {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => starts.push(index + 1),
            _ => {}
        }
    }
    let mut end = close;
    for start in starts.into_iter().rev() {
        let list = (start..end).find(|index| {
            is_word(&tokens[*index].token, "as")
                && tokens.get(index + 1).is_some_and(|next| next.token == Token::LParen)
                && closing(tokens, index + 1) == Some(end - 1)
        });
        if let Some(list) = list {
            let definitions: Vec<String> = tokens[list + 2..end - 1]
                .iter()
                .map(|token| token.token.to_string())
                .collect();
            let span = tokens[list].span;
            let text = [
                Token::Comma,
                Token::SingleQuotedString(definitions.join(" ")),
                Token::RParen,
            ];
            tokens.splice(list..end, text.map(|token| TokenWithSpan { token, span }));
            let span = tokens[start].span;
            let call = [quoted(DEFINED), Token::LParen];
            tokens.splice(start..start, call.map(|token| TokenWithSpan { token, span }));
        }
        end = start.saturating_sub(1);
    }
}

fn quoted(name: &str) -> Token {
    Token::Word(Word {
        value: name.to_string(),
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    })
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn functions_side_by_side_are_one_call() {
        assert_eq!(
            fixed("from rows from (f(1), g(2, 3)) with ordinality t"),
            "from \"\0rows from\" ( f ( 1 ) , g ( 2 , 3 ) ) with ordinality t"
        );
        assert_eq!(
            fixed("from t, lateral rows from (r(t.j) as (a int, \"B\" text), g(2))"),
            "from t , lateral \"\0rows from\" ( \"\0defined\" ( r ( t . j ) , 'a int , \"B\" text' ) , g ( 2 ) )"
        );
        assert_eq!(
            fixed("from (rows from (f(1)) cross join u), rows from (g(2))"),
            "from ( \"\0rows from\" ( f ( 1 ) ) cross join u ) , \"\0rows from\" ( g ( 2 ) )"
        );
    }

    #[test]
    fn a_column_called_rows_stays() {
        for text in [
            "select rows from ( select 1 ) t",
            "select a , rows from ( select 1 ) t",
            "select a is distinct from rows from ( select 1 ) t",
            "select a is distinct from b , rows from ( select 1 ) t",
        ] {
            assert_eq!(fixed(text), text);
        }
    }
}
