//! What a client hears before its statement has ended: the notices of a block that goes on running.

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Notice;

/// Between a session that runs a statement and the connection that watches it.
#[derive(Default)]
pub struct NoticeOutlet {
    waiting: Mutex<Vec<Notice>>,
    bell: Notify,
}

impl NoticeOutlet {
    pub(super) fn put(&self, notices: Vec<Notice>) {
        self.waiting.lock().extend(notices);
        self.bell.notify_one();
    }

    /// What the client has not been told yet.
    pub fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.waiting.lock())
    }

    /// Waits until there may be something to take.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}
