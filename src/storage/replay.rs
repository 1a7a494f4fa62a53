//! Replays a Delta log through the Delta kernel, which knows checkpoints in all their forms. The kernel is
//! synchronous; everything here runs on a blocking thread.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::{Array, AsArray, MapArray, RecordBatch, StringArray, StructArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::snapshot::Snapshot;
use delta_kernel::{Engine, Error as KernelError};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::{TokioBackgroundExecutor, TokioMultiThreadExecutor};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::action::{Add, DeletionVector, Metadata, Protocol};
use super::features;
use super::guarded_store::GuardedStore;
use super::location::Location;
use super::lock::{APPLICATION, TableLock};
use crate::error::{Error, Result, SqlState};

/// Everything a log says at one version.
pub(super) struct Replayed {
    pub(super) version: u64,
    pub(super) protocol: Protocol,
    pub(super) metadata: Metadata,
    pub(super) adds: Vec<Add>,
    pub(super) applied: u64,
    pub(super) lock: Option<Arc<TableLock>>,
}

/// The kernel's engine, confined to the table's folder.
pub(super) fn kernel_engine(location: &Location) -> Arc<dyn Engine> {
    let store = Arc::new(GuardedStore {
        store: Arc::clone(&location.store.store),
        root: location.root.clone(),
    });
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => Arc::new(
            DefaultEngineBuilder::new(store)
                .with_task_executor(Arc::new(TokioMultiThreadExecutor::new(handle)))
                .build(),
        ),
        _ => Arc::new(
            DefaultEngineBuilder::new(store)
                .with_task_executor(Arc::new(TokioBackgroundExecutor::new()))
                .build(),
        ),
    }
}

/// Loads the table at `version`, or the newest one. `None`: there is no table.
pub(super) async fn replay(location: &Location, version: Option<u64>) -> Result<Option<Replayed>> {
    let engine = kernel_engine(location);
    let url = location.url.clone();
    blocking(move || {
        let mut builder = Snapshot::builder_for(url.as_str());
        if let Some(version) = version {
            builder = builder.at_version(version);
        }
        let snapshot = match builder.build(engine.as_ref()) {
            Ok(snapshot) => snapshot,
            Err(error) if is_missing_table(&error) => return Ok(None),
            Err(error) => return Err(from_kernel(error)),
        };
        let configuration = snapshot.table_configuration();
        let protocol: Protocol = convert(configuration.protocol())?;
        let metadata: Metadata = convert(configuration.metadata())?;
        features::ensure_readable(&protocol)?;
        let adds = live_files(&snapshot, engine.as_ref())?;
        let applied = snapshot
            .get_app_id_version(APPLICATION, engine.as_ref())
            .map_err(from_kernel)?;
        Ok(Some(Replayed {
            version: snapshot.version(),
            protocol,
            metadata,
            adds,
            applied: applied.and_then(|version| u64::try_from(version).ok()).unwrap_or(0),
            lock: None,
        }))
    })
    .await
}

/// Writes a checkpoint of this version.
pub(super) async fn checkpoint(location: &Location, version: u64) -> Result<()> {
    let engine = kernel_engine(location);
    let url = location.url.clone();
    blocking(move || {
        let snapshot = Snapshot::builder_for(url.as_str())
            .at_version(version)
            .build(engine.as_ref())
            .map_err(from_kernel)?;
        snapshot.checkpoint(engine.as_ref(), None).map_err(from_kernel)?;
        Ok(())
    })
    .await
}

/// Runs synchronous work off the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::internal(format!("storage work was cut off: {error}"))),
    }
}

fn convert<K: serde::Serialize, T: serde::de::DeserializeOwned>(value: &K) -> Result<T> {
    serde_json::to_value(value)
        .and_then(serde_json::from_value)
        .map_err(|error| {
            Error::new(SqlState::DataCorrupted, "the table's log is damaged").with_detail(format!("{error}."))
        })
}

fn live_files(snapshot: &Arc<Snapshot>, engine: &dyn Engine) -> Result<Vec<Add>> {
    if snapshot.schema().num_fields() == 0 {
        return Ok(vec![]);
    }
    let scan = Arc::clone(snapshot)
        .scan_builder()
        .without_row_transforms()
        .build()
        .map_err(from_kernel)?;
    let mut adds = vec![];
    for part in scan.scan_metadata(engine).map_err(from_kernel)? {
        let (data, selected) = part.map_err(from_kernel)?.scan_files.into_parts();
        let batch: RecordBatch = ArrowEngineData::try_from_engine_data(data).map_err(from_kernel)?.into();
        let selection: BooleanArray = (0..batch.num_rows())
            .map(|row| Some(selected.get(row).copied().unwrap_or(true)))
            .collect();
        read_scan_rows(&filter_record_batch(&batch, &selection)?, &mut adds)?;
    }
    Ok(adds)
}

/// Reads rows of the kernel's scan schema (`kernel/scan/log_replay.rs`, SCAN_ROW_SCHEMA).
fn read_scan_rows(batch: &RecordBatch, adds: &mut Vec<Add>) -> Result<()> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| unexpected(name));
    let text = |name: &str| column(name)?.as_string_opt::<i32>().ok_or_else(|| unexpected(name));
    let number = |name: &str| {
        column(name)?
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| unexpected(name))
    };
    let (paths, stats) = (text("path")?, text("stats")?);
    let (sizes, modified) = (number("size")?, number("modificationTime")?);
    let vectors = column("deletionVector")?
        .as_struct_opt()
        .ok_or_else(|| unexpected("deletionVector"))?;
    let constants = column("fileConstantValues")?
        .as_struct_opt()
        .ok_or_else(|| unexpected("fileConstantValues"))?;
    let map = |name: &str| constants.column_by_name(name).and_then(|map| map.as_map_opt());
    let (partitions, tags) = (map("partitionValues"), map("tags"));
    for row in 0..batch.num_rows() {
        adds.push(Add {
            path: paths.value(row).to_string(),
            partition_values: partitions.and_then(|map| read_map(map, row)).unwrap_or_default(),
            size: sizes.value(row),
            modification_time: modified.value(row),
            data_change: false,
            stats: stats.is_valid(row).then(|| stats.value(row).to_string()),
            tags: tags.and_then(|map| read_map(map, row)),
            deletion_vector: read_vector(vectors, row)?,
        });
    }
    Ok(())
}

fn read_map(map: &MapArray, row: usize) -> Option<HashMap<String, Option<String>>> {
    if map.is_null(row) {
        return None;
    }
    let entries = map.value(row);
    let keys = entries.column(0).as_string_opt::<i32>()?;
    let values = entries.column(1).as_string_opt::<i32>()?;
    Some(
        (0..entries.len())
            .map(|i| {
                (
                    keys.value(i).to_string(),
                    values.is_valid(i).then(|| values.value(i).to_string()),
                )
            })
            .collect(),
    )
}

fn read_vector(vectors: &StructArray, row: usize) -> Result<Option<DeletionVector>> {
    let text = |name: &str| -> Result<&StringArray> {
        vectors
            .column_by_name(name)
            .and_then(|column| column.as_string_opt::<i32>())
            .ok_or_else(|| unexpected(name))
    };
    let storage_type = text("storageType")?;
    if vectors.is_null(row) || storage_type.is_null(row) {
        return Ok(None);
    }
    let small = |name: &str| {
        vectors
            .column_by_name(name)
            .and_then(|column| column.as_primitive_opt::<Int32Type>())
            .ok_or_else(|| unexpected(name))
    };
    let cardinality = vectors
        .column_by_name("cardinality")
        .and_then(|column| column.as_primitive_opt::<Int64Type>());
    let offset = small("offset")?;
    Ok(Some(DeletionVector {
        storage_type: storage_type.value(row).to_string(),
        path_or_inline_dv: text("pathOrInlineDv")?.value(row).to_string(),
        offset: offset.is_valid(row).then(|| offset.value(row)),
        size_in_bytes: small("sizeInBytes")?.value(row),
        cardinality: cardinality.ok_or_else(|| unexpected("cardinality"))?.value(row),
    }))
}

fn unexpected(column: &str) -> Error {
    Error::internal(format!("the Delta kernel's column {column} is not as expected"))
}

fn is_missing_table(error: &KernelError) -> bool {
    match error {
        KernelError::FileNotFound(_) | KernelError::InvalidTableLocation(_) => true,
        KernelError::Backtraced { source, .. } => is_missing_table(source),
        other => other.to_string().contains("No files in log segment"),
    }
}

/// The kernel's error in PostgreSQL's words.
pub(super) fn from_kernel(error: KernelError) -> Error {
    let text = error.to_string();
    let detail = format!("{}.", text.lines().next().unwrap_or_default().trim_end_matches('.'));
    match error {
        KernelError::Unsupported(_) => Error::unsupported("reading this Delta table").with_detail(detail),
        KernelError::Backtraced { source, .. } => from_kernel(*source),
        KernelError::IOError(error) => error.into(),
        KernelError::ObjectStore(error) => super::store::from_store(error, "could not read the table's log"),
        KernelError::FileNotFound(_) => {
            Error::new(SqlState::UndefinedFile, "a file of the table is missing").with_detail(detail)
        }
        _ => Error::new(SqlState::DataCorrupted, "could not read the table's log").with_detail(detail),
    }
}
