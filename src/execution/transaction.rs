//! A session's transaction: DDL staged for one catalog commit, files staged for one Delta commit, and
//! the table versions that its statements see. Dropped before its commit, it leaves nothing behind.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::services::Services;
use crate::catalog::model::{Oid, Table};
use crate::catalog::{CatalogSnapshot, Committer, Staged};
use crate::error::{Error, Result, SqlState};
use crate::storage::{DeltaTable, Operation, SchemaChange, StagedFiles, TableSnapshot};

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
}

/// Rows for an existing table, written and not yet committed to its log.
struct PendingWrite {
    table: Oid,
    name: String,
    delta: Arc<DeltaTable>,
    base: Arc<TableSnapshot>,
    /// All rows of `base` go.
    replaces: bool,
    files: StagedFiles,
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
    pub replaces: bool,
    pub files: StagedFiles,
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

    /// Takes rows that were written for a table. Its own new table's log takes them at once; any other
    /// waits for COMMIT.
    pub async fn add_write(&mut self, table: &Table, write: TableWrite) -> Result<()> {
        self.check_writable()?;
        if self.created(table.id) {
            commit_write(&write.delta, write.files, write.replaces, None, write.operation).await?;
            return Ok(());
        }
        let pending = match self.write.take() {
            None => PendingWrite {
                table: table.id,
                name: table.name.clone(),
                base: self.pins.get(&table.id).cloned().unwrap_or(write.base),
                delta: write.delta,
                replaces: write.replaces,
                files: write.files,
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
            Some(earlier) if write.replaces => PendingWrite {
                replaces: true,
                files: write.files,
                operation: write.operation,
                ..earlier
            },
            Some(mut earlier) => {
                earlier.files.merge(write.files)?;
                earlier
            }
        };
        let preview = pending
            .delta
            .with_staged(&pending.base, &pending.files, pending.replaces)?;
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
            let only_at = write.replaces.then(|| write.base.version());
            commit_write(&write.delta, write.files, write.replaces, only_at, write.operation).await?;
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
    files: StagedFiles,
    replaces: bool,
    only_at: Option<u64>,
    operation: Operation,
) -> Result<()> {
    match replaces {
        true => delta.overwrite(files, only_at, operation).await?,
        false if files.file_count() == 0 => return Ok(()),
        false => delta.append(files, operation).await?,
    };
    Ok(())
}
