//! CHECKPOINT and LOAD: what PostgreSQL's operators and extensions say.

use super::ast::Statement;
use super::reader::Reader;
use crate::error::Result;

pub(super) fn checkpoint(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["checkpoint"])?;
    Ok(Statement::Checkpoint)
}

pub(super) fn load(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["load"])?;
    let library = reader.string()?;
    Ok(Statement::Load { library })
}
