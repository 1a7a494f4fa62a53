//! What to_date() and to_timestamp() make of the fields that a text gave: fields that say too much or too little mean what
//! they do in PostgreSQL's formatting.c. `reader` finds them.

use crate::error::{Error, Result, SqlState};
use crate::types::calendar::{CivilDate, MICROS_PER_DAY, MICROS_PER_SECOND, days_in_month};

/// What a text said about a moment. Zero is what nobody said.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) hour: i64,
    pub(super) is_afternoon: bool,
    pub(super) is_twelve_hour: bool,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) seconds_of_day: i64,
    pub(super) millis: i64,
    pub(super) micros: i64,
    /// From Sunday on, which is 1; of ISO weeks too.
    pub(super) weekday: i64,
    pub(super) day: i64,
    pub(super) day_of_year: i64,
    pub(super) month: i64,
    pub(super) year: i64,
    /// How many digits the pattern has for the year.
    pub(super) year_digits: usize,
    pub(super) century: i64,
    pub(super) before_christ: bool,
    pub(super) julian: i64,
    pub(super) week_of_year: i64,
    pub(super) week_of_month: i64,
    /// Whether the fields are those of ISO weeks.
    pub(super) is_iso: Option<bool>,
    /// Seconds east of Greenwich, where the pattern has them.
    pub offset: Option<i32>,
    pub(super) zone_sign: i32,
    /// For errors.
    pub(super) text: String,
}

pub(super) fn error(message: impl Into<String>) -> Error {
    Error::new(SqlState::InvalidDatetimeFormat, message)
}

impl Parsed {
    fn out_of_range(&self) -> Error {
        let message = format!("date/time field value out of range: \"{}\"", self.text);
        Error::new(SqlState::DatetimeFieldOverflow, message)
    }

    fn year(&self) -> i64 {
        if self.year != 0 {
            if self.century != 0 && self.year_digits <= 2 {
                let century = if self.before_christ {
                    -self.century
                } else {
                    self.century
                };
                return match (self.year % 100, century >= 0) {
                    (0, true) => century * 100,
                    (0, false) => century * 100 + 1,
                    (year, true) => (century - 1) * 100 + year,
                    (year, false) => (century + 1) * 100 - year + 1,
                };
            }
            let year = if self.before_christ { -self.year } else { self.year };
            // The year before 1 is 0.
            return if year < 0 { year + 1 } else { year };
        }
        match (self.century, self.before_christ) {
            (0, _) => 0,
            (century, true) => -century * 100 + 1,
            (century, false) => (century - 1) * 100 + 1,
        }
    }

    /// The day, in days since 1970-01-01. What the pattern does not name is the first.
    pub fn days(&self) -> Result<i64> {
        const JULIAN_EPOCH: i64 = 2_440_588;
        let year = self.year();
        let is_iso = self.is_iso == Some(true);
        let mut date = CivilDate { year, month: 1, day: 1 };
        let mut is_known = false;
        if self.julian != 0 {
            date = CivilDate::from_days(self.julian - JULIAN_EPOCH);
            is_known = true;
        }
        let mut day_of_year = self.day_of_year;
        if self.week_of_year != 0 {
            if is_iso {
                let monday = first_monday(year) + (self.week_of_year - 1) * 7;
                let after = match self.weekday {
                    0 => 0,
                    1 => 6,
                    weekday => weekday - 2,
                };
                date = CivilDate::from_days(monday + after);
                is_known = true;
            } else {
                day_of_year = (self.week_of_year - 1) * 7 + 1;
            }
        }
        let (mut month, mut day) = (i64::from(date.month), i64::from(date.day));
        let named_day = match self.week_of_month {
            0 => self.day,
            week => (week - 1) * 7 + 1,
        };
        if named_day != 0 {
            day = named_day;
        }
        if self.month != 0 {
            month = self.month;
        }
        if day_of_year != 0 && (month <= 1 || day <= 1) {
            if date.year == 0 && !self.before_christ {
                return Err(error("cannot calculate day of year without year information"));
            }
            let found = match is_iso {
                true => CivilDate::from_days(first_monday(date.year) + day_of_year - 1),
                false => {
                    let first = CivilDate {
                        year: date.year,
                        month: 1,
                        day: 1,
                    }
                    .to_days();
                    let found = CivilDate::from_days(first + day_of_year - 1);
                    if found.year != date.year || day_of_year < 1 {
                        return Err(self.out_of_range());
                    }
                    found
                }
            };
            if is_iso {
                return Ok(found.to_days());
            }
            month = if month <= 1 { i64::from(found.month) } else { month };
            day = if day <= 1 { i64::from(found.day) } else { day };
        }
        if is_known && named_day == 0 && self.month == 0 && day_of_year == 0 {
            return Ok(date.to_days());
        }
        let is_month = (1..=12).contains(&month);
        if !is_month || !(1..=i64::from(days_in_month(date.year, month as u8))).contains(&day) {
            return Err(self.out_of_range());
        }
        Ok(CivilDate {
            year: date.year,
            month: month as u8,
            day: day as u8,
        }
        .to_days())
    }

    /// Microseconds since 1970 on the clock that the text speaks of.
    pub fn micros(&self) -> Result<i64> {
        let (mut hour, mut minute, mut second) = (
            self.seconds_of_day / 3600,
            self.seconds_of_day / 60 % 60,
            self.seconds_of_day % 60,
        );
        for (place, said) in [
            (&mut hour, self.hour),
            (&mut minute, self.minute),
            (&mut second, self.second),
        ] {
            if said != 0 {
                *place = said;
            }
        }
        if self.is_twelve_hour {
            if !(1..=12).contains(&hour) {
                let message = format!("hour \"{hour}\" is invalid for the 12-hour clock");
                return Err(error(message).with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            match self.is_afternoon {
                true if hour < 12 => hour += 12,
                false if hour == 12 => hour = 0,
                _ => {}
            }
        }
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
            return Err(self.out_of_range());
        }
        let fraction = self.millis * 1000 + self.micros;
        if !(0..MICROS_PER_SECOND).contains(&fraction) {
            return Err(self.out_of_range());
        }
        let day = self
            .days()?
            .checked_mul(MICROS_PER_DAY)
            .ok_or_else(|| self.out_of_range())?;
        Ok(day + (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + fraction)
    }
}

/// The Monday with which a year of ISO weeks begins.
fn first_monday(year: i64) -> i64 {
    let fourth = CivilDate { year, month: 1, day: 4 }.to_days();
    fourth - (fourth + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::super::reader::parse;
    use super::*;

    /// Answers of PostgreSQL 15, in days or microseconds since 1970.
    #[test]
    fn texts_are_read_as_in_postgres() {
        let day = |year, month, day| CivilDate { year, month, day }.to_days();
        for (text, pattern, days) in [
            ("2024-03-07", "YYYY-MM-DD", day(2024, 3, 7)),
            ("07/03/24", "DD/MM/YY", day(2024, 3, 7)),
            ("20240307", "YYYYMMDD", day(2024, 3, 7)),
            ("7 March 1999", "DD Month YYYY", day(1999, 3, 7)),
            ("Mar-07-99", "Mon-DD-YY", day(1999, 3, 7)),
            ("2024 067", "YYYY DDD", day(2024, 3, 7)),
            ("2024-10-4", "IYYY-IW-ID", day(2024, 3, 7)),
            ("2024", "YYYY", day(2024, 1, 1)),
        ] {
            assert_eq!(parse(text, pattern).unwrap().days().unwrap(), days, "{text}");
        }
        let clock =
            |text, pattern| parse(text, pattern).unwrap().micros().unwrap() % MICROS_PER_DAY / MICROS_PER_SECOND;
        assert_eq!(clock("2024-03-07 03:04:05 PM", "YYYY-MM-DD HH12:MI:SS AM"), 54245);
        assert_eq!(clock("2024-03-07T15:04:05", "YYYY-MM-DD\"T\"HH24:MI:SS"), 54245);
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, pattern, state) in [
            ("2024-13-01", "YYYY-MM-DD", "22008"),
            ("2023-02-29", "YYYY-MM-DD", "22008"),
            ("abc", "YYYY", "22007"),
            ("1 Foo 2024", "DD Mon YYYY", "22007"),
        ] {
            let error = parse(text, pattern).and_then(|parsed| parsed.days()).unwrap_err();
            assert_eq!(error.state().code(), state, "{text}");
        }
    }
}
