//! A cache bounded in bytes that counts its hits and misses: the one shape of every cache of this module.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// What a cache has done so far, as `system.caches` and the metrics show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheStatistics {
    pub name: &'static str,
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
    pub bytes: u64,
    /// The bound on `bytes`.
    pub capacity: u64,
}

/// Values with their weight in bytes.
pub(super) struct ByteCache<K, V> {
    name: &'static str,
    capacity: u64,
    cache: Cache<K, (V, u32)>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> ByteCache<K, V> {
    pub(super) fn new(name: &'static str, capacity: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, (_, bytes): &(V, u32)| *bytes)
            .build();
        ByteCache {
            name,
            capacity,
            cache,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Like `new`, but the newest entry always gets in: for entries that are costly to lose at once.
    pub(super) fn least_recently_used(name: &'static str, capacity: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, (_, bytes): &(V, u32)| *bytes)
            .build();
        ByteCache {
            name,
            capacity,
            cache,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let found = self.cache.get(key);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found.map(|(value, _)| value)
    }

    /// Like `get`, for who leaves it to another to ask for what is missing: a miss is not counted here.
    pub(super) fn get_held(&self, key: &K) -> Option<V> {
        let found = self.peek(key);
        if found.is_some() {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Looks without counting, for our own bookkeeping.
    pub(super) fn peek(&self, key: &K) -> Option<V> {
        self.cache.get(key).map(|(value, _)| value)
    }

    pub(super) fn insert(&self, key: K, value: V, bytes: usize) {
        self.cache
            .insert(key, (value, u32::try_from(bytes).unwrap_or(u32::MAX)));
    }

    pub(super) fn remove(&self, key: &K) {
        self.cache.invalidate(key);
    }

    /// The bound on the values' bytes.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes of what is held now, about.
    pub(super) fn held_bytes(&self) -> u64 {
        self.cache.weighted_size()
    }

    pub(super) fn statistics(&self) -> CacheStatistics {
        // What came and went lately is not counted yet.
        self.cache.run_pending_tasks();
        CacheStatistics {
            name: self.name,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.cache.entry_count(),
            bytes: self.cache.weighted_size(),
            capacity: self.capacity,
        }
    }

    /// Forgets everything; the counters go on.
    pub(super) fn clear(&self) {
        self.cache.invalidate_all();
    }
}
