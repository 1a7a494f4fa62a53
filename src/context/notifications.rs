//! LISTEN and NOTIFY between the sessions of one process: each listener has a queue that its connection
//! empties between statements, and a bell that wakes it while it is idle.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::catalog::model::Oid;
use crate::error::{Error, Result, SqlState};

/// Bytes that may wait for one listener.
const QUEUE_LIMIT: usize = 8 << 20;
/// As PostgreSQL has it: one byte less than a page.
const MAX_PAYLOAD: usize = 7999;
const MAX_CHANNEL: usize = 63;

/// A message on its way to a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The sender's.
    pub process_id: i32,
    pub channel: Arc<str>,
    pub payload: Arc<str>,
}

impl Notification {
    /// Checks what NOTIFY and pg_notify() were given.
    pub fn new(process_id: i32, channel: &str, payload: &str) -> Result<Notification> {
        let invalid = |message: &str| Err(Error::new(SqlState::InvalidParameterValue, message));
        if channel.is_empty() {
            return invalid("channel name cannot be empty");
        }
        if channel.len() > MAX_CHANNEL {
            return invalid("channel name too long");
        }
        if payload.len() > MAX_PAYLOAD {
            return invalid("payload string too long");
        }
        Ok(Notification {
            process_id,
            channel: channel.into(),
            payload: payload.into(),
        })
    }

    fn size(&self) -> usize {
        size_of::<Notification>() + self.channel.len() + self.payload.len()
    }
}

/// Who listens to what.
#[derive(Debug, Default)]
pub struct Notifications {
    listeners: Mutex<HashMap<i32, Listener>>,
}

#[derive(Debug)]
struct Listener {
    database: Oid,
    channels: BTreeSet<String>,
    queue: VecDeque<Notification>,
    bytes: usize,
    bell: Arc<Notify>,
}

impl Notifications {
    /// From now on the session hears the channel.
    pub fn listen(&self, process_id: i32, database: Oid, channel: &str, bell: &Arc<Notify>) {
        let mut listeners = self.listeners.lock();
        let listener = listeners.entry(process_id).or_insert_with(|| Listener {
            database,
            channels: BTreeSet::new(),
            queue: VecDeque::new(),
            bytes: 0,
            bell: Arc::clone(bell),
        });
        listener.channels.insert(channel.to_string());
    }

    /// The session no longer hears the channel, or any.
    pub fn unlisten(&self, process_id: i32, channel: Option<&str>) {
        let mut listeners = self.listeners.lock();
        let Some(listener) = listeners.get_mut(&process_id) else {
            return;
        };
        match channel {
            Some(channel) => {
                listener.channels.remove(channel);
            }
            None => listener.channels.clear(),
        }
        if listener.channels.is_empty() && listener.queue.is_empty() {
            listeners.remove(&process_id);
        }
    }

    /// The channels that a session hears.
    pub fn channels(&self, process_id: i32) -> Vec<String> {
        let listeners = self.listeners.lock();
        let listener = listeners.get(&process_id);
        listener.map_or_else(Vec::new, |listener| listener.channels.iter().cloned().collect())
    }

    /// Refuses what a listener that does not read has no room for.
    pub fn check_room(&self, database: Oid, messages: &[Notification]) -> Result<()> {
        let bytes: usize = messages.iter().map(Notification::size).sum();
        let listeners = self.listeners.lock();
        let full = listeners.values().any(|listener| {
            listener.database == database
                && listener.bytes + bytes > QUEUE_LIMIT
                && messages
                    .iter()
                    .any(|message| listener.channels.contains(&*message.channel))
        });
        match full && bytes > 0 {
            true => Err(Error::new(
                SqlState::ProgramLimitExceeded,
                "too many notifications in the NOTIFY queue",
            )),
            false => Ok(()),
        }
    }

    /// Hands messages to all who listen in the database.
    pub fn send(&self, database: Oid, messages: &[Notification]) {
        let mut listeners = self.listeners.lock();
        for listener in listeners.values_mut().filter(|listener| listener.database == database) {
            let heard = messages
                .iter()
                .filter(|message| listener.channels.contains(&*message.channel));
            for message in heard {
                listener.bytes += message.size();
                listener.queue.push_back(message.clone());
                listener.bell.notify_one();
            }
        }
    }

    /// What waits for a session.
    pub fn take(&self, process_id: i32) -> Vec<Notification> {
        let mut listeners = self.listeners.lock();
        let Some(listener) = listeners.get_mut(&process_id) else {
            return vec![];
        };
        listener.bytes = 0;
        std::mem::take(&mut listener.queue).into()
    }

    /// The session ended.
    pub fn forget(&self, process_id: i32) {
        self.listeners.lock().remove(&process_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_reach_listeners_of_the_channel_in_the_database() {
        let notifications = Notifications::default();
        let bell = Arc::new(Notify::new());
        notifications.listen(1, 5, "news", &bell);
        notifications.listen(2, 6, "news", &bell);
        notifications.listen(3, 5, "other", &bell);
        let message = Notification::new(9, "news", "hello").unwrap();
        notifications.send(5, std::slice::from_ref(&message));
        assert_eq!(notifications.take(1), [message]);
        assert!(
            notifications.take(1).is_empty() && notifications.take(2).is_empty() && notifications.take(3).is_empty()
        );
        notifications.unlisten(1, None);
        assert!(notifications.channels(1).is_empty());
    }

    #[test]
    fn a_listener_that_does_not_read_fills_up() {
        let notifications = Notifications::default();
        notifications.listen(1, 5, "news", &Arc::new(Notify::new()));
        let message = Notification::new(9, "news", &"x".repeat(MAX_PAYLOAD)).unwrap();
        let many = vec![message; QUEUE_LIMIT / MAX_PAYLOAD];
        notifications.send(5, &many);
        assert!(notifications.check_room(5, &many).is_err());
        assert!(notifications.check_room(6, &many).is_ok());
        assert!(Notification::new(9, "", "").is_err());
    }
}
