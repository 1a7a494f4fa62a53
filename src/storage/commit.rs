//! The one door through which a table changes. Every log entry of ours is made here, lands at the version after
//! the one that was re-checked, and carries a token; an ambiguous answer is resolved by reading back. Only
//! commits that read nothing and add files only may move on to a later version.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::action::{Add, FileKey, LogLine, Metadata, Protocol, Remove};
use super::features;
use super::log_entry::{PutOutcome, put_entry};
use super::removal::Removal;
use super::replay;
use super::snapshot::TableSnapshot;
use super::staged::{self, StagedFiles};
use super::table::{DeltaTable, Freshness};
use crate::error::{Error, Result, SqlState};

/// How Boathouse names itself in logs and files.
pub(super) const ENGINE: &str = concat!("Boathouse/", env!("CARGO_PKG_VERSION"));
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
    Create { protocol: Protocol, metadata: Metadata },
    /// Nothing but new files: moves on to later versions as long as the schema stays.
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
    /// Another schema or other properties, for exactly the version that they were made from.
    Alter {
        base: u64,
        protocol: Option<Protocol>,
        metadata: Metadata,
    },
}

/// A commit on its way.
pub(super) struct CommitRequest {
    pub(super) change: Change,
    pub(super) files: Option<StagedFiles>,
    pub(super) operation: Operation,
}

impl DeltaTable {
    /// Adds staged files. The files were written for the table's current schema, or 40001.
    pub async fn append(self: &Arc<Self>, files: StagedFiles, operation: Operation) -> Result<Committed> {
        self.commit(CommitRequest {
            change: Change::Append,
            files: Some(files),
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
            files: Some(files),
            operation,
        })
        .await
    }

    /// Replaces files of `base` by staged ones, at whatever version they are still live; else 40001. With
    /// `complete`, also 40001 when another writer has added files since.
    pub async fn rewrite(
        self: &Arc<Self>,
        base: Arc<TableSnapshot>,
        removal: Removal,
        files: StagedFiles,
        complete: bool,
        operation: Operation,
    ) -> Result<Committed> {
        self.commit(CommitRequest {
            change: Change::Rewrite {
                base,
                removal,
                complete,
            },
            files: Some(files),
            operation,
        })
        .await
    }

    /// Removes all rows. With `only_at`, 40001 unless that is still the version.
    pub async fn truncate(self: &Arc<Self>, only_at: Option<u64>, operation: Operation) -> Result<Committed> {
        self.commit(CommitRequest {
            change: Change::Replace { only_at },
            files: None,
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
        self.location
            .store
            .ensure_writable(&self.location.object("_delta_log"))
            .await?;
        self.ensure_unsuspected()?;
        let token = Uuid::new_v4();
        let (metadata, adds) = match request.files {
            Some(files) => (Some(Arc::clone(files.metadata())), files.hand_over()),
            None => (None, vec![]),
        };
        let outcome = self
            .commit_adds(&request.change, metadata.as_deref(), &adds, &request.operation, token)
            .await;
        // Unless the outcome is unknown, no entry names the files of a failed commit.
        if outcome
            .as_ref()
            .is_err_and(|error| error.state() != SqlState::StatementCompletionUnknown)
        {
            staged::delete(self.location.clone(), adds).await;
        }
        outcome
    }

    async fn commit_adds(
        &self,
        change: &Change,
        staged_for: Option<&Metadata>,
        adds: &[Add],
        operation: &Operation,
        token: Uuid,
    ) -> Result<Committed> {
        for _ in 0..MOST_ATTEMPTS {
            let base = self.commit_base(change).await?;
            if let Some(base) = &base {
                check(change, base, staged_for)?;
            }
            let version = base.as_ref().map_or(0, |base| base.version + 1);
            let bytes = self
                .entry_bytes(change, base.as_deref(), adds, operation, token)
                .await?;
            let path = self.location.log_entry(version);
            match put_entry(
                &self.location.store,
                &path,
                bytes.clone(),
                &token.to_string(),
                self.services.commit_deadline,
            )
            .await?
            {
                PutOutcome::Created => {
                    let snapshot = self.published(base, version, &bytes, token).await?;
                    self.checkpoint_if_due(&snapshot, version);
                    return Ok(Committed {
                        version,
                        token,
                        snapshot,
                    });
                }
                PutOutcome::AlreadyExists => match change {
                    Change::Create { .. } => return Err(self.occupied()),
                    Change::Append | Change::Replace { only_at: None } | Change::Rewrite { .. } => {
                        tracing::debug!(table = %self.location.url, version, "another writer took the version, trying the next");
                    }
                    Change::Replace { .. } | Change::Alter { .. } => {
                        return Err(conflict("Another writer committed first."));
                    }
                },
            }
        }
        Err(conflict("Other writers committed first each time."))
    }

    /// The version that the commit follows, looked up now; `None` for a new table.
    async fn commit_base(&self, change: &Change) -> Result<Option<Arc<TableSnapshot>>> {
        if matches!(change, Change::Create { .. }) && !self.has_log().await? {
            return Ok(None);
        }
        match (self.snapshot(Freshness::Strict).await, change) {
            (Ok(_), Change::Create { .. }) => Err(self.occupied()),
            (Err(error), Change::Create { .. }) if error.state() == SqlState::UndefinedFile => Ok(None),
            (found, _) => found.map(Some),
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

    /// The log entry, line by line; `commitInfo` is first, where in-commit timestamps have to be.
    async fn entry_bytes(
        &self,
        change: &Change,
        base: Option<&TableSnapshot>,
        adds: &[Add],
        operation: &Operation,
        token: Uuid,
    ) -> Result<Bytes> {
        let now = chrono::Utc::now().timestamp_millis();
        let mut lines = vec![];
        let mut removes: Vec<Remove> = vec![];
        match change {
            Change::Create { protocol, metadata } => {
                lines.push(LogLine {
                    protocol: Some(protocol.clone()),
                    ..LogLine::default()
                });
                lines.push(LogLine {
                    metadata: Some(metadata.clone()),
                    ..LogLine::default()
                });
            }
            Change::Alter { protocol, metadata, .. } => {
                if let Some(protocol) = protocol {
                    lines.push(LogLine {
                        protocol: Some(protocol.clone()),
                        ..LogLine::default()
                    });
                }
                lines.push(LogLine {
                    metadata: Some(metadata.clone()),
                    ..LogLine::default()
                });
            }
            Change::Append => {}
            Change::Replace { .. } => removes = removed(&Removal::All, base, now)?,
            Change::Rewrite { removal, .. } => removes = removed(removal, base, now)?,
        }
        lines.extend(removes.iter().map(|remove| LogLine {
            remove: Some(remove.clone()),
            ..LogLine::default()
        }));
        lines.extend(adds.iter().map(|add| LogLine {
            add: Some(add.clone()),
            ..LogLine::default()
        }));
        let in_commit_timestamp = match base {
            Some(base) if features::has_in_commit_timestamps(&base.protocol, &base.metadata) => {
                let last = self
                    .commit_info(base.version)
                    .await?
                    .and_then(|info| info["inCommitTimestamp"].as_i64());
                Some(last.map_or(now, |last| now.max(last + 1)))
            }
            _ => None,
        };
        let info = commit_info(change, base, adds, &removes, operation, token, now, in_commit_timestamp);
        lines.insert(
            0,
            LogLine {
                commit_info: Some(info),
                ..LogLine::default()
            },
        );
        let mut text = String::new();
        for line in &lines {
            text.push_str(
                &serde_json::to_string(line)
                    .map_err(|error| Error::internal(format!("could not write a log entry: {error}")))?,
            );
            text.push('\n');
        }
        Ok(Bytes::from(text))
    }

    fn checkpoint_if_due(&self, snapshot: &TableSnapshot, version: u64) {
        let configured = snapshot
            .metadata
            .configuration
            .get("delta.checkpointInterval")
            .and_then(|text| text.parse().ok());
        let interval = configured
            .filter(|interval| *interval > 0)
            .unwrap_or(CHECKPOINT_INTERVAL);
        if version == 0 || !version.is_multiple_of(interval) {
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
fn check(change: &Change, base: &TableSnapshot, staged_for: Option<&Metadata>) -> Result<()> {
    features::ensure_writable(&base.protocol, &base.metadata)?;
    if let Some(staged_for) = staged_for
        && !same_shape(staged_for, &base.metadata)
    {
        return Err(conflict("The table's schema changed since the rows were written."));
    }
    match change {
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
        Change::Alter { base: version, .. } if *version != base.version => {
            Err(conflict("Another writer committed first."))
        }
        _ => Ok(()),
    }
}

fn same_shape(one: &Metadata, other: &Metadata) -> bool {
    one.id == other.id
        && one.schema_string == other.schema_string
        && one.partition_columns == other.partition_columns
        && one.configuration == other.configuration
}

fn removed(removal: &Removal, base: Option<&TableSnapshot>, now: i64) -> Result<Vec<Remove>> {
    base.map_or_else(|| Ok(vec![]), |base| removal.actions(base, now))
}

#[expect(clippy::too_many_arguments, reason = "the members of one JSON object")]
fn commit_info(
    change: &Change,
    base: Option<&TableSnapshot>,
    adds: &[Add],
    removes: &[Remove],
    operation: &Operation,
    token: Uuid,
    now: i64,
    in_commit_timestamp: Option<i64>,
) -> Value {
    let mut info = Map::new();
    if let Some(timestamp) = in_commit_timestamp {
        info.insert("inCommitTimestamp".into(), json!(timestamp));
    }
    info.insert("timestamp".into(), json!(now));
    if let Some(user) = &operation.user {
        info.insert("userName".into(), json!(user));
    }
    info.insert("operation".into(), json!(operation.name));
    // Parameters are JSON texts inside JSON, as other writers have them.
    let parameters: Map<String, Value> = operation
        .parameters
        .iter()
        .map(|(key, value)| {
            (
                key.clone(),
                value
                    .as_str()
                    .map_or_else(|| json!(value.to_string()), |text| json!(text)),
            )
        })
        .collect();
    info.insert("operationParameters".into(), Value::Object(parameters));
    if let Some(base) = base {
        info.insert("readVersion".into(), json!(base.version));
    }
    let is_blind = matches!(change, Change::Append);
    info.insert(
        "isolationLevel".into(),
        json!(if is_blind { "WriteSerializable" } else { "Serializable" }),
    );
    info.insert("isBlindAppend".into(), json!(is_blind));
    let bytes: i64 = adds.iter().map(|add| add.size).sum();
    info.insert(
        "operationMetrics".into(),
        json!({"numFiles": adds.len().to_string(), "numRemovedFiles": removes.len().to_string(), "numOutputBytes": bytes.to_string()}),
    );
    info.insert("engineInfo".into(), json!(ENGINE));
    info.insert("txnId".into(), json!(token.to_string()));
    Value::Object(info)
}

fn conflict(detail: &str) -> Error {
    Error::new(
        SqlState::SerializationFailure,
        "could not serialize access due to concurrent update",
    )
    .with_detail(detail)
    .with_hint("Retry the statement or the transaction.")
}
