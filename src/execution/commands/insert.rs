//! Rows on their way into a table: which version they go to, who may bring them, and how they become what it stores.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::CommandContext;
use crate::binding::table_address;
use crate::catalog::model::{Object, Privilege, Table};
use crate::error::{Error, Result, SqlState};
use crate::storage::{DeltaTable, Freshness, TableSnapshot};
use crate::types::SqlType;
use crate::types::cast::{Assignment, TargetColumn};
use crate::types::format::FormatSettings;

/// The table's log and the version that this transaction writes to.
pub(in crate::execution) async fn open(
    command: &CommandContext<'_>,
    table: &Table,
) -> Result<(Arc<DeltaTable>, Arc<TableSnapshot>)> {
    command.transaction.check_may_write(table)?;
    current(command, table).await
}

/// The table and the version of it that the statement works on.
pub(in crate::execution) async fn current(
    command: &CommandContext<'_>,
    table: &Table,
) -> Result<(Arc<DeltaTable>, Arc<TableSnapshot>)> {
    let delta = command
        .services
        .storage
        .table(&table_address(&command.context.catalog, table)?)?;
    let base = match command.transaction.pinned(table.id) {
        Some(pinned) => pinned,
        None => {
            let decided = command.context.committed.decided(table.id);
            delta.snapshot_including(decided, Freshness::Strict).await?
        }
    };
    Ok((delta, base))
}

/// Refuses with 42501 who may not insert into these columns.
pub(super) fn require_insert(command: &CommandContext<'_>, table: &Table, columns: &[String]) -> Result<()> {
    let access = command.context.catalog.access(command.role());
    let object = Object::Table(table.clone());
    let may_column = |name: &String| {
        table
            .column_named(name)
            .is_some_and(|column| access.has_column(&object, column.id, Privilege::Insert))
    };
    match columns.iter().all(may_column) {
        true => Ok(()),
        false => Err(Error::denied("table", &table.name)),
    }
}

/// Rows as the table stores them: the statement's columns put in their places, the others null.
pub(super) fn assigned(
    rows: SendableRecordBatchStream,
    stored: SchemaRef,
    table: &Table,
    columns: &[String],
    settings: &FormatSettings,
) -> Result<SendableRecordBatchStream> {
    let given = rows.schema().fields().len();
    if given > columns.len() {
        return Err(Error::new(
            SqlState::SyntaxError,
            "INSERT has more expressions than target columns",
        ));
    }
    let columns = if given < columns.len() {
        &columns[..given]
    } else {
        columns
    };
    let targets = stored.fields().iter().map(|field| {
        let column = table.column_named(field.name());
        TargetColumn {
            source: columns.iter().position(|name| name == field.name()),
            name: field.name().clone(),
            sql_type: column.map_or_else(|| SqlType::from_field(field), |column| column.sql_type.clone()),
            nullable: column.is_none_or(|column| column.nullable),
        }
    });
    let assignment = Assignment::new(&table.name, targets.collect(), &stored, settings)?;
    let stream = rows.map(move |batch| Ok(assignment.apply(&batch?)?));
    Ok(Box::pin(RecordBatchStreamAdapter::new(stored, stream)))
}
