//! What a transaction wants said and heard at its commit: LISTEN, UNLISTEN and NOTIFY take effect there.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Session;
use crate::context::notifications::Notification;
use crate::error::Result;

/// The open transaction's LISTEN, UNLISTEN and NOTIFY.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// A channel (`None`: all) and whether it is listened to.
    changes: Vec<(Option<String>, bool)>,
    messages: Vec<Notification>,
    /// Rung when there is something to take.
    pub bell: Arc<Notify>,
}

impl Listening {
    pub fn push(&mut self, channel: Option<String>, listen: bool) {
        self.changes.push((channel, listen));
    }

    /// The same message twice in one transaction is said once.
    pub fn notify(&mut self, message: Notification) {
        if !self.messages.contains(&message) {
            self.messages.push(message);
        }
    }

    /// Where a savepoint stands.
    pub fn mark(&self) -> (usize, usize) {
        (self.changes.len(), self.messages.len())
    }

    pub fn back_to(&mut self, mark: (usize, usize)) {
        self.changes.truncate(mark.0);
        self.messages.truncate(mark.1);
    }

    pub fn clear(&mut self) {
        self.back_to((0, 0));
    }
}

impl Session {
    /// Before the commit: whether there is room for what it says.
    pub(super) fn check_messages(&self) -> Result<()> {
        self.engine
            .notifications
            .check_room(self.database, &self.listening.messages)
    }

    /// After the commit.
    pub(super) fn send_messages(&mut self) {
        let process_id = self.handle().process_id;
        let notifications = &self.engine.notifications;
        for (channel, listen) in self.listening.changes.drain(..) {
            match channel {
                Some(channel) if listen => {
                    notifications.listen(process_id, self.database, &channel, &self.listening.bell);
                }
                channel => notifications.unlisten(process_id, channel.as_deref()),
            }
        }
        notifications.send(self.database, &self.listening.messages);
        self.listening.messages.clear();
    }

    /// What others said; nothing within a transaction block, as in PostgreSQL.
    pub fn take_notifications(&mut self) -> Vec<Notification> {
        match self.transaction.explicit {
            true => vec![],
            false => self.engine.notifications.take(self.handle().process_id),
        }
    }

    /// Rung when there may be notifications to take.
    pub fn notification_bell(&self) -> Arc<Notify> {
        Arc::clone(&self.listening.bell)
    }
}
