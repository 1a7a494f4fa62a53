//! The little that the log asks of an object store. `storage` answers it; in tests also a store in memory.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;
use crate::storage::{LogStore, PutOutcome};

/// Files by path below the warehouse's root.
#[async_trait]
pub trait EntryStore: Send + Sync + Debug {
    /// Writes the file unless it exists: whether it was written. Durable once it returns. 40003 leaves open
    /// whether it was or will be written; any other error means that it was not.
    async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<bool>;

    /// Writes or replaces the file.
    async fn put(&self, path: &str, bytes: Bytes) -> Result<()>;

    /// The file's content; `None` when there is no such file.
    async fn get(&self, path: &str) -> Result<Option<Bytes>>;

    /// The names of the files in `folder` (which ends in a slash), sorted.
    async fn list(&self, folder: &str) -> Result<Vec<String>>;
}

#[async_trait]
impl EntryStore for LogStore {
    async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<bool> {
        Ok(LogStore::put_if_absent(self, path, &bytes).await? == PutOutcome::Created)
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        LogStore::put(self, path, &bytes).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        LogStore::get(self, path).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.list_after(folder.trim_end_matches('/'), "").await
    }
}

#[cfg(test)]
pub(crate) mod memory {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::error::{Error, SqlState};

    /// What goes wrong with the next write of an entry.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// It is written, but the answer is an error.
        LoseResponse,
        /// It is not written, and the answer is an error.
        LoseRequest,
        /// Every request fails until the fault is taken away.
        Down,
    }

    /// A store in memory whose faults tests choose.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct MemoryStore {
        pub(crate) files: Arc<Mutex<BTreeMap<String, Bytes>>>,
        pub(crate) fault: Arc<Mutex<Option<Fault>>>,
    }

    impl MemoryStore {
        fn check(&self) -> Result<()> {
            if *self.fault.lock() == Some(Fault::Down) {
                Err(lost())
            } else {
                Ok(())
            }
        }
    }

    fn lost() -> Error {
        Error::new(SqlState::StatementCompletionUnknown, "connection reset")
    }

    #[async_trait]
    impl EntryStore for MemoryStore {
        async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<bool> {
            self.check()?;
            let fault = self.fault.lock().take();
            if fault == Some(Fault::LoseRequest) {
                return Err(lost());
            }
            let mut files = self.files.lock();
            let absent = !files.contains_key(path);
            if absent {
                files.insert(path.to_string(), bytes);
            }
            if fault == Some(Fault::LoseResponse) {
                Err(lost())
            } else {
                Ok(absent)
            }
        }

        async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
            self.check()?;
            self.files.lock().insert(path.to_string(), bytes);
            Ok(())
        }

        async fn get(&self, path: &str) -> Result<Option<Bytes>> {
            self.check()?;
            Ok(self.files.lock().get(path).cloned())
        }

        async fn list(&self, folder: &str) -> Result<Vec<String>> {
            self.check()?;
            let files = self.files.lock();
            Ok(files
                .keys()
                .filter_map(|path| path.strip_prefix(folder))
                .map(str::to_string)
                .collect())
        }
    }
}
