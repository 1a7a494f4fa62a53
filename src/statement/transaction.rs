//! BEGIN, COMMIT, ROLLBACK and their synonyms, savepoints, and the modes that BEGIN and SET TRANSACTION share.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{Statement, TransactionModes};
use super::reader::Reader;
use crate::error::{Error, Result};

pub(super) fn begin(reader: &mut Reader) -> Result<Statement> {
    if reader.accept(&["start"]) {
        reader.expect(&["transaction"])?;
    } else {
        reader.expect(&["begin"])?;
        reader.accept_any(&["transaction", "work"]);
    }
    Ok(Statement::Begin(if reader.at_end() {
        TransactionModes::default()
    } else {
        modes(reader)?
    }))
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
    if !chain && reader.accept(&["to"]) {
        reader.accept(&["savepoint"]);
        return Ok(Statement::RollbackTo { name: reader.name()? });
    }
    Ok(Statement::Rollback { chain })
}

pub(super) fn savepoint(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["savepoint"])?;
    Ok(Statement::Savepoint { name: reader.name()? })
}

pub(super) fn release(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["release"])?;
    reader.accept(&["savepoint"]);
    Ok(Statement::ReleaseSavepoint { name: reader.name()? })
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
pub(super) fn modes(reader: &mut Reader) -> Result<TransactionModes> {
    let mut modes = TransactionModes::default();
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
            modes.deferrable = Some(false);
        } else if reader.accept(&["deferrable"]) {
            modes.deferrable = Some(true);
        } else {
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
