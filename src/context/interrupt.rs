//! How a running statement is stopped from outside: a cancel request, a client that went away, a
//! shutdown. The connection owns one `Interrupt`; what runs watches its token, and holds it off while
//! stopping would leave an outcome unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, SqlState};

/// Who stopped a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterruptReason {
    UserRequest,
    StatementTimeout,
    ClientGone,
    Shutdown,
    /// pg_terminate_backend().
    Termination,
    TransactionTimeout,
}

impl InterruptReason {
    /// The error that the interrupted statement ends with.
    pub fn error(self) -> Error {
        match self {
            InterruptReason::UserRequest => {
                Error::new(SqlState::QueryCanceled, "canceling statement due to user request")
            }
            InterruptReason::StatementTimeout => {
                Error::new(SqlState::QueryCanceled, "canceling statement due to statement timeout")
            }
            InterruptReason::TransactionTimeout => Error::new(
                SqlState::TransactionTimeout,
                "terminating connection due to transaction timeout",
            ),
            InterruptReason::ClientGone => Error::new(SqlState::ConnectionFailure, "connection to client lost"),
            InterruptReason::Shutdown | InterruptReason::Termination => Error::new(
                SqlState::AdminShutdown,
                "terminating connection due to administrator command",
            ),
        }
    }

    /// Whether the connection ends too.
    pub fn ends_connection(self) -> bool {
        !matches!(self, InterruptReason::UserRequest | InterruptReason::StatementTimeout)
    }
}

/// One connection's stop button.
#[derive(Debug, Default)]
pub struct Interrupt {
    state: Mutex<State>,
    holds: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    busy: bool,
    reason: Option<InterruptReason>,
    token: CancellationToken,
}

impl State {
    /// Forgets what stopped a statement; the end of the connection stays.
    fn forgive(&mut self) {
        if self.reason.is_some_and(|reason| !reason.ends_connection()) {
            self.reason = None;
            self.token = CancellationToken::new();
        }
    }
}

impl Interrupt {
    /// Work begins: what cancelled earlier work does not reach it, an end of the connection does.
    pub fn begin(&self) -> CancellationToken {
        let mut state = self.state.lock();
        state.busy = true;
        state.forgive();
        state.token.clone()
    }

    /// The work ended; cancel requests find nothing until more begins.
    pub fn end(&self) {
        let mut state = self.state.lock();
        state.busy = false;
        state.forgive();
    }

    /// The running statement's token.
    pub fn token(&self) -> CancellationToken {
        self.state.lock().token.clone()
    }

    /// Stops what runs. A cancel request to an idle connection does nothing, as in PostgreSQL.
    pub fn trigger(&self, reason: InterruptReason) {
        let mut state = self.state.lock();
        if !reason.ends_connection() && !state.busy {
            return;
        }
        let outranks = |earlier: InterruptReason| reason.ends_connection() && !earlier.ends_connection();
        if state.reason.is_none_or(outranks) {
            state.reason = Some(reason);
        }
        state.token.cancel();
    }

    /// Stops what runs for this reason when the time is up, wherever it is then: planning, executing, waiting for a
    /// slow reader or for COPY data. Dropping the guard calls it off.
    pub fn limit(self: &Arc<Self>, time: Duration, reason: InterruptReason) -> TimeLimit {
        let interrupt = Arc::clone(self);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(time).await;
            interrupt.trigger(reason);
        });
        TimeLimit(timer.abort_handle())
    }

    /// Why the token is cancelled, if it is.
    pub fn reason(&self) -> Option<InterruptReason> {
        self.state.lock().reason
    }

    /// Holds an interrupt off until the guard is dropped: while a commit is on its way to storage, for
    /// instance, when giving up would leave it unknown whether it happened.
    pub fn hold(self: &Arc<Self>) -> Hold {
        self.holds.fetch_add(1, Ordering::AcqRel);
        Hold(Arc::clone(self))
    }

    /// Whether what runs must not be dropped now.
    pub fn is_held(&self) -> bool {
        self.holds.load(Ordering::Acquire) > 0
    }
}

/// The time of a statement or a transaction that is running out.
#[derive(Debug)]
pub struct TimeLimit(AbortHandle);

impl Drop for TimeLimit {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Keeps an interrupted statement from being dropped.
#[derive(Debug)]
pub struct Hold(Arc<Interrupt>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_request_reaches_the_running_statement_only() {
        let interrupt = Interrupt::default();
        interrupt.trigger(InterruptReason::UserRequest);
        assert!(!interrupt.begin().is_cancelled());
        interrupt.trigger(InterruptReason::UserRequest);
        assert!(interrupt.token().is_cancelled());
        interrupt.end();
        assert!(!interrupt.begin().is_cancelled());
        assert_eq!(interrupt.reason(), None);
    }

    #[test]
    fn the_end_of_a_connection_outlives_the_statement() {
        let interrupt = Interrupt::default();
        interrupt.trigger(InterruptReason::Shutdown);
        interrupt.trigger(InterruptReason::ClientGone);
        assert!(interrupt.begin().is_cancelled());
        assert_eq!(interrupt.reason(), Some(InterruptReason::Shutdown));
    }

    #[tokio::test]
    async fn a_time_limit_stops_its_statement_only() {
        let interrupt = Arc::new(Interrupt::default());
        let token = interrupt.begin();
        drop(interrupt.limit(Duration::from_millis(1), InterruptReason::StatementTimeout));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!token.is_cancelled());
        let _limit = interrupt.limit(Duration::from_millis(1), InterruptReason::StatementTimeout);
        token.cancelled().await;
        assert_eq!(interrupt.reason(), Some(InterruptReason::StatementTimeout));
        assert!(!interrupt.begin().is_cancelled());
    }

    #[test]
    fn holds_count() {
        let interrupt = Arc::new(Interrupt::default());
        let first = interrupt.hold();
        let second = interrupt.hold();
        drop(first);
        assert!(interrupt.is_held());
        drop(second);
        assert!(!interrupt.is_held());
    }
}
