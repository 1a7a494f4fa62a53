//! What every stage may know of the running statement: who asks, with which settings, against which
//! catalog, since when, and how to stop. One `QueryContext` lives as long as one statement.

pub mod interrupt;
pub mod settings;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use tokio_util::sync::CancellationToken;

use crate::catalog::CatalogSnapshot;
use crate::catalog::model::Oid;
use crate::error::{Error, Result, SqlState};

/// Who asks. The effective role selects policies and privileges; the login only names the session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The role that logged in: `session_user`.
    pub login: Oid,
    pub login_name: String,
    /// The role after SET ROLE: `current_user`.
    pub role: Oid,
    pub role_name: String,
}

/// One statement's surroundings, fixed from its start to its end.
#[derive(Debug, Clone)]
pub struct QueryContext {
    pub principal: Principal,
    /// The catalog as this statement sees it, its own transaction's DDL included.
    pub catalog: Arc<CatalogSnapshot>,
    /// The connected database.
    pub database: Oid,
    pub database_name: String,
    /// Schemas that unqualified names are looked up in, in order; pg_catalog is implied first.
    pub search_path: Vec<Oid>,
    /// Cancelled by CancelRequest, a vanished client, a timeout or the server's end.
    pub cancel: CancellationToken,
    /// `now()`: the transaction's start.
    pub transaction_start: DateTime<Utc>,
    /// `statement_timestamp()`.
    pub statement_start: DateTime<Utc>,
    pub process_id: i32,
}

impl QueryContext {
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
