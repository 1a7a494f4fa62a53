//! Intervals in PostgreSQL's own, the SQL standard's and ISO 8601's notation, after DecodeInterval and
//! DecodeISO8601Interval.

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::date_fields::FieldError;
use super::datetime::fraction_micros;
use super::datetime_tokens::{Token, tokenize};
use crate::error::{Error, Result, SqlState};
use crate::types::format::IntervalStyle;
use crate::types::precision::{IntervalModifier, SmallestField};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

#[derive(Default)]
struct Sum {
    months: i64,
    days: i64,
    micros: i64,
}

/// Reads an interval. The style matters for a leading minus of the SQL standard only; the modifier tells the unit of a
/// number that has none, and what is kept.
pub fn parse_interval(
    text: &str,
    style: IntervalStyle,
    modifier: Option<IntervalModifier>,
) -> Result<IntervalMonthDayNano> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" | "+infinity" => return Ok(IntervalMonthDayNano::new(i32::MAX, i32::MAX, i64::MAX)),
        "-infinity" => return Ok(IntervalMonthDayNano::new(i32::MIN, i32::MIN, i64::MIN)),
        _ => {}
    }
    let sum = match decode(text, style, modifier) {
        Err(FieldError::BadFormat) => decode_iso_8601(text.trim()),
        decoded => decoded,
    };
    let out_of_range = |state, message: &str| Error::new(state, format!("{message}: \"{text}\""));
    let sum = sum.map_err(|error| match error {
        FieldError::BadFormat => out_of_range(
            SqlState::InvalidDatetimeFormat,
            "invalid input syntax for type interval",
        ),
        _ => out_of_range(SqlState::IntervalFieldOverflow, "interval field value out of range"),
    })?;
    let parts = (
        i32::try_from(sum.months),
        i32::try_from(sum.days),
        sum.micros.checked_mul(1000),
    );
    match parts {
        (Ok(months), Ok(days), Some(nanoseconds)) => {
            let interval = IntervalMonthDayNano::new(months, days, nanoseconds);
            Ok(modifier.map_or(interval, |modifier| modifier.fit(interval)))
        }
        _ => Err(out_of_range(
            SqlState::IntervalFieldOverflow,
            "interval field value out of range",
        )),
    }
}

impl From<SmallestField> for Unit {
    fn from(field: SmallestField) -> Unit {
        match field {
            SmallestField::Year => Unit::Year,
            SmallestField::Month => Unit::Month,
            SmallestField::Day => Unit::Day,
            SmallestField::Hour => Unit::Hour,
            SmallestField::Minute => Unit::Minute,
            SmallestField::Second => Unit::Second,
        }
    }
}

impl Unit {
    fn parse(word: &str) -> Option<Unit> {
        Some(match word {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" | "microsecon" => {
                Unit::Microsecond
            }
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => Unit::Millisecond,
            "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
            "d" | "day" | "days" => Unit::Day,
            "w" | "week" | "weeks" => Unit::Week,
            "mon" | "mons" | "month" | "months" => Unit::Month,
            "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
            "dec" | "decs" | "decade" | "decades" => Unit::Decade,
            "c" | "cent" | "century" | "centuries" => Unit::Century,
            "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
            _ => return None,
        })
    }

    /// A unit may be named once; the parts of a time count as units.
    fn bit(self) -> u16 {
        1 << self as u16
    }
}

const SUBSECOND_BITS: u16 = 1 << Unit::Millisecond as u16 | 1 << Unit::Microsecond as u16;
const TIME_BITS: u16 = 1 << Unit::Second as u16 | 1 << Unit::Minute as u16 | 1 << Unit::Hour as u16;

impl Sum {
    /// Adds `whole + fraction` units; fractions spill into smaller units as PostgreSQL spills them.
    fn add(&mut self, unit: Unit, whole: i64, fraction: f64) -> Result<(), FieldError> {
        match unit {
            Unit::Microsecond => self.add_micros(whole, fraction, 1),
            Unit::Millisecond => self.add_micros(whole, fraction, 1000),
            Unit::Second => self.add_micros(whole, fraction, 1_000_000),
            Unit::Minute => self.add_micros(whole, fraction, 60_000_000),
            Unit::Hour => self.add_micros(whole, fraction, 3_600_000_000),
            Unit::Day => self.add_days(whole, fraction, 1),
            Unit::Week => self.add_days(whole, fraction, 7),
            Unit::Month => {
                self.months = self.months.checked_add(whole).ok_or(FieldError::Overflow)?;
                self.add_days(0, fraction, 30)
            }
            Unit::Year => self.add_months(whole, fraction, 12),
            Unit::Decade => self.add_months(whole, fraction, 120),
            Unit::Century => self.add_months(whole, fraction, 1200),
            Unit::Millennium => self.add_months(whole, fraction, 12_000),
        }
    }

    fn add_months(&mut self, whole: i64, fraction: f64, scale: i64) -> Result<(), FieldError> {
        let months = whole
            .checked_mul(scale)
            .and_then(|months| months.checked_add(self.months));
        let spilled = (fraction * scale as f64).round_ties_even() as i64;
        self.months = months
            .and_then(|months| months.checked_add(spilled))
            .ok_or(FieldError::Overflow)?;
        Ok(())
    }

    fn add_days(&mut self, whole: i64, fraction: f64, scale: i64) -> Result<(), FieldError> {
        let days = whole.checked_mul(scale).and_then(|days| days.checked_add(self.days));
        let spilled = fraction * scale as f64;
        self.days = days
            .and_then(|days| days.checked_add(spilled.trunc() as i64))
            .ok_or(FieldError::Overflow)?;
        self.add_micros(0, spilled.fract(), 86_400_000_000)
    }

    fn add_micros(&mut self, whole: i64, fraction: f64, scale: i64) -> Result<(), FieldError> {
        let micros = whole
            .checked_mul(scale)
            .and_then(|micros| micros.checked_add(self.micros));
        let spilled = (fraction * scale as f64).round() as i64;
        self.micros = micros
            .and_then(|micros| micros.checked_add(spilled))
            .ok_or(FieldError::Overflow)?;
        Ok(())
    }

    fn negate(&mut self) {
        self.months = -self.months;
        self.days = -self.days;
        self.micros = -self.micros;
    }
}

/// From the last field to the first, so that a unit is known before its number.
fn decode(text: &str, style: IntervalStyle, modifier: Option<IntervalModifier>) -> Result<Sum, FieldError> {
    let tokens = tokenize(text)?;
    let smallest = modifier
        .map_or(SmallestField::Second, IntervalModifier::smallest)
        .into();
    let minutes_first = modifier.is_some_and(IntervalModifier::begins_with_minutes);
    let mut sum = Sum::default();
    let (mut unit, mut ago, mut named) = (None, false, 0_u16);
    // In the SQL standard one leading minus is meant for every field.
    let signed = |token: &Token, sign: char| matches!(token, Token::Offset(text) if text.starts_with(sign));
    let all_negative = style == IntervalStyle::SqlStandard
        && tokens.first().is_some_and(|first| signed(first, '-'))
        && !tokens[1..].iter().any(|token| signed(token, '-') || signed(token, '+'));
    let with_sign = |value: i64| if all_negative { -value.abs() } else { value };
    for token in tokens.iter().rev() {
        let bits = match token {
            Token::Time(time) => {
                sum.add(Unit::Microsecond, with_sign(time_micros(time, minutes_first)?), 0.0)?;
                unit = Some(Unit::Day);
                TIME_BITS
            }
            Token::Offset(signed) if signed.contains(':') => {
                let micros = time_micros(&signed[1..], minutes_first).map_err(|_| FieldError::BadFormat)?;
                sum.add(
                    Unit::Microsecond,
                    if signed.starts_with('-') { -micros } else { micros },
                    0.0,
                )?;
                unit = Some(Unit::Day);
                TIME_BITS
            }
            Token::Number(number) | Token::Date(number) | Token::Offset(number) => {
                // `ago` stands behind a unit.
                if ago && named == 0 && unit.is_none() {
                    return Err(FieldError::BadFormat);
                }
                let current = *unit.get_or_insert(smallest);
                match year_month(number)? {
                    Some(months) => {
                        unit = Some(Unit::Month);
                        sum.add(Unit::Month, with_sign(months), 0.0)?;
                        Unit::Month.bit() | Unit::Year.bit()
                    }
                    None => {
                        let (whole, fraction) = number_parts(number)?;
                        let fraction = if all_negative { -fraction.abs() } else { fraction };
                        sum.add(current, with_sign(whole), fraction)?;
                        // Days stand before hours.
                        if current == Unit::Hour {
                            unit = Some(Unit::Day);
                        }
                        // A fraction of seconds takes the place of the smaller units.
                        let fractional = current == Unit::Second && fraction != 0.0;
                        if fractional {
                            current.bit() | SUBSECOND_BITS
                        } else {
                            current.bit()
                        }
                    }
                }
            }
            Token::Word(word) if word == "ago" => {
                ago = true;
                unit = None;
                continue;
            }
            Token::Word(word) => {
                unit = Some(Unit::parse(word).ok_or(FieldError::BadFormat)?);
                continue;
            }
        };
        if named & bits != 0 {
            return Err(FieldError::BadFormat);
        }
        named |= bits;
    }
    if named == 0 {
        return Err(FieldError::BadFormat);
    }
    if ago {
        sum.negate();
    }
    Ok(sum)
}

/// `1-2`, the years and months of SQL; `None` for another number.
fn year_month(text: &str) -> Result<Option<i64>, FieldError> {
    let (negative, unsigned) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let Some((years, months)) = unsigned.split_once('-') else {
        return Ok(None);
    };
    let years: i64 = years.parse().map_err(|_| FieldError::BadFormat)?;
    let months: i64 = months.parse().map_err(|_| FieldError::BadFormat)?;
    if months >= 12 {
        return Err(FieldError::Overflow);
    }
    let total = years
        .checked_mul(12)
        .and_then(|total| total.checked_add(months))
        .ok_or(FieldError::Overflow)?;
    Ok(Some(if negative { -total } else { total }))
}

fn number_parts(text: &str) -> Result<(i64, f64), FieldError> {
    let (whole, fraction) = match text.find('.') {
        Some(point) => (&text[..point], &text[point..]),
        None => (text, "."),
    };
    let digits = whole.trim_start_matches(['-', '+']);
    if !digits
        .bytes()
        .chain(fraction[1..].bytes())
        .all(|byte| byte.is_ascii_digit())
    {
        return Err(FieldError::BadFormat);
    }
    let negative = whole.starts_with('-');
    let fraction: f64 = if fraction.len() > 1 {
        fraction.parse().map_err(|_| FieldError::BadFormat)?
    } else {
        0.0
    };
    let whole: i64 = if digits.is_empty() {
        0
    } else {
        digits.parse().map_err(|_| FieldError::Overflow)?
    };
    Ok(if negative {
        (-whole, -fraction)
    } else {
        (whole, fraction)
    })
}

/// `HH:MM[:SS[.ffffff]]` and `MM:SS.ffffff`, or `MM:SS` where minutes are the first field; hours have no limit.
fn time_micros(text: &str, minutes_first: bool) -> Result<i64, FieldError> {
    let number = |digits: &str| -> Result<i64, FieldError> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FieldError::BadFormat);
        }
        digits.parse().map_err(|_| FieldError::Overflow)
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [minutes, seconds] if minutes_first || seconds.contains('.') => ("0", *minutes, *seconds),
        [hours, minutes] => (*hours, *minutes, "0"),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return Err(FieldError::BadFormat),
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
    let micros = fraction_micros(fraction).ok_or(FieldError::BadFormat)?;
    if minutes > 59 || seconds > 60 {
        return Err(FieldError::Overflow);
    }
    let total = hours.checked_mul(3_600_000_000).ok_or(FieldError::Overflow)?;
    total
        .checked_add((minutes * 60 + seconds) * 1_000_000 + micros)
        .ok_or(FieldError::Overflow)
}

/// `P1Y2M3DT4H5M6.789S`, `P2W`, `P0001-02-03T04:05:06`, `P20040102T`.
fn decode_iso_8601(text: &str) -> Result<Sum, FieldError> {
    let mut rest = text.strip_prefix('P').ok_or(FieldError::BadFormat)?;
    if rest.is_empty() {
        return Err(FieldError::BadFormat);
    }
    let mut sum = Sum::default();
    let mut in_time = false;
    let mut has_field = false;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time {
                return Err(FieldError::BadFormat);
            }
            in_time = true;
            has_field = false;
            rest = time;
            continue;
        }
        let end = rest[1..]
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .map_or(rest.len(), |end| end + 1);
        let (number, after) = rest.split_at(end);
        if !number.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(FieldError::BadFormat);
        }
        let designator = after.chars().next();
        match designator {
            None | Some('T' | '-' | ':') if has_field => return Err(FieldError::BadFormat),
            None | Some('T' | '-' | ':') => {
                return alternative_iso_8601(rest, in_time, sum);
            }
            Some(letter) => {
                let unit = match (letter, in_time) {
                    ('Y', false) => Unit::Year,
                    ('M', false) => Unit::Month,
                    ('W', false) => Unit::Week,
                    ('D', false) => Unit::Day,
                    ('H', true) => Unit::Hour,
                    ('M', true) => Unit::Minute,
                    ('S', true) => Unit::Second,
                    _ => return Err(FieldError::BadFormat),
                };
                let (whole, _) = number_parts(number)?;
                // The difference of floats, inexact as PostgreSQL's.
                let value: f64 = number.parse().map_err(|_| FieldError::BadFormat)?;
                sum.add(unit, whole, value - value.trunc())?;
                rest = &after[letter.len_utf8()..];
                has_field = true;
            }
        }
    }
    Ok(sum)
}

/// The form that looks like a timestamp, with and without separators.
fn alternative_iso_8601(text: &str, in_time: bool, mut sum: Sum) -> Result<Sum, FieldError> {
    let (date, time) = match in_time {
        true => ("", text),
        false => text.split_once('T').unwrap_or((text, "")),
    };
    let mut add = |parts: Vec<&str>, units: &[Unit]| -> Result<(), FieldError> {
        if parts.len() > units.len() {
            return Err(FieldError::BadFormat);
        }
        for (part, unit) in parts.into_iter().zip(units) {
            let (whole, fraction) = number_parts(part)?;
            sum.add(*unit, whole, fraction)?;
        }
        Ok(())
    };
    let date_units = [Unit::Year, Unit::Month, Unit::Day];
    let time_units = [Unit::Hour, Unit::Minute, Unit::Second];
    // Without separators only so many digits are several fields.
    let is_basic = |text: &str, separator: char, digits: usize| {
        let whole = text.split('.').next().unwrap_or_default();
        !text.contains(separator) && whole.len() == digits && whole.bytes().all(|byte| byte.is_ascii_digit())
    };
    if is_basic(date, '-', 8) {
        add(vec![&date[..4], &date[4..6], &date[6..]], &date_units)?;
    } else if !date.is_empty() {
        // The first one may be a sign.
        let sign = usize::from(date.starts_with('-'));
        let mut parts: Vec<&str> = date[sign..].split('-').collect();
        parts[0] = &date[..sign + parts[0].len()];
        add(parts, &date_units)?;
    }
    if is_basic(time, ':', 6) {
        // PostgreSQL takes no fraction here.
        add(vec![&time[..2], &time[2..4], &time[4..6]], &time_units)?;
    } else if !time.is_empty() {
        add(time.split(':').collect(), &time_units)?;
    }
    Ok(sum)
}
