//! Who is connected: process ids and cancel keys, so that a CancelRequest on one connection reaches the
//! statement of another, and the limits on how many there are.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use crate::catalog::model::Oid;
use crate::context::interrupt::{Interrupt, InterruptReason};
use crate::error::{Error, Result, SqlState};

/// Length of cancel keys before protocol 3.2, and since.
const SHORT_KEY: usize = 4;
const LONG_KEY: usize = 32;

/// Every connection that got past its startup packet.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    /// Of `limit`, how many only superusers get.
    reserved: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: i32,
    entries: HashMap<i32, Entry>,
    by_role: HashMap<Oid, usize>,
}

#[derive(Debug)]
struct Entry {
    key: Vec<u8>,
    role: Option<Oid>,
    interrupt: Arc<Interrupt>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    pub process_id: i32,
    pub key: Vec<u8>,
    pub interrupt: Arc<Interrupt>,
}

impl Connections {
    pub fn new(limit: usize, reserved: usize) -> Arc<Connections> {
        Arc::new(Connections {
            limit,
            reserved: reserved.min(limit.saturating_sub(1)),
            state: Mutex::default(),
        })
    }

    /// Takes a place for a client, which gets a long key if its protocol is 3.2 or later.
    pub fn enter(self: &Arc<Self>, minor_version: u16) -> Result<Place> {
        let length = if minor_version >= 2 { LONG_KEY } else { SHORT_KEY };
        let key = rand::random::<[u8; LONG_KEY]>()[..length].to_vec();
        let interrupt = Arc::new(Interrupt::default());
        let mut state = self.state.lock();
        if state.entries.len() >= self.limit {
            return Err(Error::new(
                SqlState::TooManyConnections,
                "sorry, too many clients already",
            ));
        }
        let mut process_id = state.last_id;
        loop {
            process_id = process_id.checked_add(1).unwrap_or(1);
            if !state.entries.contains_key(&process_id) {
                break;
            }
        }
        state.last_id = process_id;
        state.entries.insert(
            process_id,
            Entry {
                key: key.clone(),
                role: None,
                interrupt: Arc::clone(&interrupt),
            },
        );
        Ok(Place {
            connections: Arc::clone(self),
            process_id,
            key,
            interrupt,
        })
    }

    /// Cancels what this connection runs if the key is right. Says nothing either way.
    pub fn cancel(&self, process_id: i32, key: &[u8]) {
        let interrupt = {
            let state = self.state.lock();
            let entry = state.entries.get(&process_id);
            entry
                .filter(|entry| entry.key.ct_eq(key).into())
                .map(|entry| Arc::clone(&entry.interrupt))
        };
        if let Some(interrupt) = interrupt {
            interrupt.trigger(InterruptReason::UserRequest);
        }
    }

    /// Ends every connection, running statements included.
    pub fn interrupt_all(&self, reason: InterruptReason) {
        let all: Vec<_> = self
            .state
            .lock()
            .entries
            .values()
            .map(|entry| Arc::clone(&entry.interrupt))
            .collect();
        all.iter().for_each(|interrupt| interrupt.trigger(reason));
    }

    pub fn count(&self) -> usize {
        self.state.lock().entries.len()
    }
}

impl Place {
    /// Says who the client is, once that is proven, and holds the limits that depend on it.
    pub fn identify(&self, role: Oid, role_name: &str, superuser: bool, connection_limit: i32) -> Result<()> {
        let connections = &self.connections;
        let mut state = connections.state.lock();
        if !superuser && state.entries.len() > connections.limit - connections.reserved {
            return Err(Error::new(
                SqlState::TooManyConnections,
                "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            ));
        }
        let of_role = state.by_role.entry(role).or_default();
        let full = usize::try_from(connection_limit).is_ok_and(|limit| *of_role >= limit);
        if full && !superuser {
            let message = format!("too many connections for role \"{role_name}\"");
            return Err(Error::new(SqlState::TooManyConnections, message));
        }
        *of_role += 1;
        if let Some(entry) = state.entries.get_mut(&self.process_id) {
            entry.role = Some(role);
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.connections.state.lock();
        let Some(Entry { role: Some(role), .. }) = state.entries.remove(&self.process_id) else {
            return;
        };
        if let Some(count) = state.by_role.get_mut(&role) {
            *count -= 1;
            if *count == 0 {
                state.by_role.remove(&role);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let connections = Connections::new(3, 1);
        let check = |result: Result<()>, expected: Option<&str>| {
            assert_eq!(
                result.err().map(|error| error.message().to_string()).as_deref(),
                expected
            );
        };
        let first = connections.enter(0).unwrap();
        let second = connections.enter(0).unwrap();
        check(first.identify(20, "a", false, 1), None);
        check(
            second.identify(20, "a", false, 1),
            Some("too many connections for role \"a\""),
        );
        check(second.identify(21, "b", false, -1), None);
        let third = connections.enter(0).unwrap();
        let reserved = "remaining connection slots are reserved for roles with the SUPERUSER attribute";
        check(third.identify(22, "c", false, -1), Some(reserved));
        check(third.identify(10, "admin", true, 0), None);
        assert_eq!(connections.enter(0).unwrap_err().state(), SqlState::TooManyConnections);
        drop(first);
        let again = connections.enter(0).unwrap();
        drop(third);
        check(again.identify(20, "a", false, 1), None);
        assert_eq!(connections.count(), 2);
    }

    #[test]
    fn a_cancel_request_needs_the_whole_key() {
        let connections = Connections::new(3, 0);
        let place = connections.enter(2).unwrap();
        assert_eq!(place.key.len(), LONG_KEY);
        let token = place.interrupt.begin();
        connections.cancel(place.process_id, &place.key[..4]);
        connections.cancel(place.process_id, &[0; LONG_KEY]);
        connections.cancel(place.process_id + 1, &place.key);
        assert!(!token.is_cancelled());
        connections.cancel(place.process_id, &place.key);
        assert!(token.is_cancelled());
    }
}
