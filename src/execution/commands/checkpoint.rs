//! CHECKPOINT and LOAD. Each commit is durable before it is answered, so a checkpoint has nothing to write; and no library
//! of machine code is ever loaded.

use super::CommandContext;
use crate::error::{Error, Result, SqlState};

/// Libraries whose functions are here.
const OWN: [&str; 2] = ["plpgsql", "$libdir/plpgsql"];

pub(super) fn checkpoint(command: &CommandContext<'_>) -> Result<&'static str> {
    if is_superuser(command) {
        return Ok("CHECKPOINT");
    }
    let message = "permission denied to execute CHECKPOINT command";
    Err(Error::new(SqlState::InsufficientPrivilege, message).with_detail("Only superusers may execute this command."))
}

pub(super) fn load(command: &CommandContext<'_>, library: &str) -> Result<&'static str> {
    if OWN.contains(&library) {
        return Ok("LOAD");
    }
    if !is_superuser(command) {
        let message = format!("access to library \"{library}\" is not allowed");
        return Err(Error::new(SqlState::InsufficientPrivilege, message));
    }
    let message = format!("could not access file \"{library}\": No such file or directory");
    Err(Error::new(SqlState::UndefinedFile, message))
}

fn is_superuser(command: &CommandContext<'_>) -> bool {
    command.context.catalog.access(command.role()).is_superuser()
}
