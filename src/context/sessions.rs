//! Who is connected to this process and what each is doing: pg_stat_activity, pg_cancel_backend(), and the
//! lists of a session's own objects. A session writes its own handle; everybody else only reads it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, SubsecRound, Utc};
use parking_lot::Mutex;

use super::interrupt::{Interrupt, InterruptReason};
use super::random::RandomNumbers;
use crate::catalog::model::Oid;

/// Bytes of a statement that others get to see.
const SHOWN_BYTES: usize = 1023;

/// What a session is about, as pg_stat_activity says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    Active,
    Idle,
    IdleInTransaction,
    IdleInFailedTransaction,
}

impl SessionState {
    /// PostgreSQL's word for it.
    pub fn name(self) -> &'static str {
        match self {
            SessionState::Active => "active",
            SessionState::Idle => "idle",
            SessionState::IdleInTransaction => "idle in transaction",
            SessionState::IdleInFailedTransaction => "idle in transaction (aborted)",
        }
    }
}

/// What changes about a session from statement to statement.
#[derive(Debug, Clone)]
pub struct Activity {
    pub application_name: String,
    pub state: SessionState,
    /// The running statement, or the last one.
    pub query: Arc<str>,
    pub transaction_started: Option<DateTime<Utc>>,
    pub query_started: Option<DateTime<Utc>>,
    pub state_changed: DateTime<Utc>,
    /// Whether the transaction that ends next was rolled back.
    undone: bool,
}

/// A prepared statement as pg_prepared_statements lists it.
#[derive(Debug, Clone)]
pub struct PreparedStatus {
    pub name: String,
    pub statement: String,
    pub prepared: DateTime<Utc>,
    /// Type OIDs.
    pub parameters: Vec<Oid>,
    /// Type OIDs; `None` for a statement without rows.
    pub results: Option<Vec<Oid>>,
    /// By PREPARE rather than by the protocol.
    pub from_sql: bool,
}

/// A cursor as pg_cursors lists it.
#[derive(Debug, Clone)]
pub struct CursorStatus {
    pub name: String,
    pub statement: String,
    pub holdable: bool,
    pub binary: bool,
    pub scrollable: bool,
    pub created: DateTime<Utc>,
}

/// The last numbers that a session got of each sequence: currval() and lastval().
#[derive(Debug, Default)]
pub struct SequenceValues {
    values: BTreeMap<Oid, i64>,
    last: Option<Oid>,
}

impl SequenceValues {
    /// Remembers a number.
    pub fn note(&mut self, sequence: Oid, value: i64) {
        self.values.insert(sequence, value);
        self.last = Some(sequence);
    }

    /// The last number of this sequence.
    pub fn value(&self, sequence: Oid) -> Option<i64> {
        self.values.get(&sequence).copied()
    }

    /// The last number of any sequence.
    pub fn last(&self) -> Option<i64> {
        self.value(self.last?)
    }
}

/// One connected session.
#[derive(Debug)]
pub struct SessionHandle {
    pub process_id: i32,
    /// The role that logged in.
    pub login: Oid,
    pub login_name: String,
    pub database: Oid,
    pub database_name: String,
    pub client: Option<SocketAddr>,
    pub started: DateTime<Utc>,
    interrupt: Arc<Interrupt>,
    activity: Mutex<Activity>,
    committed: AtomicU64,
    rolled_back: AtomicU64,
    /// What random() goes on from.
    pub random: Mutex<RandomNumbers>,
    /// What nextval() gave the session.
    pub sequences: Mutex<SequenceValues>,
    /// The session's prepared statements by name.
    pub prepared: Mutex<BTreeMap<String, PreparedStatus>>,
    /// The session's open cursors by name.
    pub cursors: Mutex<BTreeMap<String, CursorStatus>>,
}

/// Who a session is, from its login on.
#[derive(Debug, Clone, Default)]
pub struct SessionIdentity {
    pub process_id: i32,
    pub login: Oid,
    pub login_name: String,
    pub database: Oid,
    pub database_name: String,
    pub client: Option<SocketAddr>,
}

impl SessionHandle {
    /// A session that begins now.
    pub fn new(identity: SessionIdentity, interrupt: Arc<Interrupt>) -> SessionHandle {
        let now = Utc::now();
        SessionHandle {
            process_id: identity.process_id,
            login: identity.login,
            login_name: identity.login_name,
            database: identity.database,
            database_name: identity.database_name,
            client: identity.client,
            started: now,
            interrupt,
            activity: Mutex::new(Activity {
                application_name: String::new(),
                state: SessionState::Idle,
                query: "".into(),
                transaction_started: None,
                query_started: None,
                state_changed: now,
                undone: false,
            }),
            committed: AtomicU64::default(),
            rolled_back: AtomicU64::default(),
            random: Mutex::default(),
            sequences: Mutex::default(),
            prepared: Mutex::default(),
            cursors: Mutex::default(),
        }
    }

    pub fn activity(&self) -> Activity {
        self.activity.lock().clone()
    }

    /// A statement begins; answers when.
    pub fn run(&self, query: &str, application_name: &str) -> DateTime<Utc> {
        // In SQL's precision, so that all clocks of a statement agree.
        let now = Utc::now().trunc_subsecs(6);
        let mut activity = self.activity.lock();
        let shown = &query[..query.floor_char_boundary(SHOWN_BYTES)];
        if *activity.query != *shown {
            activity.query = shown.into();
        }
        activity.query_started = Some(now);
        if activity.state != SessionState::Active {
            activity.state = SessionState::Active;
            activity.state_changed = now;
        }
        if activity.application_name != application_name {
            activity.application_name = application_name.to_string();
        }
        now
    }

    /// The transaction's start, once it has one.
    pub fn in_transaction_since(&self, start: Option<DateTime<Utc>>) {
        self.activity.lock().transaction_started = start;
    }

    /// The session waits for its client.
    pub fn rest(&self, state: SessionState, application_name: &str) {
        let mut activity = self.activity.lock();
        if activity.state != state {
            if state == SessionState::Idle {
                let undone = std::mem::take(&mut activity.undone);
                let ended = if undone { &self.rolled_back } else { &self.committed };
                ended.fetch_add(1, Ordering::Relaxed);
            }
            activity.state = state;
            activity.state_changed = Utc::now();
        }
        if state == SessionState::Idle {
            activity.transaction_started = None;
        }
        if activity.application_name != application_name {
            activity.application_name = application_name.to_string();
        }
    }

    /// What the session's transaction did is undone.
    pub fn transaction_undone(&self) {
        self.activity.lock().undone = true;
    }

    fn transactions(&self) -> TransactionCounts {
        TransactionCounts {
            committed: self.committed.load(Ordering::Relaxed),
            rolled_back: self.rolled_back.load(Ordering::Relaxed),
        }
    }

    /// Stops what the session runs, or the session.
    pub fn signal(&self, reason: InterruptReason) {
        self.interrupt.trigger(reason);
    }
}

/// How many transactions ended, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionCounts {
    pub committed: u64,
    pub rolled_back: u64,
}

impl TransactionCounts {
    fn add(&mut self, other: TransactionCounts) {
        self.committed += other.committed;
        self.rolled_back += other.rolled_back;
    }
}

/// The sessions of one process.
#[derive(Debug, Default)]
pub struct Sessions {
    by_process: Mutex<BTreeMap<i32, Arc<SessionHandle>>>,
    /// By database: transactions of sessions that are gone.
    earlier: Mutex<BTreeMap<Oid, TransactionCounts>>,
}

impl Sessions {
    /// Takes a session in; it is listed for as long as the guard lives.
    pub fn enter(self: &Arc<Self>, handle: SessionHandle) -> Entered {
        let handle = Arc::new(handle);
        self.by_process.lock().insert(handle.process_id, Arc::clone(&handle));
        Entered {
            sessions: Arc::clone(self),
            handle,
        }
    }

    /// The session with this process id.
    pub fn find(&self, process_id: i32) -> Option<Arc<SessionHandle>> {
        self.by_process.lock().get(&process_id).cloned()
    }

    /// The transactions of a database since the server started.
    pub fn transactions(&self, database: Oid) -> TransactionCounts {
        let mut counts = self.earlier.lock().get(&database).copied().unwrap_or_default();
        let sessions = self.all();
        for session in sessions.iter().filter(|session| session.database == database) {
            counts.add(session.transactions());
        }
        counts
    }

    /// All sessions by process id.
    pub fn all(&self) -> Vec<Arc<SessionHandle>> {
        self.by_process.lock().values().cloned().collect()
    }
}

/// A session's place in the list.
#[derive(Debug)]
pub struct Entered {
    sessions: Arc<Sessions>,
    pub handle: Arc<SessionHandle>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut sessions = self.sessions.by_process.lock();
        // A later session may have the number already.
        if sessions
            .get(&self.handle.process_id)
            .is_some_and(|listed| Arc::ptr_eq(listed, &self.handle))
        {
            sessions.remove(&self.handle.process_id);
        }
        let mut earlier = self.sessions.earlier.lock();
        earlier
            .entry(self.handle.database)
            .or_default()
            .add(self.handle.transactions());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_listed_while_they_live_and_show_the_start_of_long_statements() {
        let sessions = Arc::new(Sessions::default());
        let identity = SessionIdentity {
            process_id: 7,
            ..SessionIdentity::default()
        };
        let entered = sessions.enter(SessionHandle::new(identity, Arc::default()));
        entered.handle.run(&"ü".repeat(1000), "test");
        let shown = sessions.find(7).unwrap().activity();
        assert_eq!((shown.query.len(), shown.state.name()), (1022, "active"));
        entered.handle.rest(SessionState::IdleInTransaction, "test");
        assert_eq!(sessions.all()[0].activity().state, SessionState::IdleInTransaction);
        drop(entered);
        assert!(sessions.find(7).is_none());
    }
}
