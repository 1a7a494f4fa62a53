//! VACUUM: deletes files that no version of a table needs which can still be asked for. What is live stays, and what
//! went since the retention began; of files that no log entry names, those that no open transaction can still commit.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::action::{LogLine, parse_entry};
use super::deletion_vector;
use super::store::from_store;
use super::table::{DeltaTable, Freshness};
use crate::error::{Error, Result};

/// A transaction that began longer ago cannot commit: its files are about to become garbage.
pub const LONGEST_TRANSACTION: Duration = Duration::from_secs(20 * 3600);
/// Files that no log entry names are left alone while they are younger.
pub(super) const UNNAMED_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// Log entries read at a time.
const READS: usize = 16;

/// What VACUUM deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vacuumed {
    pub files: u64,
    pub bytes: u64,
}

/// Files that the log's newest entries speak of.
#[derive(Default)]
struct Named {
    /// Removed since the retention began.
    kept: HashSet<Path>,
    /// Removed before.
    gone: HashSet<Path>,
}

impl DeltaTable {
    /// Deletes the files of versions that were replaced more than `retention` ago, and those of transactions that
    /// never committed.
    pub async fn vacuum(&self, retention: Duration) -> Result<Vacuumed> {
        self.ensure_unsuspected()?;
        let store = &self.location.store;
        store.ensure_writable(&self.location.object("_delta_log")).await?;
        let now = Utc::now();
        // Listed before the log is read: what a commit takes over meanwhile is live by then, or too young.
        let listed: Vec<ObjectMeta> = store
            .store
            .list(Some(&self.location.root))
            .try_collect()
            .await
            .map_err(|error| from_store(error, "could not list the table's files"))?;
        let newest = self.unlocked(self.snapshot(Freshness::Strict).await?).await?;
        let mut named = self
            .named_since(before(now, retention), before(now, retention.max(UNNAMED_RETENTION)))
            .await?;
        for file in 0..newest.files.len() {
            let (path, _) = newest.files.key(file);
            named.kept.insert(self.location.resolve(&path)?);
            if let Some(vector) = newest.files.deletion_vectors.get(&file) {
                named.kept.extend(deletion_vector::path(&self.location, vector)?);
            }
        }
        let old = before(now, retention.max(UNNAMED_RETENTION));
        let goes = |meta: &ObjectMeta| {
            is_data(&self.location.root, &meta.location)
                && !named.kept.contains(&meta.location)
                && (named.gone.contains(&meta.location) || meta.last_modified < old)
        };
        let garbage: Vec<ObjectMeta> = listed.into_iter().filter(goes).collect();
        let vacuumed = Vacuumed {
            files: garbage.len() as u64,
            bytes: garbage.iter().map(|meta| meta.size).sum(),
        };
        let paths = futures::stream::iter(garbage.into_iter().map(|meta| Ok(meta.location))).boxed();
        store
            .store
            .delete_stream(paths)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .map_err(|error| from_store(error, "could not delete the table's files"))?;
        Ok(vacuumed)
    }

    /// How long the table asks to keep the files of replaced versions.
    pub async fn retention(&self) -> Result<Option<Duration>> {
        let newest = self.snapshot(Freshness::Strict).await?;
        let configured = newest.metadata.configuration.get("delta.deletedFileRetentionDuration");
        Ok(configured.and_then(|text| parse_interval(text)))
    }

    /// What the entries since `oldest` removed: since `cutoff` is kept, before is gone.
    async fn named_since(&self, cutoff: DateTime<Utc>, oldest: DateTime<Utc>) -> Result<Named> {
        let entries = self.list_entries(0).await?;
        let recent = entries.into_iter().filter(|(_, written)| *written >= oldest);
        let read = futures::stream::iter(recent).map(|(version, written)| async move {
            let lines = match self.read_entry(version).await? {
                Some(bytes) => parse_entry(version, &bytes)?,
                None => vec![],
            };
            Ok::<_, Error>((lines, written))
        });
        let entries: Vec<(Vec<LogLine>, DateTime<Utc>)> = read.buffered(READS).try_collect().await?;
        let mut named = Named::default();
        for (lines, written) in entries {
            let paths = if written >= cutoff {
                &mut named.kept
            } else {
                &mut named.gone
            };
            for remove in lines.into_iter().filter_map(|line| line.remove) {
                paths.insert(self.location.resolve(&remove.path)?);
                if let Some(vector) = &remove.deletion_vector {
                    paths.extend(deletion_vector::path(&self.location, vector)?);
                }
            }
        }
        Ok(named)
    }
}

/// Whether an object is a file of rows or of a deletion vector: not the log, not what other engines hide.
fn is_data(root: &Path, object: &Path) -> bool {
    let Some(mut parts) = object.prefix_match(root) else {
        return false;
    };
    parts.all(|part| {
        let name = part.as_ref();
        !name.starts_with('.') && (!name.starts_with('_') || name.contains('='))
    })
}

fn before(now: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let duration = chrono::Duration::from_std(duration).unwrap_or(chrono::Duration::MAX);
    now.checked_sub_signed(duration).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Delta's spelling of a duration: `interval 7 days`.
fn parse_interval(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    let mut words = text.strip_prefix("interval").unwrap_or(&text).split_whitespace();
    let (count, unit) = (words.next()?.parse::<u64>().ok()?, words.next()?);
    let seconds = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 24 * 3600,
        "week" => 7 * 24 * 3600,
        _ => return None,
    };
    words
        .next()
        .is_none()
        .then(|| Duration::from_secs(count.saturating_mul(seconds)))
}
