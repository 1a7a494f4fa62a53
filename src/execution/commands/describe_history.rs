//! DESCRIBE HISTORY: the commits of a table, newest first. For the table's owner: operations and their
//! metrics tell of rows that a policy may hide.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray};

use super::CommandContext;
use crate::binding::table_address;
use crate::catalog::model::Object;
use crate::error::Result;
use crate::execution::outcome::{OutputColumn, RowSet, columns_of_shape, shaped_rows};
use crate::statement::ast::ObjectName;
use crate::types::SqlType;

fn shape() -> [(&'static str, SqlType); 8] {
    [
        ("version", SqlType::Int8),
        ("timestamp", SqlType::Timestamptz(None)),
        ("userName", SqlType::Text),
        ("operation", SqlType::Text),
        ("operationParameters", SqlType::Text),
        ("operationMetrics", SqlType::Text),
        ("engineInfo", SqlType::Text),
        ("isBlindAppend", SqlType::Bool),
    ]
}

pub(super) fn columns() -> Vec<OutputColumn> {
    columns_of_shape(&shape())
}

pub(super) async fn run(command: &CommandContext<'_>, name: &ObjectName, limit: Option<u64>) -> Result<RowSet> {
    let table = command.relation_with_rows(name)?;
    command
        .context
        .catalog
        .access(command.role())
        .require_owner(&Object::Table(table.clone()))?;
    let delta = command
        .services
        .storage
        .table(&table_address(&command.context.catalog, &table)?)?;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let entries = delta.history(limit).await?;
    let text = |read: fn(&crate::storage::HistoryEntry) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(entries.iter().map(read)))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(
            entries.iter().map(|entry| entry.version as i64),
        )),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(entries.iter().map(|entry| entry.timestamp.timestamp_micros()))
                .with_timezone("UTC"),
        ),
        text(|entry| entry.user_name.clone()),
        text(|entry| entry.operation.clone()),
        text(|entry| entry.operation_parameters.clone()),
        text(|entry| entry.operation_metrics.clone()),
        text(|entry| entry.engine.clone()),
        Arc::new(BooleanArray::from_iter(
            entries.iter().map(|entry| entry.is_blind_append),
        )),
    ];
    shaped_rows(&shape(), columns, "DESCRIBE")
}
