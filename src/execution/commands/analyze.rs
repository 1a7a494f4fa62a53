//! ANALYZE: sketches the different values of columns in files that others wrote; our own writes do it as they go. For the
//! table's owner, like VACUUM. Nobody is shown what it finds but the planner. Without a table it takes all those of the
//! database that the role owns.

use super::CommandContext;
use super::insert::current;
use crate::catalog::model::{Object, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Notice, NoticeSeverity};
use crate::statement::ast::Analyze;
use crate::storage::Analyzed;

pub(super) async fn run(command: &mut CommandContext<'_>, analyze: &Analyze) -> Result<&'static str> {
    for (table, columns) in tables(command, analyze)? {
        let done = match analyzed(command, &table, &columns).await {
            Ok(done) => done,
            // One of many that cannot be reached does not keep the others from it.
            Err(error) if analyze.tables.is_empty() => {
                let message = format!("skipping \"{}\" --- {}", table.name, error.message());
                command.notices.push(Notice::warning(SqlState::Warning, message));
                continue;
            }
            Err(error) => return Err(error),
        };
        if analyze.verbose {
            let message = format!(
                "analyzed \"{}\": {} of {} files read, containing {} rows; the others are known",
                table.name, done.files, done.of_files, done.rows
            );
            command.notices.push(Notice {
                severity: NoticeSeverity::Info,
                ..Notice::notice(message)
            });
        }
    }
    Ok("ANALYZE")
}

async fn analyzed(command: &CommandContext<'_>, table: &Table, columns: &[String]) -> Result<Analyzed> {
    let (delta, base) = current(command, table).await?;
    let schema = base.schema();
    let positions: Vec<usize> = match columns {
        [] => (0..schema.fields().len()).collect(),
        named => named.iter().filter_map(|name| schema.index_of(name).ok()).collect(),
    };
    delta.analyze(&base, &positions, &command.session).await
}

/// The tables that are the role's to analyze, with the columns that are asked for.
fn tables(command: &mut CommandContext<'_>, analyze: &Analyze) -> Result<Vec<(Table, Vec<String>)>> {
    let catalog = &command.context.catalog;
    let access = catalog.access(command.role());
    if analyze.tables.is_empty() {
        let is_here = |table: &&Table| {
            let schema = catalog.schema(table.schema);
            schema.is_some_and(|schema| schema.database == command.context.database)
        };
        let owned = |table: &&Table| access.owns(&Object::Table((*table).clone()));
        let tables = catalog.tables().filter(is_here).filter(owned);
        return Ok(tables.map(|table| (table.clone(), vec![])).collect());
    }
    let mut tables = vec![];
    let mut warnings = vec![];
    for (name, columns) in &analyze.tables {
        let relation = catalog.resolve_relation(command.names(), &name.0)?;
        let Object::Table(table) = relation else {
            warnings.push(format!(
                "skipping \"{}\" --- cannot analyze non-tables or special system tables",
                relation.name()
            ));
            continue;
        };
        if !access.owns(relation) {
            warnings.push(format!(
                "skipping \"{}\" --- only table or database owner can analyze it",
                table.name
            ));
            continue;
        }
        let missing = |name: &&String| table.columns.iter().all(|column| column.name != **name);
        if let Some(column) = columns.iter().find(missing) {
            let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
            return Err(Error::new(SqlState::UndefinedColumn, message));
        }
        let twice = |(position, name): (usize, &String)| columns[..position].contains(name).then(|| name.clone());
        if let Some(column) = columns.iter().enumerate().find_map(twice) {
            let message = format!(
                "column \"{column}\" of relation \"{}\" appears more than once",
                table.name
            );
            return Err(Error::new(SqlState::DuplicateColumn, message));
        }
        tables.push((table.clone(), columns.clone()));
    }
    let warnings = warnings.into_iter();
    command
        .notices
        .extend(warnings.map(|message| Notice::warning(SqlState::Warning, message)));
    Ok(tables)
}
