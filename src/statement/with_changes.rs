//! `WITH name AS (INSERT … RETURNING …) …`: parts of a statement that change rows are taken out of its WITH, each to be
//! read as the statement that it is, with the plain parts that stand before it.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::{ParsedStatement, Statement, WithChange, WithChanges};
use super::dialect::is_word;
use super::dispatch;
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};

/// One part of WITH, as it is written.
struct Part {
    tokens: Vec<TokenWithSpan>,
    /// Where the name's list of columns and the query stand.
    columns: Vec<String>,
    query: std::ops::Range<usize>,
    changes: bool,
}

/// Reads the statement if a part of its WITH changes rows.
pub(super) fn read(reader: &mut Reader) -> Result<Option<Statement>> {
    let tokens: Vec<TokenWithSpan> = reader.rest().cloned().collect();
    let Some((head, parts, main)) = parts(&tokens) else {
        return Ok(None);
    };
    if !parts.iter().any(|part| part.changes) {
        return Ok(None);
    }
    let mut plain: Vec<TokenWithSpan> = vec![];
    let mut changes = vec![];
    for part in parts {
        if !part.changes {
            if !plain.is_empty() {
                plain.push(comma(&part.tokens[0]));
            }
            plain.extend(part.tokens);
            continue;
        }
        let name = match &part.tokens[0].token {
            Token::Word(word) => word.value.clone(),
            _ => return Err(reader.error_here()),
        };
        if changes.iter().any(|change: &WithChange| change.name == name) {
            let message = format!("WITH query name \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DuplicateAlias, message));
        }
        let query = &part.tokens[part.query.clone()];
        let end = part.tokens[part.query.end].span.start.column as usize;
        changes.push(WithChange {
            name,
            columns: part.columns,
            statement: parsed(reader, with(&head, &plain, query), end)?,
        });
    }
    let end = reader.end();
    let main = parsed(reader, with(&head, &plain, &main), end)?;
    while !reader.at_end() {
        reader.advance();
    }
    Ok(Some(Statement::WithChanges(WithChanges {
        changes,
        main: Box::new(main),
    })))
}

/// The word that begins what follows the parts of WITH.
pub(super) fn main_word(reader: &Reader) -> Option<String> {
    let tokens: Vec<TokenWithSpan> = reader.rest().cloned().collect();
    let (_, _, main) = parts(&tokens)?;
    match &main.first()?.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.clone()),
        _ => None,
    }
}

/// `WITH [RECURSIVE]`, its parts, and what follows them.
fn parts(tokens: &[TokenWithSpan]) -> Option<(Vec<TokenWithSpan>, Vec<Part>, Vec<TokenWithSpan>)> {
    let is = |index: usize, word: &str| tokens.get(index).is_some_and(|token| is_word(&token.token, word));
    let mut next = if is(1, "recursive") { 2 } else { 1 };
    let head = tokens.get(..next)?.to_vec();
    let mut parts = vec![];
    loop {
        let start = next;
        next += 1;
        let mut columns = vec![];
        if tokens.get(next)?.token == Token::LParen {
            let close = closing(tokens, next)?;
            columns = tokens[next + 1..close]
                .iter()
                .filter_map(|token| match &token.token {
                    Token::Word(word) => Some(word.value.clone()),
                    _ => None,
                })
                .collect();
            next = close + 1;
        }
        if !is(next, "as") {
            return None;
        }
        next += 1;
        next += if is(next, "not") {
            2
        } else {
            usize::from(is(next, "materialized"))
        };
        if tokens.get(next)?.token != Token::LParen {
            return None;
        }
        let close = closing(tokens, next)?;
        let changes = ["insert", "update", "delete", "merge"]
            .iter()
            .any(|word| is(next + 1, word));
        // SEARCH and CYCLE.
        let behind = match tokens.get(close + 2).map(|token| &token.token) {
            Some(Token::Word(word)) if is(close + 1, "from") && word.value.starts_with('\u{0}') => 2,
            _ => 0,
        };
        parts.push(Part {
            tokens: tokens[start..=close + behind].to_vec(),
            columns,
            query: next + 1 - start..close - start,
            changes,
        });
        next = close + behind + 1;
        match tokens.get(next)?.token {
            Token::Comma => next += 1,
            _ => return Some((head, parts, tokens[next..].to_vec())),
        }
    }
}

/// Where the parenthesis that opens here closes.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return Some(index),
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    None
}

fn comma(near: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan {
        token: Token::Comma,
        span: near.span,
    }
}

/// A statement after those parts of WITH that only read.
fn with(head: &[TokenWithSpan], plain: &[TokenWithSpan], statement: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    match plain {
        [] => statement.to_vec(),
        plain => [head, plain, statement].concat(),
    }
}

fn parsed(reader: &Reader, tokens: Vec<TokenWithSpan>, end: usize) -> Result<ParsedStatement> {
    let parameter_count = super::parameter_count(&tokens)?;
    let mut reader = reader.over(tokens, end);
    let statement = dispatch::statement(&mut reader)?;
    reader.expect_end()?;
    Ok(ParsedStatement {
        statement,
        // A part has no text of its own: it is never looked up by it.
        text: String::new(),
        parameter_count,
    })
}
