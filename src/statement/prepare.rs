//! PREPARE name [(types)] AS statement, EXECUTE name [(arguments)], DEALLOCATE [PREPARE] name | ALL.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{ParsedStatement, Statement};
use super::reader::Reader;
use super::{dispatch, parameter_count};
use crate::error::{Error, Result};

pub(super) fn prepare(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["prepare"])?;
    if reader.peek_words(&["transaction"]) {
        return Err(Error::unsupported("PREPARE TRANSACTION"));
    }
    let name = reader.name()?;
    let types = if *reader.peek() == Token::LParen {
        reader.parenthesized(|reader| reader.data_type())?
    } else {
        vec![]
    };
    reader.expect(&["as"])?;
    let start = reader.position();
    let parameter_count = parameter_count(reader.rest())?.max(types.len());
    // Session and transaction statements cannot be prepared, PREPARE itself included.
    let preparable = [
        "select", "with", "values", "table", "insert", "update", "delete", "merge",
    ];
    if !reader.peek_word().is_some_and(|word| preparable.contains(&word)) && *reader.peek() != Token::LParen {
        return Err(reader.error_here());
    }
    let statement = dispatch::statement(reader)?;
    let text = reader.text_since(start).to_string();
    let statement = Box::new(ParsedStatement {
        statement,
        text,
        parameter_count,
    });
    Ok(Statement::Prepare { name, types, statement })
}

pub(super) fn execute(reader: &mut Reader) -> Result<Statement> {
    let (name, arguments) = executed(reader)?;
    Ok(Statement::Execute { name, arguments })
}

/// EXECUTE's name and arguments.
pub(super) fn executed(reader: &mut Reader) -> Result<(String, Vec<Expr>)> {
    reader.expect(&["execute"])?;
    let name = reader.name()?;
    let arguments = if *reader.peek() == Token::LParen {
        reader.parenthesized(|reader| reader.expression())?
    } else {
        vec![]
    };
    Ok((name, arguments))
}

pub(super) fn deallocate(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["deallocate"])?;
    reader.accept(&["prepare"]);
    let name = if reader.accept(&["all"]) {
        None
    } else {
        Some(reader.name()?)
    };
    Ok(Statement::Deallocate { name })
}
