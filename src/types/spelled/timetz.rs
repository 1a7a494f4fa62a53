//! `time with time zone`: a time of day and its distance from Greenwich. Values compare by the moment of a day in
//! Greenwich, then by the zone.

use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::types::binary::Reader;
use crate::types::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::types::format::FormatSettings;
use crate::types::parse::parse_timetz;
use crate::types::precision::round_time;
use crate::types::text::{write_offset, write_time};

/// The largest distance from Greenwich, in seconds.
const ZONE_LIMIT: i32 = 16 * 3600;

/// A time of day in some zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZonedTime {
    /// Microseconds since midnight.
    pub micros: i64,
    /// Seconds east of Greenwich.
    pub east: i32,
}

impl ZonedTime {
    /// Reads a client's text; without a zone in it the time is of the session's.
    pub fn read(text: &str, settings: &FormatSettings) -> Result<ZonedTime> {
        let (micros, east) = parse_timetz(text, settings.date_style.order, &settings.time_zone)?;
        Ok(ZonedTime { micros, east })
    }

    /// Reads the spelling that values are carried in.
    pub fn parse(spelling: &str) -> Result<ZonedTime> {
        ZonedTime::read(spelling, &FormatSettings::default())
    }

    /// The spelling that values are carried in.
    pub fn spelling(self) -> String {
        let mut out = BytesMut::new();
        write_time(self.micros, &mut out);
        write_offset(self.east, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The time with so many digits of seconds.
    pub fn rounded(self, digits: Option<u8>) -> ZonedTime {
        let micros = round_time(self.micros, digits);
        ZonedTime { micros, ..self }
    }

    /// Reads the binary format.
    pub fn receive(bytes: &[u8]) -> Result<ZonedTime> {
        let mut reader = Reader::new(bytes);
        let (micros, west) = (i64::from_be_bytes(reader.take()?), i32::from_be_bytes(reader.take()?));
        reader.end()?;
        if !(0..=MICROS_PER_DAY).contains(&micros) {
            return Err(Error::new(SqlState::DatetimeFieldOverflow, "time out of range"));
        }
        if west <= -ZONE_LIMIT || west >= ZONE_LIMIT {
            let message = "time zone displacement out of range";
            return Err(Error::new(SqlState::InvalidTimeZoneDisplacement, message));
        }
        Ok(ZonedTime { micros, east: -west })
    }

    /// Appends the binary format.
    pub fn send(self, out: &mut BytesMut) {
        out.put_i64(self.micros);
        out.put_i32(-self.east);
    }

    /// Microseconds of the day in Greenwich, which may be the day before or after.
    pub fn in_greenwich(self) -> i64 {
        self.micros - i64::from(self.east) * MICROS_PER_SECOND
    }

    /// The same moment on the clock of another zone.
    pub fn at_offset(self, east: i32) -> ZonedTime {
        let micros = (self.in_greenwich() + i64::from(east) * MICROS_PER_SECOND).rem_euclid(MICROS_PER_DAY);
        ZonedTime { micros, east }
    }

    /// Appends bytes that sort as the values do.
    pub fn order_key(self, out: &mut Vec<u8>) {
        out.extend((self.in_greenwich() as u64 ^ 1 << 63).to_be_bytes());
        out.extend((-self.east as u32 ^ 1 << 31).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        for (text, expected) in [
            ("04:05:06.789-8", "04:05:06.789-08"),
            ("04:05 PST", "04:05:00-08"),
            ("040506+05:30", "04:05:06+05:30"),
            ("2003-07-12 04:05:06 America/New_York", "04:05:06-04"),
            ("4:05 PM", "16:05:00+00"),
            ("24:00:00-01:02:03", "24:00:00-01:02:03"),
            ("allballs", "00:00:00+00"),
        ] {
            assert_eq!(ZonedTime::parse(text).unwrap().spelling(), expected, "{text}");
        }
        for text in ["04:05 America/New_York", "x", "25:00"] {
            assert!(ZonedTime::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_sort_by_their_moment_then_by_their_zone() {
        let sorted = ["11:00+02", "10:00+00", "09:00-01", "12:00+00", "00:00-13"];
        let keys: Vec<Vec<u8>> = sorted
            .iter()
            .map(|text| {
                let mut key = vec![];
                ZonedTime::parse(text).unwrap().order_key(&mut key);
                key
            })
            .collect();
        assert!(keys.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn the_binary_form_comes_back() {
        let time = ZonedTime::parse("10:11:12.5+05:30").unwrap();
        let mut sent = BytesMut::new();
        time.send(&mut sent);
        assert_eq!((sent.len(), ZonedTime::receive(&sent).unwrap()), (12, time));
    }
}
