//! LISTEN, UNLISTEN and NOTIFY.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::Statement;
use super::reader::Reader;
use crate::error::Result;

pub(super) fn listen(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["listen"])?;
    Ok(Statement::Listen {
        channel: reader.name()?,
    })
}

pub(super) fn unlisten(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["unlisten"])?;
    let channel = match reader.accept_token(&Token::Mul) {
        true => None,
        false => Some(reader.name()?),
    };
    Ok(Statement::Unlisten { channel })
}

pub(super) fn notify(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["notify"])?;
    let channel = reader.name()?;
    let payload = match reader.accept_token(&Token::Comma) {
        true => reader.string()?,
        false => String::new(),
    };
    Ok(Statement::Notify { channel, payload })
}
