//! ANALYZE [(option, …)] [VERBOSE] [table [(column, …)], …].

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::Statement;
use super::reader::Reader;
use crate::error::Result;

pub(super) fn analyze(reader: &mut Reader) -> Result<Statement> {
    if !reader.accept(&["analyze"]) {
        reader.expect(&["analyse"])?;
    }
    if reader.peek() == &Token::LParen {
        reader.parenthesized(|reader| {
            reader.label()?;
            if !matches!(reader.peek(), Token::Comma | Token::RParen) {
                reader.advance();
            }
            Ok(())
        })?;
    }
    reader.accept(&["verbose"]);
    if reader.at_end() {
        return Ok(Statement::Analyze(vec![]));
    }
    let tables = reader.list(|reader| {
        let name = reader.object_name()?;
        let columns = match reader.peek() {
            Token::LParen => reader.parenthesized(Reader::name)?,
            _ => vec![],
        };
        Ok((name, columns))
    })?;
    Ok(Statement::Analyze(tables))
}
