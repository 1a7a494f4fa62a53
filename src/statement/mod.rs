//! SQL text → `Statement`. Pure: nothing here knows a catalog. Queries stay sqlparser's AST, which
//! binding plans; everything else becomes a small struct of its own, in a file of its own.
//! text → `lexer` (PostgreSQL's tokens) → one statement per semicolon → `dialect` (fixes for sqlparser) →
//! `dispatch` (by the first words) → `<statement>.rs`, which reads through `reader`.

mod alter;
mod alter_table;
mod analyze;
pub mod ast;
mod checkpoint;
mod comment;
mod composite;
mod constraint;
mod copy;
mod copy_options;
mod create;
mod create_function;
mod create_table;
mod cursor;
mod delete;
mod describe;
mod dialect;
mod dispatch;
mod default_privileges;
mod domain;
mod drop;
mod explain;
mod fingerprint;
mod grant;
mod index;
mod inline;
mod insert;
mod kind;
mod lexer;
mod lock;
mod materialized_view;
mod merge;
mod notify;
mod open_literals;
mod optimize;
mod own_expressions;
pub mod plpgsql;
mod prepare;
mod query;
mod reader;
pub mod relation;
mod role_options;
mod routine;
mod routine_body;
mod row_locks;
mod schema;
mod sequence;
mod set;
mod show;
mod source;
mod target;
mod transaction;
mod types;
mod unsupported;
mod update;
mod user_type;
mod vacuum;
mod with_changes;

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use self::ast::{ParsedStatement, Statement};
use self::reader::Reader;
use self::source::Source;
use crate::error::{Error, Result};

pub use dialect::{
    ALL_FIELDS, Cycle, DEFINED, JSON_ROW, JSON_TABLE, ROWS_FROM, Search, WITH_TIES, join_alias, search_and_cycle,
};
pub use fingerprint::{fingerprint, normalized_text};
pub use lexer::with_escape_strings;
pub use open_literals::{OpenLiteral, OpenQuery, with_open_literals};
pub use own_expressions::change_own_expressions;
pub use target::{current_of, rows_query, table as table_in_from};

/// Parses every statement of a text. Empty statements are left out, but a text with nothing else gives
/// one `Statement::Empty`. Positions of errors are one-based characters of the whole text.
pub fn parse(sql: &str) -> Result<Vec<ParsedStatement>> {
    if let Some(zero) = sql.find('\0') {
        let position = sql[..zero].chars().count() + 1;
        return Err(crate::types::encoding::invalid_sequence(&[0], "UTF8").at(position));
    }
    let source = Source::new(sql);
    let mut statements = vec![];
    let mut tokens = vec![];
    for token in lexer::tokenize(sql)? {
        if token.token == Token::SemiColon && !create_function::is_in_body(&tokens) {
            let end = token.span.start.column as usize;
            statements.extend(parse_one(&source, std::mem::take(&mut tokens), end, true)?);
        } else {
            tokens.push(token);
        }
    }
    statements.extend(parse_one(&source, tokens, source.end(), false)?);
    if statements.is_empty() {
        statements.push(ParsedStatement {
            statement: Statement::Empty,
            text: String::new(),
            parameter_count: 0,
        });
    }
    Ok(statements)
}

/// Parses one expression, such as the body of a function.
pub fn parse_expression(text: &str) -> Result<datafusion::sql::sqlparser::ast::Expr> {
    let source = Source::new(text);
    let mut tokens = lexer::tokenize(text)?;
    dialect::fix(&mut tokens);
    let mut reader = Reader::new(&source, tokens, source.end(), false);
    let expression = reader.expression()?;
    reader.expect_end()?;
    Ok(expression)
}

fn parse_one(
    source: &Source,
    mut tokens: Vec<TokenWithSpan>,
    end: usize,
    ends_with_semicolon: bool,
) -> Result<Option<ParsedStatement>> {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return Ok(None);
    };
    let start = first.span.start.column as usize;
    let text = source.slice(start, last.span.end.column as usize).to_string();
    let parameter_count = parameter_count(&tokens)?;
    dialect::fix(&mut tokens);
    let mut reader = Reader::new(source, tokens, end, ends_with_semicolon);
    let statement = dispatch::statement(&mut reader)?;
    reader.expect_end()?;
    Ok(Some(ParsedStatement {
        statement,
        text,
        parameter_count,
    }))
}

/// The highest `$n`.
fn parameter_count<'t>(tokens: impl IntoIterator<Item = &'t TokenWithSpan>) -> Result<usize> {
    let mut highest = 0;
    for token in tokens {
        if let Token::Placeholder(name) = &token.token {
            // The protocol counts parameters in 16 bits.
            match name[1..].parse::<u16>() {
                Ok(number @ 1..) => highest = highest.max(usize::from(number)),
                _ => {
                    let message = format!("there is no parameter {name}");
                    let position = token.span.start.column as usize;
                    return Err(Error::new(crate::error::SqlState::UndefinedParameter, message).at(position));
                }
            }
        }
    }
    Ok(highest)
}

#[cfg(test)]
mod syntax_tests;
#[cfg(test)]
mod tests;
