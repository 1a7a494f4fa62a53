//! Decodes what a client sends, from bytes alone: startup packets, then tagged messages. Pure, so that
//! the fuzz target includes this very file. It never panics, trusts no count or length before the bytes
//! are there, and a message never reads past its own frame.

use bytes::{Buf, Bytes, BytesMut};

/// The longest startup packet, as in PostgreSQL.
pub const STARTUP_LIMIT: usize = 10_000;
/// The longest message of a kind that carries no user data.
pub const SMALL_LIMIT: usize = 10_000;
/// The longest message before the client is authenticated.
pub const UNAUTHENTICATED_LIMIT: usize = 65_535;

const CANCEL_REQUEST: u32 = (1234 << 16) | 5678;
const SSL_REQUEST: u32 = (1234 << 16) | 5679;
const GSS_REQUEST: u32 = (1234 << 16) | 5680;
const LONGEST_CANCEL_KEY: usize = 256;

/// The first packet of a connection, which has no tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartupPacket {
    Ssl,
    Gss,
    Cancel {
        process_id: i32,
        key: Bytes,
    },
    Startup {
        major: u16,
        minor: u16,
        parameters: Vec<(String, String)>,
    },
}

/// What a Describe or Close names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Statement,
    Portal,
}

/// One message of an established connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Query(String),
    Parse {
        name: String,
        sql: String,
        parameter_oids: Vec<u32>,
    },
    Bind(Bind),
    Describe {
        target: Target,
        name: String,
    },
    Execute {
        portal: String,
        max_rows: u32,
    },
    Close {
        target: Target,
        name: String,
    },
    Sync,
    Flush,
    FunctionCall(FunctionCall),
    CopyData(Bytes),
    CopyDone,
    CopyFail(String),
    /// Password, SASLInitialResponse or SASLResponse: the state of the exchange tells which.
    Authentication(Bytes),
    Terminate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub portal: String,
    pub statement: String,
    pub parameter_formats: Vec<i16>,
    /// `None` is NULL.
    pub parameters: Vec<Option<Bytes>>,
    pub result_formats: Vec<i16>,
}

/// One function by its OID, called without a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCall {
    pub function: u32,
    pub argument_formats: Vec<i16>,
    /// `None` is NULL.
    pub arguments: Vec<Option<Bytes>>,
    pub result_format: i16,
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// The stream cannot be followed any further.
    StartupLength,
    StartupLayout,
    Tag(u8),
    Length,
    /// The frame is whole, its content is not; the next message can be read.
    Content(&'static str),
    /// Text that is not UTF-8: the offending bytes, at most four.
    Encoding(Vec<u8>),
}

impl Malformed {
    /// Whether the connection must end because the place of the next message is unknown.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Malformed::Content(_) | Malformed::Encoding(_))
    }
}

/// A frame whose content is not decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub tag: u8,
    pub body: Bytes,
}

/// Takes the startup packet from the front of `input`; `None` when it is not all there.
pub fn decode_startup(input: &mut BytesMut) -> Result<Option<StartupPacket>, Malformed> {
    let Some(length) = peek_length(input) else {
        return Ok(None);
    };
    if !(8..=STARTUP_LIMIT).contains(&length) {
        return Err(Malformed::StartupLength);
    }
    if input.len() < length {
        return Ok(None);
    }
    let mut body = Reader(input.split_to(length).freeze());
    body.0.advance(4);
    let code = body.u32().map_err(|_| Malformed::StartupLayout)?;
    match code {
        SSL_REQUEST if length == 8 => Ok(Some(StartupPacket::Ssl)),
        GSS_REQUEST if length == 8 => Ok(Some(StartupPacket::Gss)),
        SSL_REQUEST | GSS_REQUEST => Err(Malformed::StartupLength),
        CANCEL_REQUEST => {
            let process_id = body.i32().map_err(|_| Malformed::StartupLength)?;
            if !(4..=LONGEST_CANCEL_KEY).contains(&body.0.len()) {
                return Err(Malformed::StartupLength);
            }
            Ok(Some(StartupPacket::Cancel {
                process_id,
                key: body.0,
            }))
        }
        version => {
            let parameters = startup_parameters(&mut body, version).map_err(|_| Malformed::StartupLayout)?;
            Ok(Some(StartupPacket::Startup {
                major: (version >> 16) as u16,
                minor: version as u16,
                parameters,
            }))
        }
    }
}

/// Name and value pairs up to an empty name, which must be the packet's last byte. A foreign major
/// version may lay its packet out in any way; only its number matters.
fn startup_parameters(body: &mut Reader, version: u32) -> Result<Vec<(String, String)>, Malformed> {
    let mut parameters = Vec::new();
    if version >> 16 != 3 {
        return Ok(parameters);
    }
    loop {
        let name = body.text()?;
        if name.is_empty() {
            return body.end().map(|()| parameters);
        }
        parameters.push((name, body.text()?));
    }
}

/// Takes one frame from the front of `input`; `None` when it is not all there. `limit` bounds the
/// length that messages with user data may announce.
pub fn take_frame(input: &mut BytesMut, limit: usize) -> Result<Option<Frame>, Malformed> {
    let Some(&tag) = input.first() else { return Ok(None) };
    let longest = match tag {
        b'Q' | b'P' | b'B' | b'd' | b'F' | b'p' => limit,
        b'D' | b'E' | b'C' | b'S' | b'H' | b'c' | b'f' | b'X' => SMALL_LIMIT.min(limit),
        _ => return Err(Malformed::Tag(tag)),
    };
    let Some(length) = input.get(1..).and_then(peek_length) else {
        return Ok(None);
    };
    if !(4..=longest).contains(&length) {
        return Err(Malformed::Length);
    }
    if input.len() - 1 < length {
        return Ok(None);
    }
    let mut body = input.split_to(length + 1).freeze();
    body.advance(5);
    Ok(Some(Frame { tag, body }))
}

/// Decodes a frame's content.
pub fn decode(frame: Frame) -> Result<Message, Malformed> {
    let mut body = Reader(frame.body);
    let message = match frame.tag {
        b'Q' => Message::Query(body.text()?),
        b'P' => Message::Parse {
            name: body.text()?,
            sql: body.text()?,
            parameter_oids: body.list(4, Reader::u32)?,
        },
        b'B' => Message::Bind(Bind {
            portal: body.text()?,
            statement: body.text()?,
            parameter_formats: body.list(2, Reader::i16)?,
            parameters: body.list(4, Reader::value)?,
            result_formats: body.list(2, Reader::i16)?,
        }),
        b'F' => Message::FunctionCall(FunctionCall {
            function: body.u32()?,
            argument_formats: body.list(2, Reader::i16)?,
            arguments: body.list(4, Reader::value)?,
            result_format: body.i16()?,
        }),
        b'D' => Message::Describe {
            target: body.target("DESCRIBE")?,
            name: body.text()?,
        },
        b'C' => Message::Close {
            target: body.target("CLOSE")?,
            name: body.text()?,
        },
        // A negative row limit means none, as in PostgreSQL.
        b'E' => Message::Execute {
            portal: body.text()?,
            max_rows: body.i32()?.try_into().unwrap_or(0),
        },
        b'S' => Message::Sync,
        b'H' => Message::Flush,
        b'c' => Message::CopyDone,
        b'X' => Message::Terminate,
        b'f' => Message::CopyFail(body.text()?),
        b'd' => return Ok(Message::CopyData(body.0)),
        b'p' => return Ok(Message::Authentication(body.0)),
        tag => return Err(Malformed::Tag(tag)),
    };
    body.end()?;
    Ok(message)
}

/// Decodes a SASLInitialResponse: the mechanism, and the client's first message if it sent one.
pub fn decode_sasl_initial(body: Bytes) -> Result<(String, Option<Bytes>), Malformed> {
    let mut body = Reader(body);
    let mechanism = body.text()?;
    let first = body.value()?;
    body.end()?;
    Ok((mechanism, first))
}

fn peek_length(input: &[u8]) -> Option<usize> {
    let bytes: [u8; 4] = input.get(..4)?.try_into().ok()?;
    Some(u32::from_be_bytes(bytes) as usize)
}

/// Reads from one frame and says what is missing instead of reading on.
struct Reader(Bytes);

const SHORT: Malformed = Malformed::Content("insufficient data left in message");

impl Reader {
    fn need(&self, bytes: usize) -> Result<(), Malformed> {
        if self.0.len() < bytes { Err(SHORT) } else { Ok(()) }
    }

    fn i16(&mut self) -> Result<i16, Malformed> {
        self.need(2)?;
        Ok(self.0.get_i16())
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        self.need(4)?;
        Ok(self.0.get_i32())
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.need(4)?;
        Ok(self.0.get_u32())
    }

    /// A string that ends with a zero byte.
    fn text(&mut self) -> Result<String, Malformed> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(Malformed::Content("invalid string in message"))?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        match std::str::from_utf8(&text) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(Malformed::Encoding(
                text.iter().skip(error.valid_up_to()).take(4).copied().collect(),
            )),
        }
    }

    /// A length and as many bytes; -1 is NULL.
    fn value(&mut self) -> Result<Option<Bytes>, Malformed> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| SHORT)?;
                self.need(length)?;
                Ok(Some(self.0.split_to(length)))
            }
        }
    }

    fn target(&mut self, message: &'static str) -> Result<Target, Malformed> {
        self.need(1)?;
        match self.0.get_u8() {
            b'S' => Ok(Target::Statement),
            b'P' => Ok(Target::Portal),
            _ if message == "CLOSE" => Err(Malformed::Content("invalid CLOSE message subtype")),
            _ => Err(Malformed::Content("invalid DESCRIBE message subtype")),
        }
    }

    /// A 16-bit count and as many items of at least `size` bytes each.
    fn list<T>(
        &mut self,
        size: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = usize::from(self.i16()? as u16);
        self.need(count * size)?;
        (0..count).map(|_| item(self)).collect()
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Content("invalid message format"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Result<Message, Malformed> {
        decode(Frame {
            tag,
            body: Bytes::copy_from_slice(body),
        })
    }

    #[test]
    fn startup_packets() {
        let check = |bytes: &[u8], expected: Result<Option<StartupPacket>, Malformed>| {
            assert_eq!(decode_startup(&mut BytesMut::from(bytes)), expected, "{bytes:?}");
        };
        check(b"\0\0", Ok(None));
        check(b"\0\0\0\x08\x04\xd2\x16\x2f", Ok(Some(StartupPacket::Ssl)));
        check(b"\0\0\0\x08\x04\xd2\x16\x30", Ok(Some(StartupPacket::Gss)));
        check(
            b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07abcd",
            Ok(Some(StartupPacket::Cancel {
                process_id: 7,
                key: Bytes::from_static(b"abcd"),
            })),
        );
        check(b"\0\0\0\x0c\x04\xd2\x16\x2e\0\0\0\x07", Err(Malformed::StartupLength));
        check(b"\0\0\0\x04\0\0\0\0", Err(Malformed::StartupLength));
        check(b"\xff\xff\xff\xff", Err(Malformed::StartupLength));
        check(b"GET / HTTP/1.1\r\n", Err(Malformed::StartupLength));
        let parameters = vec![("user".to_string(), "a".to_string())];
        check(
            b"\0\0\0\x10\0\x03\0\x02user\0a\0\0",
            Ok(Some(StartupPacket::Startup {
                major: 3,
                minor: 2,
                parameters,
            })),
        );
        check(b"\0\0\0\x0f\0\x03\0\0user\0a\0", Err(Malformed::StartupLayout));
        check(b"\0\0\0\x11\0\x03\0\0user\0a\0\0x", Err(Malformed::StartupLayout));
        check(
            b"\0\0\0\x0a\0\x02\0\0zz",
            Ok(Some(StartupPacket::Startup {
                major: 2,
                minor: 0,
                parameters: vec![],
            })),
        );
    }

    #[test]
    fn frames_wait_for_their_bytes_and_keep_their_limits() {
        let check = |bytes: &[u8], expected: Result<Option<u8>, Malformed>| {
            let found = take_frame(&mut BytesMut::from(bytes), 1 << 20).map(|frame| frame.map(|frame| frame.tag));
            assert_eq!(found, expected, "{bytes:?}");
        };
        check(b"", Ok(None));
        check(b"Q\0\0\0", Ok(None));
        check(b"Q\0\0\0\x08ab", Ok(None));
        check(b"S\0\0\0\x04", Ok(Some(b'S')));
        check(b"S\0\0\0\x03", Err(Malformed::Length));
        check(b"Q\x7f\xff\xff\xff", Err(Malformed::Length));
        check(b"Q\xff\xff\xff\xff", Err(Malformed::Length));
        check(b"D\0\0\xff\xff", Err(Malformed::Length));
        check(b"z\0\0\0\x04", Err(Malformed::Tag(b'z')));
    }

    #[test]
    fn messages() {
        assert_eq!(frame(b'Q', b"select 1\0"), Ok(Message::Query("select 1".into())));
        assert_eq!(
            frame(b'Q', b"select 1"),
            Err(Malformed::Content("invalid string in message"))
        );
        assert_eq!(
            frame(b'Q', b"a\0b\0"),
            Err(Malformed::Content("invalid message format"))
        );
        assert_eq!(frame(b'Q', b"a\xc3\x28\0"), Err(Malformed::Encoding(vec![0xc3, 0x28])));
        assert_eq!(
            frame(b'P', b"s\0q\0\0\x01\0\0\0\x17"),
            Ok(Message::Parse {
                name: "s".into(),
                sql: "q".into(),
                parameter_oids: vec![23]
            })
        );
        assert_eq!(frame(b'P', b"s\0q\0\xff\xff\0\0\0\x17"), Err(SHORT));
        assert_eq!(
            frame(b'B', b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x01x\0\0"),
            Ok(Message::Bind(Bind {
                portal: "p".into(),
                statement: "s".into(),
                parameter_formats: vec![1],
                parameters: vec![None, Some(Bytes::from_static(b"x"))],
                result_formats: vec![],
            }))
        );
        assert_eq!(frame(b'B', b"p\0s\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), Err(SHORT));
        assert_eq!(frame(b'B', b"p\0s\0\0\0\0\x01\x7f\xff\xff\xff\0\0"), Err(SHORT));
        assert_eq!(frame(b'C', b""), Err(SHORT));
        assert_eq!(
            frame(b'F', b"\0\0\x05\x39\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x01x\0\x01"),
            Ok(Message::FunctionCall(FunctionCall {
                function: 1337,
                argument_formats: vec![1],
                arguments: vec![None, Some(Bytes::from_static(b"x"))],
                result_format: 1,
            }))
        );
        assert_eq!(frame(b'F', b"\0\0\x05\x39\0\0\0\0"), Err(SHORT));
        assert_eq!(
            frame(b'C', b"Xn\0"),
            Err(Malformed::Content("invalid CLOSE message subtype"))
        );
        assert_eq!(
            frame(b'D', b"Sn\0"),
            Ok(Message::Describe {
                target: Target::Statement,
                name: "n".into()
            })
        );
        assert_eq!(
            frame(b'E', b"p\0\xff\xff\xff\xff"),
            Ok(Message::Execute {
                portal: "p".into(),
                max_rows: 0
            })
        );
        assert_eq!(frame(b'S', b"x"), Err(Malformed::Content("invalid message format")));
    }
}
