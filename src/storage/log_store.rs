//! The warehouse's own files, as the catalog sees them: named relative to the warehouse, durable, written at
//! most once where asked.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{Error as StoreError, ObjectStoreExt, PutPayload};

use super::location::Location;
use super::log_entry::{PutOutcome, put_entry};
use super::store::from_store;
use crate::error::Result;

/// Reads and writes small files of the warehouse.
#[derive(Debug, Clone)]
pub struct LogStore {
    location: Location,
    deadline: Duration,
}

impl LogStore {
    pub(super) fn new(location: Location, deadline: Duration) -> LogStore {
        LogStore { location, deadline }
    }

    /// Writes the file unless it exists. The bytes have to be unlike any other writer's (a token in them),
    /// because equal bytes are taken for our own after an ambiguous answer. 40003 when the outcome is unknown.
    pub async fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<PutOutcome> {
        self.location.store.ensure_writable(&self.location.root).await?;
        let object = self.location.object(path);
        put_entry(
            &self.location.store,
            &object,
            Bytes::copy_from_slice(bytes),
            path,
            self.deadline,
        )
        .await
    }

    /// Writes the file, replacing it if it exists.
    pub async fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.location.store.ensure_writable(&self.location.root).await?;
        let payload = PutPayload::from(Bytes::copy_from_slice(bytes));
        self.location
            .store
            .store
            .put(&self.location.object(path), payload)
            .await
            .map_err(|error| from_store(error, "could not write to the warehouse"))?;
        Ok(())
    }

    /// The file's bytes; `None` when there is no such file.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let read = async {
            self.location
                .store
                .store
                .get(&self.location.object(path))
                .await?
                .bytes()
                .await
        };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(from_store(error, "could not read from the warehouse")),
        }
    }

    /// Names (without `prefix` and its slash) of the files in folder `prefix` that sort after `offset`, in order.
    pub async fn list_after(&self, prefix: &str, offset: &str) -> Result<Vec<String>> {
        let folder = self.location.object(prefix);
        let start = if offset.is_empty() {
            folder.clone()
        } else {
            folder.clone().join(offset)
        };
        let listed: Vec<_> = self
            .location
            .store
            .store
            .list_with_offset(Some(&folder), &start)
            .try_collect()
            .await
            .map_err(|error| from_store(error, "could not list the warehouse"))?;
        let mut names: Vec<String> = listed
            .iter()
            .filter_map(|meta| {
                Some(
                    meta.location
                        .prefix_match(&folder)?
                        .map(|part| part.as_ref().to_string())
                        .collect::<Vec<_>>()
                        .join("/"),
                )
            })
            .collect();
        names.sort_unstable();
        Ok(names)
    }
}
