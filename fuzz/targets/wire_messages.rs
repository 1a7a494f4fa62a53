//! Feeds any bytes to the protocol's decoder, whole and in pieces: it must not panic, must take the same
//! messages however the bytes arrive, and must not allocate for what a client merely announces.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../src/wire/message.rs"]
mod message;

const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&mode, data)) = data.split_first() else { return };
    if mode & 1 == 0 {
        let _ = message::decode_startup(&mut BytesMut::from(data));
        return;
    }
    let piece = usize::from(mode >> 1).max(1);
    assert_eq!(run(data, data.len().max(1)), run(data, piece));
});

/// Every message up to the first error that ends the connection.
fn run(data: &[u8], piece: usize) -> Vec<Result<message::Message, message::Malformed>> {
    let mut found = Vec::new();
    let mut input = BytesMut::new();
    for bytes in data.chunks(piece) {
        input.extend_from_slice(bytes);
        loop {
            match message::take_frame(&mut input, LIMIT) {
                Ok(Some(frame)) => {
                    let body = frame.body.clone();
                    let decoded = message::decode(frame);
                    if let Ok(message::Message::Authentication(_)) = &decoded {
                        let _ = message::decode_sasl_initial(body.clone());
                    }
                    if let Ok(message::Message::Parse { parameter_oids, .. }) = &decoded {
                        assert!(parameter_oids.len() * 4 <= body.len());
                    }
                    found.push(decoded);
                }
                Ok(None) => break,
                Err(malformed) => {
                    assert!(malformed.is_fatal());
                    found.push(Err(malformed));
                    return found;
                }
            }
        }
    }
    found
}
