//! ANALYZE: what clients send after a load. Each write stores its files' statistics, so that nothing is left to
//! gather; the names are checked as in PostgreSQL.

use super::CommandContext;
use crate::catalog::model::Object;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::Notice;
use crate::statement::ast::ObjectName;

pub(super) fn run(command: &mut CommandContext<'_>, tables: &[(ObjectName, Vec<String>)]) -> Result<&'static str> {
    for (name, columns) in tables {
        let catalog = &command.context.catalog;
        let relation = catalog.resolve_relation(command.names(), &name.0)?;
        let Object::Table(table) = relation else {
            let message = format!(
                "skipping \"{}\" --- cannot analyze non-tables or special system tables",
                relation.name()
            );
            command.notices.push(Notice::warning(SqlState::Warning, message));
            continue;
        };
        if !catalog.access(command.role()).owns(relation) {
            let message = format!(
                "skipping \"{}\" --- only table or database owner can analyze it",
                table.name
            );
            command.notices.push(Notice::warning(SqlState::Warning, message));
            continue;
        }
        let missing = columns
            .iter()
            .find(|name| table.columns.iter().all(|column| column.name != **name));
        if let Some(column) = missing {
            let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
            return Err(Error::new(SqlState::UndefinedColumn, message));
        }
    }
    Ok("ANALYZE")
}
