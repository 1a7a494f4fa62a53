//! What the running server tells about itself: settings, finished queries, caches, sessions. The engine
//! implements it; everything is a snapshot taken when asked.

use chrono::{DateTime, Utc};

use crate::catalog::model::Oid;
use crate::context::locks::LockStatus;
use crate::context::sessions::TransactionCounts;

/// The server's own state, for the tables of `system` and the pg_stat family.
pub trait Monitoring: Send + Sync {
    /// Statements that ended, newest last; bounded by the server.
    fn queries(&self) -> Vec<QueryRecord> {
        vec![]
    }

    fn caches(&self) -> Vec<CacheStatus> {
        vec![]
    }

    fn sessions(&self) -> Vec<SessionStatus> {
        vec![]
    }

    /// The transactions of a database since the server started.
    fn transactions(&self, database: Oid) -> TransactionCounts {
        let _ = database;
        TransactionCounts::default()
    }

    /// Advisory locks and those of LOCK TABLE.
    fn locks(&self) -> Vec<LockStatus> {
        vec![]
    }

    /// Every setting with its value in the session that asks.
    fn settings(&self, environment: &dyn crate::functions::FunctionEnvironment) -> Vec<Setting> {
        let _ = environment;
        vec![]
    }
}

/// A server that tells nothing: for tests and offline planning.
pub struct NoMonitoring;

impl Monitoring for NoMonitoring {}

/// One finished statement.
#[derive(Debug, Clone, Default)]
pub struct QueryRecord {
    pub id: u64,
    pub started: DateTime<Utc>,
    pub user_name: String,
    /// The effective role, where SET ROLE changed it.
    pub role_name: String,
    pub database: String,
    pub process_id: i32,
    pub application_name: String,
    /// The same for statements that differ in literals only.
    pub fingerprint: String,
    pub statement: String,
    pub bind_micros: i64,
    pub plan_micros: i64,
    pub queue_micros: i64,
    pub execute_micros: i64,
    pub total_micros: i64,
    pub rows: i64,
    pub bytes: i64,
    /// hit, miss or bypass.
    pub plan_cache: String,
    pub result_cache: String,
    /// 00000 when it succeeded.
    pub sqlstate: String,
    pub message: Option<String>,
}

/// One cache.
#[derive(Debug, Clone, Default)]
pub struct CacheStatus {
    pub name: String,
    pub entries: i64,
    pub bytes: i64,
    pub capacity_bytes: i64,
    pub hits: i64,
    pub misses: i64,
    pub evictions: i64,
}

/// One connected session.
#[derive(Debug, Clone)]
pub struct SessionStatus {
    pub process_id: i32,
    pub user: Oid,
    pub user_name: String,
    pub database: Oid,
    pub database_name: String,
    pub application_name: String,
    pub client_address: Option<String>,
    pub client_port: Option<i32>,
    pub started: DateTime<Utc>,
    pub transaction_started: Option<DateTime<Utc>>,
    pub query_started: Option<DateTime<Utc>>,
    pub state_changed: DateTime<Utc>,
    /// active, idle, idle in transaction or idle in transaction (aborted).
    pub state: String,
    pub query: String,
}

/// One setting.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    pub name: String,
    pub value: String,
    pub unit: Option<String>,
    pub category: String,
    pub description: String,
    /// internal, postmaster, superuser or user.
    pub context: String,
    /// bool, integer, real, string or enum.
    pub kind: String,
    /// default, configuration file, session …
    pub source: String,
    pub minimum: Option<String>,
    pub maximum: Option<String>,
    pub allowed: Vec<String>,
    pub default: String,
    pub reset: String,
}
