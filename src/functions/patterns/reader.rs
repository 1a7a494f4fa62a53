//! Reads a text by a pattern, as PostgreSQL's formatting.c does it: which blanks and signs of the two match, and how many
//! digits a field takes.

use super::datetime::{DAYS, MONTHS};
use super::parse::{Parsed, error};
use super::template::{Piece, pieces};
use crate::error::{Error, Result, SqlState};
use crate::types::parse::abbreviation_offset;

/// From December on.
const ROMAN_MONTHS: [&str; 12] = ["XII", "XI", "X", "IX", "VIII", "VII", "VI", "V", "IV", "III", "II", "I"];

/// Reads `text` by `pattern`.
pub(super) fn parse(text: &str, pattern: &str) -> Result<Parsed> {
    let pieces = pieces(pattern);
    let mut reader = Reader {
        rest: text,
        before: '\0',
        skipped: 0,
        is_fixed: false,
        parsed: Parsed {
            text: text.to_string(),
            ..Parsed::default()
        },
    };
    for (index, piece) in pieces.iter().enumerate() {
        if reader.rest.is_empty() {
            break;
        }
        match piece {
            Piece::Fixed => reader.is_fixed = true,
            Piece::Text(expected) => {
                if index == 0 {
                    reader.skip_blanks();
                }
                expected.chars().for_each(|character| reader.pass(character));
            }
            Piece::Quoted(expected) => {
                if index == 0 {
                    reader.skip_blanks();
                }
                expected.chars().for_each(|_| reader.pass_text());
            }
            Piece::Field {
                name, fill, ordinal, ..
            } => {
                reader.skip_blanks();
                let takes_all = !fill || ordinal.is_some() || ends_digits(&pieces[index + 1..]);
                reader.field(name, takes_all)?;
                if ordinal.is_some() {
                    reader.advance();
                    reader.advance();
                }
                if !reader.is_fixed {
                    reader.skipped = 0;
                    reader.skip_blanks();
                }
            }
        }
    }
    Ok(reader.parsed)
}

/// Whether what follows a field is no digit, so that it takes all digits that there are.
fn ends_digits(following: &[Piece]) -> bool {
    match following.first() {
        None => true,
        Some(Piece::Text(text) | Piece::Quoted(text)) => !text.starts_with(|letter: char| letter.is_ascii_digit()),
        Some(Piece::Fixed) => true,
        Some(Piece::Field { name, .. }) => matches!(
            *name,
            "A.M."
                | "P.M."
                | "AM"
                | "PM"
                | "B.C."
                | "A.D."
                | "BC"
                | "AD"
                | "MONTH"
                | "MON"
                | "DAY"
                | "DY"
                | "RM"
                | "TZ"
                | "TZH"
                | "OF"
        ),
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// The character before the rest.
    before: char,
    /// How many more blanks and signs of the text were passed than the pattern has.
    skipped: i64,
    is_fixed: bool,
    parsed: Parsed,
}

fn is_separator(character: char) -> bool {
    character.is_ascii_graphic() && !character.is_ascii_alphanumeric()
}

impl Reader<'_> {
    fn advance(&mut self) {
        let mut characters = self.rest.chars();
        if let Some(character) = characters.next() {
            self.before = character;
            self.rest = characters.as_str();
        }
    }

    fn skip_blanks(&mut self) {
        while !self.is_fixed && self.rest.starts_with(|letter: char| letter.is_ascii_whitespace()) {
            self.advance();
            self.skipped += 1;
        }
    }

    /// A character of the pattern outside quotes.
    fn pass(&mut self, character: char) {
        let separates = |letter: char| letter.is_ascii_whitespace() || is_separator(letter);
        match (separates(character), self.is_fixed) {
            (true, false) => {
                self.skipped -= 1;
                if self.rest.starts_with(separates) {
                    self.advance();
                    self.skipped += 1;
                }
            }
            (true, true) => self.advance(),
            (false, _) => self.pass_text(),
        }
    }

    /// A character that stands for itself, whatever the text has there.
    fn pass_text(&mut self) {
        if self.is_fixed || self.skipped <= 0 {
            self.advance();
        } else {
            self.skipped -= 1;
        }
    }

    /// A number of so many digits, or of all that there are; and how many characters it takes.
    fn number(&mut self, name: &str, length: usize, takes_all: bool) -> Result<(i64, usize)> {
        let before = self.rest;
        self.rest = self
            .rest
            .trim_start_matches(|letter: char| letter.is_ascii_whitespace());
        let invalid = |shown: &str| error(format!("invalid value \"{shown}\" for \"{name}\""));
        let window = match takes_all {
            true => self.rest,
            false => match self.rest.char_indices().nth(length) {
                Some((end, _)) => &self.rest[..end],
                None => self.rest,
            },
        };
        const HINT: &str = "If your source string is not fixed-width, try using the \"FM\" modifier.";
        let given = window.chars().count();
        if !takes_all && given < length {
            let message = format!("source string too short for \"{name}\" formatting field");
            let detail = format!("Field requires {length} characters, but only {given} remain.");
            return Err(error(message).with_detail(detail).with_hint(HINT));
        }
        let sign = usize::from(window.starts_with(['+', '-']));
        let digits = window[sign..].bytes().take_while(u8::is_ascii_digit).count();
        let used = if digits == 0 { 0 } else { sign + digits };
        if used == 0 {
            let shown: String = self.rest.chars().take(length).collect();
            return Err(invalid(&shown).with_detail("Value must be an integer."));
        }
        if !takes_all && used < length {
            let detail = format!("Field requires {length} characters, but only {used} could be parsed.");
            return Err(invalid(window).with_detail(detail).with_hint(HINT));
        }
        let text = &window[..used];
        let value = text.parse::<i32>().map_err(|_| {
            let message = format!("value for \"{name}\" in source string is out of range");
            let detail = format!("Value must be in the range {} to {}.", i32::MIN, i32::MAX);
            Error::new(SqlState::DatetimeFieldOverflow, message).with_detail(detail)
        })?;
        self.rest = &self.rest[used..];
        self.before = text.chars().next_back().unwrap_or('\0');
        Ok((i64::from(value), before.len() - self.rest.len()))
    }

    /// One of some names, of which so many letters are written; its place.
    fn named(&mut self, name: &str, names: &[&str], letters: usize) -> Result<usize> {
        let is_here = |known: &&str| {
            let wanted = &known[..letters.min(known.len())];
            let given = self.rest.get(..wanted.len());
            given.is_some_and(|given| given.eq_ignore_ascii_case(wanted))
        };
        let Some(place) = names.iter().position(is_here) else {
            let shown: String = self
                .rest
                .chars()
                .take_while(|letter| !letter.is_ascii_whitespace())
                .collect();
            return Err(error(format!("invalid value \"{shown}\" for \"{name}\""))
                .with_detail("The given value did not match any of the allowed values for this field."));
        };
        for _ in 0..letters.min(names[place].len()) {
            self.advance();
        }
        Ok(place)
    }

    /// Whether the field is one of ISO weeks: a pattern has either these or the others.
    fn set_convention(&mut self, name: &str) -> Result<()> {
        let is_iso = match name {
            "IYYY" | "IYY" | "IY" | "I" | "IW" | "ID" | "IDDD" => true,
            "YYYY" | "YYY" | "YY" | "Y" | "Y,YYY" | "MM" | "MONTH" | "MON" | "RM" | "DD" | "DDD" | "D" | "WW" | "W" => {
                false
            }
            _ => return Ok(()),
        };
        if *self.parsed.is_iso.get_or_insert(is_iso) == is_iso {
            return Ok(());
        }
        Err(error("invalid combination of date conventions")
            .with_hint("Do not mix Gregorian and ISO week date conventions in a formatting template."))
    }

    fn set(&mut self, name: &str, place: fn(&mut Parsed) -> &mut i64, value: i64) -> Result<()> {
        let place = place(&mut self.parsed);
        if *place != 0 && *place != value {
            let message = format!("conflicting values for \"{name}\" field in formatting string");
            return Err(
                error(message).with_detail("This value contradicts a previous setting for the same field type.")
            );
        }
        *place = value;
        Ok(())
    }

    /// A number for a place.
    fn put(
        &mut self,
        name: &str,
        (length, takes_all): (usize, bool),
        place: fn(&mut Parsed) -> &mut i64,
    ) -> Result<()> {
        let (value, _) = self.number(name, length, takes_all)?;
        self.set(name, place, value)
    }

    fn field(&mut self, name: &'static str, takes_all: bool) -> Result<()> {
        self.set_convention(name)?;
        let of = |length: usize| (length, takes_all);
        match name {
            "AM" | "PM" | "A.M." | "P.M." => {
                let names = if name.contains('.') {
                    ["a.m.", "p.m."]
                } else {
                    ["am", "pm"]
                };
                self.parsed.is_afternoon = self.named(name, &names, 4)? == 1;
                self.parsed.is_twelve_hour = true;
            }
            "BC" | "AD" | "B.C." | "A.D." => {
                let names = if name.contains('.') {
                    ["a.d.", "b.c."]
                } else {
                    ["ad", "bc"]
                };
                self.parsed.before_christ = self.named(name, &names, 4)? == 1;
            }
            "HH" | "HH12" => {
                self.put(name, of(2), |parsed| &mut parsed.hour)?;
                self.parsed.is_twelve_hour = true;
            }
            "HH24" => self.put(name, of(2), |parsed| &mut parsed.hour)?,
            "MI" => self.put(name, of(2), |parsed| &mut parsed.minute)?,
            "SS" => self.put(name, of(2), |parsed| &mut parsed.second)?,
            "MS" => {
                let (value, used) = self.number(name, 3, takes_all)?;
                let value = value * [1, 100, 10, 1][used.min(3)];
                self.set(name, |parsed| &mut parsed.millis, value)?;
            }
            "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
                let digits = name
                    .bytes()
                    .last()
                    .filter(u8::is_ascii_digit)
                    .map_or(6, |digit| usize::from(digit - b'0'));
                let (value, used) = self.number(name, digits, takes_all)?;
                let value = value * 10_i64.pow(6_usize.saturating_sub(used) as u32);
                self.set(name, |parsed| &mut parsed.micros, value)?;
            }
            "SSSS" | "SSSSS" => self.put(name, of(name.len()), |parsed| &mut parsed.seconds_of_day)?,
            "TZ" => self.zone_name(takes_all)?,
            "OF" => self.zone_offset(name, takes_all, true)?,
            "TZH" => self.zone_offset(name, takes_all, false)?,
            "TZM" => {
                let (minutes, _) = self.number(name, 2, takes_all)?;
                self.zone_minutes(minutes);
            }
            "MONTH" | "MON" => {
                let letters = if name == "MON" { 3 } else { usize::MAX };
                let month = self.named(name, &MONTHS, letters)? as i64 + 1;
                self.set(name, |parsed| &mut parsed.month, month)?;
            }
            "RM" => {
                let month = 12 - self.named(name, &ROMAN_MONTHS, usize::MAX)? as i64;
                self.set(name, |parsed| &mut parsed.month, month)?;
            }
            "MM" => self.put(name, of(2), |parsed| &mut parsed.month)?,
            "DAY" | "DY" => {
                let letters = if name == "DY" { 3 } else { usize::MAX };
                let weekday = self.named(name, &DAYS, letters)? as i64 + 1;
                self.set(name, |parsed| &mut parsed.weekday, weekday)?;
            }
            "DDD" | "IDDD" => self.put(name, of(3), |parsed| &mut parsed.day_of_year)?,
            "DD" => self.put(name, of(2), |parsed| &mut parsed.day)?,
            "D" => self.put(name, of(1), |parsed| &mut parsed.weekday)?,
            "ID" => {
                let (value, _) = self.number(name, 1, takes_all)?;
                let weekday = if value >= 7 { 1 } else { value + 1 };
                self.set(name, |parsed| &mut parsed.weekday, weekday)?;
            }
            "WW" | "IW" => self.put(name, of(2), |parsed| &mut parsed.week_of_year)?,
            "W" => self.put(name, of(1), |parsed| &mut parsed.week_of_month)?,
            // Which day of a quarter is meant nobody knows.
            "Q" => {
                self.number(name, 1, takes_all)?;
            }
            "CC" => self.put(name, of(2), |parsed| &mut parsed.century)?,
            "J" => self.put(name, of(1), |parsed| &mut parsed.julian)?,
            "Y,YYY" => {
                let invalid = || error("invalid input string for \"Y,YYY\"");
                let (thousands, _) = self.number(name, 4, true).map_err(|_| invalid())?;
                self.rest = self.rest.strip_prefix(',').ok_or_else(invalid)?;
                let digits = self.rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
                let years: i64 = self.rest[..digits].parse().map_err(|_| invalid())?;
                self.rest = &self.rest[digits..];
                self.set(name, |parsed| &mut parsed.year, thousands * 1000 + years)?;
                self.parsed.year_digits = 4;
            }
            "YYYY" | "IYYY" => {
                self.put(name, of(4), |parsed| &mut parsed.year)?;
                self.parsed.year_digits = 4;
            }
            "YYY" | "IYY" | "YY" | "IY" | "Y" | "I" => {
                let digits = name.len();
                let (value, used) = self.number(name, digits, takes_all)?;
                let year = if used < 4 { near_2020(value) } else { value };
                self.set(name, |parsed| &mut parsed.year, year)?;
                self.parsed.year_digits = digits;
            }
            other => return Err(Error::unsupported(format!("reading \"{other}\" in a date pattern"))),
        }
        Ok(())
    }

    fn zone_minutes(&mut self, minutes: i64) {
        let sign = if self.parsed.zone_sign < 0 { -1 } else { 1 };
        *self.parsed.offset.get_or_insert(0) += sign * minutes as i32 * 60;
    }

    /// TZH, or OF with minutes behind a colon.
    fn zone_offset(&mut self, name: &str, takes_all: bool, has_minutes: bool) -> Result<()> {
        let sign = match self.rest.chars().next() {
            Some(sign @ ('+' | '-' | ' ')) => {
                self.advance();
                if sign == '-' { -1 } else { 1 }
            }
            // The minus may have been passed as a separator.
            _ if self.skipped > 0 && self.before == '-' => -1,
            _ => 1,
        };
        let (hours, _) = self.number(name, 2, takes_all)?;
        if !(0..=15).contains(&hours) {
            let message = format!("time zone displacement out of range: \"{}\"", self.parsed.text);
            return Err(Error::new(SqlState::InvalidTimeZoneDisplacement, message));
        }
        self.parsed.zone_sign = sign;
        self.parsed.offset = Some(sign * hours as i32 * 3600);
        if has_minutes && self.rest.starts_with(':') {
            self.advance();
            let (minutes, _) = self.number(name, 2, takes_all)?;
            self.zone_minutes(minutes);
        }
        Ok(())
    }

    /// TZ: an abbreviation, the longest that there is, or an offset.
    fn zone_name(&mut self, takes_all: bool) -> Result<()> {
        let letters = self.rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let lower = self.rest[..letters].to_ascii_lowercase();
        let known = (1..=letters)
            .rev()
            .find_map(|end| Some((end, abbreviation_offset(&lower[..end])?)));
        match known {
            Some((end, offset)) => {
                self.rest = &self.rest[end..];
                self.parsed.offset = Some(offset);
                Ok(())
            }
            None if letters > 0 => Err(error(format!("invalid value \"{}\" for \"TZ\"", self.rest))
                .with_detail("Time zone abbreviation is not recognized.")),
            None => self.zone_offset("TZ", takes_all, true),
        }
    }
}

/// The year next to 2020 that ends in these digits.
fn near_2020(year: i64) -> i64 {
    match year {
        ..0 => year,
        0..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}
