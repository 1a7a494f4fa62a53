//! Numbers of a sequence that a transaction restarted: until it commits its own statements count them here, and nobody
//! else does. No part of what the log says of the sequence.

use std::sync::Arc;

use parking_lot::Mutex;

/// What comes next, where something was restarted. Copies count together.
#[derive(Debug, Clone, Default)]
pub struct OwnNumbers(Option<Arc<Mutex<Option<i64>>>>);

impl OwnNumbers {
    pub(super) fn starting_at(next: Option<i64>) -> OwnNumbers {
        OwnNumbers(Some(Arc::new(Mutex::new(next))))
    }

    /// What comes next; `None` where nothing was restarted.
    pub(super) fn next(&self) -> Option<Option<i64>> {
        self.0.as_ref().map(|next| *next.lock())
    }

    /// The next number, which is followed by what `after` says of it: `Some(None)` past the last one, `None` where nothing
    /// was restarted.
    pub(super) fn take(&self, after: impl Fn(i64) -> Option<i64>) -> Option<Option<i64>> {
        let mut next = self.0.as_ref()?.lock();
        let taken = *next;
        *next = taken.and_then(after);
        Some(taken)
    }

    /// Says what comes next. Whether something was restarted.
    pub(super) fn set(&self, next: Option<i64>) -> bool {
        match &self.0 {
            Some(counted) => {
                *counted.lock() = next;
                true
            }
            None => false,
        }
    }
}

impl PartialEq for OwnNumbers {
    fn eq(&self, _: &OwnNumbers) -> bool {
        true
    }
}
