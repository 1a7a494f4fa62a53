//! What every stage may know of the running statement: who asks, with which settings, against which
//! catalog, since when, and how to stop. One `QueryContext` lives as long as one statement.

pub mod interrupt;
pub mod locks;
pub mod notifications;
pub mod random;
pub mod routines;
pub mod sessions;
pub mod settings;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{Oid, Table};
use crate::error::{Error, Result, SqlState};
use crate::storage::TableSnapshot;
use crate::telemetry::QueryRecord;
use notifications::Notification;
use routines::Routines;
use sessions::SessionHandle;

/// Who asks. The effective role selects policies and privileges; the login only names the session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The role that logged in: `session_user`.
    pub login: Oid,
    pub login_name: Arc<str>,
    /// The role after SET ROLE: `current_user`.
    pub role: Oid,
    pub role_name: Arc<str>,
}

/// One statement's surroundings, fixed from its start to its end.
#[derive(Debug)]
pub struct QueryContext {
    pub principal: Principal,
    /// The catalog as this statement sees it, its own transaction's DDL included.
    pub catalog: Arc<CatalogSnapshot>,
    /// The catalog as others see it: each table is read with what this version decided about its rows, and nothing
    /// decided later.
    pub committed: Arc<CatalogSnapshot>,
    /// A table turned out to have what a later version of the catalog decided: the statement has to begin anew.
    pub outdated: AtomicBool,
    /// The connected database.
    pub database: Oid,
    pub database_name: Arc<str>,
    /// Schemas that unqualified names are looked up in, in order; pg_catalog is implied first.
    pub search_path: Vec<Oid>,
    /// Cancelled by CancelRequest, a vanished client, a timeout or the server's end.
    pub cancel: CancellationToken,
    /// `now()`: the transaction's start.
    pub transaction_start: DateTime<Utc>,
    /// `statement_timestamp()`.
    pub statement_start: DateTime<Utc>,
    /// The session that runs it.
    pub session: Arc<SessionHandle>,
    /// The table versions that the statement reads: the first look at a table holds for all of it, and for what the routines
    /// read that it calls for its rows.
    pub pins: Arc<Mutex<HashMap<Oid, Arc<TableSnapshot>>>>,
    /// Whether the transaction has writes that nobody else sees.
    pub own_writes: bool,
    /// How long the statement waits for a lock; `None` for ever.
    pub lock_timeout: Option<Duration>,
    /// What the statement did, for system.queries; logic never reads it.
    pub record: Arc<QueryRecord>,
    /// set_config() calls of the statement; the session takes them when it ends.
    pub changed_settings: Mutex<Vec<SettingChange>>,
    /// The statement calls set_config(): what a setting is may change while it runs.
    pub changes_settings: AtomicBool,
    /// What functions of the statement warn of; the session passes it on.
    pub warnings: Mutex<Vec<(SqlState, String)>>,
    /// What pg_notify() calls want said at the commit.
    pub messages: Mutex<Vec<Notification>>,
    /// Who runs the routines that are called for its rows; `None` outside a session.
    pub routines: Option<Arc<dyn Routines>>,
    /// How many statements wait for this one, whose rows call the routine that it is a part of.
    pub level: usize,
}

/// One set_config().
#[derive(Debug, Clone)]
pub struct SettingChange {
    pub name: String,
    pub value: String,
    /// Until the transaction's end.
    pub local: bool,
}

impl QueryContext {
    /// The same statement as another role runs a part of it.
    pub fn acting_as(&self, principal: Principal) -> QueryContext {
        QueryContext {
            principal,
            catalog: Arc::clone(&self.catalog),
            committed: Arc::clone(&self.committed),
            outdated: AtomicBool::default(),
            database: self.database,
            database_name: Arc::clone(&self.database_name),
            search_path: self.search_path.clone(),
            cancel: self.cancel.clone(),
            transaction_start: self.transaction_start,
            statement_start: self.statement_start,
            session: Arc::clone(&self.session),
            pins: Arc::new(Mutex::new(self.pins.lock().clone())),
            own_writes: self.own_writes,
            lock_timeout: self.lock_timeout,
            record: Arc::clone(&self.record),
            changed_settings: Mutex::default(),
            changes_settings: AtomicBool::default(),
            warnings: Mutex::default(),
            messages: Mutex::default(),
            routines: self.routines.clone(),
            level: self.level,
        }
    }

    /// A statement of a routine that this one calls for its rows: it sees the same versions of catalog and tables.
    pub fn inside(
        &self,
        principal: Principal,
        search_path: Vec<Oid>,
        cancel: CancellationToken,
        record: Arc<QueryRecord>,
    ) -> QueryContext {
        QueryContext {
            search_path,
            cancel,
            pins: Arc::clone(&self.pins),
            record,
            level: self.level + 1,
            ..self.acting_as(principal)
        }
    }

    /// The version of a table that the statement has looked at already.
    pub fn pinned(&self, table: Oid) -> Option<Arc<TableSnapshot>> {
        self.pins.lock().get(&table).cloned()
    }

    /// Holds the statement to this version, or answers the one it is already held to.
    pub fn pin(&self, table: Oid, snapshot: Arc<TableSnapshot>) -> Arc<TableSnapshot> {
        Arc::clone(self.pins.lock().entry(table).or_insert(snapshot))
    }

    /// Refuses a version of a table that has rows which `committed` did not decide about: another table of the
    /// same transaction may have been read without them.
    pub fn check_decided(&self, table: &Table, snapshot: &TableSnapshot) -> Result<()> {
        if !table.is_managed() || snapshot.applied() <= self.committed.version() {
            return Ok(());
        }
        self.outdated.store(true, Ordering::Relaxed);
        Err(Error::new(
            SqlState::SerializationFailure,
            "could not serialize access due to concurrent update",
        )
        .with_detail("A transaction over several tables committed after the snapshot was taken.")
        .with_hint("Retry the transaction."))
    }

    /// Warns the client, beside whatever the statement answers.
    pub fn warn(&self, state: SqlState, message: String) {
        self.warnings.lock().push((state, message));
    }

    /// Fails with 57014 once the statement was cancelled.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(canceled());
        }
        Ok(())
    }
}

/// 57014, as PostgreSQL words it for a cancel request.
pub fn canceled() -> Error {
    Error::new(SqlState::QueryCanceled, "canceling statement due to user request")
}

/// The virtual tables of pg_catalog, information_schema and system, as one principal sees them.
/// `introspection` implements it; `binding`, which lies below, asks.
pub trait SystemTables: Send + Sync {
    /// The table of this name in one of the system schemas.
    fn table(&self, schema: &str, name: &str) -> Option<Arc<dyn TableProvider>>;
}
