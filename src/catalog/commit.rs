//! Writing the log: one transaction becomes one entry at the next slot. Losing the slot re-checks what the
//! transaction relied on and tries the next; an unclear answer is resolved by reading the slot back, with
//! the same bytes put again while it is empty. "Failed" is only said of what certainly did not happen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use uuid::Uuid;

use super::clock::boot_time;
use super::decision::Decision;
use super::entry::{Author, Entry, FORMAT, OLDEST_FORMAT};
use super::identifiers::BLOCK;
use super::log::{Catalog, apply};
use super::model::*;
use super::requirement::serialization_failure;
use super::snapshot::{CatalogSnapshot, Change};
use super::staged::Staged;
use crate::error::{Error, Result, SqlState};

/// Who commits.
#[derive(Debug, Clone)]
pub struct Committer {
    pub login: Author,
    /// The role in effect, where it is another.
    pub acting_as: Option<Author>,
}

/// What became of a slot.
pub(super) enum Slot {
    Ours,
    Taken,
}

impl Catalog {
    /// Makes the staged changes one entry and the new version current. Runs to its end even when the caller
    /// goes away. 40001: nothing happened, a retry may succeed. 40003: it may have happened.
    pub async fn commit(self: &Arc<Self>, staged: Staged, committer: Committer) -> Result<Arc<CatalogSnapshot>> {
        if staged.is_empty() {
            return Ok(self.current());
        }
        let catalog = self.clone();
        let task = tokio::spawn(async move { catalog.commit_staged(staged, committer, false).await });
        task.await
            .map_err(|error| Error::internal(format!("the commit of a catalog change broke off: {error}")))?
    }

    /// Creates the first database and the superuser on an empty warehouse. Whether this call did it: another
    /// node may have been first.
    pub async fn bootstrap(self: &Arc<Self>, verifier: Option<String>) -> Result<bool> {
        if !self.is_empty() {
            return Ok(false);
        }
        let committer = Committer {
            login: author(BOOTSTRAP_ROLE, BOOTSTRAP_ROLE_NAME),
            acting_as: None,
        };
        let changes = first_objects(verifier)
            .into_iter()
            .map(|object| Change::Put(Arc::new(object)))
            .collect();
        let entry = self.entry(
            &CatalogSnapshot::default(),
            &committer,
            "BOOTSTRAP".into(),
            changes,
            Uuid::new_v4(),
            None,
        );
        let _turn = self.committing.lock().await;
        let slot = self
            .put_entry(&entry, Instant::now() + self.options.commit_deadline)
            .await?;
        self.advance().await?;
        if matches!(slot, Slot::Ours) {
            self.identifiers.add(FIRST_USER_OID..entry.next_oid);
        }
        Ok(matches!(slot, Slot::Ours))
    }

    /// Commits an entry without changes that reserves a block of ids.
    pub(super) async fn reserve_identifiers(self: &Arc<Self>) -> Result<()> {
        let mut staged = Staged::new(self.current(), self.identifiers.clone());
        staged.add_statement("RESERVE IDENTIFIERS");
        let committer = Committer {
            login: author(PUBLIC_ROLE, "boathouse"),
            acting_as: None,
        };
        let catalog = self.clone();
        let task = tokio::spawn(async move { catalog.commit_staged(staged, committer, true).await });
        task.await
            .map_err(|error| Error::internal(format!("reserving identifiers broke off: {error}")))?
            .map(|_| ())
    }

    async fn commit_staged(
        &self,
        mut staged: Staged,
        committer: Committer,
        reserve: bool,
    ) -> Result<Arc<CatalogSnapshot>> {
        let _turn = self.committing.lock().await;
        if reserve && !self.identifiers.are_low() {
            return Ok(self.current());
        }
        let deadline = Instant::now() + self.options.commit_deadline;
        let token = Uuid::new_v4();
        loop {
            staged.rebase(self.current())?;
            let base = staged.base().clone();
            check_writer(&base)?;
            self.check_not_given_up(staged.decision())?;
            let (statement, changes) = (staged.statement_text(), staged.change_list());
            let entry = self.entry(&base, &committer, statement, changes, token, staged.decision().cloned());
            // The entry must be readable by everybody after us, so it is applied before it is written.
            apply(&base, &entry)?;
            let started = boot_time();
            match self.put_entry(&entry, deadline).await? {
                Slot::Ours => {
                    self.identifiers.add(base.next_oid()..entry.next_oid);
                    self.publish(&entry)?;
                    self.proved_fresh(started);
                    let current = self.current();
                    if entry.version.is_multiple_of(self.options.checkpoint_interval.max(1)) {
                        self.write_checkpoint(&current).await;
                    }
                    return Ok(current);
                }
                Slot::Taken if Instant::now() >= deadline => {
                    return Err(serialization_failure(
                        "Other transactions kept committing first.".into(),
                    ));
                }
                Slot::Taken => self.advance().await?,
            }
        }
    }

    pub(super) fn entry(
        &self,
        base: &CatalogSnapshot,
        committer: &Committer,
        statement: String,
        changes: Vec<Change>,
        token: Uuid,
        decision: Option<Decision>,
    ) -> Entry {
        let used_up = self.identifiers.are_low();
        let first_free = base.next_oid().max(FIRST_USER_OID);
        let needed = changes.iter().map(Change::format).max().unwrap_or(OLDEST_FORMAT);
        Entry {
            version: base.version() + 1,
            format: FORMAT,
            min_reader: needed,
            min_writer: needed,
            at: Utc::now(),
            by: committer.login.clone(),
            acting_as: committer.acting_as.clone(),
            statement,
            token,
            next_oid: if used_up { first_free + BLOCK } else { first_free },
            changes,
            decision,
        }
    }

    /// Puts the entry at its slot until it is certain whose the slot is.
    pub(super) async fn put_entry(&self, entry: &Entry, deadline: Instant) -> Result<Slot> {
        let path = Entry::path(entry.version);
        let bytes = entry.encode()?;
        let mut pause = Duration::from_millis(10);
        loop {
            let written = self
                .within_timeout(self.store.put_if_absent(&path, bytes.clone()))
                .await;
            if matches!(written, Ok(true)) {
                return Ok(Slot::Ours);
            }
            // "Exists" may be our own write too: a store's client retries by itself after a lost answer.
            match (self.within_timeout(self.store.get(&path)).await, written) {
                (Ok(Some(found)), _) => return Ok(whose(&found, entry.token)),
                (Ok(None), Err(error)) if did_not_happen(&error) => return Err(error),
                (_, Err(error)) => tracing::warn!(path, %error, "a catalog commit got no clear answer"),
                _ => {}
            }
            if Instant::now() >= deadline {
                return Err(Error::new(
                    SqlState::StatementCompletionUnknown,
                    "the outcome of the catalog change is unknown",
                )
                .with_detail(format!(
                    "The store did not confirm \"{path}\" with token {}.",
                    entry.token
                ))
                .with_hint("Look whether the change is there before you repeat it."));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

fn whose(found: &Bytes, token: Uuid) -> Slot {
    if Entry::has_token(found, token) {
        Slot::Ours
    } else {
        Slot::Taken
    }
}

/// Errors of a write that say that nothing was and nothing will be written.
fn did_not_happen(error: &Error) -> bool {
    !matches!(
        error.state(),
        SqlState::StatementCompletionUnknown | SqlState::ConnectionFailure
    )
}

fn check_writer(base: &CatalogSnapshot) -> Result<()> {
    if base.min_writer() <= FORMAT {
        return Ok(());
    }
    Err(Error::new(
        SqlState::FeatureNotSupported,
        "this warehouse's catalog can only be changed by a newer version of Boathouse",
    )
    .with_hint("Upgrade this server."))
}

pub(super) fn author(id: Oid, name: &str) -> Author {
    Author {
        id,
        name: name.to_string(),
    }
}

/// The databases `boathouse` and `postgres`, each with a schema `public`, and the superuser that owns them.
pub(super) fn first_objects(verifier: Option<String>) -> Vec<Object> {
    let to_public = |privileges: Vec<Privilege>| {
        vec![Grant {
            grantee: PUBLIC_ROLE,
            grantor: BOOTSTRAP_ROLE,
            privileges,
            grantable: vec![],
        }]
    };
    let role = Role {
        id: BOOTSTRAP_ROLE,
        name: BOOTSTRAP_ROLE_NAME.into(),
        login: true,
        superuser: true,
        create_database: true,
        create_role: true,
        inherit: true,
        verifier,
        connection_limit: -1,
        valid_until: None,
        settings: vec![],
        member_of: vec![],
        comment: None,
    };
    let database = |id, name: &str, comment: Option<&str>| Database {
        id,
        name: name.into(),
        owner: BOOTSTRAP_ROLE,
        grants: super::acl::default_grants(ObjectKind::Database, BOOTSTRAP_ROLE),
        default_privileges: vec![],
        comment: comment.map(str::to_string),
    };
    let schema = |id, database| Schema {
        id,
        database,
        name: "public".into(),
        owner: BOOTSTRAP_ROLE,
        grants: to_public(vec![Privilege::Usage]),
        comment: Some("standard public schema".into()),
    };
    let administration = "default administrative connection database";
    vec![
        role.into(),
        database(DEFAULT_DATABASE, "boathouse", None).into(),
        schema(PUBLIC_SCHEMA, DEFAULT_DATABASE).into(),
        database(ADMINISTRATION_DATABASE, "postgres", Some(administration)).into(),
        schema(ADMINISTRATION_SCHEMA, ADMINISTRATION_DATABASE).into(),
    ]
}
