//! The ids that this process may give to new objects: blocks that its own commits reserved in the log, so
//! that no two nodes ever hand out one id. What is left over when the process ends is never used.

use std::collections::VecDeque;
use std::ops::Range;

use parking_lot::Mutex;

use super::model::Oid;
use crate::error::{Error, Result, SqlState};

/// Ids that one commit reserves.
pub(super) const BLOCK: Oid = 4096;
/// Below this many free ids a transaction does not begin before a block is reserved.
const LOW: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Identifiers {
    free: Mutex<VecDeque<Range<Oid>>>,
}

impl Identifiers {
    pub(super) fn take(&self) -> Result<Oid> {
        let mut free = self.free.lock();
        while let Some(range) = free.front_mut() {
            if let Some(id) = range.next() {
                return Ok(id);
            }
            free.pop_front();
        }
        Err(Error::new(
            SqlState::ProgramLimitExceeded,
            "too many objects are created in one transaction",
        )
        .with_hint("Commit more often."))
    }

    pub(super) fn add(&self, block: Range<Oid>) {
        if !block.is_empty() {
            self.free.lock().push_back(block);
        }
    }

    pub(super) fn are_low(&self) -> bool {
        self.free.lock().iter().map(Range::len).sum::<usize>() < LOW
    }
}
