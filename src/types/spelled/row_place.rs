//! tid, xid and cid: the types of the system columns. A tid is a block and a place in it, the others are numbers without
//! an order.

use bytes::{BufMut, BytesMut};

use crate::error::Result;
use crate::types::binary::Reader;
use crate::types::parse::invalid_syntax;

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowPlace {
    block: u32,
    offset: u16,
}

/// Rows in a block, which has no place 0.
const BLOCK_ROWS: u64 = u16::MAX as u64;

/// The low bits of a block's number, which tell states of a table apart.
const STAMP_BITS: u32 = 12;

impl RowPlace {
    /// How many blocks a file of so many rows takes; no two files share one.
    pub fn blocks(rows: u64) -> u64 {
        rows.div_ceil(BLOCK_ROWS).max(1)
    }

    /// The place of a file's row, counted from 0 on; `None` for one that no place is left for.
    pub fn in_file(first_block: u64, stamp: u64, row: u64) -> Option<RowPlace> {
        let block = first_block.checked_add(row / BLOCK_ROWS)?;
        let number = block.checked_mul(1 << STAMP_BITS)? | (stamp & ((1 << STAMP_BITS) - 1));
        let block = u32::try_from(number).ok()?;
        let offset = (row % BLOCK_ROWS) as u16 + 1;
        Some(RowPlace { block, offset })
    }

    /// What a client wrote: `(0,1)`.
    pub fn read(text: &str) -> Result<RowPlace> {
        let parsed = || {
            let (block, rest) = text.trim_ascii_start().strip_prefix('(')?.split_once(',')?;
            let (offset, _) = rest.split_once(')')?;
            Some(RowPlace {
                block: number(block, 10)?,
                offset: offset.trim_ascii_start().parse().ok()?,
            })
        };
        parsed().ok_or_else(|| invalid_syntax("tid", text))
    }

    /// The spelling that values are carried in.
    pub fn spelling(self) -> String {
        format!("({},{})", self.block, self.offset)
    }

    /// Reads the binary format.
    pub fn receive(bytes: &[u8]) -> Result<RowPlace> {
        let mut reader = Reader::new(bytes);
        let block = u32::from_be_bytes(reader.take()?);
        let offset = u16::from_be_bytes(reader.take()?);
        reader.end()?;
        Ok(RowPlace { block, offset })
    }

    /// Appends the binary format.
    pub fn send(self, out: &mut BytesMut) {
        out.put_u32(self.block);
        out.put_u16(self.offset);
    }

    /// Appends bytes that sort as places do.
    pub fn order_key(self, out: &mut Vec<u8>) {
        out.extend(self.block.to_be_bytes());
        out.extend(self.offset.to_be_bytes());
    }
}

/// A number of 32 bits as C reads it: a negative one counts from the end.
fn number(digits: &str, radix: u32) -> Option<u32> {
    let number = i64::from_str_radix(digits.trim_ascii_start(), radix).ok()?;
    match number {
        0.. => u32::try_from(number).ok(),
        _ => i32::try_from(number).ok().map(|number| number as u32),
    }
}

/// What a client wrote for an xid or a cid: decimal, `0x10` or `010`.
pub fn read_number(type_name: &str, text: &str) -> Result<u32> {
    let digits = text.trim_ascii();
    let lower = digits.to_ascii_lowercase();
    let read = match lower.strip_prefix("0x") {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') => u32::from_str_radix(digits, 8).ok(),
        None => number(digits, 10),
    };
    read.ok_or_else(|| invalid_syntax(type_name, text))
}

/// Reads the binary format of an xid or a cid.
pub fn receive_number(bytes: &[u8]) -> Result<u32> {
    let mut reader = Reader::new(bytes);
    let number = u32::from_be_bytes(reader.take()?);
    reader.end()?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_counted() {
        let place = |text: &str| RowPlace::read(text).unwrap().spelling();
        assert_eq!(place("(0,1)"), "(0,1)");
        assert_eq!(place(" ( 7,65535)"), "(7,65535)");
        assert_eq!(place("(-1,1)"), "(4294967295,1)");
        for text in ["(0,65536)", "(4294967296,1)", "(1 , 2)", "1,2", "(1,2", "(1,-2)", ""] {
            assert!(RowPlace::read(text).is_err(), "{text}");
        }
        let in_file = |block, stamp, row| RowPlace::in_file(block, stamp, row).map(RowPlace::spelling);
        assert_eq!(in_file(0, 0, 0).unwrap(), "(0,1)");
        assert_eq!(in_file(0, 5, 65_534).unwrap(), "(5,65535)");
        assert_eq!(in_file(0, 5, 65_535).unwrap(), "(4101,1)");
        assert_eq!(in_file(2, 4096 + 7, 0).unwrap(), "(8199,1)");
        assert_eq!(in_file(1 << 20, 0, 0), None);
        assert_eq!([0, 1, 65_535, 65_536].map(RowPlace::blocks), [1, 1, 1, 2]);
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        let read = |text: &str| read_number("xid", text).unwrap();
        assert_eq!(
            [read("5"), read("-1"), read("0x10"), read("010"), read("0")],
            [5, u32::MAX, 16, 8, 0]
        );
        assert!(read_number("xid", "x").is_err());
    }
}
