//! BEGIN, COMMIT, ROLLBACK and their synonyms, and the modes that BEGIN and SET TRANSACTION share.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::Statement;
use super::reader::Reader;
use crate::error::{Error, Result};

/// What BEGIN, START TRANSACTION and SET TRANSACTION may ask for.
#[derive(Default)]
pub(super) struct Modes {
    pub isolation: Option<String>,
    pub read_only: Option<bool>,
}

pub(super) fn begin(reader: &mut Reader) -> Result<Statement> {
    if reader.accept(&["start"]) {
        reader.expect(&["transaction"])?;
    } else {
        reader.expect(&["begin"])?;
        reader.accept_any(&["transaction", "work"]);
    }
    let Modes { isolation, read_only } = if reader.at_end() {
        Modes::default()
    } else {
        modes(reader)?
    };
    Ok(Statement::Begin { isolation, read_only })
}

pub(super) fn commit(reader: &mut Reader) -> Result<Statement> {
    reader.advance();
    if reader.peek_words(&["prepared"]) {
        return Err(Error::unsupported("COMMIT PREPARED"));
    }
    Ok(Statement::Commit { chain: chain(reader)? })
}

pub(super) fn rollback(reader: &mut Reader) -> Result<Statement> {
    reader.advance();
    if reader.peek_words(&["prepared"]) {
        return Err(Error::unsupported("ROLLBACK PREPARED"));
    }
    let chain = chain(reader)?;
    if reader.accept(&["to"]) {
        reader.accept(&["savepoint"]);
        reader.name()?;
        return Err(Error::unsupported("SAVEPOINT").with_hint("Use ROLLBACK to undo the whole transaction."));
    }
    Ok(Statement::Rollback { chain })
}

fn chain(reader: &mut Reader) -> Result<bool> {
    reader.accept_any(&["transaction", "work"]);
    if !reader.accept(&["and"]) {
        return Ok(false);
    }
    let chain = !reader.accept(&["no"]);
    reader.expect(&["chain"])?;
    Ok(chain)
}

/// One mode or more; the commas between them are optional, as in PostgreSQL.
pub(super) fn modes(reader: &mut Reader) -> Result<Modes> {
    let mut modes = Modes::default();
    loop {
        if reader.accept(&["isolation"]) {
            reader.expect(&["level"])?;
            modes.isolation = Some(isolation_level(reader)?);
        } else if reader.accept(&["read"]) {
            match reader.accept_any(&["only", "write"]) {
                Some(word) => modes.read_only = Some(word == "only"),
                None => return Err(reader.error_here()),
            }
        } else if reader.accept(&["not"]) {
            reader.expect(&["deferrable"])?;
        } else if !reader.accept(&["deferrable"]) {
            return Err(reader.error_here());
        }
        if !reader.accept_token(&Token::Comma) && reader.at_end() {
            return Ok(modes);
        }
    }
}

fn isolation_level(reader: &mut Reader) -> Result<String> {
    let level = if reader.accept(&["serializable"]) {
        "serializable"
    } else if reader.accept(&["repeatable", "read"]) {
        "repeatable read"
    } else if reader.accept(&["read", "committed"]) {
        "read committed"
    } else if reader.accept(&["read", "uncommitted"]) {
        "read uncommitted"
    } else {
        reader.accept_any(&["read", "repeatable"]);
        return Err(reader.error_here());
    };
    Ok(level.to_string())
}
