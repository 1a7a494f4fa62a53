//! ALTER, DROP and COMMENT ON functions and procedures, which are found by the types of their arguments.

use super::{CommandContext, routine_settings};
use crate::catalog::changes;
use crate::catalog::model::{Function, Oid, Script};
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::{DropRoutines, RoutineChange, RoutineName};

/// The routine that a statement names.
pub(super) fn named<'a>(command: &'a CommandContext<'_>, routine: &'a RoutineName) -> Result<&'a Function> {
    let catalog = &command.context.catalog;
    catalog.resolve_routine(
        command.names(),
        routine.kind,
        &routine.name.0,
        routine.arguments.as_deref(),
    )
}

pub(super) async fn drop(command: &mut CommandContext<'_>, drop: &DropRoutines) -> Result<&'static str> {
    let mut ids: Vec<Oid> = vec![];
    let mut missing = vec![];
    for routine in &drop.names {
        match named(command, routine) {
            Ok(found) => ids.push(found.id),
            Err(error) if drop.if_exists && is_missing(&error) => missing.push(skipped(routine, &error)),
            Err(error) => return Err(error),
        }
    }
    command
        .stage(|staged, role, _| {
            for notice in missing {
                staged.notice(notice);
            }
            changes::drop_objects(staged, role, &ids, drop.cascade)
        })
        .await?;
    Ok(drop.kind().command("DROP"))
}

fn is_missing(error: &Error) -> bool {
    matches!(
        error.state(),
        SqlState::UndefinedFunction | SqlState::InvalidSchemaName | SqlState::InvalidCatalogName
    )
}

fn skipped(routine: &RoutineName, error: &Error) -> String {
    match (&routine.arguments, error.state()) {
        (None, SqlState::UndefinedFunction) => {
            let name = routine.name.0.join(".");
            format!("{} {name}() does not exist, skipping", routine.kind.word())
        }
        _ => format!("{}, skipping", error.message()),
    }
}

pub(super) async fn change(
    command: &mut CommandContext<'_>,
    routine: &RoutineName,
    change: &RoutineChange,
) -> Result<&'static str> {
    let id = named(command, routine)?.id;
    match change {
        RoutineChange::Rename(to) => {
            command
                .stage(|staged, role, _| changes::rename(staged, role, id, to))
                .await?;
        }
        RoutineChange::Owner(to) => {
            let owner = command.role_named(to)?;
            command
                .stage(|staged, role, _| changes::change_owner(staged, role, id, owner))
                .await?;
        }
        RoutineChange::SetSchema(to) => {
            let database = command.context.database;
            let schema = command.context.catalog.resolve_schema(database, &to.0)?.id;
            command
                .stage(|staged, role, _| changes::set_schema(staged, role, id, schema))
                .await?;
        }
        RoutineChange::Surroundings {
            security_definer,
            settings,
        } => {
            let found = named(command, routine)?;
            let Some(script) = &found.script else {
                let message = format!("rights or settings for {}, whose body is one query,", found.signature());
                return Err(Error::unsupported(message)
                    .with_hint("Say so in CREATE OR REPLACE FUNCTION, which keeps owner and grants."));
            };
            let before = script.settings.clone();
            let script = Script {
                security_definer: security_definer.unwrap_or(script.security_definer),
                settings: routine_settings::changed(command, before, settings)?,
                ..script.clone()
            };
            command
                .stage(|staged, role, _| changes::set_script(staged, role, id, script))
                .await?;
        }
        RoutineChange::Comment(text) => {
            command
                .stage(|staged, role, _| changes::set_comment(staged, role, id, None, text.as_deref()))
                .await?;
            return Ok("COMMENT");
        }
    }
    Ok(routine.kind.command("ALTER"))
}
