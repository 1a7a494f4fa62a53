//! A table at one version: protocol, metadata, schema and the index of its live files. Immutable; a log entry
//! makes the next one from it.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;

use super::action::{Add, FileKey, LogLine, Metadata, Protocol};
use super::analyze::AnalyzedFiles;
use super::column_sketches::{self, TableSketches};
use super::deletion_vector;
use super::file_index::FileIndex;
use super::location::Location;
use super::lock::{TableLock, applied_decision};
use super::removal::Removal;
use super::replay::Replayed;
use super::schema::TableSchema;
use super::statistics;
use super::warehouse::Services;
use crate::error::Result;

/// A table at one version.
pub struct TableSnapshot {
    pub(super) location: Location,
    pub(super) version: u64,
    pub(super) protocol: Arc<Protocol>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) schema: Arc<TableSchema>,
    pub(super) files: FileIndex,
    /// What ANALYZE has found, for files that the log may add again.
    pub(super) analyzed: Arc<AnalyzedFiles>,
    pub(super) services: Arc<Services>,
    /// The newest decision of the catalog over several tables that is in this version; 0 without any.
    pub(super) applied: u64,
    /// Set while the newest entry is the lock of a transaction over several tables.
    pub(super) lock: Option<Arc<TableLock>>,
    /// Whether files of an uncommitted transaction are among the live ones.
    pub(super) has_uncommitted_files: bool,
    pub(super) sketches: OnceLock<Arc<TableSketches>>,
    pub(super) table_statistics: OnceLock<Arc<Statistics>>,
    pub(super) file_statistics: OnceLock<Vec<OnceLock<Arc<Statistics>>>>,
}

/// What a log entry makes of a snapshot.
pub(super) enum Advanced {
    Next {
        snapshot: Arc<TableSnapshot>,
        missed_removes: Vec<FileKey>,
    },
    /// The entry changes protocol or schema: replay the log.
    Replay,
}

impl TableSnapshot {
    pub(super) fn from_replay(
        location: Location,
        replayed: Replayed,
        analyzed: Arc<AnalyzedFiles>,
        services: Arc<Services>,
    ) -> Result<TableSnapshot> {
        let schema = TableSchema::from_metadata(&replayed.metadata)?;
        check_paths(&location, &replayed.adds)?;
        let files = FileIndex::build(&schema, &replayed.adds, &analyzed)?;
        Ok(TableSnapshot {
            location,
            version: replayed.version,
            protocol: Arc::new(replayed.protocol),
            metadata: Arc::new(replayed.metadata),
            schema: Arc::new(schema),
            files,
            analyzed,
            services,
            applied: replayed.applied,
            lock: replayed.lock,
            has_uncommitted_files: false,
            sketches: OnceLock::new(),
            table_statistics: OnceLock::new(),
            file_statistics: OnceLock::new(),
        })
    }

    /// The snapshot after the log entry `version`, which follows this one's.
    pub(super) fn advance(&self, version: u64, lines: &[LogLine]) -> Result<Advanced> {
        let lock = TableLock::of_entry(lines);
        // A lock's protocol keeps other writers out; the table's own one comes back with the next entry.
        let is_other = |protocol: &Protocol| lock.is_none() && *protocol != *self.protocol;
        if lines
            .iter()
            .any(|line| line.metadata.is_some() || line.protocol.as_ref().is_some_and(is_other))
        {
            return Ok(Advanced::Replay);
        }
        let adds: Vec<Add> = lines.iter().filter_map(|line| line.add.clone()).collect();
        let removes: Vec<FileKey> = lines
            .iter()
            .filter_map(|line| Some(line.remove.as_ref()?.key()))
            .collect();
        let (files, missed_removes) = self.with_files(&removes, &adds)?;
        Ok(Advanced::Next {
            snapshot: Arc::new(TableSnapshot {
                applied: self.applied.max(applied_decision(lines)),
                lock: lock.map(Arc::new),
                ..self.replaced(version, files)
            }),
            missed_removes,
        })
    }

    /// This snapshot as a transaction sees it that has not committed: without what it removed, with its own files.
    pub(super) fn with_uncommitted(&self, adds: &[Add], removal: &Removal) -> Result<TableSnapshot> {
        let (files, _) = self.with_files(&removal.keys(self), adds)?;
        Ok(TableSnapshot {
            has_uncommitted_files: true,
            ..self.replaced(self.version, files)
        })
    }

    fn with_files(&self, removes: &[FileKey], adds: &[Add]) -> Result<(FileIndex, Vec<FileKey>)> {
        check_paths(&self.location, adds)?;
        self.files.apply(&self.schema, removes, adds, &self.analyzed)
    }

    /// The same version with what ANALYZE has found.
    pub(super) fn with_analyzed(&self, analyzed: Arc<AnalyzedFiles>) -> TableSnapshot {
        let mut files = self.files.clone();
        for (file, text) in files.sketches.iter_mut().enumerate() {
            *text = column_sketches::together(text.as_deref(), analyzed.at(&self.files, file));
        }
        let mut found = self.replaced(self.version, files);
        (found.analyzed, found.sketches) = (analyzed, OnceLock::new());
        found
    }

    /// The sketches of all files together.
    pub(super) fn sketches(&self) -> &TableSketches {
        self.sketches
            .get_or_init(|| Arc::new(TableSketches::of_files(&self.schema, &self.files)))
    }

    fn replaced(&self, version: u64, files: FileIndex) -> TableSnapshot {
        let sketches = OnceLock::new();
        // After an append the known files are not counted again.
        if let (Some(known), true) = (self.sketches.get(), files.starts_with(&self.files)) {
            let all = known.as_ref().clone().with(&self.schema, &files, self.files.len());
            let _ = sketches.set(Arc::new(all));
        }
        TableSnapshot {
            location: self.location.clone(),
            version,
            protocol: Arc::clone(&self.protocol),
            metadata: Arc::clone(&self.metadata),
            schema: Arc::clone(&self.schema),
            files,
            analyzed: Arc::clone(&self.analyzed),
            services: Arc::clone(&self.services),
            applied: self.applied,
            lock: self.lock.clone(),
            has_uncommitted_files: self.has_uncommitted_files,
            sketches,
            table_statistics: OnceLock::new(),
            file_statistics: OnceLock::new(),
        }
    }

    /// The Delta version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the snapshot holds files of a transaction that has not committed: nothing about it may be cached.
    pub fn has_uncommitted_files(&self) -> bool {
        self.has_uncommitted_files
    }

    /// The newest decision of the catalog over several tables that is in this version; 0 without any.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Where all files of the table lie, as its scans name it: the store's URL and the folder in the store.
    pub fn root(&self) -> (String, String) {
        let store = self.location.store.runtime_url.as_str();
        (store.to_string(), self.location.root.to_string())
    }

    /// The columns as queries see them, in the table's order; SQL types in the fields' metadata.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema.arrow)
    }

    /// Names of the partition columns.
    pub fn partition_columns(&self) -> Vec<String> {
        self.schema
            .partition_columns
            .iter()
            .map(|index| self.schema.columns[*index].field.name().clone())
            .collect()
    }

    /// Delta's column mapping id of each column, in the order of `schema`.
    pub fn field_ids(&self) -> Vec<Option<i64>> {
        self.schema.columns.iter().map(|column| column.field_id).collect()
    }

    /// The table's properties (`delta.*` and users' own).
    pub fn properties(&self) -> Vec<(String, String)> {
        self.metadata
            .configuration
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// The id in the table's metadata action: another id at the same place is another table.
    pub fn table_id(&self) -> &str {
        &self.metadata.id
    }

    /// The table's folder as a URL; what carries credentials in it is left out.
    pub fn url(&self) -> String {
        let mut url = self.location.url.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }

    /// When the table was made, in milliseconds since 1970, where its metadata says so.
    pub fn created(&self) -> Option<i64> {
        self.metadata.created_time
    }

    /// The least versions of the protocol that a reader and a writer must know.
    pub fn protocol_versions(&self) -> (i32, i32) {
        (self.protocol.min_reader_version, self.protocol.min_writer_version)
    }

    /// The table's description.
    pub fn comment(&self) -> Option<&str> {
        self.metadata.description.as_deref()
    }

    /// Rows of the table; `None` where a file does not say how many it holds.
    pub fn row_count(&self) -> Option<u64> {
        (0..self.files.len())
            .map(|file| self.files.live_rows(file))
            .sum::<Option<i64>>()
            .map(|rows| rows.max(0) as u64)
    }

    /// Bytes of the live files.
    pub fn size_bytes(&self) -> u64 {
        self.files.sizes.values().iter().map(|size| (*size).max(0) as u64).sum()
    }

    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Statistics of the whole table in the order of `schema`; exact only where they are certain.
    pub fn statistics(&self) -> Arc<Statistics> {
        let all = self
            .table_statistics
            .get_or_init(|| Arc::new(statistics::of_table(self)));
        Arc::new(statistics::in_table_order(&self.schema, all))
    }

    /// About how many different values each column has, in the order of `schema`, where sketches of them are kept.
    pub fn distinct_values(&self) -> Vec<Option<usize>> {
        let mut columns = vec![None; self.schema.columns.len()];
        let order = self.schema.file_columns.iter().chain(&self.schema.partition_columns);
        for (column, values) in order.zip(statistics::distinct_values(self)) {
            columns[*column] = values;
        }
        columns
    }

    /// Bytes that the snapshot holds in memory.
    pub(super) fn memory_size(&self) -> usize {
        self.files.memory_size() + self.metadata.schema_string.len() * 4 + 4096
    }
}

impl std::fmt::Debug for TableSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableSnapshot")
            .field("url", &self.location.url.as_str())
            .field("version", &self.version)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

fn check_paths(location: &Location, adds: &[Add]) -> Result<()> {
    for add in adds {
        location.resolve(&add.path)?;
        if let Some(vector) = &add.deletion_vector {
            deletion_vector::check(location, vector)?;
        }
    }
    Ok(())
}
