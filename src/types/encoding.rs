//! Character sets of clients, by PostgreSQL's names. Everything inside is UTF-8: what a client of another character set
//! sends is decoded where it arrives, and what it gets is encoded where it leaves.

use std::collections::HashMap;
use std::sync::LazyLock;

use encoding_rs::DecoderResult;

use crate::error::{Error, Result, SqlState};

/// A character set other than UTF-8 whose first 128 codes are ASCII.
#[derive(Debug)]
pub struct Encoding {
    name: &'static str,
    codes: Codes,
}

#[derive(Debug)]
enum Codes {
    /// The characters of the bytes from 128 on, and back.
    Single(Box<[Option<char>; 128]>, HashMap<char, u8>),
    /// Characters of one or more bytes.
    Several(&'static encoding_rs::Encoding),
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// UTF8, and SQL_ASCII, which asks for no conversion.
    Unconverted(&'static str),
    Converted(&'static Encoding),
    /// A character set of PostgreSQL's that is not here.
    Missing(&'static str),
}

impl PartialEq for Encoding {
    fn eq(&self, other: &Encoding) -> bool {
        self.name == other.name
    }
}

impl Eq for Encoding {}

/// PostgreSQL's names, in the order of the numbers that pg_database.encoding has, each with its other spellings: in
/// lower case and without what is no letter or digit.
pub const NAMES: [(&str, &[&str]); 42] = [
    ("SQL_ASCII", &[]),
    ("EUC_JP", &[]),
    ("EUC_CN", &[]),
    ("EUC_KR", &[]),
    ("EUC_TW", &[]),
    ("EUC_JIS_2004", &[]),
    ("UTF8", &["unicode"]),
    ("MULE_INTERNAL", &[]),
    ("LATIN1", &["iso88591"]),
    ("LATIN2", &["iso88592"]),
    ("LATIN3", &["iso88593"]),
    ("LATIN4", &["iso88594"]),
    ("LATIN5", &["iso88599"]),
    ("LATIN6", &["iso885910"]),
    ("LATIN7", &["iso885913"]),
    ("LATIN8", &["iso885914"]),
    ("LATIN9", &["iso885915"]),
    ("LATIN10", &["iso885916"]),
    ("WIN1256", &["windows1256"]),
    ("WIN1258", &["windows1258", "abc", "tcvn", "tcvn5712", "vscii"]),
    ("WIN866", &["windows866", "alt"]),
    ("WIN874", &["windows874"]),
    ("KOI8R", &["koi8"]),
    ("WIN1251", &["windows1251", "win"]),
    ("WIN1252", &["windows1252"]),
    ("ISO_8859_5", &[]),
    ("ISO_8859_6", &[]),
    ("ISO_8859_7", &[]),
    ("ISO_8859_8", &[]),
    ("WIN1250", &["windows1250"]),
    ("WIN1253", &["windows1253"]),
    ("WIN1254", &["windows1254"]),
    ("WIN1255", &["windows1255"]),
    ("WIN1257", &["windows1257"]),
    ("KOI8U", &[]),
    ("SJIS", &["shiftjis", "mskanji", "win932", "windows932"]),
    ("BIG5", &["win950", "windows950"]),
    ("GBK", &["win936", "windows936"]),
    ("UHC", &["win949", "windows949"]),
    ("GB18030", &[]),
    ("JOHAB", &[]),
    ("SHIFT_JIS_2004", &["shiftjis2004"]),
];

/// What PostgreSQL would take the name for; `None` for no name of an encoding.
pub fn named(name: &str) -> Option<Named> {
    let plain = |name: &str| -> String {
        let kept = name.chars().filter(char::is_ascii_alphanumeric);
        kept.collect::<String>().to_ascii_lowercase()
    };
    let wanted = plain(name);
    let (name, _) = NAMES
        .iter()
        .find(|(name, others)| plain(name) == wanted || others.contains(&wanted.as_str()))?;
    Some(match *name {
        "UTF8" | "SQL_ASCII" => Named::Unconverted(name),
        name => match ENCODINGS.iter().find(|encoding| encoding.name == name) {
            Some(encoding) => Named::Converted(encoding),
            None => Named::Missing(name),
        },
    })
}

impl Named {
    /// PostgreSQL's spelling of the name.
    pub fn name(self) -> &'static str {
        match self {
            Named::Unconverted(name) | Named::Missing(name) => name,
            Named::Converted(encoding) => encoding.name,
        }
    }

    /// What text must be converted with, if with anything; 0A000 for what is not here.
    pub fn conversion(self) -> Result<Option<&'static Encoding>> {
        match self {
            Named::Unconverted(_) => Ok(None),
            Named::Converted(encoding) => Ok(Some(encoding)),
            Named::Missing(name) => Err(Error::unsupported(format!("the encoding {name}"))),
        }
    }
}

static ENCODINGS: LazyLock<Vec<Encoding>> = LazyLock::new(|| {
    use encoding_rs as rs;
    let single = [
        ("LATIN1", rs::WINDOWS_1252),
        ("LATIN2", rs::ISO_8859_2),
        ("LATIN3", rs::ISO_8859_3),
        ("LATIN4", rs::ISO_8859_4),
        ("LATIN5", rs::WINDOWS_1254),
        ("LATIN6", rs::ISO_8859_10),
        ("LATIN7", rs::ISO_8859_13),
        ("LATIN8", rs::ISO_8859_14),
        ("LATIN9", rs::ISO_8859_15),
        ("LATIN10", rs::ISO_8859_16),
        ("WIN1250", rs::WINDOWS_1250),
        ("WIN1251", rs::WINDOWS_1251),
        ("WIN1252", rs::WINDOWS_1252),
        ("WIN1253", rs::WINDOWS_1253),
        ("WIN1254", rs::WINDOWS_1254),
        ("WIN1255", rs::WINDOWS_1255),
        ("WIN1256", rs::WINDOWS_1256),
        ("WIN1257", rs::WINDOWS_1257),
        ("WIN1258", rs::WINDOWS_1258),
        ("WIN866", rs::IBM866),
        ("WIN874", rs::WINDOWS_874),
        ("KOI8R", rs::KOI8_R),
        ("KOI8U", rs::KOI8_U),
        ("ISO_8859_5", rs::ISO_8859_5),
        ("ISO_8859_6", rs::ISO_8859_6),
        ("ISO_8859_7", rs::ISO_8859_7),
        ("ISO_8859_8", rs::ISO_8859_8),
    ];
    let several = [
        ("EUC_JP", rs::EUC_JP),
        ("EUC_CN", rs::GBK),
        ("EUC_KR", rs::EUC_KR),
        ("SJIS", rs::SHIFT_JIS),
        ("BIG5", rs::BIG5),
        ("GBK", rs::GBK),
        ("UHC", rs::EUC_KR),
        ("GB18030", rs::GB18030),
    ];
    let single = single.map(|(name, table)| Encoding {
        name,
        codes: single_bytes(name, table),
    });
    let several = several.map(|(name, table)| Encoding {
        name,
        codes: Codes::Several(table),
    });
    single.into_iter().chain(several).collect()
});

/// The tables of the Web are PostgreSQL's but for what stands between 128 and 159: its sets of ISO have control
/// characters there, its sets of Windows none.
fn single_bytes(name: &str, table: &'static encoding_rs::Encoding) -> Codes {
    let mut characters = Box::new([None; 128]);
    for (byte, character) in (128_u8..=u8::MAX).zip(characters.iter_mut()) {
        let control = (byte < 160).then_some(char::from(byte));
        let decoded = table
            .decode_without_bom_handling_and_without_replacement(&[byte])
            .and_then(|text| text.chars().next());
        *character = match name {
            "LATIN1" | "LATIN5" => control.or(decoded),
            "KOI8U" if byte == 0xae => Some('\u{255d}'),
            "KOI8U" if byte == 0xbe => Some('\u{256c}'),
            "WIN1255" if byte == 0xca => None,
            name if name.starts_with("WIN") => decoded.filter(|decoded| Some(*decoded) != control),
            _ => decoded,
        };
    }
    let codes = (128..=u8::MAX).zip(characters.iter());
    let codes = codes.filter_map(|(byte, character)| Some(((*character)?, byte)));
    let codes = codes.collect();
    Codes::Single(characters, codes)
}

impl Encoding {
    /// PostgreSQL's spelling of the name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The text that the bytes are.
    pub fn decode(&'static self, bytes: &[u8]) -> Result<String> {
        let mut decoder = Decoder::new(self);
        let mut text = decoder.decode(bytes)?;
        text.push_str(&decoder.finish()?);
        Ok(text)
    }

    /// Appends the bytes of a text.
    pub fn encode(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let mut rest = text;
        while let Some(start) = rest.bytes().position(|byte| !byte.is_ascii()) {
            out.extend_from_slice(&rest.as_bytes()[..start]);
            let end = rest[start..].bytes().position(|byte| byte.is_ascii());
            let end = end.map_or(rest.len(), |length| start + length);
            self.encode_others(&rest[start..end], out)?;
            rest = &rest[end..];
        }
        out.extend_from_slice(rest.as_bytes());
        Ok(())
    }

    /// The same with question marks for characters that the set lacks.
    pub fn encode_lossily(&self, text: &str, out: &mut Vec<u8>) {
        let mut buffer = [0; 4];
        for character in text.chars() {
            if self.encode(character.encode_utf8(&mut buffer), out).is_err() {
                out.push(b'?');
            }
        }
    }

    fn encode_others(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        match &self.codes {
            Codes::Single(_, codes) => {
                for character in text.chars() {
                    out.push(*codes.get(&character).ok_or_else(|| self.lacks(character))?);
                }
                Ok(())
            }
            Codes::Several(table) => {
                let (bytes, _, lacking) = table.encode(text);
                if lacking {
                    let lacks = |character: &char| table.encode(character.encode_utf8(&mut [0; 4])).2;
                    let character = text.chars().find(lacks);
                    return Err(self.lacks(character.unwrap_or(char::REPLACEMENT_CHARACTER)));
                }
                out.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    fn lacks(&self, character: char) -> Error {
        let mut buffer = [0; 4];
        untranslatable(character.encode_utf8(&mut buffer).as_bytes(), "UTF8", self.name)
    }
}

/// Decodes bytes that come in any pieces.
pub struct Decoder {
    encoding: &'static Encoding,
    /// For characters that may be torn apart.
    state: Option<encoding_rs::Decoder>,
}

impl Decoder {
    pub fn new(encoding: &'static Encoding) -> Decoder {
        let state = match &encoding.codes {
            Codes::Single(..) => None,
            Codes::Several(table) => Some(table.new_decoder_without_bom_handling()),
        };
        Decoder { encoding, state }
    }

    /// The text of the next bytes; the beginning of a character waits for its end.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<String> {
        match &self.encoding.codes {
            Codes::Single(characters, _) => bytes
                .iter()
                .map(|byte| match byte {
                    0..128 => Ok(char::from(*byte)),
                    byte => characters[usize::from(byte - 128)]
                        .ok_or_else(|| untranslatable(&[*byte], self.encoding.name, "UTF8")),
                })
                .collect(),
            Codes::Several(_) => self.decode_several(bytes, false),
        }
    }

    /// Nothing more will come.
    pub fn finish(&mut self) -> Result<String> {
        self.decode_several(&[], true)
    }

    fn decode_several(&mut self, bytes: &[u8], last: bool) -> Result<String> {
        let mut text = String::new();
        let Some(state) = &mut self.state else { return Ok(text) };
        text.reserve(
            state
                .max_utf8_buffer_length_without_replacement(bytes.len())
                .unwrap_or(0),
        );
        match state.decode_to_string_without_replacement(bytes, &mut text, last) {
            (DecoderResult::InputEmpty, _) => Ok(text),
            (DecoderResult::OutputFull, _) => Err(Error::internal("no room for decoded text")),
            (DecoderResult::Malformed(length, behind), read) => {
                let end = read.saturating_sub(usize::from(behind));
                let wrong = &bytes[end.saturating_sub(usize::from(length))..end];
                // A whole character that nothing is known of, or no character at all.
                Err(match length {
                    2.. => untranslatable(wrong, self.encoding.name, "UTF8"),
                    _ => invalid_sequence(wrong, self.encoding.name),
                })
            }
        }
    }
}

fn untranslatable(bytes: &[u8], from: &str, to: &str) -> Error {
    let message = format!(
        "character with byte sequence {} in encoding \"{from}\" has no equivalent in encoding \"{to}\"",
        shown(bytes)
    );
    Error::new(SqlState::UntranslatableCharacter, message)
}

/// 22021.
pub fn invalid_sequence(bytes: &[u8], encoding: &str) -> Error {
    let message = format!("invalid byte sequence for encoding \"{encoding}\": {}", shown(bytes));
    Error::new(SqlState::InvalidByteSequence, message)
}

fn shown(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    bytes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> &'static Encoding {
        named(name).unwrap().conversion().unwrap().unwrap()
    }

    fn encoded(name: &str, text: &str) -> Result<Vec<u8>> {
        let mut out = vec![];
        of(name).encode(text, &mut out).map(|()| out)
    }

    #[test]
    fn names_are_postgresqls() {
        assert_eq!(named("utf-8"), Some(Named::Unconverted("UTF8")));
        assert_eq!(named("ISO_8859-1").map(Named::name), Some("LATIN1"));
        assert_eq!(named("Windows-1252").map(Named::name), Some("WIN1252"));
        assert_eq!(named("mule internal"), Some(Named::Missing("MULE_INTERNAL")));
        assert_eq!(named("nope"), None);
    }

    #[test]
    fn texts_go_both_ways() {
        for (name, text, bytes) in [
            ("latin1", "aé\u{80}z", &b"a\xe9\x80z"[..]),
            ("latin9", "5 €", b"5 \xa4"),
            ("win1252", "5 €", b"5 \x80"),
            ("koi8r", "да", b"\xc4\xc1"),
            ("sjis", "日本", b"\x93\xfa\x96\x7b"),
            ("eucjp", "日本", b"\xc6\xfc\xcb\xdc"),
            ("big5", "中文", b"\xa4\xa4\xa4\xe5"),
            ("gbk", "中文", b"\xd6\xd0\xce\xc4"),
            ("euckr", "한국", b"\xc7\xd1\xb1\xb9"),
        ] {
            assert_eq!(encoded(name, text).unwrap(), bytes, "{name}");
            assert_eq!(of(name).decode(bytes).unwrap(), text, "{name}");
        }
    }

    #[test]
    fn what_has_no_equivalent_is_an_error() {
        let message = |result: Result<Vec<u8>>| result.unwrap_err().message().to_string();
        assert_eq!(
            message(encoded("latin1", "5 €")),
            "character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\""
        );
        assert_eq!(
            of("win1252").decode(b"\x81").unwrap_err().message(),
            "character with byte sequence 0x81 in encoding \"WIN1252\" has no equivalent in encoding \"UTF8\""
        );
        assert_eq!(
            of("sjis").decode(b"a\x81").unwrap_err().state(),
            SqlState::InvalidByteSequence
        );
        let mut out = vec![];
        of("sjis").encode_lossily("日é", &mut out);
        assert_eq!(out, b"\x93\xfa?");
    }

    #[test]
    fn a_torn_character_waits_for_its_end() {
        let mut decoder = Decoder::new(of("sjis"));
        assert_eq!(decoder.decode(b"a\x93").unwrap(), "a");
        assert_eq!(decoder.decode(b"\xfab").unwrap(), "日b");
        assert_eq!(decoder.finish().unwrap(), "");
    }
}
