//! The bounded store of encoded answers, and the fill that puts one there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use moka::sync::Cache;

use super::HashedKey;

/// DataRow messages, in chunks of whole messages.
#[derive(Debug, Default)]
pub struct EncodedRows {
    pub chunks: Vec<Bytes>,
    pub row_count: usize,
}

impl EncodedRows {
    pub fn size(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

#[derive(Debug)]
pub struct ResultCache {
    answers: Cache<Arc<HashedKey>, Arc<EncodedRows>>,
    /// A larger answer is not kept: one export must not sweep the cache out.
    max_answer_bytes: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl ResultCache {
    pub fn new(max_bytes: u64) -> ResultCache {
        let answers = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &Arc<HashedKey>, rows: &Arc<EncodedRows>| {
                u32::try_from(key.result().size() + rows.size()).unwrap_or(u32::MAX)
            })
            .build();
        ResultCache {
            answers,
            max_answer_bytes: (max_bytes / 8) as usize,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub fn get(&self, key: &Arc<HashedKey>) -> Option<Arc<EncodedRows>> {
        let found = self.answers.get(key);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Begins to collect the answer to `key`.
    pub fn fill(self: &Arc<Self>, key: Arc<HashedKey>) -> CacheFill {
        CacheFill {
            cache: Arc::clone(self),
            key,
            rows: EncodedRows::default(),
            bytes: 0,
        }
    }

    pub fn clear(&self) {
        self.answers.invalidate_all();
    }

    /// (entries, bytes, hits, misses)
    pub fn counters(&self) -> (u64, u64, u64, u64) {
        self.answers.run_pending_tasks();
        (
            self.answers.entry_count(),
            self.answers.weighted_size(),
            self.hits.load(Ordering::Relaxed),
            self.misses.load(Ordering::Relaxed),
        )
    }
}

/// An answer being collected. Dropped without `finish`, it leaves no trace: half an answer is none.
#[derive(Debug)]
pub struct CacheFill {
    cache: Arc<ResultCache>,
    key: Arc<HashedKey>,
    rows: EncodedRows,
    bytes: usize,
}

impl CacheFill {
    /// Adds whole DataRow messages. Answers whether the fill still makes sense.
    pub fn push(&mut self, chunk: Bytes, rows: usize) -> bool {
        self.bytes += chunk.len();
        self.rows.chunks.push(chunk);
        self.rows.row_count += rows;
        self.bytes <= self.cache.max_answer_bytes
    }

    /// The stream was drained: the answer is whole.
    pub fn finish(self) {
        self.cache.answers.insert(self.key, Arc::new(self.rows));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result_cache::ResultKey;
    use crate::types::format::FormatSettings;

    fn key(text: &str) -> Arc<HashedKey> {
        hashed(result_key(text))
    }

    fn hashed(key: ResultKey) -> Arc<HashedKey> {
        Arc::new(HashedKey::new(key))
    }

    fn result_key(text: &str) -> ResultKey {
        ResultKey {
            text: text.into(),
            login: 10,
            role: 10,
            database: 5,
            search_path: vec![2200],
            catalog_version: 1,
            policies: Default::default(),
            parameters: vec![],
            formats: vec![],
            format_settings: FormatSettings::default(),
            settings: 0,
            relations: vec![],
        }
    }

    #[test]
    fn an_answer_is_there_only_when_whole() {
        let cache = Arc::new(ResultCache::new(1 << 20));
        let mut fill = cache.fill(key("a"));
        assert!(fill.push(Bytes::from_static(b"D...."), 1));
        drop(fill);
        assert!(cache.get(&key("a")).is_none());
        let mut fill = cache.fill(key("a"));
        fill.push(Bytes::from_static(b"D...."), 1);
        fill.finish();
        assert_eq!(cache.get(&key("a")).unwrap().row_count, 1);
        assert!(
            cache
                .get(&hashed(ResultKey {
                    role: 11,
                    ..result_key("a")
                }))
                .is_none()
        );
    }

    #[test]
    fn a_large_answer_is_not_kept() {
        let cache = Arc::new(ResultCache::new(1024));
        assert!(!cache.fill(key("a")).push(Bytes::from(vec![0; 200]), 1));
    }
}
