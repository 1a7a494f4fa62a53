//! CREATE MATERIALIZED VIEW and REFRESH: a Delta table that holds a query's rows. A refresh replaces them in one
//! commit, so that a reader sees the rows before it or those after it. A view without data has no rows that count:
//! its next refresh begins a new folder, which the catalog's entry makes the view's.

use datafusion::execution::SendableRecordBatchStream;

use super::create::when_taken;
use super::insert::{assigned, open};
use super::{CommandContext, create_table};
use crate::catalog::changes::{self, Created, NewTable};
use crate::catalog::model::{Column, MaterializedQuery, ObjectKind, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::transaction::TableWrite;
use crate::statement::ast::{CreateMaterializedView, ObjectName, RefreshMaterializedView};
use crate::storage::{ColumnDefinition, Operation, Removal, TableDefinition};

/// Creates the view with the rows of its query, which was bound with these references.
pub async fn create(
    command: &mut CommandContext<'_>,
    create: &CreateMaterializedView,
    references: Vec<crate::catalog::model::Reference>,
    rows: SendableRecordBatchStream,
) -> Result<String> {
    let catalog = &command.context.catalog;
    let mut read = references
        .iter()
        .filter_map(|reference| catalog.object(reference.object));
    if read.any(|object| catalog.is_temporary(object)) {
        return Err(Error::unsupported(
            "a materialized view that reads temporary tables or views",
        ));
    }
    let (schema, name) = catalog.resolve_creation(command.names(), &create.name.0)?;
    let name = name.to_string();
    let query = MaterializedQuery {
        query: create.query_text.clone(),
        search_path: catalog.without_temporary(&command.context.search_path),
        references,
        populated: !create.with_no_data,
    };
    let columns = create_table::query_columns(&rows.schema(), &create.columns)?;
    let new = NewTable {
        schema,
        name,
        columns,
        partition_by: vec![],
        location: None,
        unlogged: false,
        temporary: None,
        constraints: vec![],
        comment: None,
    };
    let when = when_taken(create.if_not_exists, false);
    let created = command
        .stage(|staged, role, _| changes::create_materialized_view(staged, role, new, query, when))
        .await?;
    let without_rows = "CREATE MATERIALIZED VIEW".to_string();
    if let Created::Existing(_) = created {
        return Ok(without_rows);
    }
    let table = create_table::staged_table(command, created.id()).await?;
    let rows = Some(rows).filter(|_| !create.with_no_data);
    let written = create_table::write(command, &definition(&table), &table, rows, "CREATE MATERIALIZED VIEW").await?;
    command.transaction.note_created(table.id);
    Ok(match create.with_no_data {
        true => without_rows,
        false => format!("SELECT {written}"),
    })
}

/// The view that a refresh names, for its owner; waits for other refreshes of it.
pub async fn begin_refresh(command: &mut CommandContext<'_>, refresh: &RefreshMaterializedView) -> Result<Table> {
    let view = named(command, &refresh.name)?;
    command
        .context
        .catalog
        .access(command.role())
        .require_owner(&view.clone().into())?;
    if refresh.concurrently && !is_populated(&view) {
        let message = "CONCURRENTLY cannot be used when the materialized view is not populated";
        return Err(Error::new(SqlState::FeatureNotSupported, message));
    }
    if is_populated(&view) {
        super::modify::begin(command, &view, true).await?;
    }
    Ok(view)
}

/// Replaces the view's rows.
pub async fn refresh(
    command: &mut CommandContext<'_>,
    view: &Table,
    rows: Option<SendableRecordBatchStream>,
) -> Result<String> {
    let tag = "REFRESH MATERIALIZED VIEW";
    match rows {
        None => {
            command
                .stage(|staged, role, _| changes::set_populated(staged, role, view.id, false, false))
                .await?;
        }
        Some(rows) if !is_populated(view) => {
            command
                .stage(|staged, role, _| changes::set_populated(staged, role, view.id, true, true))
                .await?;
            let view = create_table::staged_table(command, view.id).await?;
            create_table::write(command, &definition(&view), &view, Some(rows), tag).await?;
            command.transaction.note_created(view.id);
            super::constraint::verify_written(command, &view).await?;
        }
        Some(rows) => {
            let (delta, base) = open(command, view).await?;
            let names: Vec<String> = view.columns.iter().map(|column| column.name.clone()).collect();
            let rows = assigned(rows, base.schema(), view, &names, &command.format_settings)?;
            let files = delta.stage(&base, vec![rows]).await?;
            let write = TableWrite {
                delta,
                base,
                removal: Removal::All,
                files,
                complete: false,
                keys: None,
                operation: Operation::new(tag).with_user(&*command.context.principal.role_name),
            };
            command.transaction.add_write(view, write).await?;
            super::constraint::verify_written(command, view).await?;
        }
    }
    Ok(tag.to_string())
}

fn named(command: &CommandContext<'_>, name: &ObjectName) -> Result<Table> {
    let not_one = || {
        let message = format!("\"{}\" is not a materialized view", name.last());
        Error::new(SqlState::FeatureNotSupported, message)
    };
    let catalog = &command.context.catalog;
    let object = catalog.resolve_relation(command.names(), &name.0)?;
    match object.kind() {
        ObjectKind::MaterializedView => command.relation_with_rows(name),
        _ => Err(not_one()),
    }
}

fn is_populated(view: &Table) -> bool {
    view.materialized.as_ref().is_some_and(|query| query.populated)
}

fn definition(view: &Table) -> TableDefinition {
    let column = |column: &Column| ColumnDefinition {
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: true,
        comment: column.comment.clone(),
    };
    TableDefinition {
        columns: view.columns.iter().map(column).collect(),
        partition_columns: vec![],
        properties: vec![],
        comment: view.comment.clone(),
    }
}
