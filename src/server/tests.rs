//! A real driver over real sockets, against the scripted session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, TryStreamExt};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState as DriverState;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;
use crate::wire::tests::scripted::{Log, ScriptedService};
use crate::wire::{Connections, Gate, Rules};

struct Running {
    address: SocketAddr,
    log: Log,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(grace: Duration) -> Running {
    let listeners = super::listen(&["127.0.0.1:0".into()]).await.unwrap();
    let address = listeners[0].local_addr().unwrap();
    let (log, closing) = (Log::default(), CancellationToken::new());
    let gate = Gate {
        service: Arc::new(ScriptedService { log: Arc::clone(&log) }),
        connections: Connections::new(10, 0),
        metrics: Arc::new(Metrics::new().unwrap()),
        certificate: None,
        rules: Rules {
            tls_required: false,
            trust_loopback: false,
            authentication_timeout: Duration::from_secs(5),
            message_limit: 1 << 20,
        },
        closing: closing.clone(),
    };
    let task = tokio::spawn(super::serve(listeners, Arc::new(gate), 10, grace));
    Running {
        address,
        log,
        closing,
        task,
    }
}

async fn connect(running: &Running, password: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(running.address.port())
        .user("alice")
        .password(password)
        .dbname("boathouse");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn state(error: &tokio_postgres::Error) -> &str {
    error.code().unwrap().code()
}

#[tokio::test]
async fn a_driver_is_served() {
    let running = start(Duration::from_secs(5)).await;
    let refused = connect(&running, "wrong").await.err().unwrap();
    assert_eq!(refused.code(), Some(&DriverState::INVALID_PASSWORD));

    let client = connect(&running, "pencil").await.unwrap();
    let rows = client.query("rows 3", &[]).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let messages = client.simple_query("rows 1; rows 2").await.unwrap();
    let rows = messages
        .iter()
        .filter(|message| matches!(message, SimpleQueryMessage::Row(_)));
    assert_eq!(rows.count(), 3);
    assert_eq!(state(&client.query("refused", &[]).await.unwrap_err()), "42501");

    let sink = client.copy_in("copyin").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from_static(b"1\t2\n")).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 1);
    let copied: Vec<Bytes> = client.copy_out("copyout 2").await.unwrap().try_collect().await.unwrap();
    assert_eq!(copied.concat(), b"n\n1\n2\n");
}

#[tokio::test]
async fn a_driver_cancels() {
    let running = start(Duration::from_secs(5)).await;
    let client = connect(&running, "pencil").await.unwrap();
    let token = client.cancel_token();
    let log = Arc::clone(&running.log);
    let canceller = tokio::spawn(async move {
        while !log.lock().iter().any(|event| event == "sleeping") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        token.cancel_query(NoTls).await.unwrap();
    });
    assert_eq!(state(&client.simple_query("sleep").await.unwrap_err()), "57014");
    canceller.await.unwrap();
    assert_eq!(client.query("rows 1", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_grace_time_ends() {
    let mut running = start(Duration::from_millis(100)).await;
    let client = connect(&running, "pencil").await.unwrap();
    let statement = tokio::spawn(async move { client.simple_query("deaf").await });
    while !running.log.lock().iter().any(|event| event == "sleeping") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.closing.cancel();
    assert_eq!(state(&statement.await.unwrap().unwrap_err()), "57P01");
    (&mut running.task).await.unwrap();
    assert!(connect(&running, "pencil").await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = super::listen(&["127.0.0.1:0".into()]).await.unwrap();
    let address = first[0].local_addr().unwrap().to_string();
    let error = super::listen(std::slice::from_ref(&address)).await.unwrap_err();
    assert_eq!(error.message(), format!("could not listen on \"{address}\""));
}
