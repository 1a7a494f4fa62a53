//! Throws damaged startup packets and messages at a real server for a minute: it may refuse them in any
//! way, but no thread panics and it goes on answering others. BOATHOUSE_FUZZ_SECONDS changes the minute;
//! the seed is printed, so that a failure can be repeated with BOATHOUSE_FUZZ_SEED.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::server::{ADMIN_PASSWORD, Server};

const ANSWER_LIMIT: Duration = Duration::from_millis(30);

#[tokio::test(flavor = "multi_thread")]
async fn damaged_messages_do_no_harm() {
    let seconds = std::env::var("BOATHOUSE_FUZZ_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let seed = std::env::var("BOATHOUSE_FUZZ_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| rand::rng().random());
    println!("BOATHOUSE_FUZZ_SEED={seed}");
    let mut server = Server::start_with_trust().await;
    let mut generator = StdRng::seed_from_u64(seed);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut attempts = 0_u64;
    while Instant::now() < deadline {
        let before_login = generator.random_bool(0.4);
        let conversation = if before_login {
            damaged_startup(&mut generator)
        } else {
            damaged_session(&mut generator)
        };
        exchange(server.port, &conversation);
        attempts += 1;
        if attempts.is_multiple_of(200) {
            assert!(server.is_running(), "the server is gone:\n{}", server.log());
        }
    }
    assert!(server.is_running(), "the server is gone:\n{}", server.log());
    let log = server.log();
    let panic = log
        .lines()
        .find(|line| line.contains("panicked at") || line.contains("panic"));
    assert_eq!(panic, None, "after {attempts} conversations");
    assert!(attempts > seconds * 10, "only {attempts} conversations");
    let client = server.connect("boathouse").await;
    assert_eq!(client.query_one("select 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

/// Sends the bytes, reads what comes back for a moment, hangs up.
fn exchange(port: u16, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return;
    };
    let _ = stream.set_read_timeout(Some(ANSWER_LIMIT));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
    let _ = stream.write_all(bytes);
    let mut answer = [0_u8; 4096];
    while matches!(stream.read(&mut answer), Ok(count) if count > 0) {}
    let _ = stream.shutdown(Shutdown::Both);
}

fn startup_packet() -> Vec<u8> {
    let mut body = 0x0003_0000_u32.to_be_bytes().to_vec();
    for (key, value) in [
        ("user", "admin"),
        ("database", "boathouse"),
        ("client_encoding", "UTF8"),
    ] {
        body.extend_from_slice(format!("{key}\0{value}\0").as_bytes());
    }
    body.push(0);
    with_length(&body)
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend_from_slice(body);
    packet
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&with_length(body));
    bytes
}

fn damaged_startup(generator: &mut StdRng) -> Vec<u8> {
    let requests: [Vec<u8>; 6] = [
        startup_packet(),
        with_length(&80877103_u32.to_be_bytes()),
        with_length(&80877104_u32.to_be_bytes()),
        with_length(
            &[
                &80877102_u32.to_be_bytes()[..],
                &7_u32.to_be_bytes(),
                &9_u32.to_be_bytes(),
            ]
            .concat(),
        ),
        with_length(&0x0003_0002_u32.to_be_bytes()),
        (0..generator.random_range(0..64)).map(|_| generator.random()).collect(),
    ];
    let mut bytes = requests.choose(generator).cloned().unwrap_or_default();
    damage(&mut bytes, generator);
    if generator.random_bool(0.5) {
        let scram = format!("SCRAM-SHA-256\0\0\0\0\x20n,,n=,r={ADMIN_PASSWORD}");
        let mut password = message(b'p', scram.as_bytes());
        damage(&mut password, generator);
        bytes.extend(password);
    }
    bytes
}

/// A good startup, which trust lets in, and then messages of which some are damaged.
fn damaged_session(generator: &mut StdRng) -> Vec<u8> {
    let catalogue: [(u8, &[u8]); 18] = [
        (b'Q', b"select 1\0"),
        (b'Q', b"select $1::int; select 'x'\0"),
        (b'Q', b"\0"),
        (b'P', b"s\0select $1::int4, $2::text\0\0\x02\0\0\0\x17\0\0\0\x19"),
        (b'P', b"\0select n from generate_series(1, 5) g(n)\0\0\0"),
        (
            b'B',
            b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x01a\0\x01\0\x01",
        ),
        (b'B', b"p\0\0\0\0\0\0\0\0"),
        (b'D', b"Ss\0"),
        (b'D', b"P\0"),
        (b'E', b"\0\0\0\0\x02"),
        (b'E', b"p\0\xff\xff\xff\xff"),
        (b'C', b"Ss\0"),
        (b'H', b""),
        (b'S', b""),
        (b'd', b"1\ta\n"),
        (b'c', b""),
        (b'f', b"no\0"),
        (b'Q', b"copy (select 1) to stdout; set application_name = 'fuzz'\0"),
    ];
    let mut bytes = startup_packet();
    for _ in 0..generator.random_range(1..8) {
        let (kind, body) = catalogue.choose(generator).copied().unwrap_or((b'S', b""));
        let mut one = message(kind, body);
        if generator.random_bool(0.6) {
            damage(&mut one, generator);
        }
        bytes.extend(one);
    }
    bytes.extend(message(b'S', b""));
    bytes
}

/// Changes, drops, doubles or inserts a few bytes; often in the length field, where it hurts most.
fn damage(bytes: &mut Vec<u8>, generator: &mut StdRng) {
    for _ in 0..generator.random_range(1..4) {
        if bytes.is_empty() {
            bytes.push(generator.random());
            continue;
        }
        let near_the_start = generator.random_bool(0.4);
        let position = generator.random_range(
            0..if near_the_start {
                bytes.len().min(8)
            } else {
                bytes.len()
            },
        );
        match generator.random_range(0..6) {
            0 => bytes[position] = generator.random(),
            1 => bytes[position] ^= 1 << generator.random_range(0..8),
            2 => bytes.truncate(position),
            3 => bytes.insert(position, generator.random()),
            4 => bytes[position] = [0, 0x7f, 0x80, 0xff][generator.random_range(0..4)],
            _ => bytes.extend_from_within(position..),
        }
    }
}
