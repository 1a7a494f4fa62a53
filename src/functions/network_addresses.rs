//! Addresses of hosts and networks: their parts, the networks that they are in, and arithmetic.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::overload::{Arguments, Overload, OverloadedFunction, RowBody, rows};
use crate::error::{Error, Result};
use crate::types::spelled::macaddr8;
use crate::types::spelled::network::{Address, host_text, macaddr_bits, macaddr_text};
use crate::types::{Spelled, SqlType};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    let of_one: [(&'static str, &'static str, RowBody); 7] = [
        ("host", "text", |args, row| {
            part(args, row, |address| host_text(address.address).into())
        }),
        ("masklen", "int4", |args, row| {
            part(args, row, |address| i64::from(address.bits).into())
        }),
        ("family", "int4", |args, row| {
            part(args, row, |address| {
                Datum::Int(if address.address.is_ipv4() { 4 } else { 6 })
            })
        }),
        ("network", "cidr", |args, row| {
            part(args, row, |address| address.network().spelling(true).into())
        }),
        ("netmask", "inet", |args, row| {
            part(args, row, |address| address.netmask().spelling(false).into())
        }),
        ("hostmask", "inet", |args, row| {
            part(args, row, |address| address.hostmask().spelling(false).into())
        }),
        ("broadcast", "inet", |args, row| {
            part(args, row, |address| address.broadcast().spelling(false).into())
        }),
    ];
    let of_two: [(&'static str, RowBody); 6] = [
        ("network_sub", |args, row| {
            pair(args, row, |left, right| right.contains(left) && left.bits > right.bits)
        }),
        ("network_subeq", |args, row| {
            pair(args, row, |left, right| right.contains(left))
        }),
        ("network_sup", |args, row| {
            pair(args, row, |left, right| left.contains(right) && right.bits > left.bits)
        }),
        ("network_supeq", |args, row| {
            pair(args, row, |left, right| left.contains(right))
        }),
        ("network_overlap", |args, row| {
            pair(args, row, |left, right| left.overlaps(right))
        }),
        ("inet_same_family", |args, row| {
            pair(args, row, |left, right| {
                left.address.is_ipv4() == right.address.is_ipv4()
            })
        }),
    ];
    let of_one = of_one
        .into_iter()
        .map(|(name, returns, body)| immutable(name, vec![rows(&format!("(inet) {returns}"), body)]));
    let of_two = of_two
        .into_iter()
        .map(|(name, body)| immutable(name, vec![rows("(inet, inet) bool", body)]));
    let others = [
        immutable(
            "abbrev",
            vec![rows("(inet) text", abbreviated), rows("(cidr) text", abbreviated)],
        ),
        immutable(
            "set_masklen",
            vec![
                rows("(inet, int4) inet", with_bits),
                rows("(cidr, int4) cidr", with_bits),
            ],
        ),
        immutable(
            "inet_merge",
            vec![rows("(inet, inet) cidr", |args, row| {
                Ok(address(args, row, 0)?
                    .merge(address(args, row, 1)?)?
                    .spelling(true)
                    .into())
            })],
        ),
        immutable(
            "inetand",
            vec![
                rows("(inet, inet) inet", |args, row| {
                    combined(args, row, "AND", |left, right| left & right)
                }),
                rows("(macaddr, macaddr) macaddr", |_, row| {
                    hardware_pair(row, |left, right| left & right)
                }),
                rows("(macaddr8, macaddr8) macaddr8", |_, row| {
                    wide_hardware_pair(row, |left, right| left & right)
                }),
            ],
        ),
        immutable(
            "inetor",
            vec![
                rows("(inet, inet) inet", |args, row| {
                    combined(args, row, "OR", |left, right| left | right)
                }),
                rows("(macaddr, macaddr) macaddr", |_, row| {
                    hardware_pair(row, |left, right| left | right)
                }),
                rows("(macaddr8, macaddr8) macaddr8", |_, row| {
                    wide_hardware_pair(row, |left, right| left | right)
                }),
            ],
        ),
        immutable(
            "macaddr8_set7bit",
            vec![rows("(macaddr8) macaddr8", |_, row| {
                wide_hardware(row, |bits| bits | 1 << 57)
            })],
        ),
        immutable(
            "inetpl",
            vec![rows("(inet, int8) inet", |args, row| moved(args, row, 1))],
        ),
        immutable(
            "inetmi_int8",
            vec![rows("(inet, int8) inet", |args, row| moved(args, row, -1))],
        ),
        immutable(
            "inetmi",
            vec![rows("(inet, inet) int8", |args, row| {
                Ok(Datum::Int(address(args, row, 0)?.minus(address(args, row, 1)?)?))
            })],
        ),
    ];
    of_one.chain(of_two).chain(others).collect()
}

/// `~` of addresses.
pub(super) fn inverted() -> Vec<Overload> {
    vec![
        rows("(inet) inet", |args, row| {
            Ok(address(args, row, 0)?.inverted().spelling(false).into())
        }),
        rows("(macaddr) macaddr", |_, row| hardware(row, |bits| !bits)),
        rows("(macaddr8) macaddr8", |_, row| wide_hardware(row, |bits| !bits)),
    ]
}

/// trunc() of hardware addresses: the maker alone.
pub(super) fn truncated() -> [Overload; 2] {
    [
        rows("(macaddr) macaddr", |_, row| {
            hardware(row, |bits| bits & 0xffff_ff00_0000)
        }),
        rows("(macaddr8) macaddr8", |_, row| {
            wide_hardware(row, |bits| bits >> 40 << 40)
        }),
    ]
}

fn address(args: &Arguments<'_>, row: &[Datum], index: usize) -> Result<Address> {
    let is_network = *args.sql_type(index) == SqlType::Spelled(Spelled::Cidr);
    match row.get(index) {
        Some(Datum::Text(spelling)) => Address::read(spelling, is_network),
        other => Err(Error::internal(format!("{}() got {other:?} for an address", args.name))),
    }
}

fn part(args: &Arguments<'_>, row: &[Datum], choose: fn(Address) -> Datum) -> Result<Datum> {
    Ok(choose(address(args, row, 0)?))
}

fn pair(args: &Arguments<'_>, row: &[Datum], holds: fn(Address, Address) -> bool) -> Result<Datum> {
    Ok(holds(address(args, row, 0)?, address(args, row, 1)?).into())
}

fn combined(args: &Arguments<'_>, row: &[Datum], name: &str, combine: fn(u128, u128) -> u128) -> Result<Datum> {
    let address = address(args, row, 0)?.combined(address(args, row, 1)?, name, combine)?;
    Ok(address.spelling(false).into())
}

fn moved(args: &Arguments<'_>, row: &[Datum], sign: i128) -> Result<Datum> {
    let distance = row.get(1).and_then(Datum::as_int).unwrap_or_default();
    Ok(address(args, row, 0)?
        .plus(sign * i128::from(distance))?
        .spelling(false)
        .into())
}

/// An address without the bytes of a network that are zero.
fn abbreviated(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let is_network = *args.sql_type(0) == SqlType::Spelled(Spelled::Cidr);
    let found = address(args, row, 0)?;
    let spelling = found.spelling(is_network);
    Ok(match (is_network, found.address) {
        (true, std::net::IpAddr::V4(octets)) => {
            let written = usize::from(found.bits.div_ceil(8).max(1));
            let octets: Vec<String> = octets.octets()[..written].iter().map(u8::to_string).collect();
            format!("{}/{}", octets.join("."), found.bits)
        }
        _ => spelling,
    }
    .into())
}

fn with_bits(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let is_network = *args.sql_type(0) == SqlType::Spelled(Spelled::Cidr);
    let bits = row.get(1).and_then(Datum::as_int).unwrap_or_default();
    let changed = address(args, row, 0)?.with_bits(bits)?;
    Ok(match is_network {
        true => changed.network().spelling(true),
        false => changed.spelling(false),
    }
    .into())
}

fn hardware(row: &[Datum], change: fn(u64) -> u64) -> Result<Datum> {
    let [Datum::Text(spelling)] = row else {
        return Ok(Datum::Null);
    };
    Ok(macaddr_text(change(macaddr_bits(spelling)?)).into())
}

fn wide_hardware(row: &[Datum], change: fn(u64) -> u64) -> Result<Datum> {
    let [Datum::Text(spelling)] = row else {
        return Ok(Datum::Null);
    };
    Ok(macaddr8::spelling(change(macaddr8::read(spelling)?)).into())
}

fn wide_hardware_pair(row: &[Datum], combine: fn(u64, u64) -> u64) -> Result<Datum> {
    let [Datum::Text(left), Datum::Text(right)] = row else {
        return Ok(Datum::Null);
    };
    Ok(macaddr8::spelling(combine(macaddr8::read(left)?, macaddr8::read(right)?)).into())
}

fn hardware_pair(row: &[Datum], combine: fn(u64, u64) -> u64) -> Result<Datum> {
    let [Datum::Text(left), Datum::Text(right)] = row else {
        return Ok(Datum::Null);
    };
    Ok(macaddr_text(combine(macaddr_bits(left)?, macaddr_bits(right)?)).into())
}
