//! The last statements that ended, for system.queries: a ring of fixed length.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::query_record::FinishedQuery;

/// Bytes of a statement's text that are kept.
const TEXT_LIMIT: usize = 4096;

/// A bounded log of statements, newest last.
#[derive(Debug)]
pub struct QueryLog {
    capacity: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    next_id: u64,
    queries: VecDeque<Arc<FinishedQuery>>,
}

impl QueryLog {
    /// Keeps the last `capacity` statements.
    pub fn new(capacity: usize) -> QueryLog {
        QueryLog {
            capacity,
            ring: Mutex::new(Ring {
                next_id: 1,
                queries: VecDeque::new(),
            }),
        }
    }

    pub fn push(&self, mut query: FinishedQuery) -> Arc<FinishedQuery> {
        query.shorten(TEXT_LIMIT);
        let mut ring = self.ring.lock();
        query.id = ring.next_id;
        ring.next_id += 1;
        let query = Arc::new(query);
        let oldest = match ring.queries.len() >= self.capacity.max(1) {
            true => ring.queries.pop_front(),
            false => None,
        };
        ring.queries.push_back(Arc::clone(&query));
        // Nobody waits while its texts are given back.
        drop(ring);
        drop(oldest);
        query
    }

    /// What is in the log now, newest last.
    pub fn queries(&self) -> Vec<Arc<FinishedQuery>> {
        self.ring.lock().queries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::query_record::{QueryRecord, identity_for_tests};
    use super::*;

    #[test]
    fn only_the_last_are_kept_and_long_texts_are_cut() {
        let log = QueryLog::new(2);
        for text in ["a".to_string(), "b".to_string(), "é".repeat(TEXT_LIMIT)] {
            log.push(QueryRecord::new(identity_for_tests(&text)).finish(None));
        }
        let kept = log.queries();
        assert_eq!(kept.iter().map(|query| query.id).collect::<Vec<_>>(), [2, 3]);
        assert!(kept[1].identity.text.len() <= TEXT_LIMIT + 3 && kept[1].identity.text.ends_with('…'));
    }
}
