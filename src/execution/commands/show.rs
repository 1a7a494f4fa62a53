//! SHOW TABLES, SCHEMAS and DATABASES, as Databricks prints them.

use super::CommandContext;
use crate::catalog::model::{Object, Privilege};
use crate::error::{Error, Result};
use crate::execution::outcome::{OutputColumn, RowSet, text_rows};
use crate::statement::ast::ShowTarget;
use crate::types::SqlType;

pub(super) const TABLES: [&str; 3] = ["database", "tableName", "isTemporary"];
pub(super) const SCHEMAS: [&str; 1] = ["databaseName"];
pub(super) const DATABASES: [&str; 1] = ["catalog"];

pub(super) fn columns(names: &[&str]) -> Vec<OutputColumn> {
    names
        .iter()
        .map(|name| OutputColumn::new(*name, SqlType::Text))
        .collect()
}

/// Lists what the role may see.
pub(super) fn run(command: &CommandContext<'_>, target: &ShowTarget) -> Result<RowSet> {
    let catalog = &command.context.catalog;
    let access = catalog.access(command.role());
    match target {
        ShowTarget::Databases => {
            let mut rows: Vec<Vec<String>> = catalog
                .databases()
                .filter(|one| access.can_connect(one.id))
                .map(|one| vec![one.name.clone()])
                .collect();
            rows.sort();
            text_rows(&DATABASES, &rows, "SHOW")
        }
        ShowTarget::Schemas => {
            let schemas = catalog
                .schemas(command.context.database)
                .filter(|one| access.uses_schema(one.id));
            let mut rows: Vec<Vec<String>> = schemas.map(|one| vec![one.name.clone()]).collect();
            rows.sort();
            text_rows(&SCHEMAS, &rows, "SHOW")
        }
        ShowTarget::Tables { schema } => {
            let schemas = match schema {
                Some(name) => vec![catalog.resolve_schema(command.context.database, &name.0)?.id],
                None => command.context.search_path.clone(),
            };
            let mut rows = vec![];
            for schema in schemas.into_iter().filter(|id| access.uses_schema(*id)) {
                let name = catalog
                    .schema(schema)
                    .map(|schema| schema.name.clone())
                    .unwrap_or_default();
                let visible = |relation: &&Object| access.has_any_column(relation, Privilege::Select);
                rows.extend(
                    catalog
                        .relations(schema)
                        .filter(visible)
                        .map(|one| vec![name.clone(), one.name().to_string(), "false".into()]),
                );
            }
            rows.sort();
            text_rows(&TABLES, &rows, "SHOW")
        }
        other => Err(Error::internal(format!("SHOW {other:?} belongs to the session"))),
    }
}
