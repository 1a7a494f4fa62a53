//! The proleptic Gregorian calendar over the whole range of PostgreSQL's and Arrow's dates, and the
//! representation of infinite dates and timestamps. Days count from 1970-01-01.

/// Days from Arrow's epoch, 1970-01-01, to PostgreSQL's, 2000-01-01.
pub const POSTGRES_EPOCH_DAYS: i32 = 10_957;
pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Microseconds from Arrow's epoch to PostgreSQL's.
pub const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS as i64 * MICROS_PER_DAY;

/// The dates and timestamps `infinity` and `-infinity`, which sort last and first.
pub const DATE_INFINITY: i32 = i32::MAX;
pub const DATE_NEGATIVE_INFINITY: i32 = i32::MIN;
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
pub const TIMESTAMP_NEGATIVE_INFINITY: i64 = i64::MIN;

/// The first date that PostgreSQL accepts, 4714-11-24 BC, and the day after the last, 5874897-12-31.
pub const FIRST_DAY: i64 = -2_440_588;
pub const END_DAY: i64 = 2_145_042_906;
/// The first timestamp, and one past the last that microseconds since 1970 hold (in the year 294247).
pub const FIRST_MICRO: i64 = FIRST_DAY * MICROS_PER_DAY;
pub const END_MICRO: i64 = TIMESTAMP_INFINITY;

/// A day of the calendar; year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilDate {
    pub year: i64,
    pub month: u8,
    pub day: u8,
}

impl CivilDate {
    /// The day that lies `days` after 1970-01-01 (Hinnant's `civil_from_days`).
    pub fn from_days(days: i64) -> CivilDate {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        } as u8;
        CivilDate {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day,
        }
    }

    /// Days after 1970-01-01 (Hinnant's `days_from_civil`).
    pub fn to_days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }
}

/// Days of a month; `month` counts from one.
pub fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// 0 is Sunday.
pub fn day_of_week(days: i64) -> usize {
    (days + 4).rem_euclid(7) as usize
}

pub const MONTH_NAMES: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
pub const DAY_NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_civil_dates_round_trip() {
        for (year, month, day, days) in [
            (1970, 1, 1, 0),
            (2000, 1, 1, i64::from(POSTGRES_EPOCH_DAYS)),
            (2024, 2, 29, 19782),
            (-4713, 11, 24, FIRST_DAY),
            (294_277, 1, 1, 106_762_940),
            (5_874_898, 1, 1, END_DAY),
        ] {
            let date = CivilDate { year, month, day };
            assert_eq!((date.to_days(), CivilDate::from_days(days)), (days, date));
        }
        assert_eq!(day_of_week(19782), 4);
    }
}
