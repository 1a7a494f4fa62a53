//! Keys that new rows are held to while they commit: whoever added rows since they were compared may have brought one of
//! their keys. What a key is, and how rows are compared by it, is for the layers above.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::logical_expr::Expr;

use super::action::{Add, FileKey};
use super::pruning;
use super::removal::Removal;
use super::snapshot::TableSnapshot;
use super::staged::StagedFiles;
use crate::error::Result;

/// Compares rows by the keys of their table.
#[async_trait]
pub trait KeyGuard: std::fmt::Debug + Send + Sync {
    /// Fails where a row of `new` has the key of a row of `added`.
    async fn compare(&self, new: &Arc<TableSnapshot>, added: &Arc<TableSnapshot>) -> Result<()>;
}

/// New rows that were compared with those of a version.
#[derive(Clone)]
pub(super) struct ComparedKeys {
    pub(super) guard: Arc<dyn KeyGuard>,
    pub(super) with: Arc<TableSnapshot>,
}

impl ComparedKeys {
    /// Compares the rows of `adds` with those that came since.
    pub(super) async fn follow(&mut self, newest: &Arc<TableSnapshot>, adds: &[Add]) -> Result<()> {
        if newest.version == self.with.version {
            return Ok(());
        }
        let known: Vec<FileKey> = (0..self.with.files.len())
            .map(|file| self.with.files.key(file))
            .collect();
        let added = newest.with_uncommitted(&[], &Removal::of(known))?;
        if added.file_count() > 0 && !adds.is_empty() {
            let new = newest.with_uncommitted(adds, &Removal::All)?;
            self.guard.compare(&Arc::new(new), &Arc::new(added)).await?;
        }
        self.with = Arc::clone(newest);
        Ok(())
    }
}

impl TableSnapshot {
    /// A table that has these files and no others.
    pub fn of_staged(&self, files: &StagedFiles) -> Result<TableSnapshot> {
        self.with_uncommitted(&files.adds(), &Removal::All)
    }

    /// Whether a row may be accepted by all filters, as far as bounds of files tell.
    pub fn may_hold(&self, session: &dyn Session, filters: &[Expr]) -> Result<bool> {
        Ok(!pruning::matching_files(self, session, filters)?.is_empty())
    }
}
