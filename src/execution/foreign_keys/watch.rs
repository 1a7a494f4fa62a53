//! Foreign keys while a transaction commits. A statement compares its rows with what it sees of the other table; what
//! others committed since is compared once more, before each attempt to put an entry. Who adds rows that refer looks at
//! the other table after its own; who takes keys away locks the table that refers, looks there, and commits both at
//! once. So one of the two sees the other.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::reference::Reference;
use crate::catalog::model::{Oid, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::enforced_keys::RowSource;
use crate::storage::{DeltaTable, KeyGuard, NewFiles, TableSnapshot};

/// What has to hold still when a transaction commits.
#[derive(Debug, Clone)]
pub(in crate::execution) enum Watch {
    /// The rows that it adds to a table refer to rows that are there.
    Referring(Referring),
    /// No row refers to the keys that it took away.
    Gone(Gone),
    /// A table has lost no rows: a new foreign key refers to it, of which others do not know.
    Kept { table: Oid, seen: Arc<TableSnapshot> },
}

#[derive(Debug, Clone)]
pub(in crate::execution) struct Referring {
    pub(super) reference: Arc<Reference>,
    /// The other table, and its version that rows were first compared with.
    pub(super) parent: Arc<DeltaTable>,
    pub(super) seen: Arc<TableSnapshot>,
    /// What the transaction itself adds to the other table.
    own: Option<Arc<TableSnapshot>>,
}

#[derive(Clone)]
pub(in crate::execution) struct Gone {
    pub(super) reference: Arc<Reference>,
    pub(super) keys: Arc<RowSource>,
    /// The columns of the table that had the keys.
    pub(super) stored: Arc<TableSnapshot>,
    /// The table that refers, and its version that the keys were compared with.
    pub(super) child: Arc<DeltaTable>,
    pub(super) seen: Arc<TableSnapshot>,
}

#[derive(Debug)]
struct Kept {
    seen: Arc<TableSnapshot>,
}

/// What the commit of one table has to compare.
#[derive(Debug)]
struct Together {
    keys: Option<Arc<dyn KeyGuard>>,
    watches: Vec<Arc<dyn KeyGuard>>,
}

impl Watch {
    pub(super) fn referring(reference: &Arc<Reference>, parent: Arc<DeltaTable>, seen: Arc<TableSnapshot>) -> Watch {
        Watch::Referring(Referring {
            reference: Arc::clone(reference),
            parent,
            seen,
            own: None,
        })
    }

    /// Whether an earlier one says as much.
    pub(in crate::execution) fn repeats(&self, earlier: &Watch) -> bool {
        match (self, earlier) {
            (Watch::Referring(this), Watch::Referring(earlier)) => this.reference.id == earlier.reference.id,
            (Watch::Kept { table, .. }, Watch::Kept { table: earlier, .. }) => table == earlier,
            _ => false,
        }
    }

    /// The table whose commit it is about, and the one that the transaction must change for it to matter.
    pub(in crate::execution) fn tables(&self) -> (Oid, Oid) {
        match self {
            Watch::Referring(referring) => (referring.reference.child.id, referring.reference.child.id),
            Watch::Gone(gone) => (gone.reference.child.id, gone.reference.parent.id),
            Watch::Kept { table, .. } => (*table, *table),
        }
    }

    /// The table that is locked although nothing of it may change, where it is.
    pub(in crate::execution) fn locked(&self) -> Option<(&Table, &Arc<DeltaTable>, &Arc<TableSnapshot>)> {
        match self {
            Watch::Gone(gone) => Some((&gone.reference.child, &gone.child, &gone.seen)),
            _ => None,
        }
    }

    /// The guard, with what the transaction itself adds to tables.
    pub(in crate::execution) fn guard(self, added: &HashMap<Oid, Arc<TableSnapshot>>) -> Arc<dyn KeyGuard> {
        match self {
            Watch::Referring(mut referring) => {
                let parent = referring.reference.parent.id;
                let is_own = parent == referring.reference.child.id;
                referring.own = added.get(&parent).filter(|_| !is_own).cloned();
                Arc::new(referring)
            }
            Watch::Gone(gone) => Arc::new(gone),
            Watch::Kept { seen, .. } => Arc::new(Kept { seen }),
        }
    }
}

/// The guards of one table's commit as one.
pub(in crate::execution) fn together(
    keys: Option<Arc<dyn KeyGuard>>,
    watches: Vec<Arc<dyn KeyGuard>>,
) -> Option<Arc<dyn KeyGuard>> {
    match watches.is_empty() {
        true => keys,
        false => Some(Arc::new(Together { keys, watches })),
    }
}

#[async_trait]
impl KeyGuard for Together {
    async fn compare(&self, new: &Arc<TableSnapshot>, added: &Arc<TableSnapshot>) -> Result<()> {
        match &self.keys {
            Some(keys) => keys.compare(new, added).await,
            None => Ok(()),
        }
    }

    async fn confirm(&self, new: NewFiles<'_>, newest: &Arc<TableSnapshot>) -> Result<()> {
        for watch in &self.watches {
            watch.confirm(new, newest).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl KeyGuard for Referring {
    async fn compare(&self, _new: &Arc<TableSnapshot>, _added: &Arc<TableSnapshot>) -> Result<()> {
        Ok(())
    }

    async fn confirm(&self, new: NewFiles<'_>, _newest: &Arc<TableSnapshot>) -> Result<()> {
        let parent = self.parent.settled_snapshot().await?;
        if !parent.has_lost_files_of(&self.seen) {
            return Ok(());
        }
        let new = Arc::new(new()?);
        let rows = RowSource::Stored(Arc::clone(&new));
        let stored = new.schema();
        let mut missing = self.reference.missing_rows(&rows, &stored, &parent).await?;
        let is_own = self.reference.parent.id == self.reference.child.id;
        let own = if is_own { Some(new) } else { self.own.clone() };
        if let (Some(own), false) = (&own, missing.is_empty()) {
            missing = self.reference.missing_rows(&missing, &stored, own).await?;
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(conflict("Another writer removed a row that a new one refers to.")),
        }
    }
}

#[async_trait]
impl KeyGuard for Gone {
    async fn compare(&self, _new: &Arc<TableSnapshot>, _added: &Arc<TableSnapshot>) -> Result<()> {
        Ok(())
    }

    async fn confirm(&self, _new: NewFiles<'_>, newest: &Arc<TableSnapshot>) -> Result<()> {
        if newest.version() == self.seen.version() {
            return Ok(());
        }
        let added = Arc::new(newest.added_since(&self.seen)?);
        let found = self
            .reference
            .referred(&self.keys, &self.stored.schema(), &added)
            .await?;
        match found {
            None => Ok(()),
            Some(_) => Err(conflict("Another writer added a row that refers to one which goes.")),
        }
    }
}

#[async_trait]
impl KeyGuard for Kept {
    async fn compare(&self, _new: &Arc<TableSnapshot>, _added: &Arc<TableSnapshot>) -> Result<()> {
        Ok(())
    }

    async fn confirm(&self, _new: NewFiles<'_>, newest: &Arc<TableSnapshot>) -> Result<()> {
        match newest.has_lost_files_of(&self.seen) {
            true => Err(conflict(
                "Another writer changed rows of a table that a new foreign key refers to.",
            )),
            false => Ok(()),
        }
    }
}

impl std::fmt::Debug for Gone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Gone")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

/// Nothing is said of the rows: what others wrote is not the statement's.
fn conflict(detail: &str) -> Error {
    Error::new(
        SqlState::SerializationFailure,
        "could not serialize access due to concurrent update",
    )
    .with_detail(detail)
    .with_hint("Retry the statement or the transaction.")
}
