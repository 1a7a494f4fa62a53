//! Which keys of a transaction wait for COMMIT, and the tables whose rows are then compared: SET CONSTRAINTS.

use std::collections::{BTreeSet, HashMap};

use crate::catalog::model::{Oid, Timing};

/// Goes with savepoints, as the rows do that it is about.
#[derive(Debug, Clone, Default)]
pub struct Deferral {
    /// SET CONSTRAINTS ALL: whether they wait.
    all: Option<bool>,
    /// SET CONSTRAINTS of one, which comes before ALL until the next ALL.
    named: HashMap<Oid, bool>,
    /// Tables that got rows which were not compared by all keys.
    waiting: BTreeSet<Oid>,
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

    /// All keys of all tables have been compared.
    pub fn settled(&mut self) {
        self.waiting.clear();
    }
}
