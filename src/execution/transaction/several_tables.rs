//! COMMIT of several tables, or of tables and definitions: locks, one decision in the catalog, then the changes.
//! Before the decision nothing has happened, after it all of it has, whoever dies: readers and writers that meet a
//! lock finish the work.

use std::sync::Arc;

use futures::future::join_all;
use uuid::Uuid;

use super::pending::PendingChange;
use crate::catalog::model::Oid;
use crate::catalog::{Catalog, Committer, Staged, TableActions};
use crate::error::{Error, Result, SqlState};
use crate::storage::{LockRequest, PreparedChange};

/// Runs to its end even if the caller goes away.
pub(super) async fn commit(
    catalog: Arc<Catalog>,
    changes: Vec<PendingChange>,
    staged: Option<Staged>,
    committer: Committer,
) -> Result<()> {
    match tokio::spawn(commit_now(catalog, changes, staged, committer)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::new(
            SqlState::StatementCompletionUnknown,
            "whether the transaction took effect is unknown",
        )
        .with_detail(format!("The commit was cut off: {error}."))),
    }
}

async fn commit_now(
    catalog: Arc<Catalog>,
    mut changes: Vec<PendingChange>,
    staged: Option<Staged>,
    committer: Committer,
) -> Result<()> {
    let transaction = Uuid::new_v4();
    let after = catalog.current().version();
    // One order for all, so that transactions of this process wait for each other and never in a circle.
    changes.sort_by_key(|pending| pending.table);
    let mut prepared: Vec<(Oid, PreparedChange)> = vec![];
    for pending in changes {
        let table = pending.table;
        let lock = LockRequest {
            transaction,
            after,
            table,
        };
        match pending.delta.prepare(pending.change, &lock).await {
            Ok(change) => prepared.push((table, change)),
            Err(error) => {
                release(prepared).await;
                return Err(error);
            }
        }
    }
    match decide(&catalog, transaction, &prepared, staged, committer).await {
        Ok(()) => {}
        // Whether it is decided is known to the catalog alone; the locks stay until somebody has asked it.
        Err(error) if error.state() == SqlState::StatementCompletionUnknown => return Err(error),
        Err(error) => {
            release(prepared).await;
            return Err(error);
        }
    }
    let decided = catalog.current();
    join_all(prepared.into_iter().map(|(table, change)| {
        let version = decided.decided(table);
        async move {
            // Decided is committed: what fails here is done by the next reader or writer of the table.
            if let Err(error) = change.apply(version).await {
                tracing::error!(table, version, %error, "could not write decided changes to a table");
            }
        }
    }))
    .await;
    Ok(())
}

async fn decide(
    catalog: &Arc<Catalog>,
    transaction: Uuid,
    prepared: &[(Oid, PreparedChange)],
    staged: Option<Staged>,
    committer: Committer,
) -> Result<()> {
    let mut staged = staged.unwrap_or_else(|| catalog.begin_without_ids());
    let tables = prepared.iter().map(|(table, change)| TableActions {
        table: *table,
        actions: change.actions().to_string(),
    });
    staged.decide(transaction, tables.collect());
    catalog.commit(staged, committer).await.map(drop)
}

async fn release(prepared: Vec<(Oid, PreparedChange)>) {
    for (_, change) in prepared {
        change.release().await;
    }
}
