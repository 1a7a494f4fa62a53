//! Puts the fields of a date together: which number is the year, month or day, as DateStyle's order and
//! the digits say. After PostgreSQL's DecodeDate, DecodeNumber and ValidateDate.

use crate::types::calendar::{CivilDate, days_in_month};
use crate::types::format::DateOrder;

/// Why a date or time could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FieldError {
    BadFormat,
    Overflow,
    /// A month or day that another DateStyle might accept.
    MonthDayOverflow,
    ZoneOverflow,
    UnknownZone(String),
}

/// The date found so far.
#[derive(Debug, Clone, Default)]
pub(super) struct DateFields {
    pub order: DateOrder,
    pub year: Option<i64>,
    pub month: Option<i64>,
    pub day: Option<i64>,
    pub day_of_year: Option<i64>,
    /// Days since 1970 of a date that needs no fields: a Julian day, `today`.
    pub absolute: Option<i64>,
    pub text_month: bool,
    pub two_digit_year: bool,
    pub before_christ: bool,
}

impl DateFields {
    pub fn is_complete(&self) -> bool {
        self.absolute.is_some()
            || (self.year.is_some() && (self.day_of_year.is_some() || (self.month.is_some() && self.day.is_some())))
    }

    pub fn is_empty(&self) -> bool {
        self.absolute.is_none() && self.year.is_none() && self.month.is_none() && self.day.is_none()
    }

    /// A month by name; a month that was guessed from a number becomes the day.
    pub fn set_text_month(&mut self, month: i64) -> Result<(), FieldError> {
        if let Some(guessed) = self.month {
            if self.text_month || self.day.is_some() || !(1..=31).contains(&guessed) {
                return Err(FieldError::BadFormat);
            }
            self.day = Some(guessed);
        }
        self.month = Some(month);
        self.text_month = true;
        Ok(())
    }

    /// A date in one piece: `2024-01-02`, `2-jan-2024`, `1.2.2024`.
    pub fn read_date(&mut self, text: &str) -> Result<(), FieldError> {
        let parts: Vec<&str> = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|part| !part.is_empty())
            .collect();
        if parts.len() > 3 {
            return Err(FieldError::BadFormat);
        }
        for part in parts
            .iter()
            .filter(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()))
        {
            let month = month_of(part).ok_or(FieldError::BadFormat)?;
            if self.text_month {
                return Err(FieldError::BadFormat);
            }
            self.set_text_month(month)?;
        }
        for part in parts
            .iter()
            .filter(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        {
            if self.is_complete() {
                return Err(FieldError::BadFormat);
            }
            self.read_number(part)?;
        }
        match self.is_complete() {
            true => Ok(()),
            false => Err(FieldError::BadFormat),
        }
    }

    /// One number of a date.
    pub fn read_number(&mut self, digits: &str) -> Result<(), FieldError> {
        let value: i64 = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse().map_err(|_| FieldError::Overflow)?,
            false => return Err(FieldError::BadFormat),
        };
        let long = digits.len() >= 3;
        match (self.year, self.month, self.day) {
            (Some(_), None, None) if digits.len() == 3 && (1..=366).contains(&value) => self.day_of_year = Some(value),
            (None, None, None) if long || self.order == DateOrder::Ymd => self.set_year(digits, value),
            (None, None, None) if self.order == DateOrder::Dmy => self.day = Some(value),
            (None, None, None) => self.month = Some(value),
            (Some(_), None, None) => self.month = Some(value),
            (None, Some(_), None) if self.text_month && (long || self.order == DateOrder::Ymd) => {
                self.set_year(digits, value);
            }
            (None, Some(_), None) => self.day = Some(value),
            (Some(year), Some(_), None) if self.text_month && long && self.two_digit_year => {
                // The first number was the day after all.
                self.day = Some(year);
                self.year = Some(value);
                self.two_digit_year = false;
            }
            (Some(_), Some(_), None) => self.day = Some(value),
            (None, None, Some(_)) => self.month = Some(value),
            (None, Some(_), Some(_)) => self.set_year(digits, value),
            _ => return Err(FieldError::BadFormat),
        }
        Ok(())
    }

    /// A date without separators: `20240102`, `240102`.
    pub fn read_run_together(&mut self, digits: &str) -> Result<(), FieldError> {
        let (year, rest) = digits.split_at_checked(digits.len() - 4).ok_or(FieldError::BadFormat)?;
        let (month, day) = rest.split_at_checked(2).ok_or(FieldError::BadFormat)?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| FieldError::Overflow);
        self.year = Some(number(year)?);
        self.two_digit_year = year.len() <= 2;
        self.month = Some(number(month)?);
        self.day = Some(number(day)?);
        Ok(())
    }

    fn set_year(&mut self, digits: &str, value: i64) {
        self.year = Some(value);
        self.two_digit_year = digits.len() <= 2;
    }

    /// Days since 1970, once every field is known and checked.
    pub fn to_days(&self) -> Result<i64, FieldError> {
        if let Some(days) = self.absolute {
            return Ok(days);
        }
        let year = self.year.ok_or(FieldError::BadFormat)?;
        let year = match (self.before_christ, self.two_digit_year) {
            (true, _) if year > 0 => 1 - year,
            (false, true) if year < 70 => year + 2000,
            (false, true) if year < 100 => year + 1900,
            (false, _) if year > 0 => year,
            _ => return Err(FieldError::Overflow),
        };
        if let Some(day_of_year) = self.day_of_year {
            return Ok(CivilDate { year, month: 1, day: 1 }.to_days() + day_of_year - 1);
        }
        let (Some(month), Some(day)) = (self.month, self.day) else {
            return Err(FieldError::BadFormat);
        };
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(FieldError::MonthDayOverflow);
        }
        // Past any date that a type holds; the calendar's arithmetic stays in range.
        if year.abs() > 10_000_000 {
            return Err(FieldError::Overflow);
        }
        let (month, day) = (month as u8, day as u8);
        match day <= days_in_month(year, month) {
            true => Ok(CivilDate { year, month, day }.to_days()),
            false => Err(FieldError::Overflow),
        }
    }
}

/// The number of a month's name or abbreviation, in lower case.
pub(super) fn month_of(word: &str) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    if word == "sept" {
        return Some(9);
    }
    let position = NAMES
        .iter()
        .position(|name| *name == word || (word.len() == 3 && name.starts_with(word)))?;
    Some(position as i64 + 1)
}

/// Whether a word is a day of the week, which is read and ignored.
pub(super) fn is_weekday(word: &str) -> bool {
    const NAMES: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    NAMES.contains(&word)
        || matches!(word, "tues" | "wednes" | "weds" | "thur" | "thurs")
        || (word.len() == 3 && NAMES.iter().any(|name| name.starts_with(word)))
}
