//! Locks between the sessions of one process: advisory locks, and what LOCK TABLE asks for. They keep apart
//! who asks for them and nobody else: readers and writers of tables take none.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::canceled;
use crate::catalog::model::Oid;
use crate::error::{Error, Result, SqlState};

/// PostgreSQL's lock modes, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl LockMode {
    /// As pg_locks names it.
    pub fn name(self) -> &'static str {
        match self {
            LockMode::AccessShare => "AccessShareLock",
            LockMode::RowShare => "RowShareLock",
            LockMode::RowExclusive => "RowExclusiveLock",
            LockMode::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            LockMode::Share => "ShareLock",
            LockMode::ShareRowExclusive => "ShareRowExclusiveLock",
            LockMode::Exclusive => "ExclusiveLock",
            LockMode::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// Whether two sessions cannot hold these at once.
    pub fn conflicts(self, other: LockMode) -> bool {
        use LockMode::*;
        let (weaker, stronger) = if self <= other { (self, other) } else { (other, self) };
        match weaker {
            AccessShare => stronger == AccessExclusive,
            RowShare => stronger >= Exclusive,
            RowExclusive => stronger >= Share,
            ShareUpdateExclusive => true,
            Share => stronger != Share,
            ShareRowExclusive | Exclusive | AccessExclusive => true,
        }
    }
}

/// What is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockTag {
    Relation {
        database: Oid,
        relation: Oid,
    },
    /// One key of 64 bits (`halves` is false), or two of 32.
    Advisory {
        database: Oid,
        first: u32,
        second: u32,
        halves: bool,
    },
}

/// How long a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockScope {
    Session,
    Transaction,
}

/// A lock as pg_locks lists it.
#[derive(Debug, Clone)]
pub struct LockStatus {
    pub tag: LockTag,
    pub process_id: i32,
    pub mode: LockMode,
    /// Since when it is waited for; `None` once it is held.
    pub waiting_since: Option<DateTime<Utc>>,
}

/// All locks of the process.
#[derive(Debug, Default)]
pub struct Locks {
    state: Mutex<State>,
    released: Notify,
}

#[derive(Debug, Default)]
struct State {
    queues: HashMap<LockTag, Queue>,
    /// What each process took for its transaction, in order.
    of_transactions: HashMap<i32, Vec<(LockTag, LockMode)>>,
    last_ticket: u64,
}

#[derive(Debug, Default)]
struct Queue {
    holders: Vec<Holder>,
    /// In the order of their arrival.
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Holder {
    process_id: i32,
    mode: LockMode,
    for_session: usize,
    for_transaction: usize,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    process_id: i32,
    mode: LockMode,
    since: DateTime<Utc>,
}

impl Queue {
    /// Who keeps a process from having the lock: holders, and who waits before it.
    fn blockers(&self, process_id: i32, mode: LockMode, ticket: u64) -> HashSet<i32> {
        let holders = self.holders.iter().map(|holder| (holder.process_id, holder.mode));
        let before = self.waiters.iter().take_while(|waiter| waiter.ticket != ticket);
        let holds = self.holders.iter().any(|holder| holder.process_id == process_id);
        // Who holds the lock already does not queue for more of it.
        let waiters = before.filter(|_| !holds).map(|waiter| (waiter.process_id, waiter.mode));
        holders
            .chain(waiters)
            .filter(|(other, held)| *other != process_id && held.conflicts(mode))
            .map(|(other, _)| other)
            .collect()
    }

    fn grant(&mut self, process_id: i32, mode: LockMode, scope: LockScope) {
        let position = self
            .holders
            .iter()
            .position(|holder| holder.process_id == process_id && holder.mode == mode);
        let position = position.unwrap_or_else(|| {
            self.holders.push(Holder {
                process_id,
                mode,
                for_session: 0,
                for_transaction: 0,
            });
            self.holders.len() - 1
        });
        if let Some(holder) = self.holders.get_mut(position) {
            match scope {
                LockScope::Session => holder.for_session += 1,
                LockScope::Transaction => holder.for_transaction += 1,
            }
        }
    }
}

impl State {
    fn grant(&mut self, process_id: i32, tag: LockTag, mode: LockMode, scope: LockScope) {
        self.queues.entry(tag).or_default().grant(process_id, mode, scope);
        if scope == LockScope::Transaction {
            self.of_transactions.entry(process_id).or_default().push((tag, mode));
        }
    }

    /// Gives one count back; whether there was one.
    fn release(&mut self, process_id: i32, tag: LockTag, mode: LockMode, scope: LockScope) -> bool {
        let Some(queue) = self.queues.get_mut(&tag) else {
            return false;
        };
        let held = queue
            .holders
            .iter_mut()
            .find(|holder| holder.process_id == process_id && holder.mode == mode);
        let count = held.map(|holder| match scope {
            LockScope::Session => &mut holder.for_session,
            LockScope::Transaction => &mut holder.for_transaction,
        });
        let Some(count) = count.filter(|count| **count > 0) else {
            return false;
        };
        *count -= 1;
        queue
            .holders
            .retain(|holder| holder.for_session + holder.for_transaction > 0);
        if queue.holders.is_empty() && queue.waiters.is_empty() {
            self.queues.remove(&tag);
        }
        true
    }

    /// Whether a process waits, over others that wait, for itself.
    fn is_deadlocked(&self, process_id: i32) -> bool {
        let mut seen = HashSet::new();
        let mut pending = vec![process_id];
        while let Some(waiting) = pending.pop() {
            for queue in self.queues.values() {
                for waiter in queue.waiters.iter().filter(|waiter| waiter.process_id == waiting) {
                    for blocker in queue.blockers(waiting, waiter.mode, waiter.ticket) {
                        if blocker == process_id {
                            return true;
                        }
                        if seen.insert(blocker) {
                            pending.push(blocker);
                        }
                    }
                }
            }
        }
        false
    }
}

/// A place in a queue; given up when dropped.
struct Waiting<'a> {
    locks: &'a Locks,
    tag: LockTag,
    ticket: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.locks.state.lock();
        if let Some(queue) = state.queues.get_mut(&self.tag) {
            queue.waiters.retain(|waiter| waiter.ticket != self.ticket);
            if queue.holders.is_empty() && queue.waiters.is_empty() {
                state.queues.remove(&self.tag);
            }
        }
        drop(state);
        self.locks.released.notify_waiters();
    }
}

impl Locks {
    /// Takes the lock if nobody is in the way.
    pub fn try_acquire(&self, process_id: i32, tag: LockTag, mode: LockMode, scope: LockScope) -> bool {
        let mut state = self.state.lock();
        let queue = state.queues.get(&tag);
        if queue.is_some_and(|queue| !queue.blockers(process_id, mode, u64::MAX).is_empty()) {
            return false;
        }
        state.grant(process_id, tag, mode, scope);
        true
    }

    /// Waits for the lock: until it is had, cancelled (57014), timed out (55P03) or hopeless (40P01).
    pub async fn acquire(
        &self,
        process_id: i32,
        tag: LockTag,
        mode: LockMode,
        scope: LockScope,
        cancel: &CancellationToken,
        timeout: Option<Duration>,
    ) -> Result<()> {
        if self.try_acquire(process_id, tag, mode, scope) {
            return Ok(());
        }
        let waiting = self.enqueue(process_id, tag, mode)?;
        let expired = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let granted = async {
            loop {
                let mut released = std::pin::pin!(self.released.notified());
                // Registered before the look, so that no release goes unnoticed.
                released.as_mut().enable();
                if self.grant_waiting(&waiting, process_id, mode, scope) {
                    return;
                }
                released.await;
            }
        };
        tokio::select! {
            biased;
            () = granted => Ok(()),
            () = cancel.cancelled() => Err(canceled()),
            () = expired => Err(Error::new(
                SqlState::LockNotAvailable,
                "canceling statement due to lock timeout",
            )),
        }
    }

    fn enqueue(&self, process_id: i32, tag: LockTag, mode: LockMode) -> Result<Waiting<'_>> {
        let mut state = self.state.lock();
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        state.queues.entry(tag).or_default().waiters.push(Waiter {
            ticket,
            process_id,
            mode,
            since: Utc::now(),
        });
        let deadlocked = state.is_deadlocked(process_id);
        drop(state);
        let waiting = Waiting {
            locks: self,
            tag,
            ticket,
        };
        match deadlocked {
            true => Err(Error::new(SqlState::DeadlockDetected, "deadlock detected")
                .with_detail(format!(
                    "Process {process_id} waits for {} that would wait for it.",
                    mode.name()
                ))
                .with_hint("Take locks in the same order everywhere.")),
            false => Ok(waiting),
        }
    }

    fn grant_waiting(&self, waiting: &Waiting<'_>, process_id: i32, mode: LockMode, scope: LockScope) -> bool {
        let mut state = self.state.lock();
        let queue = state.queues.get(&waiting.tag);
        let free = queue.is_none_or(|queue| queue.blockers(process_id, mode, waiting.ticket).is_empty());
        if free {
            state.grant(process_id, waiting.tag, mode, scope);
        }
        free
    }

    /// Gives a session's lock back; false if it has none.
    pub fn release(&self, process_id: i32, tag: LockTag, mode: LockMode) -> bool {
        let released = self.state.lock().release(process_id, tag, mode, LockScope::Session);
        self.released.notify_waiters();
        released
    }

    /// How many locks the transaction took so far.
    pub fn mark(&self, process_id: i32) -> usize {
        self.state.lock().of_transactions.get(&process_id).map_or(0, Vec::len)
    }

    /// Gives back what the transaction took since the mark; 0 at its end.
    pub fn release_transaction(&self, process_id: i32, mark: usize) {
        let mut state = self.state.lock();
        let Some(taken) = state.of_transactions.get_mut(&process_id) else {
            return;
        };
        let released = taken.split_off(mark.min(taken.len()));
        if taken.is_empty() {
            state.of_transactions.remove(&process_id);
        }
        for (tag, mode) in released {
            state.release(process_id, tag, mode, LockScope::Transaction);
        }
        drop(state);
        self.released.notify_waiters();
    }

    /// pg_advisory_unlock_all(), and the end of a session: all that it holds for itself.
    pub fn release_session(&self, process_id: i32) {
        let mut state = self.state.lock();
        for queue in state.queues.values_mut() {
            for holder in &mut queue.holders {
                if holder.process_id == process_id {
                    holder.for_session = 0;
                }
            }
            queue
                .holders
                .retain(|holder| holder.for_session + holder.for_transaction > 0);
        }
        state
            .queues
            .retain(|_, queue| !queue.holders.is_empty() || !queue.waiters.is_empty());
        drop(state);
        self.released.notify_waiters();
    }

    /// Every lock that is held or waited for.
    pub fn all(&self) -> Vec<LockStatus> {
        let state = self.state.lock();
        let mut found = vec![];
        for (tag, queue) in &state.queues {
            found.extend(queue.holders.iter().map(|holder| LockStatus {
                tag: *tag,
                process_id: holder.process_id,
                mode: holder.mode,
                waiting_since: None,
            }));
            found.extend(queue.waiters.iter().map(|waiter| LockStatus {
                tag: *tag,
                process_id: waiter.process_id,
                mode: waiter.mode,
                waiting_since: Some(waiter.since),
            }));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const TAG: LockTag = LockTag::Advisory {
        database: 1,
        first: 0,
        second: 7,
        halves: false,
    };
    const OTHER: LockTag = LockTag::Relation {
        database: 1,
        relation: 2,
    };

    fn wait(
        locks: &Arc<Locks>,
        process_id: i32,
        tag: LockTag,
        timeout: Option<Duration>,
    ) -> tokio::task::JoinHandle<Result<()>> {
        let locks = Arc::clone(locks);
        tokio::spawn(async move {
            let cancel = CancellationToken::new();
            let scope = LockScope::Transaction;
            locks
                .acquire(process_id, tag, LockMode::Exclusive, scope, &cancel, timeout)
                .await
        })
    }

    #[tokio::test]
    async fn the_next_in_line_has_the_lock_when_it_is_released() {
        let locks = Arc::new(Locks::default());
        assert!(locks.try_acquire(1, TAG, LockMode::Exclusive, LockScope::Session));
        assert!(locks.try_acquire(1, TAG, LockMode::Exclusive, LockScope::Session));
        let second = wait(&locks, 2, TAG, None);
        while locks.all().len() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(locks.release(1, TAG, LockMode::Exclusive));
        assert!(!second.is_finished());
        assert!(!locks.try_acquire(3, TAG, LockMode::Share, LockScope::Session));
        assert!(locks.release(1, TAG, LockMode::Exclusive));
        second.await.unwrap().unwrap();
        assert!(!locks.release(1, TAG, LockMode::Exclusive));
        locks.release_transaction(2, 0);
        assert!(locks.all().is_empty());
    }

    #[tokio::test]
    async fn whoever_closes_a_circle_is_told() {
        let locks = Arc::new(Locks::default());
        assert!(locks.try_acquire(1, TAG, LockMode::Exclusive, LockScope::Transaction));
        assert!(locks.try_acquire(2, OTHER, LockMode::Exclusive, LockScope::Transaction));
        let first = wait(&locks, 1, OTHER, None);
        while locks.all().len() < 3 {
            tokio::task::yield_now().await;
        }
        let error = wait(&locks, 2, TAG, None).await.unwrap().unwrap_err();
        assert_eq!(error.state(), SqlState::DeadlockDetected);
        locks.release_transaction(2, 0);
        first.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn waiting_ends_with_its_time() {
        let locks = Arc::new(Locks::default());
        assert!(locks.try_acquire(1, TAG, LockMode::Exclusive, LockScope::Session));
        let late = wait(&locks, 2, TAG, Some(Duration::from_millis(5)));
        assert_eq!(late.await.unwrap().unwrap_err().state(), SqlState::LockNotAvailable);
        locks.release_session(1);
        assert!(locks.all().is_empty());
    }

    #[test]
    fn modes_conflict_as_in_postgresql() {
        use LockMode::*;
        let modes = [
            AccessShare,
            RowShare,
            RowExclusive,
            ShareUpdateExclusive,
            Share,
            ShareRowExclusive,
            Exclusive,
            AccessExclusive,
        ];
        let counts = modes.map(|mode| modes.iter().filter(|other| mode.conflicts(**other)).count());
        assert_eq!(counts, [1, 2, 4, 5, 5, 6, 7, 8]);
    }
}
