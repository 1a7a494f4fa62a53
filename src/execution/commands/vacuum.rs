//! VACUUM: deletes files that no version within the retention needs. Without a table it takes all those of the
//! database that the role owns and, for a superuser, what dropped tables left.

use std::time::Duration;

use super::{CommandContext, analyze};
use crate::binding::table_address;
use crate::catalog::model::{Object, Table};
use crate::error::{Result, SqlState};
use crate::execution::outcome::{Notice, NoticeSeverity};
use crate::execution::upkeep::DEFAULT_RETENTION;
use crate::statement::ast::{Analyze, Vacuum};

pub(super) async fn run(command: &mut CommandContext<'_>, vacuum: &Vacuum) -> Result<&'static str> {
    let retention = vacuum
        .retain_hours
        .map(|hours| Duration::from_secs(hours.saturating_mul(3600)));
    for table in tables(command, vacuum)? {
        let address = table_address(&command.context.catalog, &table)?;
        let vacuumed = command.services.vacuum(&table, &address, retention).await?;
        if vacuum.verbose {
            let message = format!(
                "vacuumed \"{}\": {} files with {} bytes deleted",
                table.name, vacuumed.files, vacuumed.bytes
            );
            command.notices.push(Notice {
                severity: NoticeSeverity::Info,
                ..Notice::notice(message)
            });
        }
    }
    let catalog = &command.context.catalog;
    if vacuum.tables.is_empty() && catalog.access(command.role()).is_superuser() {
        command
            .services
            .erase_dropped(retention.unwrap_or(DEFAULT_RETENTION))
            .await?;
    }
    if vacuum.analyze {
        let analyze = Analyze {
            tables: vacuum.tables.clone(),
            verbose: vacuum.verbose,
        };
        analyze::run(command, &analyze).await?;
    }
    Ok("VACUUM")
}

fn tables(command: &mut CommandContext<'_>, vacuum: &Vacuum) -> Result<Vec<Table>> {
    let catalog = &command.context.catalog;
    let access = catalog.access(command.role());
    if vacuum.tables.is_empty() {
        let is_here = |table: &&Table| {
            let schema = catalog.schema(table.schema);
            table.is_managed() && schema.is_some_and(|schema| schema.database == command.context.database)
        };
        let owned = |table: &&Table| access.owns(&Object::Table((*table).clone()));
        return Ok(catalog.tables().filter(is_here).filter(owned).cloned().collect());
    }
    let mut tables = vec![];
    let mut warnings = vec![];
    for (name, _) in &vacuum.tables {
        let relation = catalog.resolve_relation(command.names(), &name.0)?;
        match relation {
            Object::Table(table) if access.owns(relation) => tables.push(table.clone()),
            Object::Table(table) => warnings.push(format!(
                "skipping \"{}\" --- only table or database owner can vacuum it",
                table.name
            )),
            other => warnings.push(format!(
                "skipping \"{}\" --- cannot vacuum non-tables or special system tables",
                other.name()
            )),
        }
    }
    let warnings = warnings.into_iter();
    command
        .notices
        .extend(warnings.map(|message| Notice::warning(SqlState::Warning, message)));
    Ok(tables)
}
