//! DESCRIBE [TABLE] [EXTENDED] t, DESCRIBE DETAIL t, DESCRIBE HISTORY t [LIMIT n]; DESC is the same word.

use super::ast::Statement;
use super::reader::Reader;
use crate::error::{Error, Result};

pub(super) fn describe(reader: &mut Reader) -> Result<Statement> {
    reader.advance();
    if reader.accept(&["history"]) {
        let name = reader.object_name()?;
        let limit = if reader.accept(&["limit"]) {
            let position = reader.position();
            let limit = reader.integer()?;
            Some(u64::try_from(limit).map_err(|_| {
                Error::new(
                    crate::error::SqlState::InvalidParameterValue,
                    "LIMIT must not be negative",
                )
                .at(position)
            })?)
        } else {
            None
        };
        return Ok(Statement::DescribeHistory { name, limit });
    }
    if let Some(word @ ("detail" | "catalog" | "database" | "schema" | "function" | "query" | "external")) =
        reader.peek_word()
    {
        let followed = matches!(
            reader.peek_nth(1),
            datafusion::sql::sqlparser::tokenizer::Token::Word(_)
        );
        if followed && word == "detail" {
            reader.advance();
            return Ok(Statement::DescribeDetail {
                name: reader.object_name()?,
            });
        }
        if followed {
            return Err(Error::unsupported(format!("DESCRIBE {}", word.to_uppercase())));
        }
    }
    reader.accept(&["table"]);
    if reader.peek_words(&["extended"])
        && matches!(
            reader.peek_nth(1),
            datafusion::sql::sqlparser::tokenizer::Token::Word(_)
        )
    {
        reader.advance();
    }
    Ok(Statement::DescribeTable {
        name: reader.object_name()?,
    })
}
