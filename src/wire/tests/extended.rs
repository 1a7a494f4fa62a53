//! Pipelines of extended messages.

use super::raw_client::*;

async fn check(messages: &[bytes::Bytes], expected: &[&str]) {
    let mut client = RawClient::log_in(&gate()).await;
    client.send(&messages.concat()).await;
    assert_eq!(client.until_ready().await, expected, "{messages:?}");
}

#[tokio::test]
async fn one_statement() {
    let messages = [
        parse("", "rows 2"),
        bind("", "", 0),
        describe('P', ""),
        execute("", 0),
        close('P', ""),
        sync(),
    ];
    check(
        &messages,
        &["1", "2", "T(1:0)", "D(1)", "D(2)", "C(SELECT 2)", "3", "Z(I)"],
    )
    .await;
    let binary = [
        parse("s", "rows 1"),
        bind("p", "s", 1),
        describe('P', "p"),
        execute("p", 0),
        sync(),
    ];
    check(&binary, &["1", "2", "T(1:1)", "D(\0\0\0\x01)", "C(SELECT 1)", "Z(I)"]).await;
    check(
        &[parse("", "nothing"), bind("", "", 0), execute("", 0), sync()],
        &["1", "2", "I", "Z(I)"],
    )
    .await;
}

#[tokio::test]
async fn describe_before_bind() {
    check(
        &[parse("", "rows 2 $1"), describe('S', ""), sync()],
        &["1", "t(23)", "T(1:0)", "Z(I)"],
    )
    .await;
    check(
        &[parse("", "set x"), describe('S', ""), sync()],
        &["1", "t", "n", "Z(I)"],
    )
    .await;
}

#[tokio::test]
async fn a_row_limit_suspends_the_portal() {
    let messages = [
        parse("", "rows 5"),
        bind("p", "", 0),
        execute("p", 2),
        execute("p", 2),
        execute("p", 2),
        sync(),
    ];
    let expected = [
        "1",
        "2",
        "D(1)",
        "D(2)",
        "s",
        "D(3)",
        "D(4)",
        "s",
        "D(5)",
        "C(SELECT 1)",
        "Z(I)",
    ];
    check(&messages, &expected).await;
}

#[tokio::test]
async fn an_error_skips_to_sync() {
    let messages = [
        parse("", "fail"),
        bind("", "", 0),
        execute("", 0),
        message(b'B', b"broken"),
        query("rows 1"),
        sync(),
        parse("", "rows 1"),
        sync(),
    ];
    let mut client = RawClient::log_in(&gate()).await;
    client.send(&messages.concat()).await;
    assert_eq!(
        client.until_ready().await,
        ["E(ERROR 42P01 relation \"t\" does not exist 15)", "Z(I)"]
    );
    assert_eq!(client.until_ready().await, ["1", "Z(I)"]);
}

#[tokio::test]
async fn errors_of_each_message() {
    check(
        &[bind("", "missing", 0), sync()],
        &["E(ERROR 26000 prepared statement does not exist)", "Z(I)"],
    )
    .await;
    check(
        &[execute("missing", 0), sync()],
        &["E(ERROR 34000 portal \"missing\" does not exist)", "Z(I)"],
    )
    .await;
    let format = [parse("", "rows 1"), bind("", "", 7), sync()];
    check(&format, &["1", "E(ERROR 22023 unsupported format code: 7)", "Z(I)"]).await;
    let short = message(b'B', b"\0\0\0\x02\0\0\0\0\0\0\0\0");
    let expected = [
        "E(ERROR 08P01 bind message has 2 parameter formats but 0 parameters)",
        "Z(I)",
    ];
    check(&[short, sync()], &expected).await;
    let expected = ["E(ERROR 08P01 invalid CLOSE message subtype)", "Z(I)"];
    check(&[close('X', ""), parse("", "rows 1"), sync()], &expected).await;
    let conflict = [parse("", "conflict"), bind("", "", 0), execute("", 0), sync()];
    let expected = [
        "1",
        "2",
        "C(INSERT 0 1)",
        "E(ERROR 40001 could not serialize access)",
        "Z(I)",
    ];
    check(&conflict, &expected).await;
}

#[tokio::test]
async fn flush_answers_without_sync() {
    let mut client = RawClient::log_in(&gate()).await;
    client
        .send(&[parse("", "rows 1"), describe('S', ""), flush()].concat())
        .await;
    assert_eq!(client.next().await, "1");
    assert_eq!(client.next().await, "t");
    assert_eq!(client.next().await, "T(1:0)");
    client.send(&sync()).await;
    assert_eq!(client.next().await, "Z(I)");
}

#[tokio::test]
async fn a_long_pipeline_does_not_block_both_sides() {
    let mut client = RawClient::log_in(&gate()).await;
    let one = [parse("", "rows 300"), bind("", "", 0), execute("", 0), sync()].concat();
    // Far more than either direction's buffer, all written before anything is read.
    let all = one.repeat(400);
    assert!(all.len() > 16 * 1024);
    client.send(&all).await;
    for _ in 0..400 {
        assert_eq!(client.until_ready().await.len(), 304);
    }
}
