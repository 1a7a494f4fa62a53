//! The hot columns of all tables behind one byte budget. A column comes in when a scan asks for it again (or more
//! often, when the budget is used up), so that one large scan sweeps nothing out; moka then keeps what is asked
//! for most. One scan at a time decodes a column; others meanwhile read through Parquet.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::super::cache::{ByteCache, CacheStatistics};
use super::super::footer_cache::FileIdentity;
use super::column::HotColumn;

/// Files and columns whose requests are counted.
const COUNTED: u64 = 200_000;
/// Requests until a column comes in while there is room …
const WITH_ROOM: u32 = 2;
/// … and when others have to go for it.
const WITHOUT_ROOM: u32 = 4;

/// Which column of which row group, as which type: a widened type is another entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ColumnKey {
    pub(super) file: Arc<FileIdentity>,
    pub(super) row_group: usize,
    /// Position among the file's top-level columns.
    pub(super) root: usize,
    pub(super) read_type: DataType,
}

/// The cache of all tables' hot columns.
pub(in crate::storage) struct HotCache {
    columns: ByteCache<ColumnKey, Arc<HotColumn>>,
    requests: Cache<u64, u32>,
    filling: Mutex<HashSet<ColumnKey>>,
}

/// The right to decode these columns, given back when dropped.
pub(super) struct FillTurn {
    cache: Arc<HotCache>,
    keys: Vec<ColumnKey>,
}

impl HotCache {
    /// A cache of `capacity` bytes; 0 switches it off.
    pub(in crate::storage) fn new(capacity: u64) -> HotCache {
        HotCache {
            columns: ByteCache::new("hot column", capacity),
            requests: Cache::builder().max_capacity(COUNTED).build(),
            filling: Mutex::default(),
        }
    }

    pub(in crate::storage) fn is_off(&self) -> bool {
        self.columns.capacity() == 0
    }

    pub(in crate::storage) fn statistics(&self) -> CacheStatistics {
        self.columns.statistics()
    }

    pub(in crate::storage) fn clear(&self) {
        self.columns.clear();
        self.requests.invalidate_all();
    }

    pub(super) fn get(&self, key: &ColumnKey) -> Option<Arc<HotColumn>> {
        self.columns.get(key)
    }

    pub(super) fn insert(&self, key: ColumnKey, column: &Arc<HotColumn>) {
        self.columns.insert(key, Arc::clone(column), column.memory_size());
    }

    /// Counts a scan's request for these columns of a part of a file; the fewest requests among them.
    pub(super) fn count_request(&self, file: &FileIdentity, part: i64, columns: &[usize]) -> u32 {
        let count = |column: &usize| {
            let mut hasher = DefaultHasher::new();
            (file, part, column).hash(&mut hasher);
            let key = hasher.finish();
            let requests = self.requests.get(&key).unwrap_or(0).saturating_add(1);
            self.requests.insert(key, requests);
            requests
        };
        columns.iter().map(count).min().unwrap_or(0)
    }

    /// Whether columns of about `bytes`, requested so often, should come in.
    pub(super) fn admits(&self, requests: u32, bytes: u64) -> bool {
        let capacity = self.columns.capacity();
        let needed = if self.columns.held_bytes() + bytes <= capacity {
            WITH_ROOM
        } else {
            WITHOUT_ROOM
        };
        requests >= needed && bytes <= capacity / 2
    }

    /// The right to decode these columns, unless somebody decodes one of them.
    pub(super) fn take_turn(self: &Arc<Self>, keys: Vec<ColumnKey>) -> Option<FillTurn> {
        let mut filling = self.filling.lock();
        if keys.iter().any(|key| filling.contains(key)) {
            return None;
        }
        filling.extend(keys.iter().cloned());
        Some(FillTurn {
            cache: Arc::clone(self),
            keys,
        })
    }
}

impl Drop for FillTurn {
    fn drop(&mut self) {
        let mut filling = self.cache.filling.lock();
        self.keys.iter().for_each(|key| {
            filling.remove(key);
        });
    }
}

impl std::fmt::Debug for HotCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotCache").finish_non_exhaustive()
    }
}
