//! ANALYZE: reads the files that have no sketches of their columns' different values, because others wrote them, and
//! keeps what it finds in one file of the log's folder, where other readers look for nothing. It is no version of the
//! table: a file is replaced as a whole, and losing it loses guesses. What it says is of a file by its path, size and
//! time, so it is right at every version that has the file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::catalog::Session;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::action::Add;
use super::column_sketches::{self, FileSketches};
use super::distinct_values::DistinctValues;
use super::file_index::FileIndex;
use super::location::Location;
use super::snapshot::TableSnapshot;
use super::store::from_store;
use super::table::{DeltaTable, Freshness};
use crate::error::{Error, Result};

/// Where the findings lie, relative to the table.
const FINDINGS: &str = "_delta_log/_boathouse/distinct_values.json";
/// What is found is kept at least so often, for the next try of an ANALYZE that was cut off.
const KEEP_EVERY: Duration = Duration::from_secs(30);
/// How often a long ANALYZE says in the log how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// What ANALYZE did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Analyzed {
    /// Files that lacked sketches and were read.
    pub files: u64,
    pub rows: u64,
    /// All files of the version.
    pub of_files: u64,
}

/// What is known by ANALYZE of the files of one table.
#[derive(Debug, Default)]
pub(super) struct AnalyzedFiles(HashMap<FileIdentity, Arc<str>>);

/// Path as logged, size, time.
type FileIdentity = (String, i64, i64);

/// One file as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    path: String,
    size: i64,
    modification_time: i64,
    /// The text of `column_sketches`.
    distinct_values: String,
}

impl AnalyzedFiles {
    /// The sketches of the file, as text.
    pub(super) fn of_file(&self, add: &Add) -> Option<&Arc<str>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(add.path.clone(), add.size, add.modification_time))
    }

    /// The same of a file in the index.
    pub(super) fn at(&self, index: &FileIndex, file: usize) -> Option<&Arc<str>> {
        self.0.get(&identity(index, file))
    }

    pub(super) async fn read(location: &Location) -> Result<AnalyzedFiles> {
        let read = async { location.store.store.get(&findings(location)).await?.bytes().await };
        let bytes = match read.await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(AnalyzedFiles::default()),
            Err(error) => return Err(from_store(error, "could not read the table's statistics")),
        };
        let found: Vec<Finding> = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(table = %location.url, %error, "the table's statistics are damaged, ANALYZE makes them anew");
            vec![]
        });
        let files = found.into_iter();
        let file = |file: Finding| {
            (
                (file.path, file.size, file.modification_time),
                file.distinct_values.into(),
            )
        };
        Ok(AnalyzedFiles(files.map(file).collect()))
    }

    async fn write(&self, location: &Location) -> Result<()> {
        let mut files: Vec<Finding> = self
            .0
            .iter()
            .map(|((path, size, modification_time), text)| Finding {
                path: path.clone(),
                size: *size,
                modification_time: *modification_time,
                distinct_values: text.to_string(),
            })
            .collect();
        files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let bytes = serde_json::to_vec(&files).map_err(|error| Error::internal(error.to_string()))?;
        location
            .store
            .store
            .put(&findings(location), PutPayload::from(bytes))
            .await
            .map_err(|error| from_store(error, "could not write the table's statistics"))?;
        Ok(())
    }

    /// These, with what was found besides, and without files that `live` has no more.
    fn with(&self, found: &[(FileIdentity, FileSketches)], live: &TableSnapshot) -> AnalyzedFiles {
        let paths: HashSet<&str> = live.files.paths.iter().flatten().collect();
        let mut all = self.0.clone();
        for (identity, sketches) in found {
            let mut known: FileSketches = all.get(identity).map(column_sketches::read).unwrap_or_default();
            known.extend(sketches.clone());
            let text = column_sketches::to_text(known.iter().map(|(name, sketch)| (name.as_str(), sketch)));
            all.extend(text.map(|text| (identity.clone(), text.into())));
        }
        all.retain(|(path, ..), _| paths.contains(path.as_str()));
        AnalyzedFiles(all)
    }
}

fn findings(location: &Location) -> Path {
    location.object(FINDINGS)
}

/// A file that is to be read, and the positions of the columns in it that have no sketch.
struct Unknown {
    file: usize,
    columns: Vec<usize>,
}

impl DeltaTable {
    /// Sketches the different values of `columns` (positions in the schema) in the files of `base` that have no sketch
    /// of them, and keeps what it finds. Others may commit meanwhile.
    pub async fn analyze(&self, base: &TableSnapshot, columns: &[usize], session: &dyn Session) -> Result<Analyzed> {
        let _one_at_a_time = self.analyzing.lock().await;
        let known = AnalyzedFiles::read(&self.location).await?;
        let unknown = unknown_files(base, columns, &known);
        let count = unknown.len();
        let mut waiting = unknown.into_iter();
        let mut done = Analyzed {
            of_files: base.files.len() as u64,
            ..Analyzed::default()
        };
        // Given up, the set stops its tasks.
        let mut reading = JoinSet::new();
        let mut found = vec![];
        let (mut kept, mut reported) = (Instant::now(), Instant::now());
        loop {
            while reading.len() < session.config().target_partitions().max(1)
                && let Some(Unknown { file, columns }) = waiting.next()
            {
                let plan = base.scan_together(session, columns.iter().copied(), &[file], 1).await?;
                let name = |column: &usize| base.schema.columns[*column].physical_name.clone();
                let names = columns.iter().map(name).collect();
                let context = session.task_ctx();
                reading.spawn(async move { (file, sketched(plan, names, context).await) });
            }
            let Some(read) = reading.join_next().await else { break };
            let (file, sketched) = read.map_err(|error| Error::internal(format!("ANALYZE was cut off: {error}")))?;
            let (sketches, rows) = sketched?;
            found.push((identity(&base.files, file), sketches));
            done.files += 1;
            done.rows += rows;
            if kept.elapsed() >= KEEP_EVERY {
                self.keep(&found).await?;
                kept = Instant::now();
            }
            if reported.elapsed() >= REPORT_EVERY {
                tracing::info!(table = %self.location.url, files = done.files, of = count, "analyzing a table");
                reported = Instant::now();
            }
        }
        if !found.is_empty() {
            self.keep(&found).await?;
        }
        Ok(done)
    }

    /// Keeps the findings beside those of others, and lets statements know them from here on.
    async fn keep(&self, found: &[(FileIdentity, FileSketches)]) -> Result<()> {
        let known = AnalyzedFiles::read(&self.location).await?;
        let newest = self.snapshot(Freshness::Strict).await?;
        let all = known.with(found, &newest);
        all.write(&self.location).await?;
        self.publish_analyzed(Arc::new(all)).await;
        Ok(())
    }
}

fn identity(index: &FileIndex, file: usize) -> FileIdentity {
    let path = index.paths.value(file).to_string();
    (path, index.sizes.value(file), index.modified.value(file))
}

fn unknown_files(base: &TableSnapshot, columns: &[usize], known: &AnalyzedFiles) -> Vec<Unknown> {
    let columns: Vec<usize> = columns
        .iter()
        .copied()
        .filter(|column| {
            let column = &base.schema.columns[*column];
            !column.is_partition && DistinctValues::covers(column.field.data_type())
        })
        .collect();
    (0..base.files.len())
        .map(|file| {
            let texts = [base.files.sketches[file].as_ref(), known.at(&base.files, file)];
            let is_unknown = |column: &usize| {
                let name = &base.schema.columns[*column].physical_name;
                !texts.iter().any(|text| column_sketches::has_column(*text, name))
            };
            Unknown {
                file,
                columns: columns.iter().copied().filter(is_unknown).collect(),
            }
        })
        .filter(|unknown| !unknown.columns.is_empty())
        .collect()
}

/// Sketches of the plan's first columns, under these names, and how many rows there are.
async fn sketched(
    plan: Arc<dyn ExecutionPlan>,
    names: Vec<String>,
    context: Arc<TaskContext>,
) -> Result<(FileSketches, u64)> {
    let mut sketches = vec![DistinctValues::default(); names.len()];
    let mut rows = 0;
    let mut stream = plan.execute(0, context)?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        for (sketch, values) in sketches.iter_mut().zip(batch.columns()) {
            sketch.update(values);
        }
        // Others of this thread come first, where there are any.
        tokio::task::yield_now().await;
    }
    Ok((names.into_iter().zip(sketches).collect::<BTreeMap<_, _>>(), rows))
}
