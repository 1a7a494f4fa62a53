//! Files that are written and not committed. A session's transaction holds them until COMMIT; given up, by
//! ROLLBACK or by being dropped, they are deleted. Copies share their files: a file is given up with its last copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::action::{Add, FileKey, Metadata};
use super::location::Location;
use crate::error::{Error, Result};

/// Files that wait for their commit.
#[derive(Clone)]
pub struct StagedFiles {
    location: Location,
    /// The table's metadata that the files were written for.
    metadata: Arc<Metadata>,
    files: Vec<Arc<StagedFile>>,
}

/// One written file; deleted when it is dropped, unless a commit took it over.
struct StagedFile {
    location: Location,
    add: Add,
    taken_over: AtomicBool,
}

impl StagedFiles {
    pub(super) fn new(location: Location, metadata: Arc<Metadata>) -> StagedFiles {
        StagedFiles {
            location,
            metadata,
            files: vec![],
        }
    }

    pub(super) fn push(&mut self, add: Add) {
        self.files.push(Arc::new(StagedFile {
            location: self.location.clone(),
            add,
            taken_over: AtomicBool::new(false),
        }));
    }

    /// Rows in the files.
    pub fn row_count(&self) -> u64 {
        self.files
            .iter()
            .filter_map(|file| {
                serde_json::from_str::<serde_json::Value>(file.add.stats.as_deref()?).ok()?["numRecords"].as_u64()
            })
            .sum()
    }

    /// Bytes of the files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.add.size.max(0) as u64).sum()
    }

    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Takes over the files of a later statement of the same transaction, which may have changed the schema between.
    pub fn merge(&mut self, mut other: StagedFiles) -> Result<()> {
        if other.location.url != self.location.url {
            return Err(Error::internal("files of different tables were put together"));
        }
        self.metadata = other.metadata;
        self.files.append(&mut other.files);
        Ok(())
    }

    /// Leaves out the files that a later statement of the same transaction removed; answers those of `removed` that
    /// are none of these files.
    pub(super) fn without(&mut self, removed: &[FileKey]) -> Vec<FileKey> {
        let others = removed.iter().filter(|key| {
            let is_own = |file: &Arc<StagedFile>| file.add.key() == **key;
            !self.files.iter().any(is_own)
        });
        let others = others.cloned().collect();
        self.files.retain(|file| !removed.contains(&file.add.key()));
        others
    }

    pub(super) fn adds(&self) -> Vec<Add> {
        self.files.iter().map(|file| file.add.clone()).collect()
    }

    pub(super) fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// Hands the files over to a commit: from here on nothing deletes them on its own, because a commit whose
    /// outcome is unknown may have made them part of the table.
    pub(super) fn hand_over(self) -> Vec<Add> {
        for file in &self.files {
            file.taken_over.store(true, Ordering::Release);
        }
        self.adds()
    }

    /// Deletes the files, even those of which there are copies.
    pub async fn discard(self) {
        let location = self.location.clone();
        delete(location, self.hand_over()).await;
    }
}

/// Deletes files that no commit can name; what cannot be deleted is left for VACUUM.
pub(super) async fn delete(location: Location, adds: Vec<Add>) {
    let paths: Vec<Path> = adds.iter().filter_map(|add| location.resolve(&add.path).ok()).collect();
    futures::stream::iter(paths)
        .for_each_concurrent(16, |path| {
            let store = Arc::clone(&location.store);
            async move {
                if let Err(error) = store.store.delete(&path).await {
                    tracing::warn!(%path, %error, "could not delete an abandoned file");
                }
            }
        })
        .await;
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if self.taken_over.load(Ordering::Acquire) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(delete(self.location.clone(), vec![self.add.clone()]));
        }
    }
}

impl std::fmt::Debug for StagedFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StagedFiles")
            .field("url", &self.location.url.as_str())
            .field("files", &self.files.len())
            .finish()
    }
}
