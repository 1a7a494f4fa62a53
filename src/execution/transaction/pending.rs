//! What a transaction has done to one table and not committed.

use std::sync::Arc;

use super::TableWrite;
use crate::catalog::model::{Oid, Table};
use crate::error::{Error, Result};
use crate::storage::{DeltaTable, Operation, Removal, SchemaChange, TableChange, TableSnapshot};

/// Changes of one table.
#[derive(Clone)]
pub(super) struct PendingChange {
    pub(super) table: Oid,
    pub(super) name: String,
    /// The session's own.
    pub(super) temporary: bool,
    /// In the warehouse: may commit together with others.
    pub(super) managed: bool,
    pub(super) delta: Arc<DeltaTable>,
    pub(super) change: TableChange,
}

impl PendingChange {
    pub(super) fn new(table: &Table, delta: Arc<DeltaTable>, change: TableChange) -> PendingChange {
        PendingChange {
            table: table.id,
            name: table.name.clone(),
            temporary: table.is_temporary(),
            managed: table.is_managed(),
            delta,
            change,
        }
    }

    /// No change yet.
    pub(super) fn of_nothing(
        table: &Table,
        delta: Arc<DeltaTable>,
        base: Arc<TableSnapshot>,
        operation: Operation,
    ) -> PendingChange {
        let change = TableChange {
            altered: None,
            removal: Removal::None,
            files: delta.nothing_staged(&base),
            base,
            complete: false,
            keys: None,
            operation,
        };
        PendingChange::new(table, delta, change)
    }

    /// A later statement's rows.
    pub(super) fn add_write(&mut self, write: TableWrite) -> Result<()> {
        let change = &mut self.change;
        if change.changes_no_rows() {
            change.operation = write.operation;
        }
        let removal = std::mem::take(&mut change.removal);
        change.removal = removal.followed_by(&write.removal, &mut change.files);
        change.files.merge(write.files)?;
        change.complete |= write.complete;
        change.keys = write.keys.or(change.keys.take());
        Ok(())
    }

    /// A later statement's columns or properties.
    pub(super) async fn alter(&mut self, changes: &[SchemaChange]) -> Result<()> {
        let before = self.change.altered.as_ref().unwrap_or(&self.change.base);
        self.change.altered = Some(self.delta.altered(before, changes).await?);
        Ok(())
    }

    /// A table of the files that were written, if there are any.
    pub(super) fn written(&self) -> Result<Option<Arc<TableSnapshot>>> {
        let change = &self.change;
        let base = change.altered.as_ref().unwrap_or(&change.base);
        match change.files.file_count() {
            0 => Ok(None),
            _ => Ok(Some(Arc::new(base.of_staged(&change.files)?))),
        }
    }

    /// ON COMMIT DELETE ROWS: what was written goes with the rest.
    pub(super) fn forget_rows(&mut self) {
        self.change.removal = Removal::None;
        self.change.files = self.delta.nothing_staged(&self.change.base);
    }

    /// Commits it alone.
    pub(super) async fn commit(self) -> Result<()> {
        if !self.change.is_empty() {
            self.delta.commit_change(self.change).await?;
        }
        Ok(())
    }
}

impl TableWrite {
    pub(super) fn into_change(self) -> TableChange {
        TableChange {
            base: self.base,
            altered: None,
            removal: self.removal,
            files: self.files,
            complete: self.complete,
            keys: self.keys,
            operation: self.operation,
        }
    }
}

/// 0A000 for a table that other engines may write at any time.
pub(super) fn external_stands_alone(table: &str) -> Error {
    Error::unsupported("changing an external table together with others in one transaction")
        .with_detail(format!(
            "Table \"{table}\" lies outside the warehouse, so other engines may write to it at any time."
        ))
        .with_hint("Commit the external table's changes in a transaction of their own, or use a managed table.")
}
