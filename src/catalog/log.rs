//! The catalog's log in the warehouse: one process's handle on it. Reading replays entries onto an immutable
//! snapshot, writing puts the next entry if it is absent. Versions only rise, here and everywhere.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use uuid::Uuid;

use super::checkpoint::{self, LastCheckpoint};
use super::clock::boot_time;
use super::decision::Decision;
use super::entry::{Entry, FOLDER, corrupt};
use super::identifiers::Identifiers;
use super::model::{Object, Table, TableLocation};
use super::sequences::SequenceBlocks;
use super::snapshot::{CatalogSnapshot, Change};
use super::staged::Staged;
use super::store::EntryStore;
use crate::error::{Error, Result, SqlState};

/// Entries read at a time.
const READS: usize = 16;

/// How a handle behaves towards its store.
#[derive(Debug, Clone)]
pub struct CatalogOptions {
    /// How long a commit whose outcome is unknown is resolved before it answers 40003.
    pub commit_deadline: Duration,
    /// How long one request may take before it counts as lost.
    pub request_timeout: Duration,
    /// A checkpoint is written every so many entries.
    pub checkpoint_interval: u64,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        CatalogOptions {
            commit_deadline: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            checkpoint_interval: 50,
        }
    }
}

/// A warehouse's catalog.
#[derive(Debug)]
pub struct Catalog {
    pub(super) store: Arc<dyn EntryStore>,
    pub(super) options: CatalogOptions,
    current: ArcSwap<CatalogSnapshot>,
    /// Held while a new version is made from the current one.
    publishing: Mutex<()>,
    probe: Arc<tokio::sync::Mutex<()>>,
    /// When, by `boot_time`, the last probe that succeeded began.
    fresh_since: Mutex<Duration>,
    pub(super) committing: tokio::sync::Mutex<()>,
    pub(super) identifiers: Arc<Identifiers>,
    pub(super) sequences: SequenceBlocks,
    /// Transactions over several tables that an entry gave up, since this process reads the log.
    pub(super) given_up: Mutex<HashSet<Uuid>>,
}

impl Catalog {
    /// Reads the warehouse's catalog. On an empty warehouse it is empty: see `bootstrap`.
    pub async fn open(store: Arc<dyn EntryStore>, options: CatalogOptions) -> Result<Arc<Catalog>> {
        let started = boot_time();
        let snapshot = latest(store.as_ref()).await?;
        Ok(Arc::new(Catalog {
            store,
            options,
            current: ArcSwap::from_pointee(snapshot),
            publishing: Mutex::new(()),
            probe: Arc::default(),
            fresh_since: Mutex::new(started),
            committing: tokio::sync::Mutex::new(()),
            identifiers: Arc::default(),
            sequences: SequenceBlocks::default(),
            given_up: Mutex::default(),
        }))
    }

    /// Whether nobody has bootstrapped the warehouse yet.
    pub fn is_empty(&self) -> bool {
        self.current.load().version() == 0
    }

    /// The newest version that this process knows, without asking the store.
    pub fn current(&self) -> Arc<CatalogSnapshot> {
        self.current.load_full()
    }

    /// Whether the last successful probe began at most `bound` ago.
    pub fn is_fresh(&self, bound: Duration) -> bool {
        self.age() <= bound
    }

    fn age(&self) -> Duration {
        boot_time().saturating_sub(*self.fresh_since.lock())
    }

    /// The catalog as it was at most `bound` ago; a bound of zero asks the store every time. In the second half
    /// of the bound the store is asked in the background, so that statements of a busy node never wait for it.
    /// 57P03 when the store does not answer and what is known is older than the bound.
    pub async fn refresh(self: &Arc<Self>, bound: Duration) -> Result<Arc<CatalogSnapshot>> {
        let age = self.age();
        if !bound.is_zero() && age <= bound {
            if age > bound / 2 {
                self.probe_in_background();
            }
            return Ok(self.current());
        }
        match Box::pin(self.probe_since(boot_time())).await {
            Ok(()) => Ok(self.current()),
            // What an entry says is wrong, not the road to it: waiting does not help.
            Err(error) if !is_outage(&error) => Err(error),
            Err(_) if !bound.is_zero() && self.is_fresh(bound) => Ok(self.current()),
            Err(error) => Err(stale(error.message())),
        }
    }

    fn probe_in_background(self: &Arc<Self>) {
        if let Ok(single_flight) = self.probe.clone().try_lock_owned() {
            let catalog = self.clone();
            tokio::spawn(async move {
                let _single_flight = single_flight;
                if let Err(error) = catalog.advance().await {
                    tracing::warn!(%error, "could not probe the catalog");
                }
            });
        }
    }

    /// Probes, unless another probe that began at or after `asked` succeeds meanwhile.
    async fn probe_since(&self, asked: Duration) -> Result<()> {
        let waiting = tokio::time::timeout(self.options.request_timeout, self.probe.lock());
        let _single_flight = waiting.await.map_err(|_| no_answer())?;
        if *self.fresh_since.lock() >= asked {
            return Ok(());
        }
        self.advance().await
    }

    /// One request to the store, which counts as lost after a while.
    pub(super) async fn within_timeout<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(self.options.request_timeout, request)
            .await
            .unwrap_or_else(|_| Err(no_answer()))
    }

    /// Reads entries until one is absent.
    pub(super) async fn advance(&self) -> Result<()> {
        loop {
            let started = boot_time();
            let version = self.current.load().version() + 1;
            match self.within_timeout(self.store.get(&Entry::path(version))).await? {
                Some(bytes) => self.publish(&Entry::decode(version, &bytes)?)?,
                None => {
                    self.proved_fresh(started);
                    return Ok(());
                }
            }
        }
    }

    pub(super) fn proved_fresh(&self, started: Duration) {
        let mut fresh_since = self.fresh_since.lock();
        *fresh_since = started.max(*fresh_since);
    }

    /// Makes the entry's version current, unless that has happened already.
    pub(super) fn publish(&self, entry: &Entry) -> Result<()> {
        let _turn = self.publishing.lock();
        let current = self.current.load();
        if entry.version != current.version() + 1 {
            return Ok(());
        }
        if let Some(Decision::GiveUp { transaction }) = entry.decision {
            self.given_up.lock().insert(transaction);
        }
        self.current.store(Arc::new(apply(&current, entry)?));
        Ok(())
    }

    /// Begins a transaction's DDL on the current version.
    pub async fn begin(self: &Arc<Self>) -> Result<Staged> {
        if self.identifiers.are_low() {
            self.reserve_identifiers().await?;
        }
        Ok(Staged::new(self.current(), self.identifiers.clone()))
    }

    /// Begins the commit of a transaction without DDL: it needs no ids.
    pub fn begin_without_ids(&self) -> Staged {
        Staged::new(self.current(), self.identifiers.clone())
    }

    /// The catalog as an earlier entry left it; 22023 for a version that does not exist.
    pub async fn snapshot_at(&self, version: u64) -> Result<Arc<CatalogSnapshot>> {
        let current = self.current();
        if version == current.version() {
            return Ok(current);
        }
        if version > current.version() {
            let message = format!("catalog version {version} does not exist");
            return Err(Error::new(SqlState::InvalidParameterValue, message)
                .with_detail(format!("The newest version is {}.", current.version())));
        }
        let interval = self.options.checkpoint_interval.max(1);
        let checkpoint = version - version % interval;
        let start = restore(self.store.as_ref(), checkpoint).await?.unwrap_or_default();
        replay(self.store.as_ref(), start, version).await.map(Arc::new)
    }

    /// The audit trail: the newest entries first, at most `limit` of them.
    pub async fn history(&self, limit: u64) -> Result<Vec<Entry>> {
        let newest = self.current.load().version();
        let mut entries = Vec::new();
        for version in (newest.saturating_sub(limit) + 1..=newest).rev() {
            entries.push(read(self.store.as_ref(), version).await?);
        }
        Ok(entries)
    }

    /// The managed tables that any version since then has, by the ids of their folders.
    pub async fn tables_since(&self, since: DateTime<Utc>) -> Result<HashSet<Uuid>> {
        let folder = |table: &Table| match table.location {
            TableLocation::Managed(id) => Some(id),
            _ => None,
        };
        let newest = self.current();
        let mut folders: HashSet<Uuid> = newest.tables().filter_map(folder).collect();
        let versions = futures::stream::iter((1..=newest.version()).rev());
        let mut entries = versions
            .map(|version| read(self.store.as_ref(), version))
            .buffered(READS)
            .boxed();
        while let Some(entry) = entries.try_next().await? {
            if entry.at < since {
                let before = self.snapshot_at(entry.version).await?;
                folders.extend(before.tables().filter_map(folder));
                break;
            }
            for change in &entry.changes {
                if let Change::Put(object) = change
                    && let Object::Table(table) = object.as_ref()
                {
                    folders.extend(folder(table));
                }
            }
        }
        Ok(folders)
    }

    /// Best effort: without it the next start replays a few more entries.
    pub(super) async fn write_checkpoint(&self, snapshot: &CatalogSnapshot) {
        let version = snapshot.version();
        let written = async {
            self.store
                .put(&checkpoint::path(version), checkpoint::encode(snapshot)?)
                .await?;
            let pointer = serde_json::to_vec(&LastCheckpoint { version });
            let pointer = pointer.map_err(|error| Error::internal(error.to_string()))?;
            self.store.put(LastCheckpoint::PATH, pointer.into()).await
        };
        if let Err(error) = written.await {
            tracing::warn!(version, %error, "could not write a catalog checkpoint");
        }
    }
}

/// The snapshot after the entry.
pub(super) fn apply(snapshot: &CatalogSnapshot, entry: &Entry) -> Result<CatalogSnapshot> {
    let applied = snapshot.applied(entry.version, entry.next_oid, &entry.changes);
    let applied = applied.map_err(|error| corrupt(&Entry::path(entry.version), error.detail().unwrap_or_default()))?;
    let decided = entry.decision.iter().flat_map(Decision::tables);
    let decided = decided.map(|table| (table, entry.version));
    Ok(applied.with_min_writer(entry.min_writer).with_decided(decided))
}

async fn latest(store: &dyn EntryStore) -> Result<CatalogSnapshot> {
    let mut snapshot = last_checkpoint(store).await?.unwrap_or_default();
    loop {
        let version = snapshot.version() + 1;
        match store.get(&Entry::path(version)).await? {
            Some(bytes) => snapshot = apply(&snapshot, &Entry::decode(version, &bytes)?)?,
            None if version == 1 => return nothing_or_gap(store).await,
            None => return Ok(snapshot),
        }
    }
}

/// Without a first entry there must be none at all: what looks like an empty warehouse would otherwise be
/// bootstrapped over a damaged one.
async fn nothing_or_gap(store: &dyn EntryStore) -> Result<CatalogSnapshot> {
    match store.list(FOLDER).await?.first() {
        None => Ok(CatalogSnapshot::default()),
        Some(found) => Err(corrupt(&Entry::path(1), format!("it is missing, yet there is {found}"))),
    }
}

async fn last_checkpoint(store: &dyn EntryStore) -> Result<Option<CatalogSnapshot>> {
    let Some(bytes) = store.get(LastCheckpoint::PATH).await? else {
        return Ok(None);
    };
    match serde_json::from_slice::<LastCheckpoint>(&bytes) {
        Ok(last) => restore(store, last.version).await,
        Err(_) => Ok(None),
    }
}

/// The checkpoint's snapshot; `None` where there is none or it is damaged, since the entries still say all.
async fn restore(store: &dyn EntryStore, version: u64) -> Result<Option<CatalogSnapshot>> {
    let Some(bytes) = store.get(&checkpoint::path(version)).await? else {
        return Ok(None);
    };
    match checkpoint::decode_snapshot(version, &bytes) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(error) if error.state() == SqlState::DataCorrupted => {
            tracing::warn!(version, %error, "a catalog checkpoint is damaged and is passed over");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn replay(store: &dyn EntryStore, start: CatalogSnapshot, until: u64) -> Result<CatalogSnapshot> {
    let mut snapshot = start;
    while snapshot.version() < until {
        let entry = read(store, snapshot.version() + 1).await?;
        snapshot = apply(&snapshot, &entry)?;
    }
    Ok(snapshot)
}

pub(super) async fn read(store: &dyn EntryStore, version: u64) -> Result<Entry> {
    let bytes = store.get(&Entry::path(version)).await?;
    let bytes = bytes.ok_or_else(|| corrupt(&Entry::path(version), "it is missing"))?;
    Entry::decode(version, &bytes)
}

fn is_outage(error: &Error) -> bool {
    !matches!(error.state(), SqlState::DataCorrupted | SqlState::FeatureNotSupported)
}

fn no_answer() -> Error {
    Error::new(SqlState::ConnectionFailure, "the warehouse's store does not answer")
}

fn stale(why: &str) -> Error {
    Error::new(
        SqlState::CannotConnectNow,
        "the catalog cannot be read and is older than its freshness bound",
    )
    .with_detail(format!("The last attempt failed: {}.", why.trim_end_matches('.')))
    .with_hint("Statements work again as soon as the warehouse's store answers.")
}
