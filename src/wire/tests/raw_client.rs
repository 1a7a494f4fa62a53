//! A client that speaks bytes, and shows what comes back as short texts: `D(1)`, `C(SELECT 1)`, `Z(I)`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::scripted::{Log, ScriptedService};
use crate::telemetry::Metrics;
use crate::wire::{Certificate, Connections, Gate, Rules, converse};

pub type TestGate = Arc<Gate<ScriptedService>>;

/// A server that trusts loopback, for whatever is not about authentication.
pub fn gate() -> TestGate {
    gate_with(true, None, false, 10)
}

pub fn gate_with(trust: bool, certificate: Option<Certificate>, tls_required: bool, limit: usize) -> TestGate {
    Arc::new(Gate {
        service: Arc::new(ScriptedService { log: Log::default() }),
        connections: Connections::new(limit, 0),
        metrics: Arc::new(Metrics::new().unwrap()),
        certificate,
        rules: Rules {
            tls_required,
            trust_loopback: trust,
            authentication_timeout: Duration::from_secs(60),
            message_limit: 1 << 20,
        },
        closing: CancellationToken::new(),
    })
}

pub struct RawClient {
    pub stream: DuplexStream,
    pub server: JoinHandle<()>,
}

/// A message's tag and body.
#[derive(Debug)]
pub struct Reply(pub u8, pub Bytes);

impl RawClient {
    /// Connects without a word.
    pub fn connect(gate: &TestGate) -> RawClient {
        RawClient::connect_from(gate, IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    pub fn connect_from(gate: &TestGate, peer: IpAddr) -> RawClient {
        let (stream, other) = tokio::io::duplex(16 * 1024);
        let gate = Arc::clone(gate);
        let server = tokio::spawn(async move { converse(other, None, Some(SocketAddr::new(peer, 1)), &gate).await });
        RawClient { stream, server }
    }

    /// Connects as alice and waits for the first ReadyForQuery.
    pub async fn log_in(gate: &TestGate) -> RawClient {
        RawClient::log_in_with_key(gate).await.0
    }

    /// Like `log_in`; also the body of BackendKeyData.
    pub async fn log_in_with_key(gate: &TestGate) -> (RawClient, Bytes) {
        let mut client = RawClient::connect(gate);
        client
            .send(&startup(0, &[("user", "alice"), ("database", "boathouse")]))
            .await;
        let mut key = Bytes::new();
        loop {
            let reply = client.reply().await.expect("logged in");
            match reply.0 {
                b'K' => key = reply.1,
                b'Z' => return (client, key),
                _ => {}
            }
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn query(&mut self, sql: &str) -> Vec<String> {
        self.send(&query(sql)).await;
        self.until_ready().await
    }

    /// The next message; `None` at the end of the stream.
    pub async fn reply(&mut self) -> Option<Reply> {
        read_reply(&mut self.stream).await
    }

    pub async fn until_ready(&mut self) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(reply) = self.reply().await {
            let done = reply.0 == b'Z';
            shown.push(show(&reply));
            if done {
                return shown;
            }
        }
        shown.push("end".into());
        shown
    }

    /// Everything to the end of the stream.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(reply) = self.reply().await {
            shown.push(show(&reply));
        }
        shown
    }

    pub async fn next(&mut self) -> String {
        self.reply().await.map_or("end".into(), |reply| show(&reply))
    }
}

pub async fn read_reply(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Reply> {
    let tag = stream.read_u8().await.ok()?;
    let length = stream.read_u32().await.ok()?;
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await.ok()?;
    Some(Reply(tag, body.into()))
}

pub fn show(Reply(tag, body): &Reply) -> String {
    let mut body = body.clone();
    let inside = match tag {
        b'E' | b'N' => {
            let fields: Vec<&[u8]> = body
                .split(|byte| *byte == 0)
                .filter(|field| !field.is_empty())
                .collect();
            let shown: Vec<_> = fields
                .iter()
                .filter(|field| b"SCMDP".contains(&field[0]))
                .map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
                .collect();
            shown.join(" ")
        }
        b'D' => {
            let count = body.get_u16();
            let values: Vec<_> = (0..count)
                .map(|_| match body.get_i32() {
                    -1 => "null".into(),
                    length => String::from_utf8_lossy(&body.split_to(length as usize)).into_owned(),
                })
                .collect();
            values.join(",")
        }
        b'T' => format!("{}:{}", body.get_u16(), body[body.len() - 1]),
        b'S' => body
            .split(|byte| *byte == 0)
            .map(String::from_utf8_lossy)
            .collect::<Vec<_>>()
            .join("=")
            .trim_end_matches('=')
            .to_string(),
        b't' => (0..body.get_u16())
            .map(|_| body.get_u32().to_string())
            .collect::<Vec<_>>()
            .join(","),
        b'K' => format!("{} bytes", body.len() - 4),
        b'R' => body.get_u32().to_string(),
        b'G' | b'H' | b'v' => format!("{:?}", &body[..]),
        _ => String::from_utf8_lossy(&body).trim_end_matches('\0').to_string(),
    };
    if inside.is_empty() {
        char::from(*tag).to_string()
    } else {
        format!("{}({inside})", char::from(*tag))
    }
}

pub fn startup(minor: u16, parameters: &[(&str, &str)]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u16(3);
    body.put_u16(minor);
    for (name, value) in parameters {
        body.put_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.put_u8(0);
    packet(&body)
}

/// A startup packet with this content.
pub fn packet(body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u32(body.len() as u32 + 4);
    out.put_slice(body);
    out.freeze()
}

pub fn message(tag: u8, body: &[u8]) -> Bytes {
    [&[tag][..], &packet(body)].concat().into()
}

pub fn query(sql: &str) -> Bytes {
    message(b'Q', format!("{sql}\0").as_bytes())
}

pub fn parse(name: &str, sql: &str) -> Bytes {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

pub fn bind(portal: &str, statement: &str, result_format: u8) -> Bytes {
    let mut body = format!("{portal}\0{statement}\0\0\0\0\0\0\x01\0").into_bytes();
    body.push(result_format);
    message(b'B', &body)
}

pub fn describe(target: char, name: &str) -> Bytes {
    message(b'D', format!("{target}{name}\0").as_bytes())
}

pub fn execute(portal: &str, max_rows: u32) -> Bytes {
    message(b'E', &[portal.as_bytes(), b"\0", &max_rows.to_be_bytes()].concat())
}

pub fn close(target: char, name: &str) -> Bytes {
    message(b'C', format!("{target}{name}\0").as_bytes())
}

pub fn sync() -> Bytes {
    message(b'S', b"")
}

pub fn flush() -> Bytes {
    message(b'H', b"")
}

pub fn terminate() -> Bytes {
    message(b'X', b"")
}
