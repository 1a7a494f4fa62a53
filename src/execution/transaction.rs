//! A session's transaction: DDL staged for one catalog commit, files staged for one Delta commit, and
//! the table versions that its statements see. Dropped before its commit, it leaves nothing behind.

mod commit;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::OwnedMutexGuard;

use commit::commit_write;

use super::services::Services;
use crate::catalog::model::{Oid, Table};
use crate::catalog::{CatalogSnapshot, OnCommit, Staged, Temporary};
use crate::error::{Error, Result, SqlState};
use crate::storage::{DeltaTable, Operation, Removal, SchemaChange, StagedFiles, TableSnapshot};

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
    /// One for each written table; of tables that are not the transaction's own, there is one at most.
    writes: Vec<PendingWrite>,
    alterations: Vec<PendingAlteration>,
    /// The session's temporary objects as the last transaction left them.
    temporary: Option<Arc<Temporary>>,
    /// The catalog that they were last laid over, and what came of it.
    overlay: Option<(u64, Arc<CatalogSnapshot>)>,
    /// What COMMIT does to the temporary tables that the transaction created.
    on_commit: Vec<(Oid, OnCommit)>,
    /// Tables that this transaction created: nobody else's yet, so their logs take commits at once.
    created: Vec<Oid>,
    /// Versions that the transaction's statements are held to.
    pins: HashMap<Oid, Arc<TableSnapshot>>,
    /// Tables whose rows the transaction changes: others of this process wait.
    turns: HashMap<Oid, OwnedMutexGuard<()>>,
}

/// How long a transaction waits for another one that changes rows of the same table, before it goes on and leaves it to
/// the commit who was first. Two that wait for each other both go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// What ROLLBACK TO SAVEPOINT comes back to.
pub struct TransactionMark {
    staged: Option<Staged>,
    writes: Vec<PendingWrite>,
    alterations: Vec<PendingAlteration>,
    created: Vec<Oid>,
    pins: HashMap<Oid, Arc<TableSnapshot>>,
}

/// Rows for a table, written and not yet committed to its log.
#[derive(Clone)]
struct PendingWrite {
    table: Oid,
    name: String,
    /// Of the session's own table: any number of these go with a transaction.
    temporary: bool,
    delta: Arc<DeltaTable>,
    base: Arc<TableSnapshot>,
    /// Files of `base` that go.
    removal: Removal,
    files: StagedFiles,
    /// The rows depend on what was not in `base`.
    complete: bool,
    operation: Operation,
}

/// Schema changes for an existing table's log.
#[derive(Clone)]
struct PendingAlteration {
    table: Oid,
    temporary: bool,
    delta: Arc<DeltaTable>,
    base: Arc<TableSnapshot>,
    changes: Vec<SchemaChange>,
    operation: Operation,
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
    pub operation: Operation,
}

impl Transaction {
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
            writes: self.writes.clone(),
            alterations: self.alterations.clone(),
            created: self.created.clone(),
            pins: self.pins.clone(),
        }
    }

    /// ROLLBACK TO SAVEPOINT. What a later statement saw of tables that it did not write still holds.
    pub fn back_to(&mut self, mark: &TransactionMark) {
        let written: Vec<Oid> = self.writes.iter().map(|write| write.table).collect();
        let seen = std::mem::replace(&mut self.pins, mark.pins.clone());
        for (table, snapshot) in seen {
            if !written.contains(&table) {
                self.pins.entry(table).or_insert(snapshot);
            }
        }
        self.staged = mark.staged.clone();
        self.writes = mark.writes.clone();
        self.alterations = mark.alterations.clone();
        self.created = mark.created.clone();
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

    pub fn pins(&self) -> HashMap<Oid, Arc<TableSnapshot>> {
        self.pins.clone()
    }

    /// Keeps the versions that a statement saw, where the isolation level holds later ones to them.
    pub fn keep_pins(&mut self, seen: &HashMap<Oid, Arc<TableSnapshot>>) {
        if self.explicit && self.repeatable_read {
            for (table, snapshot) in seen {
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

    pub fn check_writable(&self) -> Result<()> {
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

    /// Whether statements of this transaction see rows that nobody else does.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty() || !self.created.is_empty()
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
            true => Ok(()),
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
    pub async fn take_turn(&mut self, table: Oid, delta: &DeltaTable) {
        if self.turns.contains_key(&table) || self.created(table) {
            return;
        }
        if let Some(turn) = delta.turn(PATIENCE).await {
            self.turns.insert(table, turn);
        }
    }

    /// Takes rows that were written for a table. Its own new table's log takes them at once, unless a savepoint
    /// may want them undone; any other waits for COMMIT.
    pub async fn add_write(&mut self, table: &Table, write: TableWrite) -> Result<()> {
        self.check_may_write(table)?;
        if write.removal.is_none() && write.files.file_count() == 0 {
            return Ok(());
        }
        let own = self.created(table.id);
        let earlier = self.writes.iter().position(|earlier| earlier.table == table.id);
        if own && earlier.is_none() && self.savepoints == 0 {
            let (delta, base) = (Arc::clone(&write.delta), Arc::clone(&write.base));
            return commit_write(
                &delta,
                base,
                write.removal,
                write.files,
                write.complete,
                write.operation,
            )
            .await;
        }
        let alone = !own && !table.is_temporary();
        let stands_alone = |other: &&PendingWrite| !other.temporary && !self.created(other.table);
        if let Some(other) = self.writes.iter().find(|other| alone && stands_alone(other))
            && earlier.is_none()
        {
            return Err(
                Error::unsupported("writing to more than one existing table in one transaction")
                    .with_detail(format!(
                        "The transaction has already written to table \"{}\".",
                        other.name
                    ))
                    .with_hint("Commit after each table."),
            );
        }
        let pending = match earlier.map(|position| self.writes.remove(position)) {
            None => PendingWrite {
                table: table.id,
                name: table.name.clone(),
                temporary: table.is_temporary(),
                base: self.pins.get(&table.id).cloned().unwrap_or(write.base),
                delta: write.delta,
                removal: write.removal,
                files: write.files,
                complete: write.complete,
                operation: write.operation,
            },
            Some(mut earlier) => {
                earlier.removal = earlier.removal.followed_by(&write.removal, &mut earlier.files);
                earlier.files.merge(write.files)?;
                earlier.complete |= write.complete;
                earlier
            }
        };
        let preview = pending
            .delta
            .with_staged(&pending.base, &pending.files, &pending.removal)?;
        self.pins.insert(table.id, preview);
        self.writes.push(pending);
        Ok(())
    }

    /// Takes schema changes for a table's log.
    pub async fn add_alteration(
        &mut self,
        table: &Table,
        delta: Arc<DeltaTable>,
        base: Arc<TableSnapshot>,
        changes: Vec<SchemaChange>,
        operation: Operation,
    ) -> Result<()> {
        if self.created(table.id) {
            if self.savepoints > 0 || self.writes.iter().any(|write| write.table == table.id) {
                return Err(
                    Error::unsupported("changing a table after SAVEPOINT in the transaction that created it")
                        .with_hint("Change it before the savepoint, or in a transaction of its own."),
                );
            }
            delta.alter(&base, &changes, operation).await?;
            return Ok(());
        }
        if let Some(earlier) = self.alterations.iter_mut().find(|earlier| earlier.table == table.id) {
            earlier.changes.extend(changes);
            return Ok(());
        }
        self.alterations.push(PendingAlteration {
            temporary: table.is_temporary(),
            table: table.id,
            delta,
            base,
            changes,
            operation,
        });
        Ok(())
    }
}
