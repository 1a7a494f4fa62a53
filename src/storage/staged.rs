//! Files that are written and not committed. A session's transaction holds them until COMMIT; given up, by
//! ROLLBACK or by being dropped, they are deleted.

use std::sync::Arc;

use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::action::{Add, Metadata};
use super::location::Location;
use crate::error::{Error, Result, SqlState};

/// Files that wait for their commit.
pub struct StagedFiles {
    location: Location,
    /// The table's metadata that the files were written for.
    metadata: Arc<Metadata>,
    adds: Vec<Add>,
}

impl StagedFiles {
    pub(super) fn new(location: Location, metadata: Arc<Metadata>) -> StagedFiles {
        StagedFiles {
            location,
            metadata,
            adds: vec![],
        }
    }

    pub(super) fn push(&mut self, add: Add) {
        self.adds.push(add);
    }

    /// Rows in the files.
    pub fn row_count(&self) -> u64 {
        self.adds
            .iter()
            .filter_map(|add| {
                serde_json::from_str::<serde_json::Value>(add.stats.as_deref()?).ok()?["numRecords"].as_u64()
            })
            .sum()
    }

    /// Bytes of the files.
    pub fn size_bytes(&self) -> u64 {
        self.adds.iter().map(|add| add.size.max(0) as u64).sum()
    }

    pub fn file_count(&self) -> usize {
        self.adds.len()
    }

    /// Takes over the files of a later statement of the same transaction. Both were written for one schema.
    pub fn merge(&mut self, mut other: StagedFiles) -> Result<()> {
        if other.location.url != self.location.url || other.metadata.schema_string != self.metadata.schema_string {
            return Err(Error::new(
                SqlState::SerializationFailure,
                "the table's schema changed within the transaction",
            ));
        }
        self.adds.append(&mut other.adds);
        Ok(())
    }

    pub(super) fn adds(&self) -> &[Add] {
        &self.adds
    }

    pub(super) fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// Hands the files over to a commit: from here on nothing deletes them on its own, because a commit whose
    /// outcome is unknown may have made them part of the table.
    pub(super) fn hand_over(mut self) -> Vec<Add> {
        std::mem::take(&mut self.adds)
    }

    /// Deletes the files.
    pub async fn discard(mut self) {
        let adds = std::mem::take(&mut self.adds);
        delete(self.location.clone(), adds).await;
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

impl Drop for StagedFiles {
    fn drop(&mut self) {
        let adds = std::mem::take(&mut self.adds);
        if adds.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(delete(self.location.clone(), adds));
        }
    }
}

impl std::fmt::Debug for StagedFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StagedFiles")
            .field("url", &self.location.url.as_str())
            .field("files", &self.adds.len())
            .finish()
    }
}
