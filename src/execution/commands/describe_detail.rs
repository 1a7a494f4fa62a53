//! DESCRIBE DETAIL: where a table lies and what it consists of, in Databricks' columns. For the table's owner:
//! sizes tell of rows that a policy may hide.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int32Array, Int64Array, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};

use super::CommandContext;
use crate::binding::table_address;
use crate::catalog::model::Object;
use crate::error::Result;
use crate::execution::outcome::{OutputColumn, RowSet, columns_of_shape, shaped_rows};
use crate::statement::ast::ObjectName;
use crate::storage::Freshness;
use crate::types::SqlType;

/// Milliseconds to the microseconds that SQL counts.
const MICROSECONDS: i64 = 1000;

fn shape() -> [(&'static str, SqlType); 12] {
    [
        ("format", SqlType::Text),
        ("id", SqlType::Text),
        ("name", SqlType::Text),
        ("description", SqlType::Text),
        ("location", SqlType::Text),
        ("createdAt", SqlType::Timestamptz(None)),
        ("partitionColumns", SqlType::Array(Box::new(SqlType::Text))),
        ("numFiles", SqlType::Int8),
        ("sizeInBytes", SqlType::Int8),
        ("properties", SqlType::Jsonb),
        ("minReaderVersion", SqlType::Int4),
        ("minWriterVersion", SqlType::Int4),
    ]
}

pub(super) fn columns() -> Vec<OutputColumn> {
    columns_of_shape(&shape())
}

pub(super) async fn run(command: &CommandContext<'_>, name: &ObjectName) -> Result<RowSet> {
    let table = command.table(name)?;
    let catalog = &command.context.catalog;
    catalog
        .access(command.role())
        .require_owner(&Object::Table(table.clone()))?;
    let delta = command.services.storage.table(&table_address(catalog, &table)?)?;
    let snapshot = delta.snapshot(Freshness::Strict).await?;
    let schema = catalog.schema(table.schema);
    let database = schema.and_then(|schema| catalog.database(schema.database));
    let names: Vec<&str> = database
        .map(|database| database.name.as_str())
        .into_iter()
        .chain(schema.map(|schema| schema.name.as_str()))
        .chain([table.name.as_str()])
        .collect();
    let (reader, writer) = snapshot.protocol_versions();
    let properties: serde_json::Map<_, _> = snapshot
        .properties()
        .into_iter()
        .map(|(key, value)| (key, value.into()))
        .collect();
    let mut partition_columns = ListBuilder::new(StringBuilder::new());
    partition_columns.append_value(snapshot.partition_columns().into_iter().map(Some));
    let text = |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let number = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![value as i64])) };
    let version = |value: i32| -> ArrayRef { Arc::new(Int32Array::from(vec![value])) };
    let created = snapshot.created().map(|milliseconds| milliseconds * MICROSECONDS);
    let columns: Vec<ArrayRef> = vec![
        text(Some("delta")),
        text(Some(snapshot.table_id())),
        text(Some(&names.join("."))),
        text(table.comment.as_deref()),
        text(Some(&snapshot.url())),
        Arc::new(TimestampMicrosecondArray::from(vec![created]).with_timezone("UTC")),
        Arc::new(partition_columns.finish()),
        number(snapshot.file_count() as u64),
        number(snapshot.size_bytes()),
        text(Some(&serde_json::Value::Object(properties).to_string())),
        version(reader),
        version(writer),
    ];
    shaped_rows(&shape(), columns, "DESCRIBE")
}
