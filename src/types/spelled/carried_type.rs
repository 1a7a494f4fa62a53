//! What each of the types answers: names, OIDs, modifiers, and how its values are read, shown, sent and ordered.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::network::Address;
use super::row_place::{RowPlace, read_number, receive_number};
use super::timetz::ZonedTime;
use super::{RangeType, bits, macaddr8, money, network};
use crate::error::Result;
use crate::types::format::FormatSettings;
use crate::types::precision;

/// A type whose values are carried by their spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spelled {
    Range(RangeType),
    Multirange(RangeType),
    /// time(n) with time zone.
    Timetz(Option<u8>),
    /// bit(n); without a length, of any.
    Bit(Option<u32>),
    /// bit varying(n).
    Varbit(Option<u32>),
    Inet,
    Cidr,
    Macaddr,
    Macaddr8,
    Money,
    /// Where a row is.
    Tid,
    Xid,
    Cid,
}

impl Spelled {
    /// The types, without modifiers.
    pub fn all() -> impl Iterator<Item = Spelled> {
        const OTHERS: [Spelled; 11] = [
            Spelled::Timetz(None),
            Spelled::Bit(None),
            Spelled::Varbit(None),
            Spelled::Inet,
            Spelled::Cidr,
            Spelled::Macaddr,
            Spelled::Macaddr8,
            Spelled::Money,
            Spelled::Tid,
            Spelled::Xid,
            Spelled::Cid,
        ];
        let ranges = RangeType::ALL.into_iter().map(Spelled::Range);
        let multiranges = RangeType::ALL.into_iter().map(Spelled::Multirange);
        ranges.chain(multiranges).chain(OTHERS)
    }

    /// pg_type.oid.
    pub fn oid(self) -> u32 {
        match self {
            Spelled::Range(range) => range.oid(),
            Spelled::Multirange(range) => range.multirange_oid(),
            Spelled::Timetz(_) => 1266,
            Spelled::Bit(_) => 1560,
            Spelled::Varbit(_) => 1562,
            Spelled::Inet => 869,
            Spelled::Cidr => 650,
            Spelled::Macaddr => 829,
            Spelled::Macaddr8 => 774,
            Spelled::Money => 790,
            Spelled::Tid => 27,
            Spelled::Xid => 28,
            Spelled::Cid => 29,
        }
    }

    /// pg_type.typarray.
    pub fn array_oid(self) -> u32 {
        match self {
            Spelled::Range(_) | Spelled::Bit(_) | Spelled::Varbit(_) | Spelled::Cidr => self.oid() + 1,
            Spelled::Macaddr8 | Spelled::Money => self.oid() + 1,
            Spelled::Multirange(range) => range.multirange_array_oid(),
            Spelled::Timetz(_) => 1270,
            Spelled::Inet => 1041,
            Spelled::Tid => 1010,
            Spelled::Xid => 1011,
            Spelled::Cid => 1012,
            Spelled::Macaddr => 1040,
        }
    }

    /// pg_type.typname.
    pub fn internal_name(self) -> &'static str {
        match self {
            Spelled::Range(range) => range.name(),
            Spelled::Multirange(range) => range.multirange_name(),
            Spelled::Timetz(_) => "timetz",
            Spelled::Bit(_) => "bit",
            Spelled::Varbit(_) => "varbit",
            Spelled::Inet => "inet",
            Spelled::Cidr => "cidr",
            Spelled::Macaddr => "macaddr",
            Spelled::Macaddr8 => "macaddr8",
            Spelled::Money => "money",
            Spelled::Tid => "tid",
            Spelled::Xid => "xid",
            Spelled::Cid => "cid",
        }
    }

    /// format_type(): the name with the modifier.
    pub fn shown_name(self) -> Cow<'static, str> {
        match self {
            Spelled::Range(_) | Spelled::Multirange(_) | Spelled::Inet | Spelled::Cidr => self.internal_name().into(),
            Spelled::Macaddr | Spelled::Macaddr8 | Spelled::Money => self.internal_name().into(),
            Spelled::Tid | Spelled::Xid | Spelled::Cid => self.internal_name().into(),
            Spelled::Timetz(digits) => format!("time{} with time zone", precision::shown(digits)).into(),
            // Without quotes it is of one bit.
            Spelled::Bit(None) => "\"bit\"".into(),
            Spelled::Bit(Some(length)) => format!("bit({length})").into(),
            Spelled::Varbit(None) => "bit varying".into(),
            Spelled::Varbit(Some(length)) => format!("bit varying({length})").into(),
        }
    }

    /// The type of a name in lower case, with the numbers in parentheses behind it.
    pub fn named(name: &str, modifiers: &[i32]) -> Result<Option<Spelled>> {
        match name {
            "bit" => return Ok(Some(Spelled::Bit(Some(bits::length(name, modifiers)?.unwrap_or(1))))),
            "timetz" | "time with time zone" => return Ok(Some(Spelled::Timetz(precision::digits(modifiers)?))),
            "varbit" | "bit varying" => return Ok(Some(Spelled::Varbit(bits::length("varbit", modifiers)?))),
            _ => {}
        }
        Ok(Spelled::all().find(|spelled| spelled.internal_name() == name || spelled.shown_name() == name))
    }

    /// pg_attribute.atttypmod.
    pub fn typmod(self) -> i32 {
        match self {
            Spelled::Bit(Some(length)) | Spelled::Varbit(Some(length)) => length as i32,
            Spelled::Timetz(digits) => precision::typmod(digits),
            _ => -1,
        }
    }

    /// The type without its modifier.
    pub fn without_modifier(self) -> Spelled {
        match self {
            Spelled::Bit(_) => Spelled::Bit(None),
            Spelled::Varbit(_) => Spelled::Varbit(None),
            Spelled::Timetz(_) => Spelled::Timetz(None),
            other => other,
        }
    }

    /// pg_type.typlen.
    pub fn length(self) -> i16 {
        match self {
            Spelled::Timetz(_) => 12,
            Spelled::Macaddr | Spelled::Tid => 6,
            Spelled::Macaddr8 | Spelled::Money => 8,
            Spelled::Xid | Spelled::Cid => 4,
            _ => -1,
        }
    }

    /// The spelling that a value is carried in, from what a client wrote.
    pub fn read(self, text: &str, settings: &FormatSettings) -> Result<String> {
        match self {
            Spelled::Range(range) => Ok(range.spelling(&range.read(text, settings)?)),
            Spelled::Multirange(range) => Ok(range.multirange_spelling(&range.read_multirange(text, settings)?)),
            Spelled::Timetz(digits) => Ok(ZonedTime::read(text, settings)?.rounded(digits).spelling()),
            Spelled::Bit(length) => bits::fit_fixed(bits::read(text)?, length),
            Spelled::Varbit(length) => bits::fit_varying(bits::read(text)?, length),
            Spelled::Inet => Ok(Address::read(text, false)?.spelling(false)),
            Spelled::Cidr => Ok(Address::read(text, true)?.spelling(true)),
            Spelled::Macaddr => network::read_macaddr(text),
            Spelled::Macaddr8 => Ok(macaddr8::spelling(macaddr8::read(text)?)),
            Spelled::Money => Ok(money::spelling(money::read(text)?)),
            Spelled::Tid => Ok(RowPlace::read(text)?.spelling()),
            Spelled::Xid | Spelled::Cid => Ok(read_number(self.internal_name(), text)?.to_string()),
        }
    }

    /// A value of the type without its modifier as the type keeps it: an explicit cast cuts and fills bits, an assignment
    /// refuses others than of the type's length.
    pub fn fit(self, spelling: &str, is_explicit: bool) -> Result<String> {
        match (self, is_explicit) {
            (Spelled::Bit(length), false) => bits::fit_fixed(spelling.to_string(), length),
            (Spelled::Varbit(length), false) => bits::fit_varying(spelling.to_string(), length),
            (Spelled::Bit(length), true) => Ok(bits::cut(spelling, length, true)),
            (Spelled::Varbit(length), true) => Ok(bits::cut(spelling, length, false)),
            (Spelled::Timetz(digits @ Some(_)), _) => Ok(ZonedTime::parse(spelling)?.rounded(digits).spelling()),
            _ => Ok(spelling.to_string()),
        }
    }

    /// What a session is shown. A spelling that another engine wrote and that is none is shown as it is.
    pub fn shown<'a>(self, spelling: &'a str, settings: &FormatSettings) -> Cow<'a, str> {
        match self {
            Spelled::Range(range) => range.shown(spelling, settings),
            Spelled::Multirange(range) => range.shown_multirange(spelling, settings),
            Spelled::Money => money::read(spelling).map_or(spelling.into(), |amount| money::shown(amount).into()),
            _ => spelling.into(),
        }
    }

    /// The spelling of a value in binary format.
    pub fn receive(self, bytes: &[u8]) -> Result<String> {
        match self {
            Spelled::Range(range) => Ok(range.spelling(&range.receive(bytes)?)),
            Spelled::Multirange(range) => Ok(range.multirange_spelling(&range.receive_multirange(bytes)?)),
            Spelled::Timetz(digits) => Ok(ZonedTime::receive(bytes)?.rounded(digits).spelling()),
            Spelled::Bit(length) => bits::fit_fixed(bits::receive(bytes)?, length),
            Spelled::Varbit(length) => bits::fit_varying(bits::receive(bytes)?, length),
            Spelled::Inet => Ok(Address::receive(bytes, false)?.spelling(false)),
            Spelled::Cidr => Ok(Address::receive(bytes, true)?.spelling(true)),
            Spelled::Macaddr => network::receive_macaddr(bytes),
            Spelled::Macaddr8 => Ok(macaddr8::spelling(macaddr8::receive(bytes)?)),
            Spelled::Money => Ok(money::spelling(money::receive(bytes)?)),
            Spelled::Tid => Ok(RowPlace::receive(bytes)?.spelling()),
            Spelled::Xid | Spelled::Cid => Ok(receive_number(bytes)?.to_string()),
        }
    }

    /// Appends the binary format.
    pub fn send(self, spelling: &str, out: &mut BytesMut) -> Result<()> {
        match self {
            Spelled::Range(range) => range.send(&range.parse(spelling)?, out)?,
            Spelled::Multirange(range) => range.send_multirange(&range.parse_multirange(spelling)?, out)?,
            Spelled::Timetz(_) => ZonedTime::parse(spelling)?.send(out),
            Spelled::Bit(_) | Spelled::Varbit(_) => bits::send(spelling, out),
            Spelled::Inet => Address::read(spelling, false)?.send(false, out),
            Spelled::Cidr => Address::read(spelling, true)?.send(true, out),
            Spelled::Macaddr => network::send_macaddr(spelling, out)?,
            Spelled::Macaddr8 => macaddr8::send(macaddr8::read(spelling)?, out),
            Spelled::Money => money::send(money::read(spelling)?, out),
            Spelled::Tid => RowPlace::read(spelling)?.send(out),
            Spelled::Xid | Spelled::Cid => out.put_u32(read_number(self.internal_name(), spelling)?),
        }
        Ok(())
    }

    /// Whether equal values always have one spelling.
    pub fn is_equal_by_spelling(self) -> bool {
        match self {
            Spelled::Range(range) | Spelled::Multirange(range) => range != RangeType::Num,
            _ => true,
        }
    }

    /// Whether values sort as their spellings do.
    pub fn is_ordered_by_spelling(self) -> bool {
        match self {
            Spelled::Range(_) | Spelled::Multirange(_) | Spelled::Timetz(_) => false,
            Spelled::Inet | Spelled::Cidr | Spelled::Money => false,
            Spelled::Tid | Spelled::Xid | Spelled::Cid => false,
            Spelled::Bit(_) | Spelled::Varbit(_) | Spelled::Macaddr | Spelled::Macaddr8 => true,
        }
    }

    /// Whether comparing spellings compares values.
    pub fn compares_by_spelling(self, is_equality: bool) -> bool {
        match is_equality {
            true => self.is_equal_by_spelling(),
            false => self.is_ordered_by_spelling(),
        }
    }

    /// Whether values of the two types can be compared.
    pub fn compares_with(self, other: Spelled) -> bool {
        let is_bits = |spelled: Spelled| matches!(spelled, Spelled::Bit(_) | Spelled::Varbit(_));
        let is_address = |spelled: Spelled| matches!(spelled, Spelled::Inet | Spelled::Cidr);
        self.without_modifier() == other.without_modifier()
            || (is_bits(self) && is_bits(other))
            || (is_address(self) && is_address(other))
    }

    /// Appends bytes that sort as the values do. No value's bytes are the beginning of another's.
    pub fn order_key(self, spelling: &str, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Spelled::Range(range) => range.order_key(&range.parse(spelling)?, out),
            Spelled::Multirange(range) => range.multirange_order_key(&range.parse_multirange(spelling)?, out),
            Spelled::Timetz(_) => ZonedTime::parse(spelling)?.order_key(out),
            Spelled::Inet => Address::read(spelling, false)?.order_key(out),
            Spelled::Cidr => Address::read(spelling, true)?.order_key(out),
            Spelled::Money => money::order_key(money::read(spelling)?, out),
            Spelled::Tid => RowPlace::read(spelling)?.order_key(out),
            Spelled::Xid | Spelled::Cid => out.put_u32(read_number(self.internal_name(), spelling)?),
            Spelled::Bit(_) | Spelled::Varbit(_) | Spelled::Macaddr | Spelled::Macaddr8 => {
                out.extend(spelling.bytes());
                out.push(0);
            }
        }
        Ok(())
    }
}
