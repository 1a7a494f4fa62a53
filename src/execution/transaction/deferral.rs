//! Which keys of a transaction wait for COMMIT, and the tables whose rows are then compared: SET CONSTRAINTS.

use std::collections::{BTreeSet, HashMap};

use crate::catalog::model::{Oid, Timing};
use crate::execution::foreign_keys::Waiting;

/// Goes with savepoints, as the rows do that it is about.
#[derive(Debug, Clone, Default)]
pub struct Deferral {
    /// SET CONSTRAINTS ALL: whether they wait.
    all: Option<bool>,
    /// SET CONSTRAINTS of one, which comes before ALL until the next ALL.
    named: HashMap<Oid, bool>,
    /// Tables that got rows which were not compared by all keys.
    waiting: BTreeSet<Oid>,
    /// What foreign keys have not been compared with.
    references: Vec<Waiting>,
}

impl Deferral {
    /// Whether the rows that a statement writes are not compared by this key before COMMIT.
    pub fn defers(&self, constraint: Oid, timing: Timing) -> bool {
        let said = || self.named.get(&constraint).copied().or(self.all);
        timing.is_deferrable() && said().unwrap_or(timing == Timing::Deferred)
    }

    pub fn set_all(&mut self, deferred: bool) {
        self.all = Some(deferred);
        self.named.clear();
    }

    pub fn set(&mut self, constraint: Oid, deferred: bool) {
        self.named.insert(constraint, deferred);
    }

    /// Rows came to a table that some key has not seen.
    pub fn wait(&mut self, table: Oid) {
        self.waiting.insert(table);
    }

    pub fn waiting(&self) -> Vec<Oid> {
        self.waiting.iter().copied().collect()
    }

    /// A foreign key has not seen what happened.
    pub(in crate::execution) fn wait_for(&mut self, waiting: Waiting) {
        // New rows are all found in the table.
        let is_known = |known: &Waiting| waiting.is_of_new_rows() && known.is_of_new_rows();
        let is_same = |known: &Waiting| known.constraint() == waiting.constraint();
        if !self.references.iter().any(|known| is_known(known) && is_same(known)) {
            self.references.push(waiting);
        }
    }

    /// What waits no more, which the caller compares.
    pub(in crate::execution) fn take_due(&mut self) -> Vec<Waiting> {
        let all = std::mem::take(&mut self.references);
        let (waiting, due) = all.into_iter().partition(|waiting| {
            let (constraint, timing) = waiting.constraint();
            self.defers(constraint, timing)
        });
        self.references = waiting;
        due
    }

    /// Whether something is to be compared before COMMIT.
    pub fn has_due(&self) -> bool {
        self.references.iter().any(|waiting| {
            let (constraint, timing) = waiting.constraint();
            !self.defers(constraint, timing)
        })
    }

    /// Whether COMMIT has something to compare.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.references.is_empty()
    }

    /// All keys of all tables have been compared.
    pub fn settled(&mut self) {
        self.waiting.clear();
    }
}
