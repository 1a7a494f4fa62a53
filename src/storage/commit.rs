//! The one door through which a table changes. Every log entry of ours is made here, lands at the version after
//! the one that was re-checked, and carries a token; an ambiguous answer is resolved by reading back. Only
//! commits that read nothing and add files only may move on to a later version, and those whose rows are held to keys
//! are compared with what came between.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::action::{Add, FileKey, Metadata, Protocol};
use super::features;
use super::key_guard::ComparedKeys;
use super::lock::LockRequest;
use super::log_entry::{PutOutcome, put_entry};
use super::removal::Removal;
use super::replay;
use super::snapshot::TableSnapshot;
use super::staged::{self, StagedFiles};
use super::table::{DeltaTable, Freshness};
use crate::error::{Error, Result, SqlState};

/// Commits between checkpoints where the table does not say.
const CHECKPOINT_INTERVAL: u64 = 10;
/// Losses to other writers after which a commit gives up.
const MOST_ATTEMPTS: usize = 50;

/// What a commit is called in the table's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Delta's name: WRITE, TRUNCATE, CREATE TABLE AS SELECT, …
    pub name: String,
    pub parameters: Vec<(String, Value)>,
    /// The role that ran the statement.
    pub user: Option<String>,
}

impl Operation {
    pub fn new(name: impl Into<String>) -> Operation {
        Operation {
            name: name.into(),
            parameters: vec![],
            user: None,
        }
    }

    pub fn with_user(mut self, user: impl Into<String>) -> Operation {
        self.user = Some(user.into());
        self
    }

    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Operation {
        self.parameters.push((name.into(), value.into()));
        self
    }
}

/// A commit that happened.
#[derive(Debug, Clone)]
pub struct Committed {
    pub version: u64,
    /// In the log entry's `commitInfo.txnId`.
    pub token: Uuid,
    /// The table at this version or a later one.
    pub snapshot: Arc<TableSnapshot>,
}

/// What a commit does to the table.
pub(super) enum Change {
    /// The first entry of a new table.
    Create {
        protocol: Protocol,
        metadata: Arc<Metadata>,
    },
    /// Nothing but new files: moves on to later versions as long as the schema stays, and the rows' keys are new.
    Append,
    /// All files go, new ones come. Re-checked against the newest version, unless that must be `only_at`.
    Replace { only_at: Option<u64> },
    /// Some files go, new ones come. What goes must still be there; with `complete`, nothing may have come since
    /// `base`, because the rows depend on what was not there.
    Rewrite {
        base: Arc<TableSnapshot>,
        removal: Removal,
        complete: bool,
    },
    /// The same rows in other files: some of `base` go, which must still be there, new ones come.
    Rearrange { base: Arc<TableSnapshot>, removal: Removal },
    /// Files of a past version come back for those of `base`, the version that must still be current.
    Restore {
        base: Arc<TableSnapshot>,
        removal: Removal,
        revived: Vec<Add>,
    },
    /// Nothing but another schema or other properties, for exactly this version.
    Alter { base: u64 },
}

/// Another schema or other properties, made from those of a version.
pub(super) struct SchemaStep {
    pub(super) from: Arc<TableSnapshot>,
    pub(super) protocol: Arc<Protocol>,
    pub(super) metadata: Arc<Metadata>,
}

/// A commit that somebody asks for.
pub(super) struct CommitRequest {
    pub(super) change: Change,
    pub(super) schema: Option<SchemaStep>,
    pub(super) files: Option<StagedFiles>,
    /// What its rows were compared by, where the table has keys that they are held to.
    pub(super) keys: Option<ComparedKeys>,
    pub(super) operation: Operation,
}

/// A commit on its way: its files are its own.
pub(super) struct Attempt {
    pub(super) change: Change,
    pub(super) schema: Option<SchemaStep>,
    /// What the files were written for.
    pub(super) staged_for: Option<Arc<Metadata>>,
    pub(super) adds: Vec<Add>,
    pub(super) keys: Option<ComparedKeys>,
    pub(super) operation: Operation,
    pub(super) token: Uuid,
}

/// An entry that is in the log.
pub(super) struct Landed {
    /// What it follows.
    pub(super) base: Option<Arc<TableSnapshot>>,
    pub(super) version: u64,
    pub(super) bytes: Bytes,
}

impl DeltaTable {
    /// Adds staged files. The files were written for the table's current schema, or 40001.
    pub async fn append(self: &Arc<Self>, files: StagedFiles, operation: Operation) -> Result<Committed> {
        self.commit(CommitRequest {
            change: Change::Append,
            schema: None,
            files: Some(files),
            keys: None,
            operation,
        })
        .await
    }

    /// Replaces all rows by staged files. With `only_at`, 40001 unless that is still the version.
    pub async fn overwrite(
        self: &Arc<Self>,
        files: StagedFiles,
        only_at: Option<u64>,
        operation: Operation,
    ) -> Result<Committed> {
        self.commit(CommitRequest {
            change: Change::Replace { only_at },
            schema: None,
            files: Some(files),
            keys: None,
            operation,
        })
        .await
    }

    /// Removes all rows. With `only_at`, 40001 unless that is still the version.
    pub async fn truncate(self: &Arc<Self>, only_at: Option<u64>, operation: Operation) -> Result<Committed> {
        self.commit(CommitRequest {
            change: Change::Replace { only_at },
            schema: None,
            files: None,
            keys: None,
            operation,
        })
        .await
    }

    /// Runs the commit to its end even if the caller goes away: half a commit is worse than one too many.
    pub(super) async fn commit(self: &Arc<Self>, request: CommitRequest) -> Result<Committed> {
        let table = Arc::clone(self);
        match tokio::spawn(async move { table.commit_now(request).await }).await {
            Ok(outcome) => outcome,
            Err(error) => Err(Error::new(
                SqlState::StatementCompletionUnknown,
                "whether the commit took effect is unknown",
            )
            .with_detail(format!("The commit was cut off: {error}."))),
        }
    }

    async fn commit_now(self: Arc<Self>, request: CommitRequest) -> Result<Committed> {
        let _one_at_a_time = self.committing.lock().await;
        let attempt = self.begin(request).await?;
        let Landed { base, version, bytes } = self.land(&attempt, None).await?;
        let snapshot = self.published(base, version, &bytes, attempt.token).await?;
        self.checkpoint_if_due(&snapshot, version..=version);
        Ok(Committed {
            version,
            token: attempt.token,
            snapshot,
        })
    }

    /// The checks that need no look at the log; from here on the commit has its files.
    pub(super) async fn begin(&self, request: CommitRequest) -> Result<Attempt> {
        self.location
            .store
            .ensure_writable(&self.location.object("_delta_log"))
            .await?;
        self.ensure_unsuspected()?;
        let (staged_for, adds) = match request.files {
            Some(files) => (Some(Arc::clone(files.metadata())), files.hand_over()),
            None => (None, vec![]),
        };
        Ok(Attempt {
            change: request.change,
            schema: request.schema,
            staged_for,
            adds,
            keys: request.keys,
            operation: request.operation,
            token: Uuid::new_v4(),
        })
    }

    /// Puts the entry behind the newest version that it may follow: the change itself, or the `lock` that announces
    /// it. When that certainly failed, the files are deleted.
    pub(super) async fn land(&self, attempt: &Attempt, lock: Option<&LockRequest>) -> Result<Landed> {
        let landed = self.try_to_land(attempt, lock).await;
        // Unless the outcome is unknown, no entry names the files of a failed commit.
        if let Err(error) = &landed
            && error.state() != SqlState::StatementCompletionUnknown
        {
            staged::delete(self.location.clone(), attempt.adds.clone()).await;
        }
        landed
    }

    async fn try_to_land(&self, attempt: &Attempt, lock: Option<&LockRequest>) -> Result<Landed> {
        let mut keys = attempt.keys.clone();
        for _ in 0..MOST_ATTEMPTS {
            let base = self.commit_base(&attempt.change).await?;
            if let Some(base) = &base {
                check(attempt, base)?;
                if let Some(keys) = &mut keys {
                    keys.follow(base, &attempt.adds).await?;
                }
            }
            let version = base.as_ref().map_or(0, |base| base.version + 1);
            let bytes = match (lock, &base) {
                (Some(lock), Some(base)) => self.lock_entry(base, lock, attempt.token).await?,
                _ => self.entry(attempt, base.as_deref()).await?,
            };
            match self.put(version, bytes.clone(), attempt.token).await? {
                PutOutcome::Created => return Ok(Landed { base, version, bytes }),
                PutOutcome::AlreadyExists => match attempt.change {
                    Change::Create { .. } => return Err(self.occupied()),
                    Change::Append
                    | Change::Replace { only_at: None }
                    | Change::Rewrite { .. }
                    | Change::Rearrange { .. } => {
                        tracing::debug!(table = %self.location.url, version, "another writer took the version, trying the next");
                    }
                    Change::Replace { .. } | Change::Restore { .. } | Change::Alter { .. } => {
                        return Err(conflict("Another writer committed first."));
                    }
                },
            }
        }
        Err(conflict("Other writers committed first each time."))
    }

    /// Puts an entry of the table's log.
    pub(super) async fn put(&self, version: u64, bytes: Bytes, token: Uuid) -> Result<PutOutcome> {
        let path = self.location.log_entry(version);
        let (store, deadline) = (&self.location.store, self.services.commit_deadline);
        put_entry(store, &path, bytes, &token.to_string(), deadline).await
    }

    /// The version that the commit follows, looked up now; `None` for a new table.
    async fn commit_base(&self, change: &Change) -> Result<Option<Arc<TableSnapshot>>> {
        if matches!(change, Change::Create { .. }) && !self.has_log().await? {
            return Ok(None);
        }
        match (self.snapshot(Freshness::Strict).await, change) {
            (Ok(_), Change::Create { .. }) => Err(self.occupied()),
            (Err(error), Change::Create { .. }) if error.state() == SqlState::UndefinedFile => Ok(None),
            (found, _) => self.unlocked(found?).await.map(Some),
        }
    }

    /// After the entry landed nothing may make the commit look failed: reading can be repeated by the next statement.
    async fn published(
        &self,
        base: Option<Arc<TableSnapshot>>,
        version: u64,
        bytes: &[u8],
        token: Uuid,
    ) -> Result<Arc<TableSnapshot>> {
        let published = match &base {
            Some(base) => self.publish_commit(base, version, bytes).await,
            None => self.snapshot(Freshness::Strict).await,
        };
        match (published, base) {
            (Ok(snapshot), _) => Ok(snapshot),
            (Err(error), Some(base)) => {
                tracing::error!(table = %self.location.url, version, %error, "could not read the table after a commit");
                self.forget();
                Ok(base)
            }
            (Err(error), None) => Err(Error::new(
                SqlState::StatementCompletionUnknown,
                "the commit took effect, but the table cannot be read",
            )
            .with_detail(format!("{error}. The commit's token is {token}."))),
        }
    }

    /// Writes a checkpoint of the last of the versions when one of them is the checkpoint interval's.
    pub(super) fn checkpoint_if_due(&self, snapshot: &TableSnapshot, versions: RangeInclusive<u64>) {
        let configured = snapshot
            .metadata
            .configuration
            .get("delta.checkpointInterval")
            .and_then(|text| text.parse().ok());
        let interval = configured
            .filter(|interval| *interval > 0)
            .unwrap_or(CHECKPOINT_INTERVAL);
        let is_due = |version: u64| version > 0 && version.is_multiple_of(interval);
        let version = *versions.end();
        if !versions.into_iter().any(is_due) {
            return;
        }
        let location = self.location.clone();
        tokio::spawn(async move {
            if let Err(error) = replay::checkpoint(&location, version).await {
                tracing::warn!(table = %location.url, version, %error, "could not write a checkpoint");
            }
        });
    }

    fn occupied(&self) -> Error {
        Error::new(
            SqlState::DuplicateTable,
            "there already is a Delta table at this location",
        )
        .with_detail(format!("The location is \"{}\".", self.location.url))
    }
}

/// Whether the change still may be made to `base`, the newest version.
fn check(attempt: &Attempt, base: &TableSnapshot) -> Result<()> {
    features::ensure_writable(&base.protocol, &base.metadata)?;
    let is_current = match (&attempt.schema, &attempt.staged_for) {
        (Some(step), _) => step.from.metadata == base.metadata && step.from.protocol == base.protocol,
        (None, Some(staged_for)) => same_shape(staged_for, &base.metadata),
        (None, None) => true,
    };
    if !is_current {
        return Err(conflict("Another writer changed the table's schema."));
    }
    match &attempt.change {
        Change::Replace { only_at } => {
            if base.files.len() > 0 {
                features::ensure_removable(&base.metadata)?;
            }
            match only_at {
                Some(version) if *version != base.version => {
                    Err(conflict("Another writer committed since the transaction began."))
                }
                _ => Ok(()),
            }
        }
        Change::Rewrite {
            base: read,
            removal,
            complete,
        } => {
            if !removal.is_none() {
                features::ensure_removable(&base.metadata)?;
            }
            if read.version == base.version {
                return Ok(());
            }
            if base.files.positions(&removal.keys(read)).is_none() {
                return Err(conflict("Another writer changed the same rows, or rows beside them."));
            }
            let live: Vec<FileKey> = (0..base.files.len()).map(|file| base.files.key(file)).collect();
            if *complete && read.files.positions(&live).is_none() {
                return Err(conflict("Another writer added rows since the statement began."));
            }
            Ok(())
        }
        Change::Rearrange { base: read, removal } => match base.files.positions(&removal.keys(read)) {
            Some(_) => Ok(()),
            None => Err(conflict("Another writer changed rows of the same files.")),
        },
        Change::Restore {
            base: read, removal, ..
        } => {
            if !removal.is_none() {
                features::ensure_removable(&base.metadata)?;
            }
            match read.version == base.version {
                true => Ok(()),
                false => Err(conflict("Another writer committed first.")),
            }
        }
        Change::Alter { base: version } if *version != base.version => Err(conflict("Another writer committed first.")),
        _ => Ok(()),
    }
}

fn same_shape(one: &Metadata, other: &Metadata) -> bool {
    one.id == other.id
        && one.schema_string == other.schema_string
        && one.partition_columns == other.partition_columns
        && one.configuration == other.configuration
}

pub(super) fn conflict(detail: &str) -> Error {
    Error::new(
        SqlState::SerializationFailure,
        "could not serialize access due to concurrent update",
    )
    .with_detail(detail)
    .with_hint("Retry the statement or the transaction.")
}
