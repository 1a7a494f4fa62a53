//! Dates and times in paths: what `.datetime()` and its kin make of strings. Between the steps of a path such a value is
//! its text behind a mark that no JSON begins with; where it leaves the path it is a string.

use std::cmp::Ordering;

use bytes::BytesMut;

use crate::error::{Error, Result, SqlState};
use crate::functions::patterns::{TemplateRead, read_by_template};
use crate::types::TimeZone;
use crate::types::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::types::format::DateStyle;
use crate::types::parse::{abbreviation_offset, parse_date, parse_time};
use crate::types::text::{write_date, write_time};

const MARK: char = '\u{1}';

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MomentKind {
    Date,
    Time,
    Timetz,
    Timestamp,
    Timestamptz,
}

use self::MomentKind::{Date, Time, Timestamp, Timestamptz, Timetz};

impl MomentKind {
    /// What `.type()` says.
    pub fn name(self) -> &'static str {
        match self {
            Date => "date",
            Time => "time without time zone",
            Timetz => "time with time zone",
            Timestamp => "timestamp without time zone",
            Timestamptz => "timestamp with time zone",
        }
    }

    fn short_name(self) -> &'static str {
        match self {
            Date => "date",
            Time => "time",
            Timetz => "timetz",
            Timestamp => "timestamp",
            Timestamptz => "timestamptz",
        }
    }

    fn has_zone(self) -> bool {
        matches!(self, Timetz | Timestamptz)
    }
}

/// A date or time: microseconds on its own clock, since 1970 or midnight, and the clock's distance from Greenwich.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub kind: MomentKind,
    micros: i64,
    offset: i32,
}

impl Moment {
    /// The moment that an item of a path is.
    pub fn of_item(item: &str) -> Option<Moment> {
        Moment::read(item.strip_prefix(MARK)?)
    }

    pub fn into_item(self) -> String {
        format!("{MARK}{}", self.text())
    }

    /// As JSON shows it, without the quotes.
    pub fn text(self) -> String {
        let mut out = BytesMut::new();
        if matches!(self.kind, Date | Timestamp | Timestamptz) {
            write_date(
                self.micros.div_euclid(MICROS_PER_DAY) as i32,
                DateStyle::default(),
                &mut out,
            );
        }
        if matches!(self.kind, Timestamp | Timestamptz) {
            out.extend_from_slice(b"T");
        }
        if self.kind != Date {
            write_time(self.micros.rem_euclid(MICROS_PER_DAY), &mut out);
        }
        let mut text = String::from_utf8_lossy(&out).into_owned();
        if self.kind.has_zone() {
            let (sign, seconds) = if self.offset < 0 {
                ('-', -self.offset)
            } else {
                ('+', self.offset)
            };
            text.push_str(&format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60));
            if seconds % 60 != 0 {
                text.push_str(&format!(":{:02}", seconds % 60));
            }
        }
        text
    }

    /// Reads ISO 8601's forms.
    pub fn read(text: &str) -> Option<Moment> {
        let has_date = text.get(4..5) == Some("-") || text.find('-').is_some_and(|dash| !text[..dash].contains(':'));
        let (date, time) = match (has_date, text.find(['T', ' '])) {
            (true, Some(place)) => (Some(&text[..place]), Some(&text[place + 1..])),
            (true, None) => (Some(text), None),
            (false, _) => (None, Some(text)),
        };
        let days = match date {
            Some(date) => {
                let mut parts = date.split('-');
                let is_plain = [4, 2, 2].iter().all(|most| {
                    parts.next().is_some_and(|part| {
                        (1..=*most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
                    })
                });
                if !is_plain || parts.next().is_some() {
                    return None;
                }
                i64::from(parse_date(date, Default::default(), &TimeZone::UTC).ok()?)
            }
            None => 0,
        };
        let Some(time) = time else {
            return Some(Moment {
                kind: Date,
                micros: days * MICROS_PER_DAY,
                offset: 0,
            });
        };
        let end = time
            .find(|letter: char| !(letter.is_ascii_digit() || letter == ':' || letter == '.'))
            .unwrap_or(time.len());
        let (clock, zone) = time.split_at(end);
        if !(2..=3).contains(&clock.split(':').count()) || clock.split(':').any(str::is_empty) {
            return None;
        }
        let micros = days * MICROS_PER_DAY + parse_time(clock).ok()?;
        let zone = zone.trim_start();
        let offset = if zone.is_empty() { None } else { Some(offset_of(zone)?) };
        let kind = match (date.is_some(), offset.is_some()) {
            (true, true) => Timestamptz,
            (true, false) => Timestamp,
            (false, true) => Timetz,
            (false, false) => Time,
        };
        Some(Moment {
            kind,
            micros,
            offset: offset.unwrap_or_default(),
        })
    }

    /// Reads a text by a template of to_timestamp(), which tells the kind.
    pub fn read_by(text: &str, template: &str) -> Result<Moment> {
        let TemplateRead {
            micros,
            offset,
            has_date,
            has_time,
            has_zone,
        } = read_by_template(text, template)?;
        let kind = match (has_date, has_time, has_zone) {
            (true, true, true) => Timestamptz,
            (true, true, false) => Timestamp,
            (true, false, _) => Date,
            (false, _, true) => Timetz,
            (false, _, false) => Time,
        };
        let micros = if has_date {
            micros
        } else {
            micros.rem_euclid(MICROS_PER_DAY)
        };
        Ok(Moment { kind, micros, offset })
    }

    fn instant(self) -> i64 {
        self.micros - i64::from(self.offset) * MICROS_PER_SECOND
    }

    /// The moment as one of another kind; `None` where there is no such cast. Only with a zone is there a cast between
    /// kinds with and without one.
    pub fn cast(self, kind: MomentKind, zone: Option<&TimeZone>) -> Result<Option<Moment>> {
        if kind == self.kind {
            return Ok(Some(self));
        }
        if kind.has_zone() != self.kind.has_zone() && zone.is_none() {
            return Err(self.without_zone(kind));
        }
        let zone = zone.unwrap_or(&TimeZone::UTC);
        // What the session's clock shows.
        let on_clock = || {
            let instant = self.instant();
            instant + i64::from(zone.offset_at(instant)) * MICROS_PER_SECOND
        };
        let made = |micros: i64, offset: i32| Some(Moment { kind, micros, offset });
        let day = |micros: i64| micros.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY;
        let time = |micros: i64| micros.rem_euclid(MICROS_PER_DAY);
        Ok(match (self.kind, kind) {
            (Date, Timestamp) => made(self.micros, 0),
            (Timestamp, Date) => made(day(self.micros), 0),
            (Timestamptz, Date) => made(day(on_clock()), 0),
            (Timestamptz, Timestamp) => made(on_clock(), 0),
            (Date | Timestamp, Timestamptz) => made(self.micros, zone.offset_for_local(self.micros)),
            (Timestamp, Time) => made(time(self.micros), 0),
            (Timestamptz, Time) => made(time(on_clock()), 0),
            (Timetz, Time) => made(self.micros, 0),
            (Time, Timetz) => made(self.micros, zone.offset_at(crate::types::parse::now())),
            (Timestamptz, Timetz) => {
                let offset = zone.offset_at(self.instant());
                made(time(on_clock()), offset)
            }
            _ => None,
        })
    }

    fn without_zone(self, kind: MomentKind) -> Error {
        let message = format!(
            "cannot convert value from {} to {} without time zone usage",
            self.kind.short_name(),
            kind.short_name()
        );
        Error::new(SqlState::FeatureNotSupported, message).with_hint("Use *_tz() function for time zone support.")
    }

    /// With so many digits of seconds.
    pub fn rounded(self, digits: u32) -> Moment {
        let unit = 10_i64.pow(6 - digits.min(6));
        let micros = (self.micros + unit / 2).div_euclid(unit) * unit;
        Moment { micros, ..self }
    }

    /// `None` where the two kinds do not compare.
    pub fn compare(self, other: Moment, zone: Option<&TimeZone>) -> Result<Option<Ordering>> {
        let is_clock = |kind: MomentKind| matches!(kind, Time | Timetz);
        if is_clock(self.kind) != is_clock(other.kind) {
            return Ok(None);
        }
        let common = match (is_clock(self.kind), self.kind.has_zone() || other.kind.has_zone()) {
            (true, true) => Timetz,
            (true, false) => Time,
            (false, true) => Timestamptz,
            (false, false) => Timestamp,
        };
        let (left, right) = (self.cast(common, zone)?, other.cast(common, zone)?);
        Ok(left.zip(right).map(|(left, right)| {
            let order = left.instant().cmp(&right.instant());
            // The same instant farther west is the later time of a day.
            match common {
                Timetz => order.then(right.offset.cmp(&left.offset)),
                _ => order,
            }
        }))
    }
}

/// Seconds east of Greenwich.
fn offset_of(zone: &str) -> Option<i32> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return abbreviation_offset(&zone.to_ascii_lowercase()),
    };
    let parts: Vec<&str> = digits.split(':').collect();
    let is_plain = |part: &&str| part.len() <= 2 && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() > 3 || !parts.iter().all(is_plain) {
        return None;
    }
    let seconds = parts
        .iter()
        .zip([3600, 60, 1])
        .map(|(part, unit)| Some(part.parse::<i32>().ok()? * unit));
    let seconds = seconds.sum::<Option<i32>>()?;
    (seconds < 16 * 3600).then_some(sign * seconds)
}

/// What is said of a text that is no date or time.
pub(super) fn unrecognized(method: &str, text: &str) -> Error {
    let message = format!("{method} format is not recognized: \"{text}\"");
    let error = Error::new(SqlState::InvalidJsonDatetime, message);
    match method {
        "datetime" => error.with_hint("Use a datetime template argument to specify the input data format."),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_shown() {
        for (text, kind, shown) in [
            ("2023-08-15", Date, "2023-08-15"),
            ("12:34", Time, "12:34:00"),
            ("12:34:56.5 +05:30", Timetz, "12:34:56.5+05:30"),
            ("2023-08-15 12:34:56", Timestamp, "2023-08-15T12:34:56"),
            ("2023-08-15T12:34:56Z", Timestamptz, "2023-08-15T12:34:56+00:00"),
        ] {
            let moment = Moment::read(text).unwrap();
            assert_eq!((moment.kind, moment.text().as_str()), (kind, shown));
            assert_eq!(Moment::of_item(&moment.into_item()), Some(moment));
        }
        for text in ["", "bogus", "2023-13-01", "12", "2023-08-15x", "12:34:56+"] {
            assert_eq!(Moment::read(text), None, "{text}");
        }
    }
}
