//! A session's transaction: DDL staged for one catalog commit, changes of tables staged for their logs, and
//! the table versions that its statements see. Dropped before its commit, it leaves nothing behind.

mod commit;
mod deferral;
mod pending;
mod several_tables;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::OwnedMutexGuard;

pub use deferral::Deferral;
use pending::PendingChange;

use super::foreign_keys::{Event, Watch};
use super::services::Services;
use crate::catalog::model::{Oid, Table};
use crate::catalog::{CatalogSnapshot, OnCommit, Staged, Temporary};
use crate::error::{Error, Result, SqlState};
use crate::storage::{
    DeltaTable, KeyGuard, LONGEST_TRANSACTION, Operation, Removal, SchemaChange, StagedFiles, TableChange,
    TableSnapshot,
};

/// What BEGIN … COMMIT spans; an implicit one spans a single simple query or pipeline.
#[derive(Default)]
pub struct Transaction {
    /// BEGIN was given.
    pub explicit: bool,
    /// A statement failed: only ROLLBACK and COMMIT are answered.
    pub failed: bool,
    pub read_only: bool,
    /// One snapshot for the whole transaction instead of one a statement.
    pub repeatable_read: bool,
    /// The running statement's command, for what a read-only transaction says.
    pub command: &'static str,
    started: Option<DateTime<Utc>>,
    /// Savepoints that ROLLBACK TO may come back to.
    savepoints: usize,
    staged: Option<Staged>,
    /// One for each table that it changes.
    pending: Vec<PendingChange>,
    /// Changes that it took from statements.
    changes_taken: u64,
    /// The session's temporary objects as the last transaction left them.
    temporary: Option<Arc<Temporary>>,
    /// The catalog that they were last laid over, and what came of it.
    overlay: Option<(u64, Arc<CatalogSnapshot>)>,
    /// What COMMIT does to the temporary tables that the transaction created.
    on_commit: Vec<(Oid, OnCommit)>,
    /// Tables that this transaction created: nobody else's yet, so their logs take commits at once.
    created: Vec<Oid>,
    /// Under REPEATABLE READ: the catalog whose decisions about rows all statements see.
    horizon: Option<Arc<CatalogSnapshot>>,
    /// Versions that the transaction's statements are held to.
    pins: HashMap<Oid, Arc<TableSnapshot>>,
    /// What SET CONSTRAINTS said, and the tables whose keys wait.
    pub deferral: Deferral,
    /// Tables whose rows the transaction changes: others of this process wait.
    turns: HashMap<Oid, OwnedMutexGuard<()>>,
    /// What foreign keys ask of the commit.
    watches: Vec<Watch>,
    /// While parts of one statement run, what foreign keys look at when the last one has.
    events: Option<Vec<Event>>,
    /// A routine is called for the rows of a statement: nothing may change, for the statement runs.
    within_statement: bool,
}

/// How long a transaction waits for another one that changes rows of the same table, before it goes on and leaves it to
/// the commit who was first. Two that wait for each other both go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// What ROLLBACK TO SAVEPOINT comes back to.
pub struct TransactionMark {
    staged: Option<Staged>,
    pending: Vec<PendingChange>,
    created: Vec<Oid>,
    pins: HashMap<Oid, Arc<TableSnapshot>>,
    deferral: Deferral,
    watches: Vec<Watch>,
}

/// Rows that a statement wrote for a table.
pub struct TableWrite {
    pub delta: Arc<DeltaTable>,
    pub base: Arc<TableSnapshot>,
    /// Files of `base` that go.
    pub removal: Removal,
    pub files: StagedFiles,
    /// The rows depend on what was not in `base`: whatever another writer adds meanwhile is a conflict.
    pub complete: bool,
    /// The keys that the rows were compared by with those of `base`.
    pub keys: Option<Arc<dyn KeyGuard>>,
    pub operation: Operation,
}

impl Transaction {
    /// That of routines which a running statement calls for its rows.
    pub fn within_statement() -> Transaction {
        Transaction {
            within_statement: true,
            ..Transaction::default()
        }
    }

    /// The first statement's start; `now()` for all of them.
    pub fn start(&mut self, statement_start: DateTime<Utc>) -> DateTime<Utc> {
        *self.started.get_or_insert(statement_start)
    }

    /// ROLLBACK: staged files are deleted when they are dropped.
    pub fn clear(&mut self) {
        *self = Transaction {
            temporary: self.temporary.take(),
            overlay: self.overlay.take(),
            ..Transaction::default()
        };
    }

    /// Ends a transaction that has nothing to commit; whether it had not.
    pub fn end_if_reading(&mut self) -> bool {
        let has_read =
            self.staged.is_none() && self.pending.is_empty() && self.created.is_empty() && self.temporary.is_none();
        if has_read {
            self.clear();
        }
        has_read
    }

    /// Refuses to commit files that VACUUM may take for those of a server that died.
    fn check_age(&self) -> Result<()> {
        let age = self.started.map(|started| Utc::now().signed_duration_since(started));
        match age.and_then(|age| age.to_std().ok()) {
            Some(age) if age > LONGEST_TRANSACTION && self.has_writes() => Err(Error::new(
                SqlState::SerializationFailure,
                "the transaction took too long",
            )
            .with_detail("What a transaction wrote is kept for 20 hours, until it commits.")),
            _ => Ok(()),
        }
    }

    /// The session's temporary objects, as they are between transactions.
    pub fn temporary(&self) -> Option<&Arc<Temporary>> {
        self.temporary.as_ref()
    }

    /// When the transaction began, if it did.
    pub fn started(&self) -> Option<DateTime<Utc>> {
        self.started
    }

    /// SAVEPOINT.
    pub fn mark(&mut self) -> TransactionMark {
        self.savepoints += 1;
        TransactionMark {
            staged: self.staged.clone(),
            pending: self.pending.clone(),
            created: self.created.clone(),
            pins: self.pins.clone(),
            deferral: self.deferral.clone(),
            watches: self.watches.clone(),
        }
    }

    /// ROLLBACK TO SAVEPOINT. What a later statement saw of tables that it did not write still holds; under REPEATABLE
    /// READ so do the versions that it wrote upon.
    pub fn back_to(&mut self, mark: &TransactionMark) {
        let mut seen = std::mem::replace(&mut self.pins, mark.pins.clone());
        for pending in &self.pending {
            match self.explicit && self.repeatable_read {
                true => seen.insert(pending.table, Arc::clone(&pending.change.base)),
                false => seen.remove(&pending.table),
            };
        }
        for (table, snapshot) in seen {
            self.pins.entry(table).or_insert(snapshot);
        }
        self.staged = mark.staged.clone();
        self.pending = mark.pending.clone();
        self.created = mark.created.clone();
        self.deferral = mark.deferral.clone();
        self.watches = mark.watches.clone();
        self.events = None;
        self.failed = false;
    }

    /// How many savepoints are left after RELEASE or ROLLBACK TO.
    pub fn keep_savepoints(&mut self, count: usize) {
        self.savepoints = count;
    }

    /// The catalog as the next statement sees it: the newest, with the transaction's own DDL.
    pub fn catalog(&mut self, current: Arc<CatalogSnapshot>) -> Result<Arc<CatalogSnapshot>> {
        if let Some(staged) = &self.staged {
            return Ok(staged.snapshot());
        }
        let Some(temporary) = &self.temporary else {
            return Ok(current);
        };
        if let Some((version, laid)) = &self.overlay
            && *version == current.version()
        {
            return Ok(Arc::clone(laid));
        }
        let laid = Arc::new(current.with_temporary(temporary)?);
        self.overlay = Some((current.version(), Arc::clone(&laid)));
        Ok(laid)
    }

    /// The catalog whose decisions about rows the next statement sees, where `current` is the newest one.
    pub fn committed(&mut self, current: Arc<CatalogSnapshot>) -> Arc<CatalogSnapshot> {
        match self.explicit && self.repeatable_read {
            true => Arc::clone(self.horizon.get_or_insert(current)),
            false => current,
        }
    }

    /// Changes that the transaction has taken from its statements so far.
    pub fn changes_taken(&self) -> u64 {
        self.changes_taken
    }

    /// Whether a statement that saw too old a catalog may begin anew with a newer one: it has changed nothing, and
    /// nothing that the transaction has read holds it back.
    pub fn may_move_on(&mut self, taken_before: u64) -> bool {
        let may = self.changes_taken == taken_before && (!self.repeatable_read || self.pins.is_empty());
        if may {
            self.horizon = None;
        }
        may
    }

    pub fn pins(&self) -> HashMap<Oid, Arc<TableSnapshot>> {
        self.pins.clone()
    }

    /// Keeps the versions that a statement saw, where the isolation level holds later ones to them.
    pub fn keep_pins(&mut self, seen: &HashMap<Oid, Arc<TableSnapshot>>) {
        if self.explicit && self.repeatable_read {
            // A table of its own has no versions that are anybody else's.
            for (table, snapshot) in seen.iter().filter(|(table, _)| !self.created.contains(table)) {
                self.pins.entry(*table).or_insert_with(|| Arc::clone(snapshot));
            }
        }
    }

    /// DDL goes here; the commit makes all of it visible at once.
    pub async fn staged(&mut self, services: &Services) -> Result<&mut Staged> {
        self.check_writable()?;
        if self.staged.is_none() {
            let mut staged = services.catalog.begin().await?;
            if let Some(temporary) = &self.temporary {
                staged.lay(temporary)?;
            }
            self.staged = Some(staged);
        }
        self.staged
            .as_mut()
            .ok_or_else(|| Error::internal("a transaction lost its staged changes"))
    }

    /// The DDL that was given so far, if any was.
    pub fn staged_now(&self) -> Option<&Staged> {
        self.staged.as_ref()
    }

    pub fn check_writable(&self) -> Result<()> {
        self.check_may_change()?;
        if self.read_only {
            let command = match self.command {
                "" => "a writing statement",
                command => command,
            };
            let message = format!("cannot execute {command} in a read-only transaction");
            return Err(Error::new(SqlState::ReadOnlySqlTransaction, message));
        }
        Ok(())
    }

    /// Refuses whatever changes something in a routine that is called for the rows of a statement.
    pub fn check_may_change(&self) -> Result<()> {
        if !self.within_statement {
            return Ok(());
        }
        let command = match self.command {
            "" => "a statement that changes something",
            command => command,
        };
        let message = format!("{command} in a function that a query calls for each of its rows");
        Err(Error::unsupported(message).with_hint("Call the function in a loop, with PERFORM, in a DO block."))
    }

    /// Whether statements of this transaction see rows that nobody else does.
    pub fn has_writes(&self) -> bool {
        !self.pending.is_empty() || !self.created.is_empty()
    }

    /// A table that this transaction created.
    pub fn note_created(&mut self, table: Oid) {
        self.created.push(table);
    }

    /// What COMMIT does to a temporary table that this transaction created.
    pub fn note_on_commit(&mut self, table: Oid, action: OnCommit) {
        self.on_commit.push((table, action));
    }

    /// Refuses to change a table's rows in a read-only transaction, unless it is the session's own.
    pub fn check_may_write(&self, table: &Table) -> Result<()> {
        match table.is_temporary() {
            true => self.check_may_change(),
            false => self.check_writable(),
        }
    }

    pub fn created(&self, table: Oid) -> bool {
        self.created.contains(&table)
    }

    /// The version of a table that this transaction is held to.
    pub fn pinned(&self, table: Oid) -> Option<Arc<TableSnapshot>> {
        self.pins.get(&table).cloned()
    }

    /// Waits until no other transaction of this process changes rows of the table; the next ones wait for this one.
    /// Answers whether it is this one's turn; `patience` is the usual one unless given.
    pub async fn take_turn(&mut self, table: Oid, delta: &DeltaTable, patience: Option<Duration>) -> bool {
        if self.turns.contains_key(&table) || self.created(table) {
            return true;
        }
        let turn = delta.turn(patience.unwrap_or(PATIENCE)).await;
        let is_mine = turn.is_some();
        self.turns.extend(turn.map(|turn| (table, turn)));
        is_mine
    }

    /// Holds an open transaction to the version of a table whose rows it has locked. Nobody else changes a table that it
    /// has created, whose log takes its own changes at once.
    pub fn hold(&mut self, table: Oid, snapshot: Arc<TableSnapshot>) {
        if self.explicit && !self.created(table) {
            self.pins.entry(table).or_insert(snapshot);
        }
    }

    /// From here on foreign keys are looked at later. Whether they were not before.
    pub fn hold_events(&mut self) -> bool {
        let begins = self.events.is_none();
        self.events.get_or_insert_default();
        begins
    }

    /// What foreign keys have to look at.
    pub fn release_events(&mut self) -> Vec<Event> {
        self.events.take().unwrap_or_default()
    }

    /// The events, unless they are for later.
    pub(in crate::execution) fn held_back(&mut self, events: Vec<Event>) -> Option<Vec<Event>> {
        match &mut self.events {
            Some(held) => {
                held.extend(events);
                None
            }
            None => Some(events),
        }
    }

    /// What has to hold still when the transaction commits.
    pub(in crate::execution) fn watch(&mut self, watch: Watch) {
        if !self.watches.iter().any(|earlier| watch.repeats(earlier)) {
            self.watches.push(watch);
        }
    }

    /// The version in the log of a table that the transaction has changed.
    pub(in crate::execution) fn logged(&self, table: Oid) -> Option<Arc<TableSnapshot>> {
        let pending = self.pending.iter().find(|pending| pending.table == table)?;
        Some(Arc::clone(&pending.change.base))
    }

    /// The files that the transaction has written for a table, and no others.
    pub(in crate::execution) fn written(&self, table: Oid) -> Result<Option<Arc<TableSnapshot>>> {
        match self.pending.iter().find(|pending| pending.table == table) {
            Some(pending) => pending.written(),
            None => Ok(None),
        }
    }

    /// Takes rows that were written for a table. Its own new table's log takes them at once, unless a savepoint
    /// may want them undone; any other waits for COMMIT.
    pub async fn add_write(&mut self, table: &Table, write: TableWrite) -> Result<()> {
        self.check_may_write(table)?;
        if write.removal.is_none() && write.files.file_count() == 0 {
            return Ok(());
        }
        self.changes_taken += 1;
        let earlier = self.take_pending(table);
        if earlier.is_none() && self.takes_at_once(table) {
            let delta = Arc::clone(&write.delta);
            delta.commit_change(write.into_change()).await?;
            return Ok(());
        }
        let pending = match earlier {
            None => {
                let base = self
                    .pins
                    .get(&table.id)
                    .cloned()
                    .unwrap_or_else(|| Arc::clone(&write.base));
                PendingChange::new(
                    table,
                    Arc::clone(&write.delta),
                    TableChange {
                        base,
                        ..write.into_change()
                    },
                )
            }
            Some(mut earlier) => {
                earlier.add_write(write)?;
                earlier
            }
        };
        self.keep_pending(pending)
    }

    /// Takes changes of a table's columns or properties.
    pub async fn add_alteration(
        &mut self,
        table: &Table,
        delta: Arc<DeltaTable>,
        base: Arc<TableSnapshot>,
        changes: Vec<SchemaChange>,
        operation: Operation,
    ) -> Result<()> {
        let earlier = self.take_pending(table);
        if earlier.is_none() && self.takes_at_once(table) {
            delta.alter(&base, &changes, operation).await?;
            return Ok(());
        }
        let mut pending = earlier.unwrap_or_else(|| PendingChange::of_nothing(table, delta, base, operation));
        pending.alter(&changes).await?;
        self.keep_pending(pending)
    }

    /// Whether the table is nobody else's and nothing may want the change undone.
    fn takes_at_once(&self, table: &Table) -> bool {
        self.created(table.id) && self.savepoints == 0
    }

    fn take_pending(&mut self, table: &Table) -> Option<PendingChange> {
        let position = self.pending.iter().position(|pending| pending.table == table.id)?;
        Some(self.pending.remove(position))
    }

    fn keep_pending(&mut self, pending: PendingChange) -> Result<()> {
        self.pins.insert(pending.table, pending.change.preview()?);
        self.pending.push(pending);
        self.check_stands_alone()
    }

    /// A table outside the warehouse commits alone: its other writers know no locks.
    fn check_stands_alone(&self) -> Result<()> {
        let mut existing = self
            .pending
            .iter()
            .filter(|pending| !pending.temporary && !self.created(pending.table));
        let (Some(_), Some(_)) = (existing.clone().nth(1), existing.find(|pending| !pending.managed)) else {
            return Ok(());
        };
        let external = self
            .pending
            .iter()
            .find(|pending| !pending.managed && !pending.temporary);
        Err(pending::external_stands_alone(
            external.map_or("", |pending| &pending.name),
        ))
    }
}
