//! Questions that come again.

use super::raw_client::*;

const ANSWER: [&str; 5] = ["2", "T(1:0)", "D(x)", "C(SELECT 1)", "Z(I)"];

fn question() -> Vec<u8> {
    [bind("", "s", 0), describe('P', ""), execute("", 0), sync()].concat()
}

async fn prepared(gate: &TestGate) -> RawClient {
    let mut client = RawClient::log_in(gate).await;
    client.send(&[parse("s", "encoded"), sync()].concat()).await;
    assert_eq!(client.until_ready().await, ["1", "Z(I)"]);
    gate.service.log.lock().clear();
    client
}

#[tokio::test]
async fn the_session_is_asked_whether_the_answer_still_holds() {
    let gate = gate();
    let mut client = prepared(&gate).await;
    for _ in 0..6 {
        client.send(&question()).await;
        assert_eq!(client.until_ready().await, ANSWER);
    }
    // Twice as ever, twice from memory, and as ever once it does not hold.
    let log = gate.service.log.lock().clone();
    assert_eq!(
        log,
        ["sync", "sync", "again", "again", "again", "sync", "again", "sync"]
    );
}

#[tokio::test]
async fn a_simple_query_is_a_question_too() {
    let gate = gate();
    let mut client = prepared(&gate).await;
    for _ in 0..4 {
        assert_eq!(client.query("encoded").await, &ANSWER[1..]);
    }
    let again = gate.service.log.lock().iter().filter(|event| *event == "again").count();
    assert_eq!(again, 2);
}

#[tokio::test]
async fn whatever_comes_between_is_heard() {
    let gate = gate();
    let mut client = prepared(&gate).await;
    for _ in 0..2 {
        client.send(&question()).await;
        assert_eq!(client.until_ready().await, ANSWER);
        assert_eq!(client.query("rows 1").await, ["T(1:0)", "D(1)", "C(SELECT 1)", "Z(I)"]);
        client.send(&sync()).await;
        assert_eq!(client.until_ready().await, ["Z(I)"]);
    }
    // Two questions at once.
    client.send(&[question(), question()].concat()).await;
    assert_eq!(client.until_ready().await, ANSWER);
    assert_eq!(client.until_ready().await, ANSWER);
    // One that comes in pieces.
    for part in question().chunks(7) {
        client.send(part).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.until_ready().await, ANSWER);
    assert!(!gate.service.log.lock().contains(&"again".to_string()));
}
