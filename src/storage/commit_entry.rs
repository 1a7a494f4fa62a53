//! What a commit writes into a table's log, line by line.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::action::{Add, LogLine, Remove, SetTransaction};
use super::commit::{Attempt, Change, Operation};
use super::features;
use super::lock::{APPLICATION, LOCK_FEATURE, LockRequest, TableLock};
use super::removal::Removal;
use super::snapshot::TableSnapshot;
use super::table::DeltaTable;
use crate::error::{Error, Result};

/// How Boathouse names itself in logs and files.
pub(super) const ENGINE: &str = concat!("Boathouse/", env!("CARGO_PKG_VERSION"));

impl DeltaTable {
    /// The entry of a commit that follows `base`; `commitInfo` is first, where in-commit timestamps have to be.
    pub(super) async fn entry(&self, attempt: &Attempt, base: Option<&TableSnapshot>) -> Result<Bytes> {
        let now = chrono::Utc::now().timestamp_millis();
        let mut lines = vec![];
        let removal = match &attempt.change {
            Change::Create { protocol, metadata } => {
                lines.push(LogLine::of_protocol(protocol));
                lines.push(LogLine::of_metadata(metadata));
                &Removal::None
            }
            Change::Append | Change::Alter { .. } => &Removal::None,
            Change::Replace { .. } => &Removal::All,
            Change::Rewrite { removal, .. } | Change::Rearrange { removal, .. } | Change::Restore { removal, .. } => {
                removal
            }
        };
        let is_locked = base.is_some_and(|base| base.lock.is_some());
        match (&attempt.schema, base) {
            (Some(step), Some(base)) => {
                if is_locked || step.protocol != base.protocol {
                    lines.push(LogLine::of_protocol(&step.protocol));
                }
                lines.push(LogLine::of_metadata(&step.metadata));
            }
            (None, Some(base)) if is_locked => lines.push(LogLine::of_protocol(&base.protocol)),
            _ => {}
        }
        let data_change = !matches!(attempt.change, Change::Rearrange { .. });
        let removes = base.map_or_else(|| Ok(vec![]), |base| removal.actions(base, now, data_change))?;
        lines.extend(removes.iter().map(|remove| LogLine {
            remove: Some(remove.clone()),
            ..LogLine::default()
        }));
        lines.extend(attempt.all_adds().map(|add| LogLine {
            add: Some(Add {
                data_change,
                ..add.clone()
            }),
            ..LogLine::default()
        }));
        let mut info = self
            .commit_info_of(base, &attempt.operation, attempt.token, now)
            .await?;
        describe(&mut info, attempt, &removes);
        written(info, lines)
    }

    /// The entry that announces a transaction over several tables and keeps other writers out.
    pub(super) async fn lock_entry(&self, base: &TableSnapshot, request: &LockRequest, token: Uuid) -> Result<Bytes> {
        let now = chrono::Utc::now().timestamp_millis();
        let operation = Operation::new("PREPARE");
        let mut info = self.commit_info_of(Some(base), &operation, token, now).await?;
        let lock = TableLock {
            transaction: request.transaction,
            after: request.after,
            table: request.table,
            protocol: base.protocol.as_ref().clone(),
        };
        info.insert(TableLock::MEMBER.into(), json!(lock));
        let protocol = features::with_writer_feature(&base.protocol, LOCK_FEATURE);
        written(info, vec![LogLine::of_protocol(&protocol)])
    }

    /// The entry that ends a lock whose transaction was given up.
    pub(super) async fn release_entry(&self, locked: &TableSnapshot, token: Uuid) -> Result<Bytes> {
        let now = chrono::Utc::now().timestamp_millis();
        let operation = Operation::new("ROLLBACK");
        let info = self.commit_info_of(Some(locked), &operation, token, now).await?;
        written(info, vec![LogLine::of_protocol(&locked.protocol)])
    }

    /// What every entry says about itself.
    async fn commit_info_of(
        &self,
        base: Option<&TableSnapshot>,
        operation: &Operation,
        token: Uuid,
        now: i64,
    ) -> Result<Map<String, Value>> {
        let mut info = Map::new();
        if let Some(base) = base
            && features::has_in_commit_timestamps(&base.protocol, &base.metadata)
        {
            let last = self.commit_info(base.version).await?;
            let last = last.and_then(|info| info["inCommitTimestamp"].as_i64());
            info.insert(
                "inCommitTimestamp".into(),
                json!(last.map_or(now, |last| now.max(last + 1))),
            );
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
        info.insert("engineInfo".into(), json!(ENGINE));
        info.insert("txnId".into(), json!(token.to_string()));
        Ok(info)
    }
}

/// What the commit did, in numbers.
fn describe(info: &mut Map<String, Value>, attempt: &Attempt, removes: &[Remove]) {
    let is_blind = matches!(attempt.change, Change::Append) && attempt.schema.is_none();
    let isolation = match attempt.change {
        Change::Rearrange { .. } => "SnapshotIsolation",
        _ if is_blind => "WriteSerializable",
        _ => "Serializable",
    };
    info.insert("isolationLevel".into(), json!(isolation));
    info.insert("isBlindAppend".into(), json!(is_blind));
    let files = attempt.all_adds().count();
    let bytes: i64 = attempt.all_adds().map(|add| add.size).sum();
    let removed_bytes: i64 = removes.iter().filter_map(|remove| remove.size).sum();
    let vectors = removes.iter().filter(|remove| remove.deletion_vector.is_some()).count();
    let (files, removed, vectors) = (files.to_string(), removes.len().to_string(), vectors.to_string());
    let (bytes, removed_bytes) = (bytes.to_string(), removed_bytes.to_string());
    let metrics = match &attempt.change {
        Change::Rearrange { .. } => json!({
            "numAddedFiles": files,
            "numAddedBytes": bytes,
            "numRemovedFiles": removed,
            "numRemovedBytes": removed_bytes,
            "numDeletionVectorsRemoved": vectors,
        }),
        Change::Restore { .. } => json!({
            "numRestoredFiles": files,
            "restoredFilesSize": bytes,
            "numRemovedFiles": removed,
            "removedFilesSize": removed_bytes,
        }),
        _ => json!({"numFiles": files, "numRemovedFiles": removed, "numOutputBytes": bytes}),
    };
    info.insert("operationMetrics".into(), metrics);
}

impl Attempt {
    /// The files that come: new ones, and those of a past version.
    fn all_adds(&self) -> impl Iterator<Item = &Add> {
        let revived: &[Add] = match &self.change {
            Change::Restore { revived, .. } => revived,
            _ => &[],
        };
        self.adds.iter().chain(revived)
    }
}

/// The line that says which decision of the catalog an entry applies.
pub(super) fn decision_line(decided: u64) -> Result<String> {
    text_of(&LogLine {
        txn: Some(SetTransaction {
            app_id: APPLICATION.into(),
            version: i64::try_from(decided).map_err(|_| Error::internal("the catalog's version is out of range"))?,
            last_updated: None,
        }),
        ..LogLine::default()
    })
}

fn written(info: Map<String, Value>, lines: Vec<LogLine>) -> Result<Bytes> {
    let first = LogLine {
        commit_info: Some(Value::Object(info)),
        ..LogLine::default()
    };
    let mut text = text_of(&first)?;
    for line in &lines {
        text.push_str(&text_of(line)?);
    }
    Ok(Bytes::from(text))
}

fn text_of(line: &LogLine) -> Result<String> {
    let text = serde_json::to_string(line);
    let text = text.map_err(|error| Error::internal(format!("could not write a log entry: {error}")))?;
    Ok(text + "\n")
}
