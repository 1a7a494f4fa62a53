//! Simple queries.

use super::raw_client::*;

async fn check(sql: &str, expected: &[&str]) {
    let mut client = RawClient::log_in(&gate()).await;
    assert_eq!(client.query(sql).await, expected, "{sql}");
}

#[tokio::test]
async fn statements_answer_one_after_the_other() {
    check("rows 2", &["T(1:0)", "D(1)", "D(2)", "C(SELECT 2)", "Z(I)"]).await;
    check(
        "rows 1; rows 0",
        &["T(1:0)", "D(1)", "C(SELECT 1)", "T(1:0)", "C(SELECT 0)", "Z(I)"],
    )
    .await;
    check("", &["I", "Z(I)"]).await;
    check(" ; ", &["I", "Z(I)"]).await;
    check("nothing", &["I", "Z(I)"]).await;
    check("encoded", &["T(1:0)", "D(x)", "C(SELECT 1)", "Z(I)"]).await;
    check("set blue", &["C(SET)", "S(application_name=blue)", "Z(I)"]).await;
    check(
        "notice",
        &[
            "N(WARNING 25P01 there is no transaction in progress)",
            "C(ROLLBACK)",
            "Z(I)",
        ],
    )
    .await;
    check("begin", &["C(BEGIN)", "Z(T)"]).await;
}

#[tokio::test]
async fn an_error_ends_the_script() {
    check(
        "rows 1; fail; rows 1",
        &[
            "T(1:0)",
            "D(1)",
            "C(SELECT 1)",
            "E(ERROR 42P01 relation \"t\" does not exist 15)",
            "Z(I)",
        ],
    )
    .await;
    check(
        "syntax",
        &["E(ERROR 42601 syntax error at or near \"syntax\" 1)", "Z(I)"],
    )
    .await;
    check(
        "begin; refused",
        &["C(BEGIN)", "E(ERROR 42501 permission denied for table t)", "Z(E)"],
    )
    .await;
}

#[tokio::test]
async fn a_failed_commit_is_no_completed_command() {
    check(
        "rows 0; conflict",
        &[
            "T(1:0)",
            "C(SELECT 0)",
            "E(ERROR 40001 could not serialize access)",
            "Z(I)",
        ],
    )
    .await;
}

#[tokio::test]
async fn many_rows_arrive_whole_and_in_order() {
    let mut client = RawClient::log_in(&gate()).await;
    let shown = client.query("rows 50000").await;
    assert_eq!(shown.len(), 50_003);
    assert_eq!(shown[50_000], "D(50000)");
    assert_eq!(shown[50_001], "C(SELECT 50000)");
}

#[tokio::test]
async fn broken_messages() {
    for (bytes, expected) in [
        (
            message(b'Q', b"no end"),
            &["E(ERROR 08P01 invalid string in message)", "Z(I)"][..],
        ),
        (
            message(b'Q', b"\xff\0"),
            &[
                "E(ERROR 22021 invalid byte sequence for encoding \"UTF8\": 0xff)",
                "Z(I)",
            ],
        ),
        (
            message(b'F', b""),
            &["E(ERROR 08P01 insufficient data left in message)", "Z(I)"],
        ),
        (
            message(b'F', b"\0\0\0\x01\0\0\0\x01\0\0\0\x017\0\0"),
            &["V(\0\0\0\u{1}7)", "Z(I)"],
        ),
        (
            message(b'F', b"\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff\0\0"),
            &["V(\u{fffd}\u{fffd}\u{fffd}\u{fffd})", "Z(I)"],
        ),
        (
            message(b'F', b"\0\0\0\x01\0\0\0\0\0\0"),
            &[
                "E(ERROR 08P01 function call message contains 0 arguments but function requires 1)",
                "Z(I)",
            ],
        ),
        (
            message(b'F', b"\0\0\0\x01\0\x02\0\0\0\0\0\x01\0\0\0\x017\0\0"),
            &[
                "E(ERROR 08P01 function call message contains 2 argument formats but 1 arguments)",
                "Z(I)",
            ],
        ),
        (
            message(b'F', b"\0\0\0\x01\0\0\0\x01\0\0\0\x017\0\x02"),
            &["E(ERROR 22023 unsupported format code: 2)", "Z(I)"],
        ),
        (
            message(b'F', b"\0\0\0\x09\0\0\0\0\0\0"),
            &["E(ERROR 42883 function with OID 9 does not exist)", "Z(I)"],
        ),
        (
            message(b'z', b""),
            &["E(FATAL 08P01 invalid frontend message type 122)", "end"],
        ),
        (
            message(b'p', b""),
            &["E(FATAL 08P01 invalid frontend message type 112)", "end"],
        ),
        (
            b"Q\x7f\xff\xff\xff"[..].into(),
            &["E(FATAL 08P01 invalid message length)", "end"],
        ),
        (
            b"Q\0\0\0\0"[..].into(),
            &["E(FATAL 08P01 invalid message length)", "end"],
        ),
    ] {
        let mut client = RawClient::log_in(&gate()).await;
        client.send(&bytes).await;
        assert_eq!(client.until_ready().await, expected, "{bytes:?}");
    }
}
