//! Tables written and read back on temporary folders; what other writers, lost answers and crafted logs do.

mod analyze;
mod disk_tier;
mod empty;
mod faults;
mod foreign;
mod hot_columns;
mod optimize;
mod round_trip;
mod several_tables;
mod vacuum;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::Schema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};
use uuid::Uuid;

use super::*;
use crate::error::Result;

/// A warehouse that vanishes with the test.
pub(super) struct Scratch {
    pub(super) folder: tempfile::TempDir,
    pub(super) storage: Arc<Storage>,
}

pub(super) fn scratch() -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().to_str().unwrap(), &[], &StorageLimits::default()).unwrap();
    Scratch { folder, storage }
}

impl Scratch {
    /// Another process, as far as storage can tell.
    pub(super) fn second(&self) -> Arc<Storage> {
        Storage::open(self.folder.path().to_str().unwrap(), &[], &StorageLimits::default()).unwrap()
    }

    /// An address of a table inside the scratch folder but outside the warehouse's own folders.
    pub(super) fn outside(&self, name: &str) -> TableAddress {
        TableAddress::External {
            url: self
                .folder
                .path()
                .join("outside")
                .join(name)
                .to_str()
                .unwrap()
                .to_string(),
            options: vec![],
        }
    }
}

pub(super) fn managed() -> TableAddress {
    TableAddress::Managed(Uuid::new_v4())
}

pub(super) fn column(name: &str, sql_type: &str) -> ColumnDefinition {
    ColumnDefinition {
        name: name.into(),
        sql_type: sql_type.parse().unwrap(),
        nullable: true,
        comment: None,
    }
}

pub(super) fn definition(columns: &[(&str, &str)], partition_columns: &[&str]) -> TableDefinition {
    TableDefinition {
        columns: columns.iter().map(|(name, sql_type)| column(name, sql_type)).collect(),
        partition_columns: partition_columns.iter().map(|name| name.to_string()).collect(),
        ..TableDefinition::default()
    }
}

/// One batch as a stream.
pub(super) fn rows(columns: Vec<(&str, ArrayRef)>) -> Vec<SendableRecordBatchStream> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true)))
            .unwrap();
    let schema = batch.schema();
    vec![Box::pin(RecordBatchStreamAdapter::new(
        schema,
        futures::stream::iter([Ok(batch)]),
    ))]
}

pub(super) async fn create(
    table: &Arc<DeltaTable>,
    columns: &[(&str, &str)],
    partition_columns: &[&str],
) -> Arc<TableSnapshot> {
    let draft = TableDraft::new(&definition(columns, partition_columns)).unwrap();
    table
        .create(&draft, None, Operation::new("CREATE TABLE"))
        .await
        .unwrap()
        .snapshot
}

pub(super) async fn insert(table: &Arc<DeltaTable>, columns: Vec<(&str, ArrayRef)>) -> Result<Committed> {
    let snapshot = table.snapshot(Freshness::Strict).await?;
    let staged = table.stage(&snapshot, rows(columns)).await?;
    table.append(staged, Operation::new("WRITE")).await
}

pub(super) fn session() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2))
}

/// Rows of the scan, one text a row, sorted.
pub(super) async fn read(snapshot: &TableSnapshot, filters: &[Expr]) -> Vec<String> {
    read_with(snapshot, None, filters).await
}

pub(super) async fn read_with(
    snapshot: &TableSnapshot,
    projection: Option<Vec<usize>>,
    filters: &[Expr],
) -> Vec<String> {
    let context = session();
    let state = context.state();
    let plan = snapshot.scan(&state, projection.as_ref(), filters, None).await.unwrap();
    let schema = plan.schema();
    let batches = datafusion::physical_plan::collect(plan, context.task_ctx())
        .await
        .unwrap();
    for batch in &batches {
        assert_eq!(
            batch.schema().fields(),
            schema.fields(),
            "batches have the plan's schema"
        );
    }
    texts(&schema, &batches)
}

pub(super) fn texts(schema: &Schema, batches: &[RecordBatch]) -> Vec<String> {
    use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::new().with_null("null");
    let mut found = vec![];
    for batch in batches {
        let formatters: Vec<_> = (0..schema.fields().len())
            .map(|at| ArrayFormatter::try_new(batch.column(at), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            found.push(
                formatters
                    .iter()
                    .map(|values| values.value(row).to_string())
                    .collect::<Vec<_>>()
                    .join("|"),
            );
        }
    }
    found.sort();
    found
}
