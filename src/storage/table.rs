//! One table of this process: which version is current, and how we know. A statement never sees a state older
//! than its own start, minus the staleness it allows; versions only rise.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{Error as StoreError, ObjectStoreExt};
use parking_lot::Mutex as SyncMutex;
use tokio::sync::{Mutex, OwnedMutexGuard};
use url::Url;

use super::action::parse_entry;
use super::analyze::AnalyzedFiles;
use super::location::{Location, log_entry_name};
use super::lock::TableLock;
use super::replay::{Replayed, replay};
use super::snapshot::{Advanced, TableSnapshot};
use super::store::from_store;
use super::warehouse::Services;
use crate::error::{Error, Result, SqlState};

/// How old a state of a table a statement accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Look at the log; the answer is at least as new as the question.
    Strict,
    /// A look at the log that began at most this long ago will do.
    Within(Duration),
}

/// While the last look is younger than this, an absent next entry proves that the version is current: no
/// writer can have passed it and cleaned up meanwhile. Far below every log retention.
const PROOF_LIFETIME: Duration = Duration::from_secs(300);

/// A moment on both clocks: the monotonic one stands still while the machine is suspended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Moment {
        Moment {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Time since `earlier`; a clock that was set back counts as for ever.
    fn since(self, earlier: Moment) -> Duration {
        let steady = self.steady.saturating_duration_since(earlier.steady);
        let wall = self.wall.duration_since(earlier.wall).unwrap_or(Duration::MAX);
        steady.max(wall)
    }
}

/// The newest known state of a table.
pub(super) struct Current {
    pub(super) snapshot: Arc<TableSnapshot>,
    /// When the last look at the log began that found it current.
    validated: SyncMutex<Moment>,
    /// Where its log lies on a local disk.
    local: Option<LocalLog>,
}

/// The end of a log on a local disk: every statement looks there, and paths are dear to make.
struct LocalLog {
    newest: PathBuf,
    /// Size and time of the newest entry: notices a table that was made anew at the same place.
    stamp: Option<Stamp>,
    next: PathBuf,
}

type Stamp = (u64, SystemTime);

impl LocalLog {
    fn of(folder: &Path, version: u64) -> LocalLog {
        let newest = folder.join(log_entry_name(version));
        LocalLog {
            stamp: stamp(&newest),
            newest,
            next: folder.join(log_entry_name(version + 1)),
        }
    }

    fn has_same_entry(&self) -> bool {
        self.stamp.is_some() && self.stamp == stamp(&self.newest)
    }
}

fn stamp(entry: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(entry).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

impl Current {
    fn validated(&self) -> Moment {
        *self.validated.lock()
    }

    /// Whether a look at a local disk shows at once that the snapshot is current. Anything else takes a look at the log.
    fn stands(&self) -> bool {
        let began = Moment::now();
        let stands = self.is_proven(began)
            && self
                .local
                .as_ref()
                .is_some_and(|log| log.has_same_entry() && matches!(log.next.try_exists(), Ok(false)));
        if stands {
            *self.validated.lock() = began;
        }
        stands
    }

    fn is_proven(&self, now: Moment) -> bool {
        now.since(self.validated()) < PROOF_LIFETIME
    }
}

/// A table and its newest known state.
pub struct DeltaTable {
    pub(super) location: Location,
    /// The log's folder on a local disk: every statement looks there, and the path is dear to make.
    local_log: Option<PathBuf>,
    pub(super) services: Arc<Services>,
    /// Tells tables apart in the snapshot cache.
    pub(super) number: u64,
    /// Held while somebody looks at the log: others wait and join if the look began late enough.
    refreshing: Mutex<()>,
    /// Held from re-check to publication by the one local commit under way.
    pub(super) committing: Arc<Mutex<()>>,
    /// Held by the transaction that is about to change rows, so that others of this process wait instead of
    /// working in vain.
    turn: Arc<Mutex<()>>,
    /// What ANALYZE has found of the table's files.
    analyzed: SyncMutex<Arc<AnalyzedFiles>>,
    /// Held by the ANALYZE under way.
    pub(super) analyzing: Mutex<()>,
    /// Why writes are refused: another writer broke Delta's rules.
    pub(super) suspicion: SyncMutex<Option<String>>,
}

impl DeltaTable {
    pub(super) fn new(location: Location, services: Arc<Services>) -> DeltaTable {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        DeltaTable {
            local_log: location.store.file_path(&location.object("_delta_log")),
            location,
            services,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            refreshing: Mutex::default(),
            committing: Arc::default(),
            turn: Arc::default(),
            analyzed: SyncMutex::default(),
            analyzing: Mutex::default(),
            suspicion: SyncMutex::default(),
        }
    }

    /// The table's root; ends in a slash.
    pub fn url(&self) -> &Url {
        &self.location.url
    }

    /// The table's current version. 58P01 when there is no table.
    pub async fn snapshot(&self, freshness: Freshness) -> Result<Arc<TableSnapshot>> {
        let asked = Moment::now();
        let allowed = match freshness {
            Freshness::Strict => Duration::ZERO,
            Freshness::Within(bound) => bound,
        };
        // A look that began after the question is fresh whatever the bound; one that began before it, within.
        let is_fresh = |current: &Current| {
            let validated = current.validated();
            validated.steady >= asked.steady || asked.since(validated) <= allowed && !allowed.is_zero()
        };
        if let Some(current) = self.services.snapshots.get(&self.number)
            && (is_fresh(&current) || current.stands())
        {
            return Ok(Arc::clone(&current.snapshot));
        }
        let _one_at_a_time = self.refreshing.lock().await;
        if let Some(current) = self.services.snapshots.peek(&self.number)
            && is_fresh(&current)
        {
            return Ok(Arc::clone(&current.snapshot));
        }
        // On the heap: most statements come as far only in the first place.
        Box::pin(self.refresh()).await
    }

    /// Waits for the other transactions of this process that change rows of the table. `None` after `patience`: then
    /// the commit decides who was first. The turn ends when the guard is dropped.
    pub async fn turn(&self, patience: Duration) -> Option<OwnedMutexGuard<()>> {
        tokio::time::timeout(patience, Arc::clone(&self.turn).lock_owned())
            .await
            .ok()
    }

    /// The newest known version without a look at the log, if one is held.
    pub fn cached_snapshot(&self) -> Option<Arc<TableSnapshot>> {
        self.services
            .snapshots
            .peek(&self.number)
            .map(|current| Arc::clone(&current.snapshot))
    }

    /// Whether there is a Delta table at this place.
    pub async fn exists(&self) -> Result<bool> {
        if !self.has_log().await? {
            return Ok(false);
        }
        match self.snapshot(Freshness::Strict).await {
            Ok(_) => Ok(true),
            Err(error) if error.state() == SqlState::UndefinedFile => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn refresh(&self) -> Result<Arc<TableSnapshot>> {
        let began = Moment::now();
        let Some(current) = self.services.snapshots.peek(&self.number) else {
            return self.load(began, None).await;
        };
        let is_same_entry = match &current.local {
            Some(log) => log.has_same_entry(),
            None => !self.location.store.is_local(),
        };
        if !is_same_entry
            || !current.is_proven(began) && !self.has_entry_and_nothing_unreachable(current.snapshot.version).await?
        {
            return self.load(began, Some(&current.snapshot)).await;
        }
        let mut snapshot = Arc::clone(&current.snapshot);
        loop {
            let version = snapshot.version + 1;
            let Some(bytes) = self.read_entry(version).await? else {
                break;
            };
            match self.advance(&snapshot, version, &bytes)? {
                Some(next) => snapshot = next,
                None => return self.load(began, Some(&snapshot)).await,
            }
        }
        if Arc::ptr_eq(&snapshot, &current.snapshot) {
            *current.validated.lock() = began;
        } else {
            self.publish(Arc::clone(&snapshot), began);
        }
        Ok(snapshot)
    }

    /// The snapshot after one more entry; `None` when the log has to be replayed.
    fn advance(&self, snapshot: &TableSnapshot, version: u64, bytes: &[u8]) -> Result<Option<Arc<TableSnapshot>>> {
        match snapshot.advance(version, &parse_entry(version, bytes)?)? {
            Advanced::Replay => Ok(None),
            Advanced::Next {
                snapshot,
                missed_removes,
            } => {
                if let Some((path, _)) = missed_removes.first() {
                    tracing::warn!(table = %self.location.url, version, path, "a log entry removes a file that is not live");
                    *self.suspicion.lock() = Some(format!(
                        "Version {version} removes the file \"{path}\", which was not live."
                    ));
                }
                Ok(Some(snapshot))
            }
        }
    }

    /// Replays the whole log.
    async fn load(&self, began: Moment, known: Option<&TableSnapshot>) -> Result<Arc<TableSnapshot>> {
        let (replayed, analyzed) = tokio::join!(replay(&self.location, None), AnalyzedFiles::read(&self.location));
        let mut replayed = replayed?.ok_or_else(|| self.missing())?;
        match analyzed {
            Ok(analyzed) => *self.analyzed.lock() = Arc::new(analyzed),
            // Guesses alone rest on it.
            Err(error) => tracing::warn!(table = %self.location.url, %error, "could not read a table's statistics"),
        }
        if let Some(known) = known
            && replayed.version < known.version
            && replayed.metadata.id == known.metadata.id
        {
            return Err(
                Error::new(SqlState::DataCorrupted, "the table's log has lost entries").with_detail(format!(
                    "Version {} was seen before, the log ends at version {}.",
                    known.version, replayed.version
                )),
            );
        }
        if let Some(bytes) = self.read_entry(replayed.version).await?
            && let Some(lock) = TableLock::of_entry(&parse_entry(replayed.version, &bytes)?)
        {
            replayed.protocol = lock.protocol.clone();
            replayed.lock = Some(Arc::new(lock));
        }
        let snapshot = Arc::new(self.replayed(replayed)?);
        self.publish(Arc::clone(&snapshot), began);
        Ok(snapshot)
    }

    /// The snapshot of what the log says.
    pub(super) fn replayed(&self, replayed: Replayed) -> Result<TableSnapshot> {
        let analyzed = Arc::clone(&self.analyzed.lock());
        TableSnapshot::from_replay(self.location.clone(), replayed, analyzed, Arc::clone(&self.services))
    }

    /// Lets statements know from here on what ANALYZE has found.
    pub(super) async fn publish_analyzed(&self, analyzed: Arc<AnalyzedFiles>) {
        let _one_at_a_time = self.refreshing.lock().await;
        *self.analyzed.lock() = Arc::clone(&analyzed);
        if let Some(current) = self.services.snapshots.peek(&self.number) {
            let snapshot = current.snapshot.with_analyzed(analyzed);
            self.publish(Arc::new(snapshot), current.validated());
        }
    }

    /// Makes `snapshot` the current one. The caller holds `refreshing`.
    fn publish(&self, snapshot: Arc<TableSnapshot>, validated: Moment) {
        let local = self.local_log.as_ref();
        let local = local.map(|folder| LocalLog::of(folder, snapshot.version));
        let bytes = snapshot.memory_size();
        self.services.snapshots.insert(
            self.number,
            Arc::new(Current {
                snapshot,
                validated: SyncMutex::new(validated),
                local,
            }),
            bytes,
        );
    }

    /// After our own commit: the state that it made is current for everybody in this process.
    pub(super) async fn publish_commit(
        &self,
        base: &TableSnapshot,
        version: u64,
        entry: &[u8],
    ) -> Result<Arc<TableSnapshot>> {
        let _one_at_a_time = self.refreshing.lock().await;
        let began = Moment::now();
        if let Some(current) = self.services.snapshots.peek(&self.number)
            && current.snapshot.version >= version
        {
            return Ok(Arc::clone(&current.snapshot));
        }
        if base.version + 1 == version
            && let Some(next) = self.advance(base, version, entry)?
        {
            self.publish(Arc::clone(&next), began);
            return Ok(next);
        }
        self.refresh().await
    }

    /// Makes the last look at the log older than any proof.
    #[cfg(test)]
    pub(super) fn age(&self) {
        if let Some(current) = self.services.snapshots.peek(&self.number) {
            let long_ago = PROOF_LIFETIME * 2;
            let mut validated = current.validated.lock();
            validated.steady -= long_ago;
            validated.wall -= long_ago;
        }
    }

    /// Forgets the state, so that the next statement replays the log.
    pub(super) fn forget(&self) {
        self.services.snapshots.remove(&self.number);
    }

    /// Refuses writes to a table whose history another writer has broken.
    pub(super) fn ensure_unsuspected(&self) -> Result<()> {
        match self.suspicion.lock().clone() {
            None => Ok(()),
            Some(detail) => Err(Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                "writes to the table are refused",
            )
            .with_detail(format!(
                "{detail} Another writer has broken the rules for concurrent commits."
            ))
            .with_hint("Compare the table's history and contents, then restart the server to accept them.")),
        }
    }

    /// The bytes of a log entry; `None` where there is none.
    pub(super) async fn read_entry(&self, version: u64) -> Result<Option<Bytes>> {
        if self.local_entry(version).is_some_and(|file| !file.exists()) {
            return Ok(None);
        }
        let path = self.location.log_entry(version);
        let read = async { self.location.store.store.get(&path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(from_store(error, "could not read the table's log")),
        }
    }

    /// Whether anything lies in the log's folder. Where nothing is expected it is asked first: the kernel
    /// logs a table that it does not find as an error.
    pub(super) async fn has_log(&self) -> Result<bool> {
        let folder = self.location.object("_delta_log");
        let first = self.location.store.store.list(Some(&folder)).next().await;
        let found = first.transpose();
        Ok(found
            .map_err(|error| from_store(error, "could not list the table's log"))?
            .is_some())
    }

    /// Whether entry `version` still exists and everything after it can be reached entry by entry.
    async fn has_entry_and_nothing_unreachable(&self, version: u64) -> Result<bool> {
        let newer = self.list_entries(version.saturating_sub(1)).await?;
        let mut versions: Vec<u64> = newer
            .iter()
            .map(|(version, _)| *version)
            .filter(|found| *found >= version)
            .collect();
        versions.sort_unstable();
        Ok(versions.first() == Some(&version) && versions.windows(2).all(|pair| pair[1] == pair[0] + 1))
    }

    /// Versions after `after` (and with them checkpoints as versions), with the time they were written.
    pub(super) async fn list_entries(&self, after: u64) -> Result<Vec<(u64, chrono::DateTime<chrono::Utc>)>> {
        let folder = self.location.object("_delta_log");
        let offset = folder.clone().join(format!("{after:020}"));
        let listed: Vec<_> = self
            .location
            .store
            .store
            .list_with_offset(Some(&folder), &offset)
            .try_collect()
            .await
            .map_err(|error| from_store(error, "could not list the table's log"))?;
        let mut entries: Vec<_> = listed
            .into_iter()
            .filter_map(|meta| {
                let name = meta.location.filename()?;
                let version = name
                    .strip_suffix(".json")
                    .filter(|digits| digits.len() == 20)?
                    .parse()
                    .ok()?;
                Some((version, meta.last_modified))
            })
            .collect();
        entries.sort_unstable_by_key(|(version, _)| *version);
        Ok(entries)
    }

    fn local_entry(&self, version: u64) -> Option<PathBuf> {
        Some(self.local_log.as_ref()?.join(log_entry_name(version)))
    }

    pub(super) fn missing(&self) -> Error {
        Error::new(SqlState::UndefinedFile, "there is no Delta table at this location")
            .with_detail(format!("No log was found below \"{}\".", self.location.url))
    }
}

impl std::fmt::Debug for DeltaTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeltaTable")
            .field("url", &self.location.url.as_str())
            .finish_non_exhaustive()
    }
}
