//! Stays awake for a client that has just been answering at once. To sleep and be woken costs a short statement more
//! than all else; a client that sends its next message within `WINDOW` some times in a row is waited for that long
//! without sleeping. Other work of the runtime goes first, and one late message ends it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How soon a message follows an answer to count as at once, and how long is waited awake.
const WINDOW: Duration = Duration::from_micros(100);
/// Messages in a row that came at once before the next is waited for.
const ENOUGH: u8 = 3;

/// What the last messages of a client let expect of the next one.
#[derive(Debug, Default)]
pub(super) struct Expectation {
    in_a_row: u8,
}

impl Expectation {
    /// Waits for a client's next message, which `arrives`.
    pub(super) async fn meet<T>(&mut self, arrives: impl Future<Output = T>) -> T {
        let began = Instant::now();
        // If this is dropped before a message came, none came at once.
        let before = std::mem::take(&mut self.in_a_row);
        let mut arrives = pin!(arrives);
        loop {
            if let Poll::Ready(message) = poll_fn(|context| Poll::Ready(arrives.as_mut().poll(context))).await {
                self.in_a_row = ENOUGH.min(before + 1);
                return message;
            }
            if before < ENOUGH || began.elapsed() >= WINDOW {
                break;
            }
            tokio::task::yield_now().await;
        }
        let message = arrives.await;
        if began.elapsed() < WINDOW {
            self.in_a_row = ENOUGH.min(before + 1);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn messages_at_once_are_expected_until_one_is_late() {
        let mut expectation = Expectation::default();
        for number in 1..=5 {
            assert_eq!(expectation.meet(ready(number)).await, number);
            assert_eq!(expectation.in_a_row, ENOUGH.min(number));
        }
        let late = tokio::time::sleep(2 * WINDOW);
        expectation.meet(late).await;
        assert_eq!(expectation.in_a_row, 0);
        expectation.meet(ready(())).await;
        let waits = expectation.meet(pending::<()>());
        assert!(tokio::time::timeout(WINDOW, waits).await.is_err());
        assert_eq!(expectation.in_a_row, 0);
    }

    #[tokio::test]
    async fn others_run_while_a_message_is_expected() {
        let mut expectation = Expectation { in_a_row: ENOUGH };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        tokio::spawn(async { sender.send("from another task") });
        assert_eq!(expectation.meet(receiver).await.unwrap(), "from another task");
    }
}
