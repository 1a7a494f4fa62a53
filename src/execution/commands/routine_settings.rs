//! The settings that a routine's declaration names: what is checked when they are declared. They are set anew by each call,
//! with the rights that the routine runs with.

use super::CommandContext;
use crate::context::settings::{definition, text_of, unrecognized};
use crate::error::{Error, Result};
use crate::statement::ast::RoleSetting;

/// Who acts, and how a transaction runs, is no routine's to set.
const REFUSED: [&str; 5] = [
    "role",
    "session_authorization",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
];

/// The settings after these changes.
pub(super) fn changed(
    command: &CommandContext<'_>,
    mut settings: Vec<(String, String)>,
    changes: &[RoleSetting],
) -> Result<Vec<(String, String)>> {
    for change in changes {
        let (name, value) = match change {
            RoleSetting::ResetAll => {
                settings.clear();
                continue;
            }
            RoleSetting::Reset(name) => (name, None),
            RoleSetting::Set { name, values } => (name, Some(text_of(name, values)?)),
            RoleSetting::SetFromCurrent(name) => {
                let value = command.settings.canonical(name).map(str::to_string);
                (name, Some(value.ok_or_else(|| unrecognized(name))?))
            }
        };
        let name = definition(name).map_or_else(|| name.to_ascii_lowercase(), |found| found.name.to_string());
        if REFUSED.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Error::unsupported(format!(
                "parameter \"{name}\" as a setting of a function"
            )));
        }
        if let Some(value) = &value {
            let is_superuser = command.context.catalog.access(command.role()).is_superuser();
            command.settings.check(&name, value, is_superuser)?;
        }
        settings.retain(|(other, _)| *other != name);
        settings.extend(value.map(|value| (name, value)));
    }
    Ok(settings)
}
