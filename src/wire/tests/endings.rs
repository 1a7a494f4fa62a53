//! What stops a statement, and what ends a connection.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::raw_client::*;
use crate::context::interrupt::InterruptReason;

async fn wait_for(gate: &TestGate, event: &str) {
    for _ in 0..1000 {
        if gate.service.log.lock().iter().any(|noted| noted == event) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no {event:?} in {:?}", gate.service.log.lock());
}

async fn cancel(gate: &TestGate, key_data: &[u8]) {
    let mut client = RawClient::connect(gate);
    client.send(&packet(&[b"\x04\xd2\x16\x2e", key_data].concat())).await;
    assert_eq!(client.stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_cancel_request_stops_the_statement_and_nothing_else() {
    for script in ["sleep", "deaf"] {
        let gate = gate();
        let (mut client, key) = RawClient::log_in_with_key(&gate).await;
        cancel(&gate, &key).await;
        client.send(&query(script)).await;
        wait_for(&gate, "sleeping").await;
        cancel(&gate, &[&key[..4], b"none"].concat()).await;
        assert!(!gate.service.log.lock().contains(&"dropped".into()));
        cancel(&gate, &key).await;
        let expected = ["E(ERROR 57014 canceling statement due to user request)", "Z(I)"];
        assert_eq!(client.until_ready().await, expected, "{script}");
        wait_for(&gate, "dropped").await;
        assert_eq!(client.query("rows 0").await, ["T(1:0)", "C(SELECT 0)", "Z(I)"]);
    }
}

#[tokio::test]
async fn a_commit_on_its_way_is_not_dropped() {
    let gate = gate();
    let (mut client, key) = RawClient::log_in_with_key(&gate).await;
    client.send(&query("committing")).await;
    wait_for(&gate, "sleeping").await;
    cancel(&gate, &key).await;
    assert_eq!(client.until_ready().await, ["C(COMMIT)", "Z(I)"]);
}

#[tokio::test]
async fn a_cancel_request_reaches_a_copy_that_waits_for_data() {
    let gate = gate();
    let (mut client, key) = RawClient::log_in_with_key(&gate).await;
    client.send(&query("copyin")).await;
    client.next().await;
    cancel(&gate, &key).await;
    assert_eq!(
        client.until_ready().await,
        ["E(ERROR 57014 canceling statement due to user request)", "Z(I)"]
    );
}

#[tokio::test]
async fn a_statement_runs_out_of_time() {
    let mut client = RawClient::log_in(&gate()).await;
    assert_eq!(client.query("limited quick").await, ["C(SELECT 0)", "Z(I)"]);
    let expected = ["E(ERROR 57014 canceling statement due to statement timeout)", "Z(I)"];
    assert_eq!(client.query("limited sleep").await, expected);
    assert_eq!(client.query("rows 0").await, ["T(1:0)", "C(SELECT 0)", "Z(I)"]);
}

#[tokio::test]
async fn a_vanished_client_stops_its_statement() {
    for script in ["sleep", "deaf"] {
        let gate = gate();
        let mut client = RawClient::log_in(&gate).await;
        client.send(&query(script)).await;
        wait_for(&gate, "sleeping").await;
        drop(client.stream);
        wait_for(&gate, "dropped").await;
        client.server.await.unwrap();
        assert_eq!(gate.connections.count(), 0);
    }
}

#[tokio::test]
async fn pipelined_messages_do_not_hide_that_a_client_vanished() {
    let gate = gate();
    let mut client = RawClient::log_in(&gate).await;
    let sent = [
        parse("", "sleep"),
        bind("", "", 0),
        execute("", 0),
        parse("", "rows 1"),
        sync(),
    ];
    client.send(&sent.concat()).await;
    wait_for(&gate, "sleeping").await;
    drop(client.stream);
    wait_for(&gate, "dropped").await;
}

#[tokio::test]
async fn a_slow_reader_holds_the_rows_back() {
    let gate = gate();
    let mut client = RawClient::log_in(&gate).await;
    client.send(&query("rows 1000000000")).await;
    // The in-memory stream holds 16 KiB; the server may buffer a chunk or two on top and then waits.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut taken = 0;
    while taken < 1_000_000 {
        taken += client.stream.read(&mut [0; 4096]).await.unwrap();
    }
    drop(client.stream);
    client.server.await.unwrap();
}

#[tokio::test]
async fn a_panic_ends_its_connection_only_and_tells_nothing() {
    let gate = gate();
    let mut other = RawClient::log_in(&gate).await;
    let mut client = RawClient::log_in(&gate).await;
    assert_eq!(client.query("panic").await, ["E(FATAL XX000 internal error)", "end"]);
    client.server.await.unwrap();
    assert_eq!(other.query("rows 0").await, ["T(1:0)", "C(SELECT 0)", "Z(I)"]);
}

#[tokio::test]
async fn shutdown_lets_statements_finish_and_idle_clients_go() {
    let gate = gate();
    let mut idle = RawClient::log_in(&gate).await;
    let mut busy = RawClient::log_in(&gate).await;
    let mut stuck = RawClient::log_in(&gate).await;
    busy.send(&query("committing")).await;
    wait_for(&gate, "sleeping").await;
    stuck.send(&query("deaf")).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    gate.closing.cancel();
    let farewell = "E(FATAL 57P01 terminating connection due to administrator command)";
    assert_eq!(idle.rest().await, [farewell]);
    assert_eq!(busy.rest().await, ["C(COMMIT)", "Z(I)", farewell]);
    gate.connections.interrupt_all(InterruptReason::Shutdown);
    assert_eq!(stuck.rest().await, [farewell]);

    let mut late = RawClient::connect(&gate);
    late.send(&startup(0, &[("user", "alice"), ("database", "boathouse")]))
        .await;
    assert_eq!(
        late.rest().await,
        ["E(FATAL 57P03 the database system is shutting down)"]
    );
}

#[tokio::test]
async fn an_idle_limit_ends_the_connection() {
    let mut client = RawClient::log_in(&gate()).await;
    client.query("begin").await;
    assert_eq!(client.rest().await, ["E(FATAL 08006 idle for too long)"]);
}

#[tokio::test]
async fn terminate_ends_in_silence() {
    let mut client = RawClient::log_in(&gate()).await;
    client.send(&terminate()).await;
    assert!(client.rest().await.is_empty());
    client.server.await.unwrap();
}
