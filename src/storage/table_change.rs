//! All that a transaction does to one table, as one commit: other columns or properties, files that go, files that come.

use std::sync::Arc;

use super::commit::{Change, CommitRequest, Committed, Operation, SchemaStep};
use super::key_guard::{ComparedKeys, KeyGuard};
use super::lock::{LockRequest, PreparedChange};
use super::removal::Removal;
use super::snapshot::TableSnapshot;
use super::staged::StagedFiles;
use super::table::DeltaTable;
use crate::error::Result;

/// Changes of one table that wait for their commit.
#[derive(Debug, Clone)]
pub struct TableChange {
    /// The version that statements read.
    pub base: Arc<TableSnapshot>,
    /// `base` with other columns or properties.
    pub altered: Option<Arc<TableSnapshot>>,
    /// Files of `base` that go.
    pub removal: Removal,
    pub files: StagedFiles,
    /// The rows depend on what was not in `base`: whatever another writer adds meanwhile is a conflict.
    pub complete: bool,
    /// The keys that the rows were compared by with those of `base`.
    pub keys: Option<Arc<dyn KeyGuard>>,
    pub operation: Operation,
}

impl TableChange {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.altered.is_none() && self.changes_no_rows()
    }

    /// Whether only columns or properties change.
    pub fn changes_no_rows(&self) -> bool {
        self.removal.is_none() && self.files.file_count() == 0
    }

    /// The table as later statements of the transaction see it.
    pub fn preview(&self) -> Result<Arc<TableSnapshot>> {
        let base = self.altered.as_ref().unwrap_or(&self.base);
        Ok(Arc::new(base.with_uncommitted(&self.files.adds(), &self.removal)?))
    }

    fn request(self) -> CommitRequest {
        // What a column promises was checked against the rows that were there.
        let complete = self.complete || self.altered.is_some();
        let schema = self.altered.map(|altered| SchemaStep {
            from: Arc::clone(&self.base),
            protocol: Arc::clone(&altered.protocol),
            metadata: Arc::clone(&altered.metadata),
        });
        let keys = self.keys.map(|guard| ComparedKeys {
            guard,
            with: Arc::clone(&self.base),
        });
        let change = match self.removal {
            Removal::All => Change::Replace {
                only_at: Some(self.base.version),
            },
            Removal::None if !complete => Change::Append,
            removal => Change::Rewrite {
                base: self.base,
                removal,
                complete,
            },
        };
        CommitRequest {
            change,
            schema,
            files: Some(self.files),
            keys,
            operation: self.operation,
        }
    }
}

impl DeltaTable {
    /// Nothing written yet for the table as `snapshot` shows it.
    pub fn nothing_staged(&self, snapshot: &TableSnapshot) -> StagedFiles {
        StagedFiles::new(self.location.clone(), Arc::clone(&snapshot.metadata))
    }

    /// Commits the changes on their own.
    pub async fn commit_change(self: &Arc<Self>, change: TableChange) -> Result<Committed> {
        self.commit(change.request()).await
    }

    /// Locks the table for the changes, until the catalog has decided about them and those of other tables.
    pub async fn prepare(self: &Arc<Self>, change: TableChange, lock: &LockRequest) -> Result<PreparedChange> {
        self.prepare_request(change.request(), lock).await
    }
}
