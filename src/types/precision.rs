//! How exactly moments and spans are kept: the digits of seconds of `timestamp(3)` and the fields of `interval day to
//! second(2)`, rounded and cut as PostgreSQL does it.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{
    IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};

use super::calendar::{MICROS_PER_SECOND, POSTGRES_EPOCH_MICROS, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY};
use super::{Spelled, SqlType};
use crate::error::{Error, Result, SqlState};

/// The digits that microseconds have.
const MOST_DIGITS: u8 = 6;

const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;

/// The bits of an interval's modifier, as pg_attribute.atttypmod has them.
const MONTH: u16 = 1 << 1;
const YEAR: u16 = 1 << 2;
const DAY: u16 = 1 << 3;
const HOUR: u16 = 1 << 10;
const MINUTE: u16 = 1 << 11;
const SECOND: u16 = 1 << 12;
const ALL_FIELDS: u16 = 0x7fff;
const ALL_DIGITS: i32 = 0xffff;

/// The fields that an interval's type may name.
const FIELDS: [(&str, u16); 13] = [
    ("year", YEAR),
    ("month", MONTH),
    ("day", DAY),
    ("hour", HOUR),
    ("minute", MINUTE),
    ("second", SECOND),
    ("year to month", YEAR | MONTH),
    ("day to hour", DAY | HOUR),
    ("day to minute", DAY | HOUR | MINUTE),
    ("day to second", DAY | HOUR | MINUTE | SECOND),
    ("hour to minute", HOUR | MINUTE),
    ("hour to second", HOUR | MINUTE | SECOND),
    ("minute to second", MINUTE | SECOND),
];

/// The digits of seconds among a type's modifiers; more than there are count as all.
pub fn digits(modifiers: &[i32]) -> Result<Option<u8>> {
    match modifiers {
        [] => Ok(None),
        [digits @ 0..=i32::MAX] => Ok(Some((*digits).min(i32::from(MOST_DIGITS)) as u8)),
        _ => Err(Error::new(SqlState::InvalidParameterValue, "invalid type modifier")),
    }
}

/// Digits behind a type's name.
pub(super) fn shown(digits: Option<u8>) -> String {
    digits.map_or(String::new(), |digits| format!("({digits})"))
}

/// pg_attribute.atttypmod of a type with so many digits.
pub(super) fn typmod(digits: Option<u8>) -> i32 {
    digits.map_or(-1, i32::from)
}

/// A span of microseconds, halves away from zero.
fn round(micros: i64, digits: Option<u8>) -> i64 {
    let Some(digits) = digits.filter(|digits| *digits < MOST_DIGITS) else {
        return micros;
    };
    let step = 10_i64.pow(u32::from(MOST_DIGITS - digits));
    match micros >= 0 {
        true => micros.saturating_add(step / 2) / step * step,
        false => -(micros.saturating_neg().saturating_add(step / 2) / step * step),
    }
}

/// A time of day; 23:59:59.9 becomes 24:00:00.
pub fn round_time(micros: i64, digits: Option<u8>) -> i64 {
    round(micros, digits)
}

/// A moment, whose halves PostgreSQL rounds away from the year 2000.
pub fn round_timestamp(micros: i64, digits: Option<u8>) -> i64 {
    match micros {
        TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY => micros,
        micros => round(micros.saturating_sub(POSTGRES_EPOCH_MICROS), digits).saturating_add(POSTGRES_EPOCH_MICROS),
    }
}

/// The fields and the digits of an interval's type, at least one of them fewer than all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntervalModifier {
    fields: u16,
    digits: Option<u8>,
}

/// The smallest field of an interval's type: the unit of a number that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallestField {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl IntervalModifier {
    /// The modifier of `interval day to second(3)`, of what stands behind the word; `None` for an interval of all there is.
    pub fn named(fields: &str, digits: Option<u8>) -> Option<Option<IntervalModifier>> {
        let fields = match fields.split_whitespace().collect::<Vec<_>>().join(" ").as_str() {
            "" => ALL_FIELDS,
            named => FIELDS.iter().find(|(name, _)| *name == named)?.1,
        };
        // Only seconds have digits.
        if digits.is_some() && fields & SECOND == 0 {
            return None;
        }
        let is_open = fields == ALL_FIELDS && digits.is_none();
        Some((!is_open).then_some(IntervalModifier { fields, digits }))
    }

    /// The modifier that pg_attribute.atttypmod tells.
    pub fn of_typmod(typmod: i32) -> Option<IntervalModifier> {
        let digits = u8::try_from(typmod & ALL_DIGITS).ok();
        (typmod >= 0).then_some(IntervalModifier {
            fields: (typmod >> 16) as u16 & ALL_FIELDS,
            digits: digits.map(|digits| digits.min(MOST_DIGITS)),
        })
    }

    /// pg_attribute.atttypmod.
    pub fn typmod(self) -> i32 {
        i32::from(self.fields) << 16 | self.digits.map_or(ALL_DIGITS, i32::from)
    }

    /// The digits of seconds, if the type says.
    pub fn digits(self) -> Option<u8> {
        self.digits
    }

    /// The fields by name, if the type says.
    pub fn fields(self) -> Option<&'static str> {
        let named = FIELDS.iter().find(|(_, fields)| *fields == self.fields);
        named.map(|(name, _)| *name)
    }

    /// The last field that is kept.
    pub fn smallest(self) -> SmallestField {
        match self.fields {
            fields if fields & SECOND != 0 => SmallestField::Second,
            fields if fields & MINUTE != 0 => SmallestField::Minute,
            fields if fields & HOUR != 0 => SmallestField::Hour,
            fields if fields & DAY != 0 => SmallestField::Day,
            fields if fields & MONTH != 0 => SmallestField::Month,
            _ => SmallestField::Year,
        }
    }

    /// Whether `1:30` is a minute and a half.
    pub fn begins_with_minutes(self) -> bool {
        self.fields == MINUTE | SECOND
    }

    /// An interval without what the type does not keep. What is larger than its fields stays, as in PostgreSQL.
    pub fn fit(self, interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
        if interval == IntervalMonthDayNano::MAX || interval == IntervalMonthDayNano::MIN {
            return interval;
        }
        let IntervalMonthDayNano {
            months,
            days,
            nanoseconds,
        } = interval;
        let micros = nanoseconds / 1000;
        let (months, days, micros) = match self.smallest() {
            SmallestField::Year => (months / 12 * 12, 0, 0),
            SmallestField::Month => (months, 0, 0),
            SmallestField::Day => (months, days, 0),
            SmallestField::Hour => (months, days, micros / MICROS_PER_HOUR * MICROS_PER_HOUR),
            SmallestField::Minute => (months, days, micros / MICROS_PER_MINUTE * MICROS_PER_MINUTE),
            SmallestField::Second => (months, days, round(micros, self.digits)),
        };
        IntervalMonthDayNano::new(months, days, micros.saturating_mul(1000))
    }
}

/// What stands behind `interval` in the type's name.
impl fmt::Display for IntervalModifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fields) = self.fields() {
            write!(f, " {fields}")?;
        }
        f.write_str(&shown(self.digits))
    }
}

impl SqlType {
    /// pg_attribute.atttypmod: -1 without a modifier.
    pub fn typmod(&self) -> i32 {
        match self {
            SqlType::Varchar(Some(length)) | SqlType::Bpchar(Some(length)) => *length as i32 + 4,
            SqlType::Numeric(Some((precision, scale))) => {
                ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + 4
            }
            SqlType::Time(digits) | SqlType::Timestamp(digits) | SqlType::Timestamptz(digits) => typmod(*digits),
            SqlType::Interval(Some(modifier)) => modifier.typmod(),
            SqlType::Spelled(spelled) => spelled.typmod(),
            SqlType::Array(element) => element.typmod(),
            _ => -1,
        }
    }

    /// The same type with any length, precision and scale.
    pub fn without_modifier(&self) -> SqlType {
        match self {
            SqlType::Numeric(_) => SqlType::Numeric(None),
            SqlType::Varchar(_) => SqlType::Varchar(None),
            SqlType::Bpchar(_) => SqlType::Bpchar(None),
            SqlType::Time(_) => SqlType::Time(None),
            SqlType::Timestamp(_) => SqlType::Timestamp(None),
            SqlType::Timestamptz(_) => SqlType::Timestamptz(None),
            SqlType::Interval(_) => SqlType::Interval(None),
            SqlType::Spelled(spelled) => SqlType::Spelled(spelled.without_modifier()),
            SqlType::Array(element) => SqlType::Array(Box::new(element.without_modifier())),
            other => other.clone(),
        }
    }

    /// Whether a modifier of the type says how exactly moments or spans are kept.
    pub fn is_rounded(&self) -> bool {
        match self {
            SqlType::Time(digits) | SqlType::Timestamp(digits) | SqlType::Timestamptz(digits) => digits.is_some(),
            SqlType::Interval(modifier) => modifier.is_some(),
            SqlType::Spelled(Spelled::Timetz(digits)) => digits.is_some(),
            _ => false,
        }
    }

    /// The digits of seconds that a moment is rounded to.
    pub fn second_digits(&self) -> Option<u8> {
        match self {
            SqlType::Time(digits) | SqlType::Timestamp(digits) | SqlType::Timestamptz(digits) => *digits,
            _ => None,
        }
    }

    /// What an interval's type says of it.
    pub fn interval_modifier(&self) -> Option<IntervalModifier> {
        match self {
            SqlType::Interval(modifier) => *modifier,
            _ => None,
        }
    }

    /// information_schema's datetime_precision, of what has a time.
    pub fn datetime_precision(&self) -> Option<u8> {
        let digits = match self {
            SqlType::Time(digits) | SqlType::Timestamp(digits) | SqlType::Timestamptz(digits) => *digits,
            SqlType::Spelled(Spelled::Timetz(digits)) => *digits,
            SqlType::Interval(modifier) => modifier.and_then(IntervalModifier::digits),
            _ => return None,
        };
        Some(digits.unwrap_or(MOST_DIGITS))
    }
}

/// Values of the type without its modifier as the type keeps them; those of other types as they are.
pub fn rounded(array: &ArrayRef, sql_type: &SqlType) -> ArrayRef {
    match sql_type {
        SqlType::Time(digits @ Some(_)) => match array.as_primitive_opt::<Time64MicrosecondType>() {
            Some(times) => {
                let rounded: Time64MicrosecondArray = times.unary(|time| round_time(time, *digits));
                Arc::new(rounded)
            }
            None => Arc::clone(array),
        },
        SqlType::Timestamp(digits @ Some(_)) | SqlType::Timestamptz(digits @ Some(_)) => {
            match array.as_primitive_opt::<TimestampMicrosecondType>() {
                Some(moments) => {
                    let rounded: TimestampMicrosecondArray = moments.unary(|moment| round_timestamp(moment, *digits));
                    Arc::new(rounded.with_data_type(array.data_type().clone()))
                }
                None => Arc::clone(array),
            }
        }
        SqlType::Interval(Some(modifier)) => match array.as_primitive_opt::<IntervalMonthDayNanoType>() {
            Some(spans) => {
                let fitted: IntervalMonthDayNanoArray = spans.unary(|span| modifier.fit(span));
                Arc::new(fitted)
            }
            None => Arc::clone(array),
        },
        _ => Arc::clone(array),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rounded_away_from_the_year_2000() {
        assert_eq!(round_time(86_399_500_000, Some(0)), 86_400_000_000);
        assert_eq!(round_time(1_234_567, Some(3)), 1_235_000);
        let at = |micros: i64| POSTGRES_EPOCH_MICROS + micros;
        assert_eq!(round_timestamp(at(1_500_000), Some(0)), at(2_000_000));
        assert_eq!(round_timestamp(at(-1_500_000), Some(0)), at(-2_000_000));
        assert_eq!(round_timestamp(at(-1_400_000), Some(0)), at(-1_000_000));
        assert_eq!(round_timestamp(TIMESTAMP_INFINITY, Some(0)), TIMESTAMP_INFINITY);
    }

    #[test]
    fn intervals_keep_their_fields() {
        let modifier = |text: &str, digits| IntervalModifier::named(text, digits).unwrap().unwrap();
        let span = IntervalMonthDayNano::new(14, 3, 3_723_456_789_000);
        assert_eq!(modifier("year", None).fit(span), IntervalMonthDayNano::new(12, 0, 0));
        assert_eq!(
            modifier("day to hour", None).fit(span),
            IntervalMonthDayNano::new(14, 3, 3_600_000_000_000)
        );
        assert_eq!(
            modifier("", Some(2)).fit(span),
            IntervalMonthDayNano::new(14, 3, 3_723_460_000_000)
        );
        assert_eq!(IntervalModifier::named("day", Some(2)), None);
        assert_eq!(IntervalModifier::named("", None), Some(None));
        let seconds = modifier("day to second", Some(3));
        assert_eq!(
            (seconds.typmod(), seconds.to_string()),
            (470_286_339, " day to second(3)".into())
        );
        assert_eq!(IntervalModifier::of_typmod(seconds.typmod()), Some(seconds));
        assert_eq!(IntervalModifier::of_typmod(-1), None);
    }
}
