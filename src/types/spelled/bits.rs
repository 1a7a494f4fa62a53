//! bit(n) and bit varying(n): texts of zeros and ones, which sort as their spellings do.

use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::types::binary::Reader;

/// The longest string of bits, as PostgreSQL has it.
const MOST_BITS: u32 = 83_886_080;

/// The length in a type's name; 22023 for one that no string can have.
pub fn length(name: &str, modifiers: &[i32]) -> Result<Option<u32>> {
    let invalid = |message: String| Err(Error::new(SqlState::InvalidParameterValue, message));
    match modifiers {
        [] => Ok(None),
        [length] => match u32::try_from(*length) {
            Ok(length @ 1..=MOST_BITS) => Ok(Some(length)),
            Err(_) | Ok(0) => invalid(format!("length for type {name} must be at least 1")),
            Ok(_) => invalid(format!("length for type {name} cannot exceed {MOST_BITS}")),
        },
        _ => invalid("invalid type modifier".to_string()),
    }
}

/// Reads a client's text: zeros and ones, or hexadecimal digits behind an x.
pub fn read(text: &str) -> Result<String> {
    let invalid = |digit: char, kind: &str| {
        let message = format!("\"{digit}\" is not a valid {kind} digit");
        Error::new(SqlState::InvalidTextRepresentation, message)
    };
    if let Some(digits) = text.strip_prefix(['x', 'X']) {
        let mut bits = String::with_capacity(digits.len() * 4);
        for digit in digits.chars() {
            let value = digit.to_digit(16).ok_or_else(|| invalid(digit, "hexadecimal"))?;
            bits.push_str(&format!("{value:04b}"));
        }
        return Ok(bits);
    }
    let digits = text.strip_prefix(['b', 'B']).unwrap_or(text);
    match digits.chars().find(|digit| !matches!(digit, '0' | '1')) {
        Some(digit) => Err(invalid(digit, "binary")),
        None => Ok(digits.to_string()),
    }
}

/// Bits for a column of this length; 22026 for others.
pub fn fit_fixed(bits: String, length: Option<u32>) -> Result<String> {
    match length {
        Some(length) if bits.len() != length as usize => {
            let message = format!("bit string length {} does not match type bit({length})", bits.len());
            Err(Error::new(SqlState::StringDataLengthMismatch, message))
        }
        _ => Ok(bits),
    }
}

/// Bits for a column of at most this length; 22001 for more.
pub fn fit_varying(bits: String, length: Option<u32>) -> Result<String> {
    match length {
        Some(length) if bits.len() > length as usize => {
            let message = format!("bit string too long for type bit varying({length})");
            Err(Error::new(SqlState::StringDataRightTruncation, message))
        }
        _ => Ok(bits),
    }
}

/// What an explicit cast makes of bits: cut on the right, and filled with zeros where the length is fixed.
pub fn cut(bits: &str, length: Option<u32>, is_fixed: bool) -> String {
    match length {
        None => bits.to_string(),
        Some(length) if is_fixed => format!("{bits:0<width$.width$}", width = length as usize),
        Some(length) => bits.chars().take(length as usize).collect(),
    }
}

/// The lowest bits of an integer; the sign fills what is longer.
pub fn of_integer(value: i64, length: u32) -> String {
    let bit = |place: u32| if value >> place.min(63) & 1 == 1 { '1' } else { '0' };
    (0..length).rev().map(bit).collect()
}

/// The integer of this many bits; 22003 where there are more of them.
pub fn to_integer(bits: &str, width: u32) -> Result<i64> {
    if bits.len() > width as usize {
        let name = if width == 32 { "integer" } else { "bigint" };
        return Err(Error::new(
            SqlState::NumericValueOutOfRange,
            format!("{name} out of range"),
        ));
    }
    let value = bits
        .bytes()
        .fold(0_u64, |value, bit| value << 1 | u64::from(bit == b'1'));
    Ok(if width == 32 {
        i64::from(value as u32 as i32)
    } else {
        value as i64
    })
}

/// Reads the binary format: how many bits, then bytes of eight.
pub fn receive(bytes: &[u8]) -> Result<String> {
    let mut reader = Reader::new(bytes);
    let invalid = || {
        Error::new(
            SqlState::InvalidBinaryRepresentation,
            "invalid length in external bit string",
        )
    };
    let length = usize::try_from(i32::from_be_bytes(reader.take()?)).map_err(|_| invalid())?;
    let packed = reader.slice(length.div_ceil(8))?;
    reader.end()?;
    let bit = |place: usize| {
        if packed[place / 8] >> (7 - place % 8) & 1 == 1 {
            '1'
        } else {
            '0'
        }
    };
    Ok((0..length).map(bit).collect())
}

/// Appends the binary format.
pub fn send(bits: &str, out: &mut BytesMut) {
    out.put_i32(bits.len() as i32);
    for byte in bits.as_bytes().chunks(8) {
        let set = byte.iter().enumerate().filter(|(_, bit)| **bit == b'1');
        out.put_u8(set.fold(0, |byte, (place, _)| byte | 0x80 >> place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_integers_are_read() {
        assert_eq!(read("x1F").unwrap(), "00011111");
        assert_eq!(read("b101").unwrap(), "101");
        assert_eq!(read("102").unwrap_err().message(), "\"2\" is not a valid binary digit");
        assert_eq!(
            (of_integer(44, 10), of_integer(-44, 12)),
            ("0000101100".into(), "111111010100".into())
        );
        assert_eq!((of_integer(-1, 70).len(), to_integer("1110", 32).unwrap()), (70, 14));
        assert_eq!(to_integer(&"1".repeat(32), 32).unwrap(), -1);
        assert!(to_integer(&"1".repeat(33), 32).is_err());
        assert_eq!(
            (cut("101", Some(5), true), cut("10110", Some(3), false)),
            ("10100".into(), "101".into())
        );
    }

    #[test]
    fn the_binary_form_comes_back() {
        for bits in ["", "1", "10110011", "101100111"] {
            let mut sent = BytesMut::new();
            send(bits, &mut sent);
            assert_eq!(receive(&sent).unwrap(), bits);
        }
    }
}
