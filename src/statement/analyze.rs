//! ANALYZE [(option, …)] [VERBOSE] [table [(column, …)], …].

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{Analyze, ObjectName, Statement};
use super::reader::Reader;
use crate::error::{Error, Result};

pub(super) fn analyze(reader: &mut Reader) -> Result<Statement> {
    if !reader.accept(&["analyze"]) {
        reader.expect(&["analyse"])?;
    }
    let mut analyze = Analyze::default();
    if reader.peek() == &Token::LParen {
        for (option, on) in options(reader)? {
            match option.as_str() {
                "verbose" => analyze.verbose = on,
                "skip_locked" | "buffer_usage_limit" => {}
                other => return Err(Error::syntax(format!("unrecognized ANALYZE option \"{other}\""))),
            }
        }
    } else {
        analyze.verbose = reader.accept(&["verbose"]);
    }
    if !reader.at_end() {
        analyze.tables = tables(reader)?;
    }
    Ok(Statement::Analyze(analyze))
}

/// Options in parentheses, each with whether it is on.
pub(super) fn options(reader: &mut Reader) -> Result<Vec<(String, bool)>> {
    reader.parenthesized(|reader| {
        let option = reader.label()?;
        let off = match reader.peek() {
            Token::Comma | Token::RParen => false,
            token => {
                let off = matches!(token.to_string().to_ascii_lowercase().as_str(), "false" | "off" | "0");
                reader.advance();
                off
            }
        };
        Ok((option, !off))
    })
}

/// Tables, each with the columns that are named.
pub(super) fn tables(reader: &mut Reader) -> Result<Vec<(ObjectName, Vec<String>)>> {
    reader.list(|reader| {
        let name = reader.object_name()?;
        let columns = match reader.peek() {
            Token::LParen => reader.parenthesized(Reader::name)?,
            _ => vec![],
        };
        Ok((name, columns))
    })
}
