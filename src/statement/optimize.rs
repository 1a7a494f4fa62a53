//! Databricks' OPTIMIZE [TABLE] t [WHERE …] [ZORDER BY (…)] and RESTORE [TABLE] t [TO] VERSION | TIMESTAMP AS OF ….

use datafusion::sql::sqlparser::ast::{Expr, TableVersion};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{Optimize, Restore, Statement};
use super::reader::Reader;
use crate::error::Result;

pub(super) fn optimize(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["optimize"])?;
    skip_table(reader);
    let table = reader.object_name()?;
    let condition = match reader.accept(&["where"]) {
        true => Some(reader.expression()?),
        false => None,
    };
    let near = match reader.accept(&["zorder", "by"]) {
        false => vec![],
        true if *reader.peek() == Token::LParen => reader.parenthesized(Reader::name)?,
        true => reader.list(Reader::name)?,
    };
    Ok(Statement::Optimize(Box::new(Optimize { table, condition, near })))
}

pub(super) fn restore(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["restore"])?;
    skip_table(reader);
    let table = reader.object_name()?;
    reader.accept(&["to"]);
    let by_time = match reader.accept_any(&["version", "timestamp"]) {
        Some("version") => false,
        Some(_) => true,
        None => return Err(reader.error_here()),
    };
    reader.expect(&["as", "of"])?;
    let point: Expr = reader.expression()?;
    let version = match by_time {
        true => TableVersion::TimestampAsOf(point),
        false => TableVersion::VersionAsOf(point),
    };
    Ok(Statement::Restore(Box::new(Restore { table, version })))
}

/// TABLE, unless it is the table's own name.
fn skip_table(reader: &mut Reader) {
    if reader.peek_words(&["table"]) && matches!(reader.peek_nth(1), Token::Word(_)) {
        reader.advance();
    }
}
