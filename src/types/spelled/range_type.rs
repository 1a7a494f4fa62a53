//! The six types of ranges: their text and binary forms, and the canonical form, in which discrete ranges (of integers
//! and days) are always `[from,to)`.

use std::borrow::Cow;
use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use datafusion::common::ScalarValue;

use super::range::{Bound, Endpoint, Range, data_exception};
use super::range_literal::{quote_into, split};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::binary::{Reader, decode_value, put_date, put_number, put_timestamp};
use crate::types::calendar::{DATE_INFINITY, DATE_NEGATIVE_INFINITY, END_DAY};
use crate::types::format::{DateStyle, FormatSettings};
use crate::types::numeric::Number;
use crate::types::parse;
use crate::types::text::{write_date, write_timestamp, write_timestamptz};

/// What a range is a range of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeType {
    Int4,
    Int8,
    Num,
    Ts,
    Tstz,
    Date,
}

impl RangeType {
    pub const ALL: [RangeType; 6] = [
        RangeType::Int4,
        RangeType::Int8,
        RangeType::Num,
        RangeType::Ts,
        RangeType::Tstz,
        RangeType::Date,
    ];

    pub fn name(self) -> &'static str {
        match self {
            RangeType::Int4 => "int4range",
            RangeType::Int8 => "int8range",
            RangeType::Num => "numrange",
            RangeType::Ts => "tsrange",
            RangeType::Tstz => "tstzrange",
            RangeType::Date => "daterange",
        }
    }

    pub fn oid(self) -> u32 {
        match self {
            RangeType::Int4 => 3904,
            RangeType::Num => 3906,
            RangeType::Ts => 3908,
            RangeType::Tstz => 3910,
            RangeType::Date => 3912,
            RangeType::Int8 => 3926,
        }
    }

    /// The type of the range's ends.
    pub fn subtype(self) -> SqlType {
        match self {
            RangeType::Int4 => SqlType::Int4,
            RangeType::Int8 => SqlType::Int8,
            RangeType::Num => SqlType::Numeric(None),
            RangeType::Ts => SqlType::Timestamp(None),
            RangeType::Tstz => SqlType::Timestamptz(None),
            RangeType::Date => SqlType::Date,
        }
    }

    /// The range between two bounds in its canonical form; 22000 where the lower one is the larger.
    pub fn between(self, lower: Bound, upper: Bound) -> Result<Range> {
        let is_empty = |lower: &Bound, upper: &Bound| match (lower.value, upper.value) {
            (Some(from), Some(to)) => match from.compare(to) {
                Ordering::Greater => Err(data_exception(
                    "range lower bound must be less than or equal to range upper bound",
                )),
                order => Ok(order.is_eq() && !(lower.is_inclusive && upper.is_inclusive)),
            },
            _ => Ok(false),
        };
        if is_empty(&lower, &upper)? {
            return Ok(Range::Empty);
        }
        let lower = if lower.is_inclusive {
            lower
        } else {
            self.moved(lower, true)?
        };
        let upper = if upper.is_inclusive {
            self.moved(upper, false)?
        } else {
            upper
        };
        Ok(match is_empty(&lower, &upper)? {
            true => Range::Empty,
            false => Range::Between(lower, upper),
        })
    }

    /// The bound of a discrete range one further, with its value or without it.
    fn moved(self, bound: Bound, is_inclusive: bool) -> Result<Bound> {
        let Some(Endpoint::Whole(value)) = bound.value else {
            return Ok(bound);
        };
        let is_infinite = [DATE_INFINITY, DATE_NEGATIVE_INFINITY].map(i64::from).contains(&value);
        let (end, what) = match self {
            RangeType::Int4 => (i64::from(i32::MAX), "integer"),
            RangeType::Int8 => (i64::MAX, "bigint"),
            RangeType::Date if is_infinite => return Ok(bound),
            RangeType::Date => (END_DAY - 1, "date"),
            RangeType::Num | RangeType::Ts | RangeType::Tstz => return Ok(bound),
        };
        if value >= end {
            let state = match self {
                RangeType::Date => SqlState::DatetimeFieldOverflow,
                _ => SqlState::NumericValueOutOfRange,
            };
            return Err(Error::new(state, format!("{what} out of range")));
        }
        Ok(Bound::new(Some(Endpoint::Whole(value + 1)), is_inclusive))
    }

    /// Reads a client's literal.
    pub fn read(self, text: &str, settings: &FormatSettings) -> Result<Range> {
        let Some(literal) = split(text)? else {
            return Ok(Range::Empty);
        };
        let bound = |value: Option<String>, is_inclusive| {
            let value = value.map(|value| self.read_endpoint(&value, settings)).transpose()?;
            Ok::<Bound, Error>(Bound::new(value, is_inclusive))
        };
        let lower = bound(literal.lower, literal.opening == '[')?;
        self.between(lower, bound(literal.upper, literal.closing == ']')?)
    }

    /// Reads the spelling that values are carried in.
    pub fn parse(self, spelling: &str) -> Result<Range> {
        self.read(spelling, &FormatSettings::default())
    }

    fn read_endpoint(self, text: &str, settings: &FormatSettings) -> Result<Endpoint> {
        let (order, zone) = (settings.date_style.order, &settings.time_zone);
        Ok(match self {
            RangeType::Int4 => {
                let value = parse::parse_integer(text, "integer", i32::MIN.into(), i32::MAX.into())?;
                Endpoint::Whole(value)
            }
            RangeType::Int8 => Endpoint::Whole(parse::parse_integer(text, "bigint", i64::MIN, i64::MAX)?),
            RangeType::Num => {
                let decimal = parse::parse_decimal(text)?;
                Endpoint::Number(Number::new(decimal.value, i32::from(decimal.scale)))
            }
            RangeType::Ts => Endpoint::Whole(parse::parse_timestamp(text, order, zone)?),
            RangeType::Tstz => Endpoint::Whole(parse::parse_timestamptz(text, order, zone)?),
            RangeType::Date => Endpoint::Whole(parse::parse_date(text, order, zone)?.into()),
        })
    }

    /// The spelling that values are carried in.
    pub fn spelling(self, range: &Range) -> String {
        self.write(range, &FormatSettings::default())
    }

    /// What a session is shown for a spelling.
    pub fn shown<'a>(self, spelling: &'a str, settings: &FormatSettings) -> Cow<'a, str> {
        let is_dated = matches!(self, RangeType::Ts | RangeType::Tstz | RangeType::Date);
        let standard = FormatSettings::default();
        let is_standard = settings.date_style.format == DateStyle::default().format
            && (self != RangeType::Tstz || settings.time_zone == standard.time_zone);
        match self.parse(spelling) {
            Ok(range) if is_dated && !is_standard => self.write(&range, settings).into(),
            _ => spelling.into(),
        }
    }

    fn write(self, range: &Range, settings: &FormatSettings) -> String {
        let Range::Between(lower, upper) = range else {
            return "empty".to_string();
        };
        let mut out = String::from(if lower.is_inclusive { '[' } else { '(' });
        for (bound, end) in [(lower, ','), (upper, if upper.is_inclusive { ']' } else { ')' })] {
            if let Some(value) = bound.value {
                quote_into(&self.write_endpoint(value, settings), &mut out);
            }
            out.push(end);
        }
        out
    }

    fn write_endpoint(self, value: Endpoint, settings: &FormatSettings) -> String {
        let mut out = BytesMut::new();
        match (self, value) {
            (_, Endpoint::Number(number)) => return number.to_string(),
            (RangeType::Date, Endpoint::Whole(days)) => write_date(days as i32, settings.date_style, &mut out),
            (RangeType::Ts, Endpoint::Whole(micros)) => write_timestamp(micros, settings.date_style, &mut out),
            (RangeType::Tstz, Endpoint::Whole(micros)) => {
                write_timestamptz(micros, settings.date_style, &settings.time_zone, &mut out);
            }
            (_, Endpoint::Whole(value)) => return value.to_string(),
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Reads the binary format: a byte of flags, then the ends that have a value with their lengths.
    pub fn receive(self, bytes: &[u8]) -> Result<Range> {
        let mut reader = Reader::new(bytes);
        let [flags] = reader.take()?;
        if flags & flag::EMPTY != 0 {
            reader.end()?;
            return Ok(Range::Empty);
        }
        let mut bound = |infinite: u8, inclusive: u8| {
            let value = match flags & infinite != 0 {
                true => None,
                false => {
                    let length = usize::try_from(i32::from_be_bytes(reader.take()?)).unwrap_or(usize::MAX);
                    Some(self.receive_endpoint(reader.slice(length)?)?)
                }
            };
            Ok::<Bound, Error>(Bound::new(value, flags & inclusive != 0))
        };
        let lower = bound(flag::LOWER_INFINITE, flag::LOWER_INCLUSIVE)?;
        let upper = bound(flag::UPPER_INFINITE, flag::UPPER_INCLUSIVE)?;
        reader.end()?;
        self.between(lower, upper)
    }

    fn receive_endpoint(self, bytes: &[u8]) -> Result<Endpoint> {
        Ok(
            match decode_value(&self.subtype(), bytes, &FormatSettings::default())? {
                ScalarValue::Int32(Some(value)) | ScalarValue::Date32(Some(value)) => Endpoint::Whole(value.into()),
                ScalarValue::Int64(Some(value)) | ScalarValue::TimestampMicrosecond(Some(value), _) => {
                    Endpoint::Whole(value)
                }
                ScalarValue::Decimal128(Some(value), _, scale) => Endpoint::Number(Number::new(value, scale.into())),
                other => return Err(Error::internal(format!("the end of a range is {}", other.data_type()))),
            },
        )
    }

    /// Appends the binary format.
    pub fn send(self, range: &Range, out: &mut BytesMut) -> Result<()> {
        let Range::Between(lower, upper) = range else {
            out.put_u8(flag::EMPTY);
            return Ok(());
        };
        let set = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        out.put_u8(
            set(flag::LOWER_INCLUSIVE, lower.is_inclusive)
                | set(flag::UPPER_INCLUSIVE, upper.is_inclusive)
                | set(flag::LOWER_INFINITE, lower.value.is_none())
                | set(flag::UPPER_INFINITE, upper.value.is_none()),
        );
        for value in [lower.value, upper.value].into_iter().flatten() {
            let mut sent = BytesMut::new();
            match (self, value) {
                (_, Endpoint::Number(number)) => put_number(number, &mut sent),
                (RangeType::Int4, Endpoint::Whole(value)) => sent.put_i32(value as i32),
                (RangeType::Date, Endpoint::Whole(days)) => put_date(days as i32, &mut sent),
                (RangeType::Ts | RangeType::Tstz, Endpoint::Whole(micros)) => put_timestamp(micros, &mut sent),
                (_, Endpoint::Whole(value)) => sent.put_i64(value),
            }
            out.put_i32(sent.len() as i32);
            out.extend_from_slice(&sent);
        }
        Ok(())
    }

    /// Appends bytes that sort as ranges do: empty ones first, then by their beginnings, then by their ends.
    pub fn order_key(self, range: &Range, out: &mut Vec<u8>) {
        match range.edges() {
            None => out.push(0),
            Some((lower, upper)) => {
                out.push(1);
                lower.order_key(out);
                upper.order_key(out);
            }
        }
    }
}

mod flag {
    pub const EMPTY: u8 = 0x01;
    pub const LOWER_INCLUSIVE: u8 = 0x02;
    pub const UPPER_INCLUSIVE: u8 = 0x04;
    pub const LOWER_INFINITE: u8 = 0x08;
    pub const UPPER_INFINITE: u8 = 0x10;
}

#[cfg(test)]
mod tests {
    use super::super::Spelled;
    use super::*;

    fn spelled(range: RangeType, text: &str) -> String {
        range.spelling(&range.parse(text).unwrap())
    }

    #[test]
    fn literals_take_their_canonical_form() {
        for (range, text, expected) in [
            (RangeType::Int4, "[1,5]", "[1,6)"),
            (RangeType::Int4, "(1,5]", "[2,6)"),
            (RangeType::Int4, " (1,2) ", "empty"),
            (RangeType::Int4, "[,5)", "(,5)"),
            (RangeType::Int4, "EMPTY ", "empty"),
            (RangeType::Num, "[1.50,2.0]", "[1.50,2.0]"),
            (RangeType::Num, "(1,1]", "empty"),
            (RangeType::Date, "(2024-02-28,2024-02-29]", "[2024-02-29,2024-03-01)"),
            (RangeType::Date, "[2024-01-01,infinity]", "[2024-01-01,infinity]"),
            (
                RangeType::Ts,
                "[2024-01-01, \"2024-01-02 3:00\")",
                "[\"2024-01-01 00:00:00\",\"2024-01-02 03:00:00\")",
            ),
        ] {
            assert_eq!(spelled(range, text), expected, "{text}");
        }
        let settings = FormatSettings {
            time_zone: crate::types::TimeZone::parse("Europe/Berlin").unwrap(),
            ..FormatSettings::default()
        };
        let spelling = Spelled::Range(RangeType::Tstz)
            .read("[2024-01-01,)", &settings)
            .unwrap();
        assert_eq!(spelling, "[\"2023-12-31 23:00:00+00\",)");
        assert_eq!(
            RangeType::Tstz.shown(&spelling, &settings),
            "[\"2024-01-01 00:00:00+01\",)"
        );
    }

    #[test]
    fn malformed_literals_say_what_is_wrong() {
        for (text, detail) in [
            ("", "Missing left parenthesis or bracket."),
            ("emptyx", "Junk after \"empty\" key word."),
            ("[1)", "Missing comma after lower bound."),
            ("[1,2", "Unexpected end of input."),
            ("[1,2,3)", "Too many commas."),
            ("[1,2)x", "Junk after right parenthesis or bracket."),
        ] {
            let error = RangeType::Int4.parse(text).unwrap_err();
            assert_eq!(
                (error.state(), error.detail()),
                (SqlState::InvalidTextRepresentation, Some(detail)),
                "{text}"
            );
        }
        let error = RangeType::Int4.parse("[5,1]").unwrap_err();
        assert_eq!(error.state(), SqlState::DataException);
        assert_eq!(
            RangeType::Int4.parse("[1,2147483647]").unwrap_err().message(),
            "integer out of range"
        );
    }

    #[test]
    fn keys_sort_as_ranges_do() {
        let sorted = [
            "empty",
            "(,1)",
            "(,)",
            "[-3.5,2)",
            "[1.5,1.5]",
            "[1.5,2)",
            "[1.50,2]",
            "(1.5,2)",
            "[10,)",
        ];
        let key = |text: &str| {
            let mut key = vec![];
            Spelled::Range(RangeType::Num).order_key(text, &mut key).unwrap();
            key
        };
        let keys: Vec<Vec<u8>> = sorted.iter().map(|text| key(text)).collect();
        assert!(keys.is_sorted_by(|left, right| left < right), "{keys:?}");
        assert_eq!(key("[1.50,2]"), key("[1.5,2.00]"));
    }

    #[test]
    fn the_binary_form_comes_back() {
        for (range, text) in [
            (RangeType::Int4, "[1,6)"),
            (RangeType::Int8, "(,)"),
            (RangeType::Num, "(1.50,]"),
            (RangeType::Num, "(-0.25,1e3]"),
            (RangeType::Ts, "[2024-01-01,infinity)"),
            (RangeType::Date, "[2024-01-01,2024-02-01)"),
            (RangeType::Tstz, "empty"),
        ] {
            let value = range.parse(text).unwrap();
            let mut sent = BytesMut::new();
            range.send(&value, &mut sent).unwrap();
            assert_eq!(range.receive(&sent).unwrap(), value, "{text}");
        }
    }
}
