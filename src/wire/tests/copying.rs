//! COPY in both directions, and its failures.

use super::raw_client::*;

fn data(text: &str) -> bytes::Bytes {
    message(b'd', text.as_bytes())
}

#[tokio::test]
async fn copy_in() {
    let gate = gate();
    let mut client = RawClient::log_in(&gate).await;
    client.send(&query("copyin")).await;
    assert_eq!(client.next().await, "G([0, 0, 2, 0, 0, 0, 0])");
    client
        .send(&[data("1\t2\n"), flush(), data("3\t4\n"), message(b'c', b"")].concat())
        .await;
    assert_eq!(client.until_ready().await, ["C(COPY 1)", "Z(I)"]);
    assert!(gate.service.log.lock().contains(&"data 3\t4".to_string()));
}

#[tokio::test]
async fn copy_in_that_the_client_gives_up() {
    let gate = gate();
    let mut client = RawClient::log_in(&gate).await;
    client
        .send(&[query("copyin"), data("1\t2\n"), message(b'f', b"no more\0")].concat())
        .await;
    assert_eq!(client.next().await, "G([0, 0, 2, 0, 0, 0, 0])");
    assert_eq!(
        client.until_ready().await,
        ["E(ERROR 57014 COPY from stdin failed: no more)", "Z(I)"]
    );
    assert!(gate.service.log.lock().contains(&"gave up: no more".to_string()));
}

#[tokio::test]
async fn what_follows_a_failed_copy_is_ignored() {
    let mut client = RawClient::log_in(&gate()).await;
    let sent = [
        query("copyin"),
        data("bad\n"),
        data("1\t2\n"),
        message(b'c', b""),
        query("rows 0"),
    ];
    client.send(&sent.concat()).await;
    assert_eq!(client.next().await, "G([0, 0, 2, 0, 0, 0, 0])");
    assert_eq!(
        client.until_ready().await,
        ["E(ERROR 22P04 missing data for column \"b\")", "Z(I)"]
    );
    assert_eq!(client.until_ready().await, ["T(1:0)", "C(SELECT 0)", "Z(I)"]);
}

#[tokio::test]
async fn copy_in_by_the_extended_protocol() {
    let mut client = RawClient::log_in(&gate()).await;
    let sent = [parse("", "copyin"), bind("", "", 0), execute("", 0), sync()];
    client.send(&sent.concat()).await;
    // The Sync is ahead of the data and means nothing there; another follows.
    client
        .send(&[data("1\t2\n"), message(b'c', b""), sync()].concat())
        .await;
    assert_eq!(
        client.until_ready().await,
        ["1", "2", "G([0, 0, 2, 0, 0, 0, 0])", "C(COPY 1)", "Z(I)"]
    );
}

#[tokio::test]
async fn another_message_during_copy_in() {
    let mut client = RawClient::log_in(&gate()).await;
    client.send(&[query("copyin"), query("rows 1")].concat()).await;
    assert_eq!(client.next().await, "G([0, 0, 2, 0, 0, 0, 0])");
    assert_eq!(
        client.until_ready().await,
        [
            "E(ERROR 08P01 unexpected message type 0x51 during COPY from stdin)",
            "Z(I)"
        ]
    );
}

#[tokio::test]
async fn copy_out_sends_a_message_a_row() {
    let mut client = RawClient::log_in(&gate()).await;
    assert_eq!(
        client.query("copyout 2").await,
        [
            "H([0, 0, 1, 0, 0])",
            "d(n\n)",
            "d(1\n)",
            "d(2\n)",
            "c",
            "C(COPY 2)",
            "Z(I)"
        ]
    );
    assert_eq!(
        client.query("copyout 0").await,
        ["H([0, 0, 1, 0, 0])", "d(n\n)", "c", "C(COPY 0)", "Z(I)"]
    );
}

#[tokio::test]
async fn the_binary_signature_comes_with_the_first_message() {
    let mut client = RawClient::log_in(&gate()).await;
    let lengths = async |client: &mut RawClient, sql: &str| {
        client.send(&query(sql)).await;
        let mut lengths = Vec::new();
        loop {
            match client.reply().await.unwrap() {
                Reply(b'd', body) => lengths.push(body.len()),
                Reply(b'Z', _) => return lengths,
                _ => {}
            }
        }
    };
    let (signature, row, trailer) = (11 + 4 + 4, 2 + 4 + 4, 2);
    assert_eq!(
        lengths(&mut client, "copybinary 2").await,
        [signature + row, row, trailer]
    );
    assert_eq!(lengths(&mut client, "copybinary 0").await, [signature + trailer]);
}
