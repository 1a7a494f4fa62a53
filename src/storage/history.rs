//! A table's past: versions by number and by time, and what each commit says about itself.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::action::parse_entry;
use super::replay::replay;
use super::snapshot::TableSnapshot;
use super::table::{DeltaTable, Freshness};
use crate::error::{Error, Result, SqlState};

/// Which past state of a table is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeTravel {
    Version(u64),
    /// The last version committed at or before this time.
    Timestamp(DateTime<Utc>),
}

/// One commit, as `DESCRIBE HISTORY` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    pub version: u64,
    pub timestamp: DateTime<Utc>,
    pub operation: Option<String>,
    /// JSON object.
    pub operation_parameters: Option<String>,
    /// JSON object.
    pub operation_metrics: Option<String>,
    pub user_name: Option<String>,
    pub engine: Option<String>,
    pub read_version: Option<u64>,
    pub isolation_level: Option<String>,
    pub is_blind_append: Option<bool>,
}

impl DeltaTable {
    /// The table as it was.
    pub async fn snapshot_at(&self, travel: TimeTravel) -> Result<Arc<TableSnapshot>> {
        let newest = self.snapshot(Freshness::Strict).await?;
        let version = match travel {
            TimeTravel::Version(version) => version,
            TimeTravel::Timestamp(time) => self.version_at(time).await?,
        };
        if version == newest.version {
            return Ok(newest);
        }
        let gone = |detail: String| {
            Error::new(
                SqlState::InvalidParameterValue,
                format!("version {version} of the table is not available"),
            )
            .with_detail(detail)
        };
        if version > newest.version {
            return Err(gone(format!("The newest version is {}.", newest.version)));
        }
        // A version never changes; the id tells a table that was made anew at the same place.
        let key = (self.number, newest.metadata.id.clone(), version);
        if let Some(past) = self.services.past_snapshots.get(&key) {
            return Ok(past);
        }
        match replay(&self.location, Some(version)).await {
            Ok(Some(replayed)) if replayed.version == version => {
                let past = self.replayed(replayed)?;
                let past = Arc::new(past);
                self.services
                    .past_snapshots
                    .insert(key, Arc::clone(&past), past.memory_size());
                Ok(past)
            }
            Err(error) if error.state() == SqlState::FeatureNotSupported => Err(error),
            Ok(_) => Err(gone("Its log entries have been cleaned up.".into())),
            Err(error) => Err(match self.list_entries(0).await?.first() {
                Some((first, _)) if *first > version => gone("Its log entries have been cleaned up.".into()),
                _ => error,
            }),
        }
    }

    /// The last version at or before `time`. Commit times never go back: one that seems to counts as a
    /// millisecond after its predecessor.
    async fn version_at(&self, time: DateTime<Utc>) -> Result<u64> {
        let entries = self.timed_entries().await?;
        let mut found = None;
        let mut latest = i64::MIN;
        for (version, committed) in &entries {
            latest = committed.timestamp_millis().max(latest.saturating_add(1));
            if latest <= time.timestamp_millis() {
                found = Some(*version);
            }
        }
        found.ok_or_else(|| {
            let error = Error::new(
                SqlState::InvalidParameterValue,
                format!("the table has no version at {time}"),
            );
            match entries.first() {
                Some((version, first)) => {
                    error.with_detail(format!("Its oldest version is {version}, committed at {first}."))
                }
                None => error,
            }
        })
    }

    /// Versions with their commit times, ascending: in-commit timestamps where the table has them.
    async fn timed_entries(&self) -> Result<Vec<(u64, DateTime<Utc>)>> {
        let newest = self.snapshot(Freshness::Strict).await?;
        // Listing starts after a name, and version 0 sorts after the bare digits of its own name.
        let listed = self.list_entries(0).await?;
        if !super::features::has_in_commit_timestamps(&newest.protocol, &newest.metadata) {
            return Ok(listed);
        }
        futures::stream::iter(listed)
            .map(|(version, modified)| async move {
                let stamp = self
                    .commit_info(version)
                    .await?
                    .and_then(|info| info["inCommitTimestamp"].as_i64());
                Ok::<_, Error>((
                    version,
                    stamp.and_then(DateTime::from_timestamp_millis).unwrap_or(modified),
                ))
            })
            .buffered(16)
            .try_collect()
            .await
    }

    /// The last `limit` commits, newest first.
    pub async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>> {
        let newest = self.snapshot(Freshness::Strict).await?;
        let is_stamped = super::features::has_in_commit_timestamps(&newest.protocol, &newest.metadata);
        let entries = self.list_entries(0).await?;
        futures::stream::iter(entries.into_iter().rev().take(limit))
            .map(|(version, modified)| async move {
                let info = self.commit_info(version).await?.unwrap_or(Value::Null);
                let text = |key: &str| info[key].as_str().map(str::to_string);
                let object = |key: &str| info[key].is_object().then(|| info[key].to_string());
                // The time that time travel goes by.
                let stamp = info["inCommitTimestamp"].as_i64().filter(|_| is_stamped);
                Ok(HistoryEntry {
                    version,
                    timestamp: stamp.and_then(DateTime::from_timestamp_millis).unwrap_or(modified),
                    operation: text("operation"),
                    operation_parameters: object("operationParameters"),
                    operation_metrics: object("operationMetrics"),
                    user_name: text("userName"),
                    engine: text("engineInfo"),
                    read_version: info["readVersion"].as_u64(),
                    isolation_level: text("isolationLevel"),
                    is_blind_append: info["isBlindAppend"].as_bool(),
                })
            })
            .buffered(16)
            .try_collect()
            .await
    }

    pub(super) async fn commit_info(&self, version: u64) -> Result<Option<Value>> {
        let Some(bytes) = self.read_entry(version).await? else {
            return Ok(None);
        };
        Ok(parse_entry(version, &bytes)?
            .into_iter()
            .find_map(|line| line.commit_info))
    }
}
