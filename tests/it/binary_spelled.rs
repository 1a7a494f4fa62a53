//! The binary values of ranges, bit strings, times with a zone and network addresses as the text that `psql` would
//! print, from the protocol's description and independent of the server's own codec.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr};

type Failure = Box<dyn Error + Sync + Send>;

const EMPTY: u8 = 1;
const LOWER_INCLUSIVE: u8 = 2;
const UPPER_INCLUSIVE: u8 = 4;
const LOWER_INFINITE: u8 = 8;
const UPPER_INFINITE: u8 = 16;

/// Flags, and of each bound that there is its length and value, which `bound` renders.
pub fn range(raw: &[u8], bound: impl Fn(&[u8]) -> Result<String, Failure>) -> Result<String, Failure> {
    let (flags, mut rest) = raw.split_first().ok_or("a range without flags")?;
    let has = |flag: u8| flags & flag != 0;
    if has(EMPTY) {
        return Ok("empty".into());
    }
    let mut next = |infinite: u8| -> Result<String, Failure> {
        if has(infinite) {
            return Ok(String::new());
        }
        let (length, after) = rest.split_at_checked(4).ok_or("a range ends early")?;
        let length = u32::from_be_bytes(length.try_into()?) as usize;
        let (value, after) = after.split_at_checked(length).ok_or("a range ends early")?;
        rest = after;
        Ok(quoted(&bound(value)?))
    };
    let (lower, upper) = (next(LOWER_INFINITE)?, next(UPPER_INFINITE)?);
    let (open, close) = (
        if has(LOWER_INCLUSIVE) { '[' } else { '(' },
        if has(UPPER_INCLUSIVE) { ']' } else { ')' },
    );
    Ok(format!("{open}{lower},{upper}{close}"))
}

/// The number of ranges, and of each its length and itself.
pub fn multirange(raw: &[u8], bound: impl Fn(&[u8]) -> Result<String, Failure>) -> Result<String, Failure> {
    let (count, mut rest) = raw
        .split_at_checked(4)
        .ok_or("a multirange without its number of ranges")?;
    let mut ranges = vec![];
    for _ in 0..u32::from_be_bytes(count.try_into()?) {
        let (length, after) = rest.split_at_checked(4).ok_or("a multirange ends early")?;
        let length = u32::from_be_bytes(length.try_into()?) as usize;
        let (one, after) = after.split_at_checked(length).ok_or("a multirange ends early")?;
        ranges.push(range(one, &bound)?);
        rest = after;
    }
    match rest.is_empty() {
        true => Ok(format!("{{{}}}", ranges.join(","))),
        false => Err("a multirange has more than its ranges".into()),
    }
}

fn quoted(bound: &str) -> String {
    let is_special = |c: char| c.is_whitespace() || "()[],\"\\".contains(c);
    match bound.is_empty() || bound.contains(is_special) {
        true => format!("\"{}\"", bound.replace('\\', "\\\\").replace('"', "\"\"")),
        false => bound.to_string(),
    }
}

/// The number of bits and their bytes, the last one filled up with zeros.
pub fn bits(raw: &[u8]) -> Result<String, Failure> {
    let (count, bytes) = raw.split_at_checked(4).ok_or("bits without their number")?;
    let count = u32::from_be_bytes(count.try_into()?) as usize;
    let text: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    match text.get(..count) {
        Some(shown) if text.len() < count + 8 => Ok(shown.into()),
        _ => Err(format!("{count} bits in {} bytes", bytes.len()).into()),
    }
}

/// The offset of a `timetz`, which the protocol counts in seconds west of Greenwich.
pub fn zone(west: i32) -> String {
    let sign = if west > 0 { '-' } else { '+' };
    let seconds = west.abs();
    let mut shown = format!("{sign}{:02}", seconds / 3600);
    if seconds % 3600 != 0 {
        shown += &format!(":{:02}", seconds / 60 % 60);
    }
    if seconds % 60 != 0 {
        shown += &format!(":{:02}", seconds % 60);
    }
    shown
}

/// Family, length of the network's part, whether it is a `cidr`, the number of bytes, and the bytes.
pub fn address(raw: &[u8]) -> Result<String, Failure> {
    let [_, bits, is_cidr, length, address @ ..] = raw else {
        return Err("an address ends early".into());
    };
    if usize::from(*length) != address.len() {
        return Err("an address with another length than it says".into());
    }
    let (shown, all) = match <[u8; 4]>::try_from(address) {
        Ok(four) => (Ipv4Addr::from(four).to_string(), 32),
        Err(_) => (Ipv6Addr::from(<[u8; 16]>::try_from(address)?).to_string(), 128),
    };
    Ok(match *is_cidr == 0 && *bits == all {
        true => shown,
        false => format!("{shown}/{bits}"),
    })
}

/// Six bytes, or eight.
pub fn hardware_address(raw: &[u8]) -> String {
    let bytes: Vec<String> = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

/// Dollars and cents, thousands apart.
pub fn money(cents: i64) -> String {
    let dollars: Vec<char> = (cents.unsigned_abs() / 100).to_string().chars().rev().collect();
    let groups: Vec<String> = dollars.chunks(3).map(|group| group.iter().collect()).collect();
    let whole: String = groups.join(",").chars().rev().collect();
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}${whole}.{:02}", cents.unsigned_abs() % 100)
}
