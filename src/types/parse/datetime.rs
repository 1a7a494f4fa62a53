//! Dates, times and timestamps in every spelling that PostgreSQL reads, after its ParseDateTime and
//! DecodeDateTime. ISO dates and timestamps take a short way.

use super::clock;
use super::date_fields::{DateFields, FieldError, is_weekday, month_of};
use super::datetime_tokens::{Token, tokenize};
use super::number::trim;
use super::zone_abbreviations::abbreviation_offset;
use crate::error::{Error, Result, SqlState};
use crate::types::calendar::{
    CivilDate, DATE_INFINITY, DATE_NEGATIVE_INFINITY, END_DAY, END_MICRO, FIRST_DAY, FIRST_MICRO, MICROS_PER_DAY,
    MICROS_PER_SECOND, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY, days_in_month,
};
use crate::types::format::DateOrder;
use crate::types::time_zone::TimeZone;

/// What a text named.
enum Moment {
    Infinity,
    NegativeInfinity,
    /// The instant of `now` and `epoch`, in microseconds since 1970 UTC.
    Instant(i64),
    Fields(Fields),
}

#[derive(Default)]
struct Fields {
    date: DateFields,
    /// Microseconds since midnight.
    time: Option<i64>,
    zone: Option<Zone>,
}

enum Zone {
    Offset(i32),
    Named(TimeZone),
}

/// Reads a date, in days since 1970; `zone` decides what today is.
pub fn parse_date(text: &str, order: DateOrder, zone: &TimeZone) -> Result<i32> {
    if let Some((days, [])) = iso_date(trim(text).as_bytes()) {
        return Ok(days as i32);
    }
    let error = |error: FieldError| field_error(error, "date", text);
    let days = match decode(text, order, zone, false).map_err(error)? {
        Moment::Infinity => return Ok(DATE_INFINITY),
        Moment::NegativeInfinity => return Ok(DATE_NEGATIVE_INFINITY),
        Moment::Instant(0) => 0,
        Moment::Instant(instant) => {
            (instant + i64::from(zone.offset_at(instant)) * MICROS_PER_SECOND).div_euclid(MICROS_PER_DAY)
        }
        Moment::Fields(fields) => fields.date.to_days().map_err(error)?,
    };
    match (FIRST_DAY..END_DAY).contains(&days) {
        true => Ok(days as i32),
        false => Err(Error::new(
            SqlState::DatetimeFieldOverflow,
            format!("date out of range: \"{text}\""),
        )),
    }
}

/// Reads a time of day, in microseconds; a date or zone beside it is ignored.
pub fn parse_time(text: &str) -> Result<i64> {
    let error = |error: FieldError| field_error(error, "time", text);
    match decode(text, DateOrder::default(), &TimeZone::UTC, true).map_err(error)? {
        // A zone with rules needs a date to tell its offset.
        Moment::Fields(Fields {
            zone: Some(Zone::Named(_)),
            date,
            ..
        }) if date.is_empty() => Err(error(FieldError::BadFormat)),
        Moment::Fields(Fields { time: Some(time), .. }) => Ok(time),
        Moment::Instant(instant) => Ok(instant.rem_euclid(MICROS_PER_DAY)),
        _ => Err(error(FieldError::BadFormat)),
    }
}

/// Reads a time of day, in microseconds, and its distance from Greenwich, in seconds east: that of `zone` where the text
/// names none, on the day that it names or today.
pub fn parse_timetz(text: &str, order: DateOrder, zone: &TimeZone) -> Result<(i64, i32)> {
    let error = |error: FieldError| field_error(error, "time with time zone", text);
    match decode(text, order, zone, true).map_err(error)? {
        Moment::Instant(instant) => {
            let offset = zone.offset_at(instant);
            let clock = instant + i64::from(offset) * MICROS_PER_SECOND;
            Ok((clock.rem_euclid(MICROS_PER_DAY), offset))
        }
        Moment::Fields(Fields {
            time: Some(time),
            zone: named,
            date,
        }) => {
            let local = |date: DateFields| {
                let days = if date.is_empty() {
                    clock::today(zone)
                } else {
                    date.to_days()?
                };
                Ok(days.saturating_mul(MICROS_PER_DAY).saturating_add(time))
            };
            let offset = match named {
                Some(Zone::Offset(offset)) => offset,
                // A zone with rules needs a date to tell its offset.
                Some(Zone::Named(_)) if date.is_empty() => return Err(error(FieldError::BadFormat)),
                Some(Zone::Named(named)) => named.offset_for_local(local(date).map_err(error)?),
                None => zone.offset_for_local(local(date).map_err(error)?),
            };
            Ok((time, offset))
        }
        _ => Err(error(FieldError::BadFormat)),
    }
}

/// Reads a timestamp, in microseconds since 1970; a zone in the text is ignored.
pub fn parse_timestamp(text: &str, order: DateOrder, zone: &TimeZone) -> Result<i64> {
    if let Some((micros, [])) = iso_timestamp(trim(text).as_bytes()) {
        return Ok(micros);
    }
    let error = |error: FieldError| field_error(error, "timestamp", text);
    match decode(text, order, zone, false).map_err(error)? {
        Moment::Infinity => Ok(TIMESTAMP_INFINITY),
        Moment::NegativeInfinity => Ok(TIMESTAMP_NEGATIVE_INFINITY),
        Moment::Instant(0) => Ok(0),
        Moment::Instant(instant) => Ok(instant + i64::from(zone.offset_at(instant)) * MICROS_PER_SECOND),
        Moment::Fields(fields) => in_range(fields.local().map_err(error)?, text),
    }
}

/// Reads an instant, in microseconds since 1970 UTC; without a zone in the text it is on `zone`'s clock.
pub fn parse_timestamptz(text: &str, order: DateOrder, zone: &TimeZone) -> Result<i64> {
    if let Some((local, rest)) = iso_timestamp(trim(text).as_bytes()) {
        let offset = match rest {
            [] => Some(zone.offset_for_local(local)),
            b"Z" => Some(0),
            [sign @ (b'+' | b'-'), a @ b'0'..=b'1', b @ b'0'..=b'9']
            | [sign @ (b'+' | b'-'), a @ b'0'..=b'1', b @ b'0'..=b'9', b':', b'0', b'0'] => {
                let hours = i32::from((a - b'0') * 10 + b - b'0');
                (hours < 16).then_some(if *sign == b'-' { -hours } else { hours } * 3600)
            }
            _ => None,
        };
        if let Some(offset) = offset {
            return Ok(local - i64::from(offset) * MICROS_PER_SECOND);
        }
    }
    let error = |error: FieldError| field_error(error, "timestamp with time zone", text);
    match decode(text, order, zone, false).map_err(error)? {
        Moment::Infinity => Ok(TIMESTAMP_INFINITY),
        Moment::NegativeInfinity => Ok(TIMESTAMP_NEGATIVE_INFINITY),
        Moment::Instant(instant) => Ok(instant),
        Moment::Fields(fields) => {
            let local = fields.local().map_err(error)?;
            let clock = i64::try_from(local).unwrap_or(i64::MAX);
            let offset = match &fields.zone {
                Some(Zone::Offset(offset)) => *offset,
                Some(Zone::Named(named)) => named.offset_for_local(clock),
                None => zone.offset_for_local(clock),
            };
            in_range(local - i128::from(offset) * i128::from(MICROS_PER_SECOND), text)
        }
    }
}

/// Whether the value of a date or time literal depends on when it is read: it must not be kept.
pub fn reads_the_clock(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower
        .split(|c: char| !c.is_ascii_alphabetic())
        .any(|word| matches!(word, "now" | "today" | "tomorrow" | "yesterday"))
}

fn in_range(micros: i128, text: &str) -> Result<i64> {
    match (i128::from(FIRST_MICRO)..i128::from(END_MICRO)).contains(&micros) {
        true => Ok(micros as i64),
        false => Err(Error::new(
            SqlState::DatetimeFieldOverflow,
            format!("timestamp out of range: \"{text}\""),
        )),
    }
}

impl Fields {
    fn local(&self) -> Result<i128, FieldError> {
        let days = i128::from(self.date.to_days()?);
        Ok(days * i128::from(MICROS_PER_DAY) + i128::from(self.time.unwrap_or(0)))
    }
}

fn field_error(error: FieldError, type_name: &str, text: &str) -> Error {
    let (state, message) = match error {
        FieldError::BadFormat => (
            SqlState::InvalidDatetimeFormat,
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        ),
        FieldError::Overflow | FieldError::MonthDayOverflow => (
            SqlState::DatetimeFieldOverflow,
            format!("date/time field value out of range: \"{text}\""),
        ),
        FieldError::ZoneOverflow => (
            SqlState::InvalidTimeZoneDisplacement,
            format!("time zone displacement out of range: \"{text}\""),
        ),
        FieldError::UnknownZone(ref zone) => (
            SqlState::InvalidParameterValue,
            format!("time zone \"{zone}\" not recognized"),
        ),
    };
    let reported = Error::new(state, message);
    match error {
        FieldError::MonthDayOverflow => reported.with_hint("Perhaps you need a different \"datestyle\" setting."),
        _ => reported,
    }
}

/// `YYYY-MM-DD` with a valid day; answers what follows.
fn iso_date(text: &[u8]) -> Option<(i64, &[u8])> {
    let [a, b, c, d, b'-', e, f, b'-', g, h, rest @ ..] = text else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i64, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
        })
    };
    let (year, month, day) = (
        number(&[*a, *b, *c, *d])?,
        number(&[*e, *f])? as u8,
        number(&[*g, *h])? as u8,
    );
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    if rest.first().is_some_and(|next| !matches!(next, b' ' | b'T')) {
        return None;
    }
    Some((CivilDate { year, month, day }.to_days(), rest))
}

/// An ISO date, and `HH:MM:SS` with an optional fraction; answers what follows.
fn iso_timestamp(text: &[u8]) -> Option<(i64, &[u8])> {
    let (days, rest) = iso_date(text)?;
    if rest.is_empty() {
        return Some((days * MICROS_PER_DAY, rest));
    }
    let [_, a, b, b':', c, d, b':', e, f, rest @ ..] = rest else {
        return None;
    };
    let pair = |tens: &u8, ones: &u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from((tens - b'0') * 10 + ones - b'0'))
    };
    let (hour, minute, second) = (pair(a, b)?, pair(c, d)?, pair(e, f)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND;
    let mut rest = rest;
    if let [b'.', fraction @ ..] = rest {
        let digits = fraction.iter().take_while(|digit| digit.is_ascii_digit()).count();
        if digits == 0 || digits > 6 {
            return None;
        }
        let value = fraction[..digits]
            .iter()
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        micros += value * 10_i64.pow(6 - digits as u32);
        rest = &fraction[digits..];
    }
    Some((days * MICROS_PER_DAY + micros, rest))
}

/// Goes through the tokens, each of which fills the fields that are still open. For a time alone, plain
/// digits are a time.
fn decode(text: &str, order: DateOrder, zone: &TimeZone, time_only: bool) -> Result<Moment, FieldError> {
    let tokens = tokenize(text)?;
    let mut fields = Fields {
        date: DateFields {
            order,
            ..Default::default()
        },
        ..Default::default()
    };
    let (mut julian, mut afternoon, mut time_expected) = (false, None, false);
    for (position, token) in tokens.iter().enumerate() {
        match token {
            Token::Number(digits) if julian => {
                let day: i64 = digits.parse().map_err(|_| FieldError::BadFormat)?;
                fields.date.absolute = Some(day.saturating_add(FIRST_DAY));
                julian = false;
            }
            Token::Number(digits) => {
                number(&mut fields, digits, time_expected || time_only)?;
                time_expected = false;
            }
            Token::Time(time) => {
                if fields.time.is_some() {
                    return Err(FieldError::BadFormat);
                }
                fields.time = Some(clock_time(time)?);
                time_expected = false;
            }
            Token::Date(date) if fields.date.is_complete() || time_expected || (time_only && tokens.len() == 1) => {
                time_or_zone(&mut fields, date)?;
                time_expected = false;
            }
            Token::Date(date) if date.starts_with(|c: char| c.is_ascii_alphabetic()) && !has_month(date) => {
                fields.zone = Some(named_zone(date)?);
            }
            Token::Date(date) => fields.date.read_date(date)?,
            Token::Offset(offset) => {
                if fields.zone.is_some() && !matches!(fields.zone, Some(Zone::Offset(0))) {
                    return Err(FieldError::BadFormat);
                }
                fields.zone = Some(Zone::Offset(zone_offset(offset)?));
            }
            Token::Word(word) => match word.as_str() {
                "infinity" | "inf" | "+infinity" | "-infinity" | "+inf" | "-inf" if tokens.len() == 1 => {
                    return Ok(match word.starts_with('-') {
                        true => Moment::NegativeInfinity,
                        false => Moment::Infinity,
                    });
                }
                "epoch" if tokens.len() == 1 => return Ok(Moment::Instant(0)),
                "now" if tokens.len() == 1 => return Ok(Moment::Instant(clock::now())),
                "today" => fields.date.absolute = Some(clock::today(zone)),
                "tomorrow" => fields.date.absolute = Some(clock::today(zone) + 1),
                "yesterday" => fields.date.absolute = Some(clock::today(zone) - 1),
                "allballs" => {
                    fields.time = Some(0);
                    fields.zone = Some(Zone::Offset(0));
                }
                "am" => afternoon = Some(false),
                "pm" => afternoon = Some(true),
                "bc" | "b.c." => fields.date.before_christ = true,
                "ad" | "a.d." | "at" | "on" => {}
                "j" | "jd" | "julian" if position + 1 < tokens.len() => julian = true,
                "t" if !time_expected && position + 1 < tokens.len() => time_expected = true,
                word => match month_of(word) {
                    Some(month) => fields.date.set_text_month(month)?,
                    None if is_weekday(word) => {}
                    None if fields.zone.is_some() => return Err(FieldError::BadFormat),
                    None => fields.zone = Some(word_zone(word)?),
                },
            },
        }
    }
    if julian || (time_expected && fields.time.is_none()) || (fields.date.is_empty() && fields.time.is_none()) {
        return Err(FieldError::BadFormat);
    }
    if let (Some(afternoon), Some(time)) = (afternoon, fields.time) {
        fields.time = Some(twelve_hour_time(time, afternoon)?);
    }
    Ok(Moment::Fields(fields))
}

fn has_month(date: &str) -> bool {
    month_of(
        date.split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default(),
    )
    .is_some()
}

fn twelve_hour_time(time: i64, afternoon: bool) -> Result<i64, FieldError> {
    const HOUR: i64 = 3600 * MICROS_PER_SECOND;
    match (time / HOUR, afternoon) {
        (13.., _) => Err(FieldError::Overflow),
        (12, false) => Ok(time - 12 * HOUR),
        (0..12, true) => Ok(time + 12 * HOUR),
        _ => Ok(time),
    }
}

/// A number that is not part of a date in one piece.
fn number(fields: &mut Fields, digits: &str, time_expected: bool) -> Result<(), FieldError> {
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    if time_expected || fields.date.is_complete() {
        if fields.time.is_some() {
            return Err(FieldError::BadFormat);
        }
        fields.time = Some(run_together_time(whole, fraction)?);
        return Ok(());
    }
    match fraction {
        // 2024.002: a year and the day in it.
        Some(rest) if fields.date.is_empty() && whole.len() >= 4 && rest.len() == 3 => {
            fields.date.read_number(whole)?;
            fields.date.read_number(rest)
        }
        Some(_) => Err(FieldError::BadFormat),
        None if fields.date.is_empty() && whole.len() >= 6 => fields.date.read_run_together(whole),
        None => fields.date.read_number(whole),
    }
}

/// `040506`, `0405`, with a fraction after the seconds.
fn run_together_time(digits: &str, fraction: Option<&str>) -> Result<i64, FieldError> {
    match (digits.len(), fraction) {
        (6, _) => {
            let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
            clock_time(&format!(
                "{}:{}:{}{fraction}",
                &digits[..2],
                &digits[2..4],
                &digits[4..]
            ))
        }
        (4, None) => clock_time(&format!("{}:{}", &digits[..2], &digits[2..])),
        _ => Err(FieldError::BadFormat),
    }
}

/// After a date: `America/New_York`, or a time with a zone such as `040506-08`.
fn time_or_zone(fields: &mut Fields, text: &str) -> Result<(), FieldError> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        fields.zone = Some(named_zone(text)?);
        return Ok(());
    }
    let split = text.find(['-', '+']).ok_or(FieldError::BadFormat)?;
    number(fields, &text[..split], true)?;
    fields.zone = Some(Zone::Offset(zone_offset(&text[split..])?));
    Ok(())
}

/// `HH:MM[:SS[.ffffff]]`.
fn clock_time(text: &str) -> Result<i64, FieldError> {
    let mut parts = text.splitn(3, ':');
    let whole = |part: Option<&str>| -> Result<i64, FieldError> {
        let digits = part.filter(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        digits
            .ok_or(FieldError::BadFormat)?
            .parse()
            .map_err(|_| FieldError::Overflow)
    };
    let (hour, minute) = (whole(parts.next())?, whole(parts.next())?);
    let (second, micros) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            (
                whole(Some(second))?,
                fraction_micros(fraction).ok_or(FieldError::BadFormat)?,
            )
        }
    };
    let past_midnight = hour == 24 && (minute > 0 || second > 0 || micros > 0);
    if hour > 24 || minute > 59 || second > 60 || past_midnight {
        return Err(FieldError::Overflow);
    }
    Ok(((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + micros)
}

/// Digits after a decimal point as microseconds; rounded through a float, as PostgreSQL rounds.
pub(super) fn fraction_micros(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits.len() > 6 {
        let fraction: f64 = format!("0.{digits}").parse().ok()?;
        return Some((fraction * 1e6).round_ties_even() as i64);
    }
    let padded = digits.bytes().chain(std::iter::repeat(b'0')).take(6);
    Some(padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// `+02`, `-0330`, `+05:30:15`.
fn zone_offset(text: &str) -> Result<i32, FieldError> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        _ => (1, &text[1..]),
    };
    let number = |part: &str| part.parse::<i32>().map_err(|_| FieldError::BadFormat);
    let (hours, minutes, seconds) = match digits.split(':').collect::<Vec<_>>().as_slice() {
        [hours, minutes, seconds] => (number(hours)?, number(minutes)?, number(seconds)?),
        [hours, minutes] => (number(hours)?, number(minutes)?, 0),
        [digits] if digits.len() > 2 => {
            let (hours, minutes) = digits.split_at(digits.len() - 2);
            (number(hours)?, number(minutes)?, 0)
        }
        [hours] => (number(hours)?, 0, 0),
        _ => return Err(FieldError::BadFormat),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(FieldError::ZoneOverflow);
    }
    Ok(sign * (hours * 3600 + minutes * 60 + seconds))
}

fn named_zone(name: &str) -> Result<Zone, FieldError> {
    match TimeZone::parse_name(name).or_else(|| TimeZone::parse(name)) {
        Some(zone) => Ok(Zone::Named(zone)),
        None => Err(FieldError::UnknownZone(name.to_string())),
    }
}

/// A word that is no other keyword: an abbreviation or a zone's name.
fn word_zone(word: &str) -> Result<Zone, FieldError> {
    match abbreviation_offset(word) {
        Some(offset) => Ok(Zone::Offset(offset)),
        None => TimeZone::parse_name(word).map(Zone::Named).ok_or(FieldError::BadFormat),
    }
}
