//! to_date() and to_timestamp(): text read by a pattern.

use super::template::{Piece, pieces};
use crate::error::{Error, Result, SqlState};
use crate::types::calendar::{CivilDate, DAY_NAMES, MICROS_PER_DAY, MICROS_PER_SECOND, MONTH_NAMES, days_in_month};

/// What a text said about a moment.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    julian: Option<i64>,
    iso: Option<(i64, i64, i64)>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    seconds_of_day: Option<i64>,
    afternoon: Option<bool>,
    is_twelve_hour: bool,
    before_christ: bool,
    /// Seconds east of Greenwich, where the pattern has them.
    pub offset: Option<i32>,
}

impl Parsed {
    /// The day, in days since 1970-01-01. What the pattern does not name is the first.
    pub fn days(&self) -> Result<i64> {
        if let Some(julian) = self.julian {
            return Ok(julian - 2_440_588);
        }
        if let Some((year, week, weekday)) = self.iso {
            let fourth = CivilDate { year, month: 1, day: 4 }.to_days();
            let monday = fourth - (fourth + 3).rem_euclid(7);
            return Ok(monday + (week - 1) * 7 + weekday - 1);
        }
        let year = self.year.unwrap_or(if self.before_christ { 1 } else { 0 });
        // Neither calendar nor people have a year 0: PostgreSQL reads it as 1 BC.
        let year = if self.before_christ { 1 - year } else { year };
        if let Some(day_of_year) = self.day_of_year {
            return Ok(CivilDate { year, month: 1, day: 1 }.to_days() + day_of_year - 1);
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let is_valid = (1..=12).contains(&month) && (1..=i64::from(days_in_month(year, month as u8))).contains(&day);
        match is_valid {
            true => Ok(CivilDate {
                year,
                month: month as u8,
                day: day as u8,
            }
            .to_days()),
            false => Err(out_of_range()),
        }
    }

    /// Microseconds since 1970 on the clock that the text speaks of.
    pub fn micros(&self) -> Result<i64> {
        let mut hour = self.hour;
        if self.is_twelve_hour && !(1..=12).contains(&hour) {
            return Err(Error::new(
                SqlState::InvalidDatetimeFormat,
                format!("hour \"{hour}\" is invalid for the 12-hour clock"),
            )
            .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        match self.afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        if !(0..=24).contains(&hour) || !(0..60).contains(&self.minute) || !(0..=60).contains(&self.second) {
            return Err(out_of_range());
        }
        let seconds = self
            .seconds_of_day
            .unwrap_or(hour * 3600 + self.minute * 60 + self.second);
        let day = self.days()?.checked_mul(MICROS_PER_DAY).ok_or_else(out_of_range)?;
        Ok(day + seconds * MICROS_PER_SECOND + self.micros)
    }
}

fn out_of_range() -> Error {
    Error::new(SqlState::DatetimeFieldOverflow, "date/time field value out of range")
}

/// Reads `text` by `pattern`.
pub(super) fn parse(text: &str, pattern: &str) -> Result<Parsed> {
    let pieces = pieces(pattern);
    let mut parsed = Parsed::default();
    let mut rest = text.trim_start();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            // A separator of the pattern stands for any separators of the text.
            Piece::Text(expected) => {
                for character in expected.chars() {
                    rest = match rest.chars().next() {
                        Some(given) if given == character || !(given.is_alphanumeric() || is_sign(given)) => {
                            &rest[given.len_utf8()..]
                        }
                        Some(given) if character.is_alphanumeric() => &rest[given.len_utf8()..],
                        _ => rest,
                    };
                }
                rest = rest.trim_start();
            }
            Piece::Field { name, .. } => {
                let next_is_field = matches!(pieces.get(index + 1), Some(Piece::Field { .. }));
                rest = skip_separators(rest);
                if rest.is_empty() {
                    break;
                }
                rest = field(&mut parsed, name, rest, next_is_field)?;
            }
        }
    }
    Ok(parsed)
}

fn is_sign(character: char) -> bool {
    character == '-' || character == '+'
}

fn skip_separators(text: &str) -> &str {
    text.trim_start_matches(|character: char| {
        character.is_whitespace() || matches!(character, '/' | ',' | '.' | ';' | ':')
    })
}

/// Reads one field and returns what follows it.
fn field<'a>(parsed: &mut Parsed, name: &str, text: &'a str, next_is_field: bool) -> Result<&'a str> {
    let number = |width: usize| number(name, text, if next_is_field { width } else { 20.min(width.max(4)) });
    let exact = |width: usize| self::number(name, text, width);
    Ok(match name {
        "YYYY" | "IYYY" | "Y,YYY" => {
            let (value, rest) = if name == "Y,YYY" {
                self::number(name, text, 1)?
            } else {
                number(4)?
            };
            match (name, rest.strip_prefix(',')) {
                ("Y,YYY", Some(after)) => {
                    let (low, rest) = self::number(name, after, 3)?;
                    parsed.year = Some(value * 1000 + low);
                    return Ok(rest);
                }
                ("IYYY", _) => parsed.iso.get_or_insert((value, 1, 1)).0 = value,
                _ => parsed.year = Some(value),
            }
            rest
        }
        "YYY" | "YY" | "Y" => {
            let (value, rest) = exact(name.len())?;
            let digits = text.len() - rest.len();
            parsed.year = Some(match digits {
                1 | 2 if value < 70 => value + 2000,
                1 | 2 => value + 1900,
                3 if value < 520 => value + 2000,
                3 => value + 1000,
                _ => value,
            });
            rest
        }
        "MM" => assign(&mut parsed.month, exact(2)?),
        "DD" => assign(&mut parsed.day, exact(2)?),
        "DDD" => assign(&mut parsed.day_of_year, exact(3)?),
        "J" => assign(&mut parsed.julian, exact(20)?),
        "IW" => {
            let (value, rest) = exact(2)?;
            parsed.iso.get_or_insert((1, 1, 1)).1 = value;
            rest
        }
        "ID" => {
            let (value, rest) = exact(1)?;
            parsed.iso.get_or_insert((1, 1, 1)).2 = value;
            rest
        }
        "MONTH" | "MON" => {
            let (index, rest) = named(name, text, &MONTH_NAMES)?;
            parsed.month = Some(index as i64 + 1);
            rest
        }
        "DAY" | "DY" => named(name, text, &DAY_NAMES)?.1,
        "HH24" => {
            let (value, rest) = exact(2)?;
            parsed.hour = value;
            rest
        }
        "HH12" | "HH" => {
            let (value, rest) = exact(2)?;
            (parsed.hour, parsed.is_twelve_hour) = (value, true);
            rest
        }
        "MI" => {
            let (value, rest) = exact(2)?;
            parsed.minute = value;
            rest
        }
        "SS" => {
            let (value, rest) = exact(2)?;
            parsed.second = value;
            rest
        }
        "SSSS" | "SSSSS" => assign(&mut parsed.seconds_of_day, exact(5)?),
        "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).take(6).count();
            let value: i64 = text[..digits].parse().map_err(|_| invalid(name, text))?;
            parsed.micros = value * 10_i64.pow(6 - digits as u32);
            text[digits..].trim_start_matches(|character: char| character.is_ascii_digit())
        }
        "AM" | "PM" | "A.M." | "P.M." => {
            let lower = text.to_ascii_lowercase();
            let marker = ["a.m.", "p.m.", "am", "pm"]
                .into_iter()
                .find(|marker| lower.starts_with(marker));
            let marker = marker.ok_or_else(|| invalid(name, text))?;
            parsed.afternoon = Some(marker.starts_with('p'));
            &text[marker.len()..]
        }
        "BC" | "AD" | "B.C." | "A.D." => {
            let lower = text.to_ascii_lowercase();
            let marker = ["b.c.", "a.d.", "bc", "ad"]
                .into_iter()
                .find(|marker| lower.starts_with(marker));
            let marker = marker.ok_or_else(|| invalid(name, text))?;
            parsed.before_christ = marker.starts_with('b');
            &text[marker.len()..]
        }
        "TZH" => {
            let is_west = text.starts_with('-');
            let (value, rest) = self::number(name, text.trim_start_matches(['+', '-']), 2)?;
            parsed.offset = Some(value as i32 * if is_west { -3600 } else { 3600 });
            rest
        }
        "TZM" => {
            let (value, rest) = exact(2)?;
            let hours = parsed.offset.unwrap_or_default();
            parsed.offset = Some(hours + value as i32 * if hours < 0 { -60 } else { 60 });
            rest
        }
        "D" | "WW" | "W" | "Q" | "CC" => exact(2)?.1,
        other => return Err(Error::unsupported(format!("reading \"{other}\" in a date pattern"))),
    })
}

fn assign<'a>(place: &mut Option<i64>, (value, rest): (i64, &'a str)) -> &'a str {
    *place = Some(value);
    rest
}

fn number<'a>(name: &str, text: &'a str, width: usize) -> Result<(i64, &'a str)> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).take(width).count();
    let value: i64 = digits[..count].parse().map_err(|_| invalid(name, text))?;
    Ok((sign * value, &digits[count..]))
}

fn named<'a>(name: &str, text: &'a str, names: &[&str]) -> Result<(usize, &'a str)> {
    let head = text.get(..3).unwrap_or(text);
    let index = names
        .iter()
        .position(|known| known.eq_ignore_ascii_case(head))
        .ok_or_else(|| invalid(name, text))?;
    Ok((
        index,
        text.trim_start_matches(|character: char| character.is_alphabetic()),
    ))
}

fn invalid(name: &str, text: &str) -> Error {
    let shown: String = text.chars().take(name.len().max(2)).collect();
    Error::new(
        SqlState::InvalidDatetimeFormat,
        format!("invalid value \"{shown}\" for \"{name}\""),
    )
    .with_detail("Value must be an integer.")
}

#[cfg(test)]
mod tests {
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
