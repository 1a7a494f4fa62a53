//! macaddr8: hardware addresses of eight bytes. One of six is widened by ff:fe in its middle.

use bytes::BytesMut;

use crate::error::{Error, Result, SqlState};
use crate::types::binary::Reader;
use crate::types::parse::invalid_syntax;

/// What widening puts into the middle.
const MIDDLE: u64 = 0xff_fe00_0000;

/// The address that a client wrote: pairs of hexadecimal digits, with one kind of separator between some of them.
pub fn read(text: &str) -> Result<u64> {
    let invalid = || invalid_syntax("macaddr8", text);
    let trimmed = text.trim_ascii();
    let mut separators = trimmed.chars().filter(|next| matches!(next, ':' | '-' | '.'));
    let separator = separators.next();
    if separators.any(|next| Some(next) != separator) {
        return Err(invalid());
    }
    let mut bytes = vec![];
    for pairs in trimmed.split(|next| Some(next) == separator) {
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) || !pairs.bytes().all(|next| next.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let digits = (0..pairs.len()).step_by(2).map(|place| &pairs[place..place + 2]);
        bytes.extend(digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()));
    }
    of_bytes(&bytes).ok_or_else(invalid)
}

/// The address of six or eight bytes.
fn of_bytes(bytes: &[u8]) -> Option<u64> {
    let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    match bytes.len() {
        6 => Some(widened(number)),
        8 => Some(number),
        _ => None,
    }
}

/// The eight bytes of an address of six.
pub fn widened(six: u64) -> u64 {
    (six >> 24) << 40 | MIDDLE | (six & 0xff_ffff)
}

/// The six bytes of an address that was widened; 22003 for others.
pub fn narrowed(address: u64) -> Result<u64> {
    match address & 0xff_ff00_0000 == MIDDLE {
        true => Ok((address >> 40) << 24 | (address & 0xff_ffff)),
        false => Err(Error::new(
            SqlState::NumericValueOutOfRange,
            "macaddr8 data out of range to convert to macaddr",
        )
        .with_hint(
            "Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for example \
             xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr.",
        )),
    }
}

/// The spelling that values are carried in.
pub fn spelling(address: u64) -> String {
    address.to_be_bytes().map(|byte| format!("{byte:02x}")).join(":")
}

/// Reads the binary format.
pub fn receive(bytes: &[u8]) -> Result<u64> {
    if let Some(six) = of_bytes(bytes).filter(|_| bytes.len() == 6) {
        return Ok(six);
    }
    let mut reader = Reader::new(bytes);
    let address = u64::from_be_bytes(reader.take()?);
    reader.end()?;
    Ok(address)
}

/// Appends the binary format.
pub fn send(address: u64, out: &mut BytesMut) {
    out.extend_from_slice(&address.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_lengths_are_read() {
        for text in [
            "08:00:2b:ff:fe:01:02:03",
            "08002b:010203",
            "0800.2b01.0203",
            " 08002BFFFE010203 ",
        ] {
            assert_eq!(spelling(read(text).unwrap()), "08:00:2b:ff:fe:01:02:03", "{text}");
        }
        for text in ["08:00-2b:01:02:03", "0:8:0:2b:1:2", "08:00:2b:01:02", ""] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(narrowed(widened(0x0800_2b01_0203)).unwrap(), 0x0800_2b01_0203);
        assert!(narrowed(1).is_err());
    }
}
