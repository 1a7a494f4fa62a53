//! Writes one entry of a log, the catalog's or a table's, exactly once. Put-if-absent decides between
//! writers; an ambiguous answer is resolved by reading the entry back, never by guessing. An entry carries a
//! token, so equal bytes mean it is ours.

use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutMode, PutPayload};
use tokio::time::Instant;

use super::store::{StoreHandle, from_store};
use crate::error::{Error, Result, SqlState};

/// What became of a put-if-absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The entry is ours.
    Created,
    /// Another writer has the name.
    AlreadyExists,
}

/// Puts `bytes` at `path` unless the name is taken. Between the first request and a definite answer the same
/// bytes are offered again and again: a delayed request could still land, so nothing else may be said before
/// the entry exists. At the deadline the outcome is unknown: 40003, with `token`.
pub(super) async fn put_entry(
    store: &StoreHandle,
    path: &Path,
    bytes: Bytes,
    token: &str,
    deadline: Duration,
) -> Result<PutOutcome> {
    let end = Instant::now() + deadline;
    let mut pause = Duration::from_millis(20);
    // Whether an earlier request may still land, so that no later refusal is the last word.
    let mut may_land = false;
    loop {
        let failure = match store
            .store
            .put_opts(path, PutPayload::from(bytes.clone()), PutMode::Create.into())
            .await
        {
            Ok(_) => return Ok(PutOutcome::Created),
            Err(error) => error,
        };
        if is_refusal(&failure) && !may_land {
            return Err(from_store(failure, "could not write to storage"));
        }
        may_land = true;
        match read_back(store, path).await {
            Ok(Some(found)) if found == bytes => return Ok(PutOutcome::Created),
            Ok(Some(_)) => return Ok(PutOutcome::AlreadyExists),
            // A disk has no requests under way: what failed and is absent did not happen.
            Ok(None) if store.is_local() && !is_conflict(&failure) => {
                return Err(from_store(failure, "could not write to storage"));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%path, %error, "could not read back a log entry"),
        }
        if Instant::now() + pause >= end {
            return Err(unknown_outcome(&failure, token));
        }
        tracing::debug!(%path, error = %failure, "the answer to a log write was ambiguous, writing the same bytes again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

async fn read_back(store: &StoreHandle, path: &Path) -> Result<Option<Bytes>, StoreError> {
    match store.store.get(path).await {
        Ok(found) => found.bytes().await.map(Some),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_conflict(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }
    )
}

/// The store answered that it did not and will not do it.
fn is_refusal(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::PermissionDenied { .. }
            | StoreError::Unauthenticated { .. }
            | StoreError::NotImplemented { .. }
            | StoreError::NotSupported { .. }
            | StoreError::InvalidPath { .. }
    )
}

fn unknown_outcome(error: &StoreError, token: &str) -> Error {
    let line = error.to_string();
    let line = line
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_string();
    Error::new(
        SqlState::StatementCompletionUnknown,
        "whether the commit took effect is unknown",
    )
    .with_detail(format!(
        "The storage did not answer in time: {line}. The commit's token is {token}."
    ))
    .with_hint("Look for the token in the log before you repeat the statement.")
}
