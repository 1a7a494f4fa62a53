//! Strings of bits: combined bit by bit, shifted, and single bits; and `~` of whatever has bits.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Int16Type, Int32Type, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::mathematics::checked;
use super::overload::{OverloadedFunction, invalid, kernel, rows};
use crate::error::{Error, Result, SqlState};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    let of_two = r#"("bit", "bit") "bit""#;
    let shift = r#"("bit", int4) "bit""#;
    vec![
        inverted(),
        immutable(
            "bitand",
            vec![rows(of_two, |_, row| combined(row, "AND", |a, b| a && b))],
        ),
        immutable("bitor", vec![rows(of_two, |_, row| combined(row, "OR", |a, b| a || b))]),
        immutable(
            "bitxor",
            vec![rows(of_two, |_, row| combined(row, "XOR", |a, b| a != b))],
        ),
        immutable("bitshiftleft", vec![rows(shift, |_, row| shifted(row, 1))]),
        immutable("bitshiftright", vec![rows(shift, |_, row| shifted(row, -1))]),
        immutable(
            "bitcat",
            vec![rows("(varbit, varbit) varbit", |_, row| match row {
                [Datum::Text(left), Datum::Text(right)] => Ok(format!("{left}{right}").into()),
                _ => Ok(Datum::Null),
            })],
        ),
        immutable(
            "get_bit",
            vec![
                rows(r#"("bit", int4) int4"#, |_, row| match row {
                    [Datum::Text(bits), Datum::Int(place)] => {
                        let bit = bits.as_bytes()[place_in(bits, *place)?];
                        Ok(Datum::Int(i64::from(bit == b'1')))
                    }
                    _ => Ok(Datum::Null),
                }),
                rows("(bytea, int8) int4", |_, row| match row {
                    [Datum::Bytes(bytes), Datum::Int(place)] => {
                        let (byte, bit) = bit_in(bytes, *place)?;
                        Ok(Datum::Int(i64::from(bytes[byte] >> bit & 1)))
                    }
                    _ => Ok(Datum::Null),
                }),
            ],
        ),
        immutable(
            "set_bit",
            vec![
                rows(r#"("bit", int4, int4) "bit""#, |_, row| match row {
                    [Datum::Text(bits), Datum::Int(place), Datum::Int(bit)] => {
                        let place = place_in(bits, *place)?;
                        let bit = match bit {
                            0 => "0",
                            1 => "1",
                            _ => return Err(invalid("new bit must be 0 or 1")),
                        };
                        Ok(format!("{}{bit}{}", &bits[..place], &bits[place + 1..]).into())
                    }
                    _ => Ok(Datum::Null),
                }),
                rows("(bytea, int8, int4) bytea", |_, row| match row {
                    [Datum::Bytes(bytes), Datum::Int(place), Datum::Int(value)] => {
                        let (byte, bit) = bit_in(bytes, *place)?;
                        let mut bytes = bytes.clone();
                        match value {
                            0 => bytes[byte] &= !(1 << bit),
                            1 => bytes[byte] |= 1 << bit,
                            _ => return Err(invalid("new bit must be 0 or 1")),
                        }
                        Ok(Datum::Bytes(bytes))
                    }
                    _ => Ok(Datum::Null),
                }),
            ],
        ),
        immutable(
            "bit_count",
            vec![
                rows(r#"("bit") int8"#, |_, row| match row {
                    [Datum::Text(bits)] => Ok(Datum::Int(bits.matches('1').count() as i64)),
                    _ => Ok(Datum::Null),
                }),
                rows("(bytea) int8", |_, row| match row {
                    [Datum::Bytes(bytes)] => {
                        let count: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
                        Ok(Datum::Int(count as i64))
                    }
                    _ => Ok(Datum::Null),
                }),
            ],
        ),
    ]
}

/// `~` of whatever has it.
fn inverted() -> Arc<ScalarUDF> {
    let mut overloads = vec![
        kernel("(int2) int2", |args| {
            checked::<Int16Type>(args, |value| Some(!value), "smallint")
        }),
        kernel("(int4) int4", |args| {
            checked::<Int32Type>(args, |value| Some(!value), "integer")
        }),
        kernel("(int8) int8", |args| {
            checked::<Int64Type>(args, |value| Some(!value), "bigint")
        }),
        rows(r#"("bit") "bit""#, |_, row| {
            let [Datum::Text(bits)] = row else {
                return Ok(Datum::Null);
            };
            let turned = bits.chars().map(|bit| if bit == '1' { '0' } else { '1' });
            Ok(turned.collect::<String>().into())
        }),
    ];
    overloads.extend(super::network_addresses::inverted());
    OverloadedFunction::immutable("bit_not", overloads)
}

fn combined(row: &[Datum], name: &str, combine: fn(bool, bool) -> bool) -> Result<Datum> {
    match row {
        [Datum::Text(left), Datum::Text(right)] => combined_bits(left, right, name, combine).map(Datum::from),
        _ => Ok(Datum::Null),
    }
}

/// The bits of two strings of one length, combined one by one.
pub(super) fn combined_bits(left: &str, right: &str, name: &str, combine: fn(bool, bool) -> bool) -> Result<String> {
    if left.len() != right.len() {
        let message = format!("cannot {name} bit strings of different sizes");
        return Err(Error::new(SqlState::StringDataLengthMismatch, message));
    }
    let pairs = left.bytes().zip(right.bytes());
    let bits = pairs.map(|(left, right)| if combine(left == b'1', right == b'1') { '1' } else { '0' });
    Ok(bits.collect())
}

/// Moves bits to the left, or to the right for a negative direction; zeros come in.
fn shifted(row: &[Datum], direction: i64) -> Result<Datum> {
    let [Datum::Text(bits), Datum::Int(distance)] = row else {
        return Ok(Datum::Null);
    };
    let distance = direction * distance;
    let moved = usize::try_from(distance.unsigned_abs()).map_or(bits.len(), |moved| moved.min(bits.len()));
    let zeros = "0".repeat(moved);
    Ok(match distance >= 0 {
        true => format!("{}{zeros}", &bits[moved..]),
        false => format!("{zeros}{}", &bits[..bits.len() - moved]),
    }
    .into())
}

/// The byte that a bit of bytes lies in, and its place there; 2202E outside.
fn bit_in(bytes: &[u8], place: i64) -> Result<(usize, u32)> {
    let byte = usize::try_from(place / 8).ok();
    match byte.filter(|byte| place >= 0 && *byte < bytes.len()) {
        Some(byte) => Ok((byte, (place % 8) as u32)),
        None => {
            let last = bytes.len() as i64 * 8 - 1;
            let message = format!("index {place} out of valid range, 0..{last}");
            Err(Error::new(SqlState::ArraySubscriptError, message))
        }
    }
}

/// A bit's place from the left; 2202E where there is none.
fn place_in(bits: &str, place: i64) -> Result<usize> {
    let found = usize::try_from(place).ok().filter(|place| *place < bits.len());
    found.ok_or_else(|| {
        let message = format!("bit index {place} out of valid range (0..{})", bits.len() as i64 - 1);
        Error::new(SqlState::ArraySubscriptError, message)
    })
}
