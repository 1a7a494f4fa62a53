//! Commits of several tables at once. Each table's log gets a lock at the version after the one that was checked; the
//! catalog decides; then each log gets the changes right after its lock, marked with the decision. Whoever meets a
//! lock may finish the work: equal bytes at a fixed version, however often they are put. While a lock is the newest
//! entry, nothing but its own transaction's changes or its release may follow it; other writers are kept out by a
//! writer feature that they do not know, which the next entry takes away again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use uuid::Uuid;

use super::action::{Add, LogLine, Protocol, parse_entry};
use super::commit::{CommitRequest, Landed, conflict};
use super::commit_entry::decision_line;
use super::log_entry::PutOutcome;
use super::snapshot::TableSnapshot;
use super::staged;
use super::table::{DeltaTable, Freshness};
use crate::error::{Error, Result, SqlState};

/// The application of `txn` actions that tell which decision of the catalog a table has.
pub(super) const APPLICATION: &str = "boathouse";
/// The writer feature of a locked table: who does not know it may not write.
pub(super) const LOCK_FEATURE: &str = "boathouseTransaction";
/// How long a writer that meets a lock waits for its transaction before it has it given up.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// What a lock's entry says, in its `commitInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableLock {
    pub transaction: Uuid,
    /// The decision is in an entry of the catalog after this one.
    pub after: u64,
    /// The table as the catalog knows it.
    pub table: u32,
    /// The table's protocol when it is not locked.
    pub(super) protocol: Protocol,
}

impl TableLock {
    pub(super) const MEMBER: &str = "boathouseLock";

    /// The lock that the entry with these lines is.
    pub(super) fn of_entry(lines: &[LogLine]) -> Option<TableLock> {
        let info = lines.iter().find_map(|line| line.commit_info.as_ref())?;
        serde_json::from_value(info.get(TableLock::MEMBER)?.clone()).ok()
    }
}

/// The newest decision that the entry with these lines applies; 0 without one.
pub(super) fn applied_decision(lines: &[LogLine]) -> u64 {
    let marks = lines.iter().filter_map(|line| line.txn.as_ref());
    let own = marks.filter(|mark| mark.app_id == APPLICATION);
    own.filter_map(|mark| u64::try_from(mark.version).ok())
        .max()
        .unwrap_or(0)
}

/// For whom a table is locked.
#[derive(Debug, Clone)]
pub struct LockRequest {
    pub transaction: Uuid,
    /// The catalog's version when the transaction began to commit.
    pub after: u64,
    pub table: u32,
}

/// What became of a transaction over several tables.
#[derive(Debug, Clone)]
pub enum Verdict {
    Undecided,
    GivenUp,
    /// The catalog's entry `version` decided for these lines of the locked table's log.
    Committed {
        version: u64,
        actions: String,
    },
}

/// Who decides: the catalog.
#[async_trait]
pub trait Arbiter: Send + Sync {
    /// What became of the lock's transaction. With `give_up`, one that is undecided is given up for good.
    async fn verdict(&self, lock: &TableLock, give_up: bool) -> Result<Verdict>;
}

/// A table that is locked for changes which wait for the decision.
pub struct PreparedChange {
    table: Arc<DeltaTable>,
    locked: Arc<TableSnapshot>,
    adds: Vec<Add>,
    actions: String,
    /// Other commits of this process wait until the changes are there, or are given up.
    _turn: OwnedMutexGuard<()>,
}

impl PreparedChange {
    /// The lines of the log that the decision has to name.
    pub fn actions(&self) -> &str {
        &self.actions
    }

    /// After the decision: makes the changes.
    pub async fn apply(self, decided: u64) -> Result<()> {
        self.table.apply(&self.locked, decided, &self.actions).await.map(drop)
    }

    /// After it is certain that nothing will ever be decided: unlocks the table and deletes the files.
    pub async fn release(self) {
        if let Err(error) = self.table.release(&self.locked).await {
            tracing::warn!(table = %self.table.location.url, %error, "could not unlock a table");
        }
        staged::delete(self.table.location.clone(), self.adds).await;
    }
}

impl DeltaTable {
    /// Locks the table for a change that was checked against its newest version.
    pub(super) async fn prepare_request(
        self: &Arc<Self>,
        request: CommitRequest,
        lock: &LockRequest,
    ) -> Result<PreparedChange> {
        let turn = Arc::clone(&self.committing).lock_owned().await;
        let attempt = self.begin(request).await?;
        let landed = self.land(&attempt, Some(lock)).await?;
        let locked = match self.locked_snapshot(&landed).await {
            Ok(locked) => locked,
            Err(error) => {
                staged::delete(self.location.clone(), attempt.adds).await;
                return Err(error);
            }
        };
        let actions = self.entry(&attempt, Some(&locked)).await?;
        let actions = String::from_utf8(actions.to_vec()).map_err(|error| Error::internal(error.to_string()))?;
        Ok(PreparedChange {
            table: Arc::clone(self),
            locked,
            adds: attempt.adds,
            actions,
            _turn: turn,
        })
    }

    async fn locked_snapshot(&self, landed: &Landed) -> Result<Arc<TableSnapshot>> {
        let missing = || Error::internal("a lock has no table");
        let base = landed.base.as_ref().ok_or_else(missing)?;
        let published = self.publish_commit(base, landed.version, &landed.bytes).await?;
        match published.version == landed.version && published.lock.is_some() {
            true => Ok(published),
            false => Err(conflict("Another server gave the transaction up.")),
        }
    }

    /// The newest version with a decision of the catalog in it; makes the decided changes where nobody has yet.
    pub async fn snapshot_including(&self, decided: u64, freshness: Freshness) -> Result<Arc<TableSnapshot>> {
        let snapshot = self.snapshot(freshness).await?;
        if snapshot.applied >= decided {
            return Ok(snapshot);
        }
        Box::pin(self.newest_including(decided)).await
    }

    /// The newest version with all that is decided about it. What a lock announces and nobody has decided is not there.
    pub async fn settled_snapshot(&self) -> Result<Arc<TableSnapshot>> {
        let snapshot = self.snapshot(Freshness::Strict).await?;
        let Some(lock) = &snapshot.lock else {
            return Ok(snapshot);
        };
        match self.verdict(lock, false).await? {
            Verdict::Committed { version, actions } => self.apply(&snapshot, version, &actions).await,
            Verdict::Undecided | Verdict::GivenUp => Ok(snapshot),
        }
    }

    async fn newest_including(&self, decided: u64) -> Result<Arc<TableSnapshot>> {
        let snapshot = self.snapshot(Freshness::Strict).await?;
        match &snapshot.lock {
            _ if snapshot.applied >= decided => Ok(snapshot),
            Some(lock) => match self.verdict(lock, false).await? {
                Verdict::Committed { version, actions } => self.apply(&snapshot, version, &actions).await,
                _ => Err(self.lacks(decided)),
            },
            None => Err(self.lacks(decided)),
        }
    }

    /// The newest version that is not locked. Waits for the transaction of a lock, and after a while has it given up.
    pub(super) async fn unlocked(&self, mut snapshot: Arc<TableSnapshot>) -> Result<Arc<TableSnapshot>> {
        let mut patience = None;
        while let Some(lock) = snapshot.lock.clone() {
            let until = match &patience {
                Some((transaction, until)) if *transaction == lock.transaction => *until,
                _ => patience.insert((lock.transaction, Instant::now() + LOCK_PATIENCE)).1,
            };
            match self.verdict(&lock, Instant::now() >= until).await? {
                Verdict::Undecided => tokio::time::sleep(Duration::from_millis(50)).await,
                Verdict::GivenUp => self.release(&snapshot).await?,
                Verdict::Committed { version, actions } => drop(self.apply(&snapshot, version, &actions).await?),
            }
            snapshot = self.snapshot(Freshness::Strict).await?;
        }
        Ok(snapshot)
    }

    async fn verdict(&self, lock: &TableLock, give_up: bool) -> Result<Verdict> {
        match self.services.arbiter.get() {
            Some(arbiter) => arbiter.verdict(lock, give_up).await,
            None => Err(
                Error::new(SqlState::ObjectInUse, "the table is locked by a transaction")
                    .with_detail(format!("The transaction is {}.", lock.transaction)),
            ),
        }
    }

    /// Writes decided changes behind the lock, unless somebody has.
    async fn apply(&self, locked: &Arc<TableSnapshot>, decided: u64, actions: &str) -> Result<Arc<TableSnapshot>> {
        let bytes = Bytes::from(format!("{actions}{}", decision_line(decided)?));
        let mut base = Arc::clone(locked);
        loop {
            let version = base.version + 1;
            if self.put(version, bytes.clone(), Uuid::nil()).await? == PutOutcome::Created {
                let snapshot = self.publish_commit(&base, version, &bytes).await?;
                self.checkpoint_if_due(&snapshot, locked.version..=version);
                return Ok(snapshot);
            }
            let newest = self.snapshot(Freshness::Strict).await?;
            if newest.applied >= decided {
                return Ok(newest);
            }
            // Somebody who does not keep Delta's rules wrote to a locked table: the changes go on top where they fit.
            let removes: Vec<_> = parse_entry(version, &bytes)?
                .iter()
                .filter_map(|line| Some(line.remove.as_ref()?.key()))
                .collect();
            if newest.metadata != locked.metadata || newest.files.positions(&removes).is_none() {
                *self.suspicion.lock() = Some(format!("Version {version} was written while the table was locked."));
                return Err(self.lacks(decided));
            }
            tracing::warn!(table = %self.location.url, version, "another writer ignored the lock of a transaction");
            base = newest;
        }
    }

    /// Ends a lock whose transaction was given up.
    async fn release(&self, locked: &Arc<TableSnapshot>) -> Result<()> {
        let (version, token) = (locked.version + 1, Uuid::new_v4());
        let bytes = self.release_entry(locked, token).await?;
        if self.put(version, bytes.clone(), token).await? == PutOutcome::Created {
            self.publish_commit(locked, version, &bytes).await?;
        }
        Ok(())
    }

    fn lacks(&self, decided: u64) -> Error {
        Error::new(SqlState::DataCorrupted, "the table lacks changes that were committed").with_detail(format!(
            "Entry {decided} of the catalog decided them; the table is at \"{}\".",
            self.location.url
        ))
    }
}
