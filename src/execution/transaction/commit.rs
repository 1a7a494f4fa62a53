//! COMMIT: table logs first, then the catalog in one atomic commit; the session's temporary tables follow, once
//! the rest is certain.

use std::sync::Arc;

use super::{PendingAlteration, PendingWrite, Transaction};
use crate::catalog::model::{Oid, Table, TableLocation};
use crate::catalog::{Committer, OnCommit, Temporary};
use crate::error::{Error, Result};
use crate::execution::services::Services;
use crate::storage::{DeltaTable, Freshness, Operation, Removal, StagedFiles, TableAddress, TableSnapshot};

impl Transaction {
    /// Makes all of it durable and visible.
    pub async fn commit(&mut self, services: &Services, committer: Committer) -> Result<()> {
        let Transaction {
            staged,
            writes,
            alterations,
            created,
            on_commit,
            temporary: before,
            overlay,
            turns: _until_the_end,
            ..
        } = std::mem::take(self);
        let temporary = match &staged {
            Some(staged) => staged.temporary(),
            None => before.as_deref().cloned(),
        };
        (self.temporary, self.overlay) = (before, overlay);
        let staged = staged.filter(|staged| !staged.is_empty());
        let (own_writes, writes): (Vec<_>, Vec<_>) = writes.into_iter().partition(|write| write.temporary);
        let (own_alterations, alterations): (Vec<_>, Vec<_>) =
            alterations.into_iter().partition(|alteration| alteration.temporary);
        let existing = writes.iter().find(|write| !created.contains(&write.table));
        if let (Some(_), Some(write)) = (&staged, existing) {
            return Err(
                Error::unsupported("changing definitions and writing to an existing table in one transaction")
                    .with_detail(format!(
                        "The transaction was rolled back. It wrote to table \"{}\".",
                        write.name
                    ))
                    .with_hint("Commit the definitions first."),
            );
        }
        for write in writes {
            write.commit().await?;
        }
        for alteration in alterations {
            alteration.commit().await?;
        }
        if let Some(mut staged) = staged {
            services.catalog.settle_sequences(&mut staged)?;
            let changed: Vec<Oid> = staged.changed().collect();
            services.catalog.commit(staged, committer).await?;
            services.catalog.forget_sequences(&changed);
        }
        let Some(mut temporary) = temporary else {
            return Ok(());
        };
        if let Some(before) = &self.temporary {
            temporary.remember_all_of(before);
        }
        temporary.remember(on_commit);
        let own = OwnChanges {
            writes: own_writes,
            alterations: own_alterations,
            created,
        };
        self.commit_temporary(services, temporary, own).await
    }

    async fn commit_temporary(
        &mut self,
        services: &Services,
        mut temporary: Temporary,
        changes: OwnChanges,
    ) -> Result<()> {
        let before = self.temporary.take();
        let was_there = before.iter().flat_map(|before| before.tables().cloned());
        let all: Vec<Table> = was_there.chain(temporary.tables().cloned()).collect();
        temporary.drop_at_commit();
        for alteration in changes.alterations {
            alteration.commit().await?;
        }
        for write in changes.writes {
            if temporary.has(write.table) && temporary.on_commit(write.table) != OnCommit::DeleteRows {
                write.commit().await?;
            }
        }
        for table in &all {
            if !temporary.has(table.id) {
                services.erase_temporary(table);
            } else if changes.created.contains(&table.id) && temporary.on_commit(table.id) == OnCommit::DeleteRows {
                empty(services, table).await?;
            }
        }
        self.temporary = Some(Arc::new(temporary));
        self.overlay = None;
        Ok(())
    }
}

/// What a transaction did to temporary tables.
struct OwnChanges {
    writes: Vec<PendingWrite>,
    alterations: Vec<PendingAlteration>,
    created: Vec<Oid>,
}

impl PendingWrite {
    async fn commit(self) -> Result<()> {
        let (removal, files) = (self.removal, self.files);
        commit_write(&self.delta, self.base, removal, files, self.complete, self.operation).await
    }
}

impl PendingAlteration {
    async fn commit(self) -> Result<()> {
        self.delta.alter(&self.base, &self.changes, self.operation).await?;
        Ok(())
    }
}

/// ON COMMIT DELETE ROWS, for a table whose rows its own transaction committed already.
async fn empty(services: &Services, table: &Table) -> Result<()> {
    let TableLocation::Temporary(url) = &table.location else {
        return Ok(());
    };
    let delta = services.storage.table(&TableAddress::External {
        url: url.clone(),
        options: vec![],
    })?;
    let base = delta.snapshot(Freshness::Strict).await?;
    let files = delta.stage(&base, vec![]).await?;
    delta
        .overwrite(files, Some(base.version()), Operation::new("TRUNCATE"))
        .await?;
    Ok(())
}

/// Commits what was written for one table.
pub(super) async fn commit_write(
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
