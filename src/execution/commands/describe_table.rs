//! DESCRIBE TABLE: columns with their types, as Databricks prints them.

use super::CommandContext;
use crate::catalog::model::Privilege;
use crate::error::{Error, Result};
use crate::execution::outcome::{OutputColumn, RowSet, text_rows};
use crate::statement::ast::ObjectName;
use crate::types::SqlType;

const COLUMNS: [&str; 3] = ["col_name", "data_type", "comment"];

pub(super) fn columns() -> Vec<OutputColumn> {
    COLUMNS
        .iter()
        .map(|name| OutputColumn::new(*name, SqlType::Text))
        .collect()
}

pub(super) fn run(command: &CommandContext<'_>, name: &ObjectName) -> Result<RowSet> {
    let catalog = &command.context.catalog;
    let relation = catalog.resolve_relation(command.names(), &name.0)?;
    let access = catalog.access(command.role());
    let visible = access.columns_with(relation, Privilege::Select);
    if visible.is_empty() && !relation.columns().is_empty() {
        return Err(Error::denied("table", relation.name()));
    }
    let rows: Vec<Vec<String>> = relation
        .columns()
        .iter()
        .filter(|column| visible.contains(&column.id))
        .map(|column| {
            vec![
                column.name.clone(),
                column.sql_type.to_string(),
                column.comment.clone().unwrap_or_default(),
            ]
        })
        .collect();
    text_rows(&COLUMNS, &rows, "DESCRIBE")
}
