//! to_char() of timestamps, dates and intervals.

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::template::{Piece, pieces};
use crate::types::calendar::{CivilDate, MICROS_PER_DAY, MICROS_PER_SECOND, day_of_week};

/// A point in time, or a span, taken apart.
#[derive(Debug, Default)]
pub(super) struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// Days since 1970-01-01; `None` for intervals.
    days: Option<i64>,
    offset: i32,
    zone: String,
}

impl Moment {
    /// `local` counts microseconds since 1970 on the clock whose offset and abbreviation follow.
    pub fn of_timestamp(local: i64, offset: i32, zone: String) -> Moment {
        let days = local.div_euclid(MICROS_PER_DAY);
        let civil = CivilDate::from_days(days);
        let mut moment = Moment::of_clock(local.rem_euclid(MICROS_PER_DAY));
        (moment.year, moment.month, moment.day) = (civil.year, i64::from(civil.month), i64::from(civil.day));
        (moment.days, moment.offset, moment.zone) = (Some(days), offset, zone);
        moment
    }

    pub fn of_interval(interval: IntervalMonthDayNano) -> Moment {
        let mut moment = Moment::of_clock(interval.nanoseconds / 1_000);
        moment.year = i64::from(interval.months / 12);
        moment.month = i64::from(interval.months % 12);
        moment.day = i64::from(interval.days);
        moment
    }

    fn of_clock(micros: i64) -> Moment {
        let seconds = micros / MICROS_PER_SECOND;
        Moment {
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: micros % MICROS_PER_SECOND,
            ..Moment::default()
        }
    }

    fn day_of_year(&self) -> i64 {
        match self.days {
            Some(days) => {
                days - CivilDate {
                    year: self.year,
                    month: 1,
                    day: 1,
                }
                .to_days()
                    + 1
            }
            None => self.month * 30 + self.day,
        }
    }

    /// 1 is Monday.
    fn iso_weekday(&self) -> i64 {
        let weekday = day_of_week(self.days.unwrap_or_default()) as i64;
        if weekday == 0 { 7 } else { weekday }
    }

    /// ISO 8601's year and week: the week belongs to the year of its Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let days = self.days.unwrap_or_default();
        let thursday = days + 4 - self.iso_weekday();
        let year = CivilDate::from_days(thursday).year;
        let first = CivilDate { year, month: 1, day: 1 }.to_days();
        (year, (thursday - first) / 7 + 1)
    }

    fn century(&self) -> i64 {
        match (self.days, self.year) {
            (None, years) => years / 100,
            (Some(_), year) if year > 0 => (year - 1) / 100 + 1,
            (Some(_), year) => year / 100 - 1,
        }
    }

    /// The year as people count it: there is no year 0.
    fn shown_year(&self) -> i64 {
        shown(self.year, self.days.is_some())
    }
}

fn shown(year: i64, is_date: bool) -> i64 {
    if is_date && year <= 0 { 1 - year } else { year }
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The moment as the pattern says.
pub(super) fn format(pattern: &str, moment: &Moment) -> String {
    let mut out = String::new();
    for piece in pieces(pattern) {
        match piece {
            Piece::Text(text) | Piece::Quoted(text) => out.push_str(&text),
            Piece::Fixed => {}
            Piece::Field {
                name,
                spelled,
                fill,
                ordinal,
            } => {
                let text = field(name, &spelled, fill, moment);
                out.push_str(&text);
                if let Some(is_upper) = ordinal {
                    out.push_str(suffix(&text, is_upper));
                }
            }
        }
    }
    out
}

fn field(name: &str, spelled: &str, fill: bool, moment: &Moment) -> String {
    let number = |value: i64, width: usize| match (fill, value < 0) {
        (false, _) => value.to_string(),
        (true, false) => format!("{value:0width$}"),
        (true, true) => format!("-{:0width$}", -value),
    };
    // Of these the width has room for a sign.
    let signed = |value: i64, width: usize| match fill {
        true => format!("{value:0width$}"),
        false => value.to_string(),
    };
    let (iso_year, iso_week) = moment.iso_week();
    let iso_year = shown(iso_year, moment.days.is_some());
    let year = moment.shown_year();
    let hour12 = if moment.hour % 12 == 0 { 12 } else { moment.hour % 12 };
    let seconds_of_day = moment.hour * 3600 + moment.minute * 60 + moment.second;
    match name {
        "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
        "YYYY" => number(year, 4),
        "YYY" => number(year % 1000, 3),
        "YY" => number(year % 100, 2),
        "Y" => number(year % 10, 1),
        "IYYY" => number(iso_year, 4),
        "IYY" => number(iso_year % 1000, 3),
        "IY" => number(iso_year % 100, 2),
        "I" => number(iso_year % 10, 1),
        "IDDD" => number((iso_week - 1) * 7 + moment.iso_weekday(), 3),
        "ID" => number(moment.iso_weekday(), 1),
        "IW" => number(iso_week, 2),
        "MONTH" | "MON" if moment.month == 0 => String::new(),
        "MONTH" => padded(MONTHS[(moment.month - 1).rem_euclid(12) as usize], spelled, fill),
        "MON" => cased(&MONTHS[(moment.month - 1).rem_euclid(12) as usize][..3], spelled),
        "MM" => number(moment.month, 2),
        "MI" => number(moment.minute, 2),
        "DDD" => signed(moment.day_of_year(), 3),
        "DD" => signed(moment.day, 2),
        "DAY" => padded(DAYS[day_of_week(moment.days.unwrap_or_default())], spelled, fill),
        "DY" => cased(&DAYS[day_of_week(moment.days.unwrap_or_default())][..3], spelled),
        "D" => number(day_of_week(moment.days.unwrap_or_default()) as i64 + 1, 1),
        "HH24" => number(moment.hour, 2),
        "HH12" | "HH" => signed(hour12, if moment.hour < 0 { 3 } else { 2 }),
        "SSSSS" | "SSSS" => seconds_of_day.to_string(),
        "SS" => number(moment.second, 2),
        "MS" | "FF3" => format!("{:03}", moment.micros / 1_000),
        "US" | "FF6" => format!("{:06}", moment.micros),
        "FF1" => format!("{:01}", moment.micros / 100_000),
        "FF2" => format!("{:02}", moment.micros / 10_000),
        "FF4" => format!("{:04}", moment.micros / 100),
        "FF5" => format!("{:05}", moment.micros / 10),
        "AM" | "PM" => marker(if moment.hour % 24 >= 12 { "PM" } else { "AM" }, spelled),
        "A.M." | "P.M." => marker(if moment.hour % 24 >= 12 { "P.M." } else { "A.M." }, spelled),
        "BC" | "AD" => marker(if moment.year <= 0 { "BC" } else { "AD" }, spelled),
        "B.C." | "A.D." => marker(if moment.year <= 0 { "B.C." } else { "A.D." }, spelled),
        "TZ" => marker(&moment.zone, spelled),
        "TZH" => format!("{}{:02}", sign(moment.offset), moment.offset.abs() / 3600),
        "TZM" => format!("{:02}", moment.offset.abs() / 60 % 60),
        "OF" => {
            let minutes = moment.offset.abs() / 60 % 60;
            let hours = format!("{}{:02}", sign(moment.offset), moment.offset.abs() / 3600);
            if minutes == 0 {
                hours
            } else {
                format!("{hours}:{minutes:02}")
            }
        }
        "WW" => signed((moment.day_of_year() - 1) / 7 + 1, 2),
        "W" => number((moment.day - 1) / 7 + 1, 1),
        "Q" if moment.month == 0 => String::new(),
        "Q" => number((moment.month - 1) / 3 + 1, 1),
        "J" => number(moment.days.unwrap_or_default() + 2_440_588, 1),
        "CC" => number(moment.century(), 2),
        "RM" if moment.month == 0 && moment.year == 0 => String::new(),
        "RM" => {
            // Of an interval that goes back, the last month is the first one.
            let month = match moment.month {
                0 if moment.year > 0 => 12,
                0 => 1,
                month if month < 0 => month + 13,
                month => month,
            };
            let roman = ROMAN[(month - 1).rem_euclid(12) as usize];
            let roman = marker(roman, spelled);
            if fill { format!("{roman:<4}") } else { roman }
        }
        other => other.to_string(),
    }
}

fn sign(offset: i32) -> char {
    if offset < 0 { '-' } else { '+' }
}

/// A name in the case of the pattern: MONTH, Month or month.
fn cased(name: &str, spelled: &str) -> String {
    let mut letters = spelled.chars();
    match (
        letters.next().is_some_and(char::is_uppercase),
        letters.next().is_some_and(char::is_uppercase),
    ) {
        (true, true) => name.to_uppercase(),
        (true, false) => name.to_string(),
        _ => name.to_lowercase(),
    }
}

/// Full names are padded to the longest, nine letters.
fn padded(name: &str, spelled: &str, fill: bool) -> String {
    let name = cased(name, spelled);
    if fill { format!("{name:<9}") } else { name }
}

fn marker(text: &str, spelled: &str) -> String {
    if spelled.chars().next().is_some_and(char::is_uppercase) {
        text.to_string()
    } else {
        text.to_lowercase()
    }
}

fn suffix(number: &str, is_upper: bool) -> &'static str {
    let mut digits = number.bytes().rev();
    let last = digits.next();
    let is_teen = digits.next() == Some(b'1');
    match (last, is_teen, is_upper) {
        (Some(b'1'), false, true) => "ST",
        (Some(b'1'), false, false) => "st",
        (Some(b'2'), false, true) => "ND",
        (Some(b'2'), false, false) => "nd",
        (Some(b'3'), false, true) => "RD",
        (Some(b'3'), false, false) => "rd",
        (_, _, true) => "TH",
        (_, _, false) => "th",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of PostgreSQL 15.
    #[test]
    fn moments_read_as_in_postgres() {
        // 2024-03-07 15:04:05.678901
        let moment = Moment::of_timestamp(1_709_823_845_678_901, 0, "UTC".into());
        for (pattern, text) in [
            ("YYYY-MM-DD HH24:MI:SS", "2024-03-07 15:04:05"),
            ("FMMonth DDth, YYYY", "March 07th, 2024"),
            ("Day DD Month", "Thursday  07 March    "),
            ("FMDay, FMDD FMMonth", "Thursday, 7 March"),
            ("DY Dy dy MON Mon mon", "THU Thu thu MAR Mar mar"),
            ("HH12:MI AM", "03:04 PM"),
            ("HH:MI p.m.", "03:04 p.m."),
            ("SS.MS US FF1", "05.678 678901 6"),
            ("IYYY-IW-ID", "2024-10-4"),
            ("DDD WW W Q CC J", "067 10 1 1 21 2460377"),
            ("\"year\" YYYY", "year 2024"),
            ("Y,YYY YY", "2,024 24"),
            ("SSSS TZ OF", "54245 UTC +00"),
            ("RM rm FMRM CC", "III  iii  III 21"),
        ] {
            assert_eq!(format(pattern, &moment), text, "{pattern}");
        }
        let interval = IntervalMonthDayNano::new(14, 3, 4 * 3_600_000_000_000);
        assert_eq!(
            format("YYYY MM DD HH24:MI", &Moment::of_interval(interval)),
            "0001 02 03 04:00"
        );
        let interval = IntervalMonthDayNano::new(0, -1, -12 * 3_600_000_000_000);
        assert_eq!(
            format("DD DDD WW HH HH24", &Moment::of_interval(interval)),
            "-1 -01 01 012 -12"
        );
    }
}
