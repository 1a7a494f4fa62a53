//! LOCK [TABLE] [ONLY] name [*], … [IN mode MODE] [NOWAIT].

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{LockTable, ObjectName, Statement};
use super::reader::Reader;
use crate::context::locks::LockMode;
use crate::error::Result;

pub(super) fn lock(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["lock"])?;
    reader.accept(&["table"]);
    let tables = reader.list(table)?;
    let mode = match reader.accept(&["in"]) {
        true => {
            let mode = mode(reader)?;
            reader.expect(&["mode"])?;
            mode
        }
        false => LockMode::AccessExclusive,
    };
    let nowait = reader.accept(&["nowait"]);
    Ok(Statement::LockTable(LockTable { tables, mode, nowait }))
}

fn table(reader: &mut Reader) -> Result<ObjectName> {
    reader.accept(&["only"]);
    let name = reader.object_name()?;
    reader.accept_token(&Token::Mul);
    Ok(name)
}

fn mode(reader: &mut Reader) -> Result<LockMode> {
    const MODES: [(&[&str], LockMode); 8] = [
        (&["access", "share"], LockMode::AccessShare),
        (&["row", "share"], LockMode::RowShare),
        (&["row", "exclusive"], LockMode::RowExclusive),
        (&["share", "update", "exclusive"], LockMode::ShareUpdateExclusive),
        (&["share", "row", "exclusive"], LockMode::ShareRowExclusive),
        (&["share"], LockMode::Share),
        (&["exclusive"], LockMode::Exclusive),
        (&["access", "exclusive"], LockMode::AccessExclusive),
    ];
    for (words, mode) in MODES {
        if reader.accept(words) {
            return Ok(mode);
        }
    }
    Err(reader.error_here())
}
