//! CREATE EXTENSION: what an extension would bring is built in, or missing. Clients ask for some at each start.

use super::CommandContext;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Notice, NoticeSeverity};

/// The extensions that pg_extension shows.
const INSTALLED: [&str; 2] = ["boathouse", "plpgsql"];

pub(super) fn create(command: &mut CommandContext<'_>, name: &str, if_not_exists: bool) -> Result<&'static str> {
    if !INSTALLED.contains(&name) {
        let message = format!("extension \"{name}\" is not available");
        return Err(Error::new(SqlState::FeatureNotSupported, message)
            .with_hint("The extension must first be installed on the system where PostgreSQL is running."));
    }
    let message = format!("extension \"{name}\" already exists");
    if !if_not_exists {
        return Err(Error::new(SqlState::DuplicateObject, message));
    }
    command.notices.push(Notice {
        severity: NoticeSeverity::Notice,
        state: SqlState::DuplicateObject,
        message: format!("{message}, skipping"),
        detail: None,
        hint: None,
        context: None,
    });
    Ok("CREATE EXTENSION")
}
