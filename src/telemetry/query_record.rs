//! The record of one statement: filled in by every stage while it runs, closed when it ends, then kept in
//! the query log and counted in the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::error::{Error, SqlState};

/// A stage of the pipeline that time is measured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Bind,
    Plan,
    /// Waiting in line for admission.
    Queue,
    Execute,
}

impl Stage {
    /// In the order of the pipeline.
    pub const ALL: [Stage; 4] = [Stage::Bind, Stage::Plan, Stage::Queue, Stage::Execute];

    /// The stage as metrics and system.queries spell it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Bind => "bind",
            Stage::Plan => "plan",
            Stage::Queue => "queue",
            Stage::Execute => "execute",
        }
    }
}

/// What a cache had for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheOutcome {
    /// Not asked: switched off, or nothing that it keeps.
    #[default]
    Bypass,
    Miss,
    Hit,
}

impl CacheOutcome {
    /// In the order of their numbers.
    pub const ALL: [CacheOutcome; 3] = [CacheOutcome::Bypass, CacheOutcome::Miss, CacheOutcome::Hit];

    /// `bypass`, `miss` or `hit`.
    pub fn name(self) -> &'static str {
        match self {
            CacheOutcome::Bypass => "bypass",
            CacheOutcome::Miss => "miss",
            CacheOutcome::Hit => "hit",
        }
    }

    fn of(code: u8) -> CacheOutcome {
        match code {
            1 => CacheOutcome::Miss,
            2 => CacheOutcome::Hit,
            _ => CacheOutcome::Bypass,
        }
    }
}

/// Who asked for what.
#[derive(Debug, Clone)]
pub struct QueryIdentity {
    pub process_id: i32,
    pub login_name: Arc<str>,
    /// The effective role.
    pub role_name: Arc<str>,
    pub database: Arc<str>,
    pub application_name: Arc<str>,
    /// The kind of statement in lower case, such as `select`: a label of few values.
    pub kind: &'static str,
    /// The statement's text; its normalized text where the text may hold a password.
    pub text: Arc<str>,
    pub fingerprint: u64,
}

/// A statement that runs. Stages write into it from any thread.
#[derive(Debug)]
pub struct QueryRecord {
    identity: QueryIdentity,
    started: DateTime<Utc>,
    started_at: Instant,
    stage_nanoseconds: [AtomicU64; Stage::ALL.len()],
    rows: AtomicU64,
    bytes: AtomicU64,
    plan_cache: AtomicU8,
    result_cache: AtomicU8,
}

impl QueryRecord {
    pub fn new(identity: QueryIdentity) -> QueryRecord {
        QueryRecord {
            identity,
            started: Utc::now(),
            started_at: Instant::now(),
            stage_nanoseconds: Default::default(),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            plan_cache: AtomicU8::new(0),
            result_cache: AtomicU8::new(0),
        }
    }

    pub fn identity(&self) -> &QueryIdentity {
        &self.identity
    }

    pub fn started(&self) -> DateTime<Utc> {
        self.started
    }

    pub fn add_time(&self, stage: Stage, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.stage_nanoseconds[stage as usize].fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub fn add_bind_time(&self, time: Duration) {
        self.add_time(Stage::Bind, time);
    }

    pub fn add_plan_time(&self, time: Duration) {
        self.add_time(Stage::Plan, time);
    }

    pub fn add_queue_time(&self, time: Duration) {
        self.add_time(Stage::Queue, time);
    }

    pub fn add_execute_time(&self, time: Duration) {
        self.add_time(Stage::Execute, time);
    }

    /// Rows that left for the client, or that a write stored.
    pub fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Bytes of encoded rows that left for the client.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn plan_cache(&self, outcome: CacheOutcome) {
        self.plan_cache.store(outcome as u8, Ordering::Relaxed);
    }

    pub fn result_cache(&self, outcome: CacheOutcome) {
        self.result_cache.store(outcome as u8, Ordering::Relaxed);
    }

    /// What the plan cache had, for EXPLAIN ANALYZE.
    pub fn plan_cache_outcome(&self) -> CacheOutcome {
        CacheOutcome::of(self.plan_cache.load(Ordering::Relaxed))
    }

    pub fn plan_cache_hit(&self) {
        self.plan_cache(CacheOutcome::Hit);
    }

    pub fn plan_cache_miss(&self) {
        self.plan_cache(CacheOutcome::Miss);
    }

    pub fn result_cache_hit(&self) {
        self.result_cache(CacheOutcome::Hit);
    }

    pub fn result_cache_miss(&self) {
        self.result_cache(CacheOutcome::Miss);
    }

    /// The record as it stands, closed with the statement's outcome.
    pub fn finish(&self, error: Option<&Error>) -> FinishedQuery {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FinishedQuery {
            id: 0,
            identity: self.identity.clone(),
            started: self.started,
            total: self.started_at.elapsed(),
            stages: Stage::ALL.map(|stage| Duration::from_nanos(load(&self.stage_nanoseconds[stage as usize]))),
            rows: load(&self.rows),
            bytes: load(&self.bytes),
            plan_cache: CacheOutcome::of(self.plan_cache.load(Ordering::Relaxed)),
            result_cache: CacheOutcome::of(self.result_cache.load(Ordering::Relaxed)),
            sqlstate: error.map_or(SqlState::SuccessfulCompletion, Error::state),
            message: error.map(|error| error.message().to_string()),
        }
    }
}

/// A statement that ended.
#[derive(Debug, Clone)]
pub struct FinishedQuery {
    /// Counts from 1 in one process; given by the query log.
    pub id: u64,
    pub identity: QueryIdentity,
    pub started: DateTime<Utc>,
    /// From the first stage to the last byte.
    pub total: Duration,
    stages: [Duration; Stage::ALL.len()],
    pub rows: u64,
    pub bytes: u64,
    pub plan_cache: CacheOutcome,
    pub result_cache: CacheOutcome,
    /// 00000 when it succeeded.
    pub sqlstate: SqlState,
    pub message: Option<String>,
}

impl FinishedQuery {
    pub fn time(&self, stage: Stage) -> Duration {
        self.stages[stage as usize]
    }

    /// Keeps the text within `bytes`.
    pub(super) fn shorten(&mut self, bytes: usize) {
        let text = &mut self.identity.text;
        if text.len() > bytes {
            *text = format!("{}…", &text[..text.floor_char_boundary(bytes)]).into();
        }
    }
}

#[cfg(test)]
pub(crate) fn identity_for_tests(text: &str) -> QueryIdentity {
    QueryIdentity {
        process_id: 1,
        login_name: "analyst".into(),
        role_name: "analyst".into(),
        database: "boathouse".into(),
        application_name: "psql".into(),
        kind: "select",
        text: text.into(),
        fingerprint: 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_and_the_outcome_is_kept() {
        let record = QueryRecord::new(identity_for_tests("select 1"));
        record.add_bind_time(Duration::from_millis(2));
        record.add_bind_time(Duration::from_millis(3));
        record.add_rows(4);
        record.plan_cache_hit();
        record.result_cache_miss();
        let finished = record.finish(Some(&Error::new(SqlState::DivisionByZero, "division by zero")));
        assert_eq!(finished.time(Stage::Bind), Duration::from_millis(5));
        assert_eq!(
            (finished.rows, finished.plan_cache, finished.result_cache),
            (4, CacheOutcome::Hit, CacheOutcome::Miss)
        );
        assert_eq!(
            (finished.sqlstate.code(), finished.message.as_deref()),
            ("22012", Some("division by zero"))
        );
    }
}
