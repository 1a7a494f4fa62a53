//! What aggregations computed of single files: states of groups, not yet results. After an append the states of the
//! files that stayed are merged with those of the new ones. Keys name the statement as a result's key does, the operators
//! below the aggregation, and all that the file's rows depend on; a table's version is not in them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::record_batch::RecordBatch;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::ResultKey;

/// Statements whose repetition is noticed.
const REMEMBERED: u64 = 10_000;

/// SHA-256 over everything that states depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateKey([u8; 32]);

impl StateKey {
    /// The key of a statement that `result` would answer, whatever the versions of its tables and the encoding of its
    /// rows.
    pub fn of_statement(result: &ResultKey) -> StateKey {
        let mut statement = ResultKey {
            formats: vec![],
            ..result.clone()
        };
        statement.relations.iter_mut().for_each(|relation| relation.version = 0);
        let mut hasher = DefaultHasher::new();
        statement.hash(&mut hasher);
        StateKey::of(&[&format!("{statement:?}"), &hasher.finish().to_string()])
    }

    /// The key of a part of this one's matter.
    pub fn with(&self, part: &str) -> StateKey {
        let own: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        StateKey::of(&[&own, part])
    }

    /// Each part is delimited, so no two sequences look alike.
    fn of(parts: &[&str]) -> StateKey {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        StateKey(digest.finalize().into())
    }
}

/// The states of one file's groups.
pub type States = Arc<Vec<RecordBatch>>;

/// The bounded store of states.
#[derive(Debug)]
pub struct PartialAggregates {
    states: Cache<StateKey, States>,
    seen: Cache<StateKey, ()>,
    /// States that take more are as good as the file's rows.
    max_state_bytes: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl PartialAggregates {
    pub fn new(max_bytes: u64) -> PartialAggregates {
        let weigher = |_: &StateKey, states: &States| u32::try_from(size_of(states) + 128).unwrap_or(u32::MAX);
        PartialAggregates {
            states: Cache::builder().max_capacity(max_bytes).weigher(weigher).build(),
            seen: Cache::builder().max_capacity(REMEMBERED).build(),
            max_state_bytes: (max_bytes / 16) as usize,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Whether the statement comes again; the first time it is remembered.
    pub fn comes_again(&self, statement: &StateKey) -> bool {
        let known = self.seen.contains_key(statement);
        if !known {
            self.seen.insert(*statement, ());
        }
        known
    }

    pub fn get(&self, key: &StateKey) -> Option<States> {
        let found = self.states.get(key);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps the states of a whole file.
    pub fn insert(&self, key: StateKey, states: Vec<RecordBatch>) {
        let states = Arc::new(states);
        if size_of(&states) <= self.max_state_bytes {
            self.states.insert(key, states);
        }
    }

    /// Bytes of states that one query may collect before they are kept.
    pub fn collected_bytes(&self) -> usize {
        self.max_state_bytes * 4
    }

    pub fn clear(&self) {
        self.states.invalidate_all();
        self.seen.invalidate_all();
    }

    /// (entries, bytes, hits, misses)
    pub fn counters(&self) -> (u64, u64, u64, u64) {
        self.states.run_pending_tasks();
        (
            self.states.entry_count(),
            self.states.weighted_size(),
            self.hits.load(Ordering::Relaxed),
            self.misses.load(Ordering::Relaxed),
        )
    }
}

fn size_of(states: &States) -> usize {
    states.iter().map(RecordBatch::get_array_memory_size).sum()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use datafusion::common::ScalarValue;

    use super::*;
    use crate::binding::RelationVersion;
    use crate::types::format::{Format, FormatSettings};

    fn result() -> ResultKey {
        ResultKey {
            text: "select sum(n) from t".into(),
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
            relations: vec![RelationVersion {
                table: 16384,
                travel: None,
                version: 3,
            }],
        }
    }

    fn states(rows: i64) -> Vec<RecordBatch> {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        vec![RecordBatch::try_from_iter([("n", column)]).unwrap()]
    }

    #[test]
    fn versions_and_encodings_are_no_part_of_a_key_and_everything_else_is() {
        let key = StateKey::of_statement(&result());
        let mut later = result();
        later.relations[0].version = 4;
        later.formats = vec![Format::Binary];
        assert_eq!(key, StateKey::of_statement(&later));
        let mut other_table = result();
        other_table.relations[0].table = 16385;
        let others = [
            ResultKey { role: 11, ..result() },
            ResultKey { login: 11, ..result() },
            ResultKey {
                catalog_version: 2,
                ..result()
            },
            ResultKey {
                settings: 1,
                ..result()
            },
            ResultKey {
                search_path: vec![],
                ..result()
            },
            ResultKey {
                text: "select sum(m) from t".into(),
                ..result()
            },
            ResultKey {
                parameters: vec![ScalarValue::Int32(Some(1))],
                ..result()
            },
            ResultKey {
                parameters: vec![ScalarValue::Int64(Some(1))],
                ..result()
            },
            other_table,
        ];
        let mut keys: Vec<StateKey> = others.iter().map(StateKey::of_statement).collect();
        keys.extend([key, key.with("a"), key.with("b"), key.with("a").with("b")]);
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn states_as_large_as_their_file_are_not_kept() {
        let cache = PartialAggregates::new(1 << 20);
        let key = StateKey::of_statement(&result());
        assert!(!cache.comes_again(&key) && cache.comes_again(&key));
        cache.insert(key, states(100_000));
        assert!(cache.get(&key).is_none());
        cache.insert(key, states(10));
        assert_eq!(cache.get(&key).unwrap()[0].num_rows(), 10);
        cache.clear();
        assert!(cache.get(&key).is_none());
    }
}
