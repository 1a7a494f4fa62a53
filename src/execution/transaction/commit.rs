//! COMMIT: one log's change on its own, several together by a decision of the catalog; the session's temporary tables
//! follow, once the rest is certain.

use std::collections::HashMap;
use std::sync::Arc;

use super::pending::{PendingChange, external_stands_alone};
use super::{Transaction, several_tables};
use crate::catalog::model::{Oid, Table, TableLocation};
use crate::catalog::{Committer, OnCommit, Staged, Temporary};
use crate::error::Result;
use crate::execution::foreign_keys::{Watch, together};
use crate::execution::services::Services;
use crate::storage::{Freshness, KeyGuard, Operation, TableAddress};

impl Transaction {
    /// Makes all of it durable and visible.
    pub async fn commit(&mut self, services: &Services, committer: Committer) -> Result<()> {
        self.check_age()?;
        let Transaction {
            staged,
            pending,
            created,
            on_commit,
            temporary: before,
            overlay,
            turns: _until_the_end,
            watches,
            ..
        } = std::mem::take(self);
        let temporary = match &staged {
            Some(staged) => staged.temporary(),
            None => before.as_deref().cloned(),
        };
        (self.temporary, self.overlay) = (before, overlay);
        let staged = staged.filter(|staged| !staged.is_empty());
        let (own, lasting): (Vec<_>, Vec<_>) = pending.into_iter().partition(|pending| pending.temporary);
        commit_lasting(services, lasting, &created, staged, watches, committer).await?;
        let Some(mut temporary) = temporary else {
            return Ok(());
        };
        if let Some(before) = &self.temporary {
            temporary.remember_all_of(before);
        }
        temporary.remember(on_commit);
        self.commit_temporary(services, temporary, own, created).await
    }

    async fn commit_temporary(
        &mut self,
        services: &Services,
        mut temporary: Temporary,
        changes: Vec<PendingChange>,
        created: Vec<Oid>,
    ) -> Result<()> {
        let before = self.temporary.take();
        let was_there = before.iter().flat_map(|before| before.tables().cloned());
        let all: Vec<Table> = was_there.chain(temporary.tables().cloned()).collect();
        temporary.drop_at_commit();
        for mut pending in changes {
            if temporary.on_commit(pending.table) == OnCommit::DeleteRows {
                pending.forget_rows();
            }
            if temporary.has(pending.table) {
                pending.commit().await?;
            }
        }
        for table in &all {
            if !temporary.has(table.id) {
                services.erase_temporary(table);
            } else if created.contains(&table.id) && temporary.on_commit(table.id) == OnCommit::DeleteRows {
                empty(services, table).await?;
            }
        }
        self.temporary = Some(Arc::new(temporary));
        self.overlay = None;
        Ok(())
    }
}

/// Commits what others will see, in one step wherever more than one log is part of it.
async fn commit_lasting(
    services: &Services,
    pending: Vec<PendingChange>,
    created: &[Oid],
    mut staged: Option<Staged>,
    watches: Vec<Watch>,
    committer: Committer,
) -> Result<()> {
    let seen = staged.as_ref().map(Staged::snapshot);
    let is_dropped = |table: Oid| seen.as_ref().is_some_and(|seen| seen.table(table).is_none());
    let changes = pending
        .into_iter()
        .filter(|pending| !pending.change.is_empty() && !is_dropped(pending.table));
    let (own, mut existing): (Vec<_>, Vec<_>) = changes.partition(|pending| created.contains(&pending.table));
    attach(
        watches.into_iter().filter(|watch| !is_dropped(watch.tables().0)),
        &mut existing,
    )?;
    let external = existing.iter().find(|pending| !pending.managed);
    let is_alone = existing.len() == 1 && staged.is_none();
    if let Some(external) = external
        && !is_alone
        && !(existing.len() == 1 && external.change.changes_no_rows())
    {
        return Err(external_stands_alone(&external.name));
    }
    // Nobody knows the transaction's own tables before the catalog does.
    for pending in own {
        pending.commit().await?;
    }
    if external.is_some() || is_alone {
        // An external table's new columns cannot wait for the catalog: its other writers know no locks.
        for pending in existing.drain(..) {
            pending.commit().await?;
        }
    }
    let mut changed: Vec<Oid> = vec![];
    if let Some(staged) = &mut staged {
        services.catalog.settle_sequences(staged)?;
        changed.extend(staged.changed());
    }
    match (staged, existing.is_empty()) {
        (Some(staged), true) => drop(services.catalog.commit(staged, committer).await?),
        (None, true) => {}
        (staged, false) => {
            let catalog = Arc::clone(&services.catalog);
            several_tables::commit(catalog, existing, staged, committer).await?;
        }
    }
    services.catalog.forget_sequences(&changed);
    Ok(())
}

/// Hands the commits of tables what foreign keys ask of them.
fn attach(watches: impl Iterator<Item = Watch>, existing: &mut Vec<PendingChange>) -> Result<()> {
    let watches: Vec<Watch> = watches
        .filter(|watch| existing.iter().any(|pending| pending.table == watch.tables().1))
        .collect();
    if watches.is_empty() {
        return Ok(());
    }
    for watch in &watches {
        let Some((table, delta, seen)) = watch.locked() else {
            continue;
        };
        if !existing.iter().any(|pending| pending.table == table.id) {
            // It has to stay as it is until the others have changed.
            let (delta, seen) = (Arc::clone(delta), Arc::clone(seen));
            existing.push(PendingChange::of_nothing(
                table,
                delta,
                seen,
                Operation::new("CHECK CONSTRAINT"),
            ));
        }
    }
    let mut added = HashMap::new();
    for pending in existing.iter() {
        added.extend(pending.written()?.map(|written| (pending.table, written)));
    }
    let mut guards: HashMap<Oid, Vec<Arc<dyn KeyGuard>>> = HashMap::new();
    for watch in watches {
        guards.entry(watch.tables().0).or_default().push(watch.guard(&added));
    }
    for pending in existing {
        let watched = guards.remove(&pending.table).unwrap_or_default();
        pending.change.keys = together(pending.change.keys.take(), watched);
    }
    Ok(())
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
