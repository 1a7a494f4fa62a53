//! RESTORE: the files of a past version become current again. Nothing is written but a log entry.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt};

use super::action::{Add, FileKey};
use super::commit::{Change, CommitRequest, Operation};
use super::deletion_vector;
use super::optimize::FileCount;
use super::removal::Removal;
use super::replay::replay;
use super::snapshot::TableSnapshot;
use super::store::from_store;
use super::table::DeltaTable;
use crate::error::{Error, Result, SqlState};

/// Files that are looked for at a time.
const LOOKS: usize = 16;

/// What RESTORE did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// What the table consists of now.
    pub table: FileCount,
    pub removed: FileCount,
    pub restored: FileCount,
}

impl DeltaTable {
    /// Gives the table the rows that it had in `past`. Its columns must be the same; 40001 when another writer commits
    /// meanwhile.
    pub async fn restore(
        self: &Arc<Self>,
        base: &Arc<TableSnapshot>,
        past: &TableSnapshot,
        operation: Operation,
    ) -> Result<Restored> {
        let (then, now) = (&past.metadata, &base.metadata);
        if then.schema_string != now.schema_string || then.partition_columns != now.partition_columns {
            return Err(
                Error::unsupported("restoring a version with other columns").with_detail(format!(
                    "The table's columns have changed since version {}.",
                    past.version
                )),
            );
        }
        let live = |snapshot: &TableSnapshot| -> HashSet<FileKey> {
            (0..snapshot.files.len()).map(|file| snapshot.files.key(file)).collect()
        };
        let (are, were) = (live(base), live(past));
        let known = replay(&self.location, Some(past.version)).await?;
        let adds = known.map(|replayed| replayed.adds).unwrap_or_default();
        let revived: Vec<Add> = adds.into_iter().filter(|add| !are.contains(&add.key())).collect();
        let going: Vec<usize> = (0..base.files.len())
            .filter(|file| !were.contains(&base.files.key(*file)))
            .collect();
        let restored = FileCount {
            files: revived.len() as u64,
            bytes: revived.iter().map(|add| add.size.max(0) as u64).sum(),
        };
        let removed = FileCount {
            files: going.len() as u64,
            bytes: going
                .iter()
                .map(|file| base.files.sizes.value(*file).max(0) as u64)
                .sum(),
        };
        let done = Restored {
            table: FileCount {
                files: past.files.len() as u64,
                bytes: past.size_bytes(),
            },
            removed,
            restored,
        };
        if going.is_empty() && revived.is_empty() {
            return Ok(done);
        }
        self.ensure_present(past.version, &revived).await?;
        self.commit(CommitRequest {
            change: Change::Restore {
                base: Arc::clone(base),
                removal: Removal::of(going.into_iter().map(|file| base.files.key(file)).collect()),
                revived,
            },
            schema: None,
            files: None,
            keys: None,
            operation,
        })
        .await?;
        Ok(done)
    }

    /// Refuses files that VACUUM has deleted.
    async fn ensure_present(&self, version: u64, files: &[Add]) -> Result<()> {
        let mut paths: HashSet<Path> = HashSet::new();
        for add in files {
            paths.insert(self.location.resolve(&add.path)?);
            if let Some(vector) = &add.deletion_vector {
                paths.extend(deletion_vector::path(&self.location, vector)?);
            }
        }
        futures::stream::iter(paths)
            .map(|path| async move {
                match self.location.store.store.head(&path).await {
                    Ok(_) => Ok(()),
                    Err(StoreError::NotFound { .. }) => Err(Error::new(
                        SqlState::UndefinedFile,
                        format!("version {version} of the table is not available"),
                    )
                    .with_detail("Some of its files have been deleted by VACUUM.")),
                    Err(error) => Err(from_store(error, "could not look for the table's files")),
                }
            })
            .buffer_unordered(LOOKS)
            .try_collect()
            .await
    }
}
