//! Logging in: SCRAM with and without channel binding, trust, and what an attacker sees.

use std::net::{IpAddr, Ipv4Addr};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::raw_client::*;
use super::starting::{certificate, connector, localhost};
use crate::wire::scram_exchange::{SCRAM, SCRAM_PLUS, client};

fn strict_gate() -> TestGate {
    gate_with(false, None, false, 10)
}

fn initial(mechanism: &str, first: &str) -> Bytes {
    let mut body = BytesMut::new();
    body.put_slice(format!("{mechanism}\0").as_bytes());
    body.put_u32(first.len() as u32);
    body.put_slice(first.as_bytes());
    message(b'p', &body)
}

/// Runs the exchange; returns the mechanisms offered, server-first, and what came after client-final.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    user: &str,
    password: &str,
    mechanism: &str,
    header: &str,
    binding: &[u8],
) -> (String, String, Vec<String>) {
    let packet = startup(0, &[("user", user), ("database", "boathouse")]);
    stream.write_all(&packet).await.unwrap();
    let Reply(_, offered) = read_reply(stream).await.unwrap();
    let offered = String::from_utf8_lossy(&offered[4..])
        .replace('\0', " ")
        .trim()
        .to_string();
    stream
        .write_all(&initial(mechanism, &client::first(header)))
        .await
        .unwrap();
    let reply = read_reply(stream).await.unwrap();
    if reply.0 != b'R' {
        return (offered, String::new(), vec![show(&reply)]);
    }
    let server_first = String::from_utf8(reply.1[4..].to_vec()).unwrap();
    let (last, expected) = client::last(password, header, binding, &server_first);
    stream.write_all(&message(b'p', last.as_bytes())).await.unwrap();
    let mut shown = Vec::new();
    while let Some(reply) = read_reply(stream).await {
        if reply.0 == b'R' && reply.1.len() > 4 {
            assert_eq!(&reply.1[4..], expected.as_bytes());
        }
        shown.push(show(&reply));
        if reply.0 == b'Z' {
            break;
        }
    }
    (offered, server_first, shown)
}

async fn log_in(user: &str, password: &str) -> (String, Vec<String>) {
    let mut raw = RawClient::connect(&strict_gate());
    let (offered, server_first, shown) = exchange(&mut raw.stream, user, password, SCRAM, "n,,", b"").await;
    assert_eq!(offered, SCRAM);
    (server_first, shown)
}

#[tokio::test]
async fn the_right_password_and_no_other() {
    let (_, shown) = log_in("alice", "pencil").await;
    assert_eq!(shown, ["R(12)", "R(0)", "S(server_version=17.0)", "K(4 bytes)", "Z(I)"]);
    for user in ["alice", "expired", "passwordless", "nobody"] {
        let password = if user == "alice" { "pen" } else { "pencil" };
        let (_, shown) = log_in(user, password).await;
        let refusal = format!("E(FATAL 28P01 password authentication failed for user \"{user}\")");
        assert_eq!(shown, [refusal]);
    }
    let (_, shown) = log_in("group", "pencil").await;
    assert_eq!(
        shown,
        [
            "R(12)",
            "R(0)",
            "E(FATAL 28000 role \"group\" is not permitted to log in)"
        ]
    );
}

#[tokio::test]
async fn an_unknown_user_looks_like_a_known_one() {
    let challenge = async |user: &str| {
        let first = log_in(user, "pen").await.0;
        let parts: Vec<_> = first.split(',').map(String::from).collect();
        (parts[0].len(), parts[1].clone(), parts[2].clone())
    };
    let known = challenge("alice").await;
    let unknown = challenge("nobody").await;
    assert_eq!(challenge("nobody").await, unknown);
    assert_ne!(challenge("somebody").await.1, unknown.1);
    assert_eq!(
        (known.0, known.1.len(), known.2),
        (unknown.0, unknown.1.len(), unknown.2)
    );
}

#[tokio::test]
async fn trust_is_for_loopback_only() {
    let mut client = RawClient::connect_from(&gate(), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    client
        .send(&startup(0, &[("user", "alice"), ("database", "boathouse")]))
        .await;
    assert_eq!(client.next().await, "R(10)");
}

#[tokio::test]
async fn broken_exchanges() {
    for (sent, expected) in [
        (query("select 1"), "E(FATAL 08P01 expected SASL response)"),
        (
            initial("PLAIN", ""),
            "E(FATAL 08P01 client selected an invalid SASL authentication mechanism)",
        ),
        (
            initial(SCRAM_PLUS, "y"),
            "E(FATAL 08P01 client selected an invalid SASL authentication mechanism)",
        ),
        (initial(SCRAM, "nonsense"), "E(FATAL 08P01 malformed SCRAM message)"),
        (message(b'p', b"SCRAM"), "E(FATAL 08P01 invalid string in message)"),
        (b"p\0\x01\0\0"[..].into(), "E(FATAL 08P01 invalid message length)"),
    ] {
        let mut raw = RawClient::connect(&strict_gate());
        raw.send(&startup(0, &[("user", "alice"), ("database", "boathouse")]))
            .await;
        assert_eq!(raw.next().await, "R(10)");
        raw.send(&sent).await;
        assert_eq!(raw.rest().await, [expected], "{sent:?}");
    }
}

#[tokio::test]
async fn channel_binding() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, trusted) = certificate(folder.path());
    let hash = certificate.identity().endpoint_hash.unwrap();
    let gate = gate_with(false, Some(certificate), true, 10);
    let plus = "p=tls-server-end-point,,";
    for (mechanism, header, binding, expected) in [
        (SCRAM_PLUS, plus, &hash[..], "R(12)"),
        (
            SCRAM_PLUS,
            plus,
            b"another certificate",
            "E(FATAL 28000 SCRAM channel binding check failed)",
        ),
        (SCRAM, "n,,", b"", "R(12)"),
    ] {
        let mut raw = RawClient::connect(&gate);
        raw.send(&packet(b"\x04\xd2\x16\x2f")).await;
        assert_eq!(raw.stream.read_u8().await.unwrap(), b'S');
        let mut stream = connector(trusted.clone(), &[])
            .connect(localhost(), raw.stream)
            .await
            .unwrap();
        let (offered, _, shown) = exchange(&mut stream, "alice", "pencil", mechanism, header, binding).await;
        assert_eq!(offered, format!("{SCRAM_PLUS} {SCRAM}"));
        assert_eq!(shown[0], expected);
    }
}
