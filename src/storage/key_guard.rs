//! Keys that new rows are held to while they commit: whoever added rows since they were compared may have brought one of
//! their keys, and what they refer to in another table may have gone. What a key is, and how rows are compared by it, is
//! for the layers above.

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

    /// Fails where what other tables' rows and this one's are to each other does not hold any more. Asked before each
    /// attempt to put an entry behind `newest`, which is not locked; `new` gives the rows of the entry's files.
    async fn confirm(&self, _new: NewFiles<'_>, _newest: &Arc<TableSnapshot>) -> Result<()> {
        Ok(())
    }
}

/// A table of nothing but the files that a commit adds.
pub type NewFiles<'a> = &'a (dyn Fn() -> Result<TableSnapshot> + Send + Sync);

/// New rows that were compared with those of a version.
#[derive(Clone)]
pub(super) struct ComparedKeys {
    pub(super) guard: Arc<dyn KeyGuard>,
    pub(super) with: Arc<TableSnapshot>,
}

impl ComparedKeys {
    /// Compares the rows of `adds` with those that came since.
    pub(super) async fn follow(&mut self, newest: &Arc<TableSnapshot>, adds: &[Add]) -> Result<()> {
        let new = || newest.with_uncommitted(adds, &Removal::All);
        self.guard.confirm(&new, newest).await?;
        if newest.version == self.with.version {
            return Ok(());
        }
        let added = newest.added_since(&self.with)?;
        if added.file_count() > 0 && !adds.is_empty() {
            self.guard.compare(&Arc::new(new()?), &Arc::new(added)).await?;
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

    /// A table that has these files beside its own.
    pub fn beside_staged(&self, files: &StagedFiles) -> Result<TableSnapshot> {
        self.with_uncommitted(&files.adds(), &Removal::None)
    }

    /// A table that has the files that came after an earlier version, and no others.
    pub fn added_since(&self, before: &TableSnapshot) -> Result<TableSnapshot> {
        let known: Vec<FileKey> = (0..before.files.len()).map(|file| before.files.key(file)).collect();
        self.with_uncommitted(&[], &Removal::of(known))
    }

    /// Whether files of an earlier version are gone: rows of them may be, too.
    pub fn has_lost_files_of(&self, before: &TableSnapshot) -> bool {
        let known: Vec<FileKey> = (0..before.files.len()).map(|file| before.files.key(file)).collect();
        self.version != before.version && self.files.positions(&known).is_none()
    }

    /// Whether a row may be accepted by all filters, as far as bounds of files tell.
    pub fn may_hold(&self, session: &dyn Session, filters: &[Expr]) -> Result<bool> {
        Ok(!pruning::matching_files(self, session, filters)?.is_empty())
    }
}
