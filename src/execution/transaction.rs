//! A session's transaction: DDL staged for one catalog commit, files staged for one Delta commit, and
//! the table versions that its statements see. Dropped before its commit, it leaves nothing behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::OwnedMutexGuard;

use super::services::Services;
use crate::catalog::model::{Oid, Table};
use crate::catalog::{CatalogSnapshot, Committer, Staged};
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
    started: Option<DateTime<Utc>>,
    staged: Option<Staged>,
    write: Option<PendingWrite>,
    alterations: Vec<PendingAlteration>,
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

/// Rows for an existing table, written and not yet committed to its log.
struct PendingWrite {
    table: Oid,
    name: String,
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
struct PendingAlteration {
    table: Oid,
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
    pub fn start(&mut self) -> DateTime<Utc> {
        *self.started.get_or_insert_with(Utc::now)
    }

    /// ROLLBACK: staged files are deleted when they are dropped.
    pub fn clear(&mut self) {
        *self = Transaction::default();
    }

    /// The catalog as the next statement sees it: the newest, with the transaction's own DDL.
    pub fn catalog(&self, current: Arc<CatalogSnapshot>) -> Arc<CatalogSnapshot> {
        match &self.staged {
            Some(staged) => staged.snapshot(),
            None => current,
        }
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
            self.staged = Some(services.catalog.begin().await?);
        }
        self.staged
            .as_mut()
            .ok_or_else(|| Error::internal("a transaction lost its staged changes"))
    }

    pub fn check_writable(&self) -> Result<()> {
        if self.read_only {
            let message = "cannot execute a writing statement in a read-only transaction";
            return Err(Error::new(SqlState::ReadOnlySqlTransaction, message));
        }
        Ok(())
    }

    /// Whether statements of this transaction see rows that nobody else does.
    pub fn has_writes(&self) -> bool {
        self.write.is_some() || !self.created.is_empty()
    }

    /// A table that this transaction created.
    pub fn note_created(&mut self, table: Oid) {
        self.created.push(table);
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

    /// Takes rows that were written for a table. Its own new table's log takes them at once; any other
    /// waits for COMMIT.
    pub async fn add_write(&mut self, table: &Table, write: TableWrite) -> Result<()> {
        self.check_writable()?;
        if write.removal.is_none() && write.files.file_count() == 0 {
            return Ok(());
        }
        if self.created(table.id) {
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
        let pending = match self.write.take() {
            None => PendingWrite {
                table: table.id,
                name: table.name.clone(),
                base: self.pins.get(&table.id).cloned().unwrap_or(write.base),
                delta: write.delta,
                removal: write.removal,
                files: write.files,
                complete: write.complete,
                operation: write.operation,
            },
            Some(earlier) if earlier.table != table.id => {
                let error = Error::unsupported("writing to more than one existing table in one transaction")
                    .with_detail(format!(
                        "The transaction has already written to table \"{}\".",
                        earlier.name
                    ))
                    .with_hint("Commit after each table.");
                self.write = Some(earlier);
                return Err(error);
            }
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
        self.write = Some(pending);
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
            delta.alter(&base, &changes, operation).await?;
            return Ok(());
        }
        if let Some(earlier) = self.alterations.iter_mut().find(|earlier| earlier.table == table.id) {
            earlier.changes.extend(changes);
            return Ok(());
        }
        self.alterations.push(PendingAlteration {
            table: table.id,
            delta,
            base,
            changes,
            operation,
        });
        Ok(())
    }

    /// Makes all of it durable: table logs first, then the catalog in one atomic commit.
    pub async fn commit(&mut self, services: &Services, committer: Committer) -> Result<()> {
        let Transaction {
            staged,
            write,
            alterations,
            turns: _until_the_end,
            ..
        } = std::mem::take(self);
        let staged = staged.filter(|staged| !staged.is_empty());
        if let (Some(_), Some(write)) = (&staged, &write) {
            return Err(
                Error::unsupported("changing definitions and writing to an existing table in one transaction")
                    .with_detail(format!(
                        "The transaction was rolled back. It wrote to table \"{}\".",
                        write.name
                    ))
                    .with_hint("Commit the definitions first."),
            );
        }
        if let Some(write) = write {
            commit_write(
                &write.delta,
                write.base,
                write.removal,
                write.files,
                write.complete,
                write.operation,
            )
            .await?;
        }
        for alteration in alterations {
            alteration
                .delta
                .alter(&alteration.base, &alteration.changes, alteration.operation)
                .await?;
        }
        if let Some(staged) = staged {
            services.catalog.commit(staged, committer).await?;
        }
        Ok(())
    }
}

async fn commit_write(
    delta: &Arc<DeltaTable>,
    base: Arc<TableSnapshot>,
    removal: Removal,
    files: StagedFiles,
    complete: bool,
    operation: Operation,
) -> Result<()> {
    match &removal {
        Removal::All => delta.overwrite(files, Some(base.version()), operation).await?,
        Removal::None if files.file_count() == 0 => return Ok(()),
        Removal::None if !complete => delta.append(files, operation).await?,
        _ => delta.rewrite(base, removal, files, complete, operation).await?,
    };
    Ok(())
}
