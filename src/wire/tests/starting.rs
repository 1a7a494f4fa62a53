//! Startup packets, versions and encryption.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::raw_client::*;
use crate::wire::Certificate;

const SSL: &[u8] = b"\x04\xd2\x16\x2f";
const GSS: &[u8] = b"\x04\xd2\x16\x30";

fn alice() -> bytes::Bytes {
    startup(0, &[("user", "alice"), ("database", "boathouse")])
}

pub fn certificate(folder: &Path) -> (Certificate, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (Certificate::load(&chain, &key).unwrap(), made.cert.der().clone())
}

pub fn connector(trusted: CertificateDer<'static>, alpn: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

pub fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

async fn check(sent: &[u8], expected: &[&str]) {
    let mut client = RawClient::connect(&gate());
    client.send(sent).await;
    assert_eq!(client.until_ready().await, expected, "{sent:?}");
}

#[tokio::test]
async fn versions_are_negotiated() {
    let rest = ["S(server_version=17.0)", "K(4 bytes)", "Z(I)"];
    check(&alice(), &[&["R(0)"][..], &rest].concat()).await;
    let parameters = [("user", "alice"), ("database", "boathouse")];
    let long = ["R(0)", "S(server_version=17.0)", "K(32 bytes)", "Z(I)"];
    check(&startup(2, &parameters), &long).await;
    let negotiated = "v([0, 3, 0, 2, 0, 0, 0, 0])";
    check(&startup(9999, &parameters), &[&[negotiated][..], &long].concat()).await;
    let options = [("user", "alice"), ("database", "boathouse"), ("_pq_.x", "1")];
    let unknown = "v([0, 3, 0, 0, 0, 0, 0, 1, 95, 112, 113, 95, 46, 120, 0])";
    check(&startup(0, &options), &[&[unknown, "R(0)"][..], &rest].concat()).await;
}

#[tokio::test]
async fn what_cannot_start_is_told_why() {
    let check = async |sent: bytes::Bytes, expected: &str| check(&sent, &[expected, "end"]).await;
    check(
        packet(b"\0\x02\0\0x"),
        "E(FATAL 0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.2)",
    )
    .await;
    check(packet(b""), "E(FATAL 08P01 invalid length of startup packet)").await;
    check(
        packet(b"\0\x03\0\0user\0"),
        "E(FATAL 08P01 invalid startup packet layout: expected terminator as last byte)",
    )
    .await;
    check(
        startup(0, &[]),
        "E(FATAL 28000 no PostgreSQL user name specified in startup packet)",
    )
    .await;
    check(
        startup(0, &[("user", "alice"), ("replication", "database")]),
        "E(FATAL 0A000 the replication protocol is not supported yet)",
    )
    .await;
    check(
        startup(0, &[("user", "eve"), ("database", "boathouse")]),
        "E(FATAL 28000 role \"eve\" does not exist)",
    )
    .await;
}

#[tokio::test]
async fn an_authenticated_client_may_still_be_refused() {
    for (parameters, expected) in [
        (
            &[("user", "alice")][..],
            "E(FATAL 3D000 database \"alice\" does not exist)",
        ),
        (
            &[("user", "group"), ("database", "boathouse")],
            "E(FATAL 28000 role \"group\" is not permitted to log in)",
        ),
        (
            &[("user", "alice"), ("database", "boathouse"), ("nonsense", "1")],
            "E(FATAL 42704 unrecognized configuration parameter \"nonsense\")",
        ),
    ] {
        check(&startup(0, parameters), &["R(0)", expected, "end"]).await;
    }
}

#[tokio::test]
async fn connection_limits() {
    let gate = gate_with(true, None, false, 2);
    let first = RawClient::log_in(&gate).await;
    let mut second = RawClient::connect(&gate);
    let single = startup(0, &[("user", "single"), ("database", "boathouse")]);
    second.send(&single).await;
    assert_eq!(second.next().await, "R(0)");
    let mut third = RawClient::connect(&gate);
    third.send(&alice()).await;
    assert_eq!(third.rest().await, ["E(FATAL 53300 sorry, too many clients already)"]);
    drop(first.stream);
    first.server.await.unwrap();
    let mut fourth = RawClient::connect(&gate);
    fourth.send(&single).await;
    assert_eq!(
        fourth.rest().await,
        ["R(0)", "E(FATAL 53300 too many connections for role \"single\")"]
    );
    fourth.server.await.unwrap();
    let metrics = &gate.metrics;
    assert_eq!(metrics.connections_open.get(), 1);
    assert_eq!(metrics.connections_total.get(), 2);
    assert_eq!(metrics.connections_refused.get(), 2);
}

#[tokio::test]
async fn encryption_that_is_not_there_is_refused_and_the_client_goes_on() {
    let mut client = RawClient::connect(&gate());
    for request in [GSS, SSL] {
        client.send(&packet(request)).await;
        assert_eq!(client.stream.read_u8().await.unwrap(), b'N');
    }
    client.send(&alice()).await;
    assert_eq!(client.until_ready().await.len(), 4);

    let mut client = RawClient::connect(&gate());
    client.send(&packet(SSL)).await;
    assert_eq!(client.stream.read_u8().await.unwrap(), b'N');
    client.send(&packet(SSL)).await;
    assert_eq!(
        client.next().await,
        "E(FATAL 08P01 encryption was requested more than once)"
    );
}

#[tokio::test]
async fn plain_text_is_refused_where_tls_is_required() {
    let mut client = RawClient::connect(&gate_with(true, None, true, 10));
    client.send(&alice()).await;
    assert_eq!(
        client.rest().await,
        ["E(FATAL 28000 the server accepts encrypted connections only)"]
    );
}

#[tokio::test]
async fn bytes_before_the_handshake_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for request in [SSL, GSS] {
        let gate = gate_with(true, Some(certificate(folder.path()).0), false, 10);
        let mut client = RawClient::connect(&gate);
        client.send(&[packet(request), alice()].concat()).await;
        let shown = client.rest().await.join("");
        assert!(
            shown.starts_with("E(FATAL 08P01 received unencrypted data after "),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn tls_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, trusted) = certificate(folder.path());
    let gate = gate_with(true, Some(certificate), true, 10);
    let mut client = RawClient::connect(&gate);
    client.send(&packet(SSL)).await;
    assert_eq!(client.stream.read_u8().await.unwrap(), b'S');
    let mut stream = connector(trusted, &[])
        .connect(localhost(), client.stream)
        .await
        .unwrap();
    stream.write_all(&alice()).await.unwrap();
    assert_eq!(show(&read_reply(&mut stream).await.unwrap()), "R(0)");
}

#[tokio::test]
async fn direct_tls_needs_its_protocol_name() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, trusted) = certificate(folder.path());
    let gate = gate_with(true, Some(certificate), true, 10);
    for (alpn, expected) in [
        (&[&b"postgresql"[..]][..], "R(0)"),
        (
            &[],
            "E(FATAL 08P01 received direct SSL connection request without ALPN protocol negotiation extension)",
        ),
    ] {
        let client = RawClient::connect(&gate);
        let connector = connector(trusted.clone(), alpn);
        let mut stream = connector.connect(localhost(), client.stream).await.unwrap();
        stream.write_all(&alice()).await.unwrap();
        assert_eq!(show(&read_reply(&mut stream).await.unwrap()), expected);
    }
    let client = RawClient::connect(&gate);
    assert!(
        connector(trusted, &[b"http/1.1"])
            .connect(localhost(), client.stream)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn direct_tls_without_a_certificate_is_hung_up_on() {
    let mut client = RawClient::connect(&gate());
    client.send(b"\x16\x03\x01\x00\x05hello").await;
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_silent_client_is_not_waited_for() {
    let mut gate = gate();
    Arc::get_mut(&mut gate).unwrap().rules.authentication_timeout = Duration::from_millis(50);
    let mut client = RawClient::connect(&gate);
    client.send(b"\0\0").await;
    assert!(client.rest().await.is_empty());
    client.server.await.unwrap();
}
