//! A session's time zone: an IANA zone or a fixed offset, with the conversions between instants and
//! local clock time. Names are accepted as PostgreSQL accepts them, without regard to case.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone as _};
use chrono_tz::{OffsetComponents, OffsetName, TZ_VARIANTS, Tz};

use crate::types::calendar::{CivilDate, day_of_week};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Instants before chrono's calendar use the offset of its first day.
const CALENDAR_SECONDS: i64 = 8_000_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TimeZone {
    Named(Tz),
    /// `name` is the POSIX spelling that SHOW prints; `abbreviation` is what dates in the SQL style end with.
    Fixed {
        seconds_east: i32,
        name: Arc<str>,
        abbreviation: Arc<str>,
    },
}

impl Default for TimeZone {
    fn default() -> Self {
        TimeZone::UTC
    }
}

impl TimeZone {
    pub const UTC: TimeZone = TimeZone::Named(Tz::UTC);

    /// Reads what SET TimeZone accepts: an IANA name, hours east of Greenwich, or a POSIX zone without
    /// daylight-saving rules.
    pub fn parse(text: &str) -> Option<TimeZone> {
        let text = text.trim();
        if let Some(zone) = TimeZone::parse_name(text) {
            return Some(zone);
        }
        if let Ok(hours) = text.parse::<f64>() {
            return (hours.abs() < 168.0).then(|| TimeZone::fixed((hours * 3600.0).round() as i32));
        }
        TimeZone::parse_posix(text)
    }

    /// An IANA name, in any case.
    pub fn parse_name(text: &str) -> Option<TimeZone> {
        if text.eq_ignore_ascii_case("local") || text.eq_ignore_ascii_case("localtime") {
            return Some(TimeZone::UTC);
        }
        if let Ok(zone) = text.parse::<Tz>() {
            return Some(TimeZone::Named(zone));
        }
        TZ_VARIANTS
            .iter()
            .find(|zone| zone.name().eq_ignore_ascii_case(text))
            .map(|zone| TimeZone::Named(*zone))
    }

    /// Every IANA name.
    pub fn all_named() -> impl Iterator<Item = TimeZone> {
        TZ_VARIANTS.iter().map(|zone| TimeZone::Named(*zone))
    }

    /// Whether clocks are forward of standard time at an instant, in microseconds since 1970 UTC.
    pub fn saves_daylight_at(&self, instant: i64) -> bool {
        match self {
            TimeZone::Named(zone) => !zone.offset_from_utc_datetime(&calendar(instant)).dst_offset().is_zero(),
            TimeZone::Fixed { .. } => false,
        }
    }

    /// A zone that is always `seconds_east` of Greenwich.
    pub fn fixed(seconds_east: i32) -> TimeZone {
        let east = offset_text(seconds_east);
        let west = offset_text(-seconds_east);
        TimeZone::Fixed {
            seconds_east,
            name: format!("<{east}>{west}").into(),
            abbreviation: east.into(),
        }
    }

    /// `EST5`, `<+02>-02`, `+02:00`: a name, then hours *west* of Greenwich.
    fn parse_posix(text: &str) -> Option<TimeZone> {
        let (abbreviation, offset) = match text.strip_prefix('<') {
            Some(quoted) => quoted.split_once('>')?,
            None => text.split_at(text.find(|c: char| !c.is_ascii_alphabetic())?),
        };
        let (sign, digits) = match offset.as_bytes().first()? {
            b'-' => (1, &offset[1..]),
            b'+' => (-1, &offset[1..]),
            _ => (-1, offset),
        };
        let mut seconds = 0;
        let mut parts = digits.split(':');
        for (unit, limit) in [(3600, 167), (60, 59), (1, 59)] {
            let Some(part) = parts.next() else { break };
            let value: i32 = part.parse().ok().filter(|value| (0..=limit).contains(value))?;
            seconds += value * unit;
        }
        if parts.next().is_some() {
            return None;
        }
        Some(TimeZone::Fixed {
            seconds_east: sign * seconds,
            name: text.into(),
            abbreviation: abbreviation.into(),
        })
    }

    /// The offset in seconds east of Greenwich at an instant, in microseconds since 1970 UTC.
    pub fn offset_at(&self, instant: i64) -> i32 {
        match self {
            TimeZone::Named(Tz::UTC) => 0,
            TimeZone::Named(zone) => zone
                .offset_from_utc_datetime(&calendar(instant))
                .fix()
                .local_minus_utc(),
            TimeZone::Fixed { seconds_east, .. } => *seconds_east,
        }
    }

    /// The abbreviation at an instant: CET, CEST, `-03`.
    pub fn with_abbreviation_at<R>(&self, instant: i64, use_it: impl FnOnce(&str) -> R) -> R {
        match self {
            TimeZone::Named(zone) => match zone.offset_from_utc_datetime(&calendar(instant)).abbreviation() {
                Some(abbreviation) => use_it(abbreviation),
                // Zones without letters are named by their offset, without a colon.
                None => use_it(&offset_text(self.offset_at(instant)).replace(':', "")),
            },
            TimeZone::Fixed { abbreviation, .. } => use_it(abbreviation),
        }
    }

    /// The offset that applies to a local clock time, in microseconds since 1970 on that clock. A time
    /// that a change of the clocks skips or repeats is read as standard time, as PostgreSQL does.
    pub fn offset_for_local(&self, local: i64) -> i32 {
        let day = SECONDS_PER_DAY * MICROS_PER_SECOND;
        let before = self.offset_at(local.saturating_sub(day));
        let after = self.offset_at(local.saturating_add(day));
        if before == after {
            return before;
        }
        let holds = |offset: i32| self.offset_at(local.saturating_sub(i64::from(offset) * MICROS_PER_SECOND)) == offset;
        match (holds(before), holds(after)) {
            (true, false) => before,
            (false, true) => after,
            _ => before.min(after),
        }
    }
}

/// The name that SHOW TimeZone prints.
impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeZone::Named(zone) => f.write_str(zone.name()),
            TimeZone::Fixed { name, .. } => f.write_str(name),
        }
    }
}

/// The instant as the zone tables know it. They end with the century: a later year takes the rules of a
/// year that starts on the same weekday and is as long.
fn calendar(instant: i64) -> NaiveDateTime {
    const LAST_KNOWN_YEAR: i64 = 2087;
    let seconds = instant.div_euclid(MICROS_PER_SECOND);
    let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let year = CivilDate::from_days(days).year;
    let new_year = |year: i64| CivilDate { year, month: 1, day: 1 }.to_days();
    let shape = |year: i64| (day_of_week(new_year(year)), new_year(year + 1) - new_year(year));
    let days = match year > LAST_KNOWN_YEAR {
        true => {
            let alike = (LAST_KNOWN_YEAR - 27..=LAST_KNOWN_YEAR).find(|known| shape(*known) == shape(year));
            days - new_year(year) + new_year(alike.unwrap_or(LAST_KNOWN_YEAR))
        }
        false => days,
    };
    let seconds = days * SECONDS_PER_DAY + second;
    DateTime::from_timestamp(seconds.max(-CALENDAR_SECONDS), 0)
        .unwrap_or_default()
        .naive_utc()
}

/// `+02`, `-03:30`.
fn offset_text(seconds_east: i32) -> String {
    let sign = if seconds_east < 0 { '-' } else { '+' };
    let seconds = seconds_east.unsigned_abs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (minutes, seconds) {
        (0, 0) => format!("{sign}{hours:02}"),
        (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets_read_as_postgres_reads_them() {
        for (text, shown, east) in [
            ("+02", "<+02>-02", 7200),
            ("2", "<+02>-02", 7200),
            ("-3.5", "<-03:30>+03:30", -12600),
            ("+02:00", "+02:00", -7200),
            ("UTC+3", "UTC+3", -10800),
            ("GMT-2", "GMT-2", 7200),
            ("FOO5", "FOO5", -18000),
            ("utc", "UTC", 0),
            ("zulu", "Zulu", 0),
            ("asia/kolkata", "Asia/Kolkata", 19800),
            ("<+02>-02", "<+02>-02", 7200),
        ] {
            let zone = TimeZone::parse(text).unwrap();
            assert_eq!((zone.to_string().as_str(), zone.offset_at(0)), (shown, east), "{text}");
        }
        for text in ["Z", "foo/bar", "", "UTC+3:70"] {
            assert_eq!(TimeZone::parse(text), None, "{text}");
        }
    }

    #[test]
    fn skipped_and_repeated_times_are_standard_time() {
        let zone = TimeZone::parse("America/New_York").unwrap();
        let local = |text: &str| text.parse::<NaiveDateTime>().unwrap().and_utc().timestamp_micros();
        for (clock, offset) in [
            ("2024-03-10T01:59:59", -18000),
            ("2024-03-10T02:30:00", -18000),
            ("2024-03-10T03:00:00", -14400),
            ("2024-11-03T01:30:00", -18000),
            ("2024-11-03T00:59:59", -14400),
            ("2024-07-01T00:00:00", -14400),
            ("2101-07-01T00:00:00", -14400),
            ("9999-01-01T00:00:00", -18000),
        ] {
            assert_eq!(zone.offset_for_local(local(clock)), offset, "{clock}");
        }
    }
}
