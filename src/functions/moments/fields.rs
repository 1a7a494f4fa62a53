//! EXTRACT and date_part(): the fields of dates, times, timestamps and intervals.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, IntervalMonthDayNano, Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::super::overload::{Arguments, Overload, OverloadedFunction, Texts, kernel};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::TimeZone;
use crate::types::calendar::{
    CivilDate, DATE_INFINITY, DATE_NEGATIVE_INFINITY, MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_INFINITY,
    TIMESTAMP_NEGATIVE_INFINITY,
};
use crate::types::numeric::{COMPUTED_NUMERIC, Number};
use crate::types::spelled::timetz::ZonedTime;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        OverloadedFunction::immutable("extract", overloads("numeric")),
        OverloadedFunction::immutable("date_part", overloads("float8")),
    ]
}

fn overloads(returns: &str) -> Vec<Overload> {
    let bodies: [(&str, super::super::overload::Kernel); 6] = [
        ("date", |args| of_dates(args)),
        ("timestamp", |args| of_timestamps(args, None)),
        ("timestamptz", |args| of_timestamps(args, Some(args.zone()))),
        ("time", |args| of_times(args)),
        ("timetz", |args| of_zoned_times(args)),
        ("interval", |args| of_intervals(args)),
    ];
    let declared = bodies.into_iter().map(|(name, body)| {
        let overload = kernel(&format!("(text, {name}) {returns}"), body);
        if returns == "numeric" {
            overload.returning(field_type)
        } else {
            overload
        }
    });
    declared.collect()
}

/// The digits behind the point that a field has in a type.
fn field_type(types: &[SqlType], literals: &[Option<ScalarValue>]) -> Result<DataType> {
    let field = literals
        .first()
        .and_then(|literal| literal.as_ref()?.try_as_str()?.map(str::to_lowercase));
    let of_date = types.get(1) == Some(&SqlType::Date);
    let scale = match field.as_deref() {
        None => return Ok(DataType::Decimal256(COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1)),
        Some("second" | "seconds" | "sec" | "secs" | "s") => 6,
        Some("epoch" | "julian") if of_date => 0,
        Some("epoch") => 6,
        Some("julian") => return Ok(DataType::Decimal256(COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1)),
        Some("millisecond" | "milliseconds" | "ms" | "msec" | "msecs") => 3,
        Some(_) => 0,
    };
    Ok(DataType::Decimal128(37, scale))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Week,
    IsoYear,
    Julian,
    Epoch,
    Zone,
    ZoneHour,
    ZoneMinute,
}

fn field(name: &str, type_name: &str) -> Result<Field> {
    Ok(match name.trim().to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Field::Microseconds,
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Field::Milliseconds,
        "second" | "seconds" | "sec" | "secs" | "s" => Field::Second,
        "minute" | "minutes" | "min" | "mins" | "m" => Field::Minute,
        "hour" | "hours" | "hr" | "hrs" | "h" => Field::Hour,
        "day" | "days" | "d" => Field::Day,
        "month" | "months" | "mon" | "mons" => Field::Month,
        "quarter" | "qtr" => Field::Quarter,
        "year" | "years" | "yr" | "yrs" | "y" => Field::Year,
        "decade" | "decades" | "dec" | "decs" => Field::Decade,
        "century" | "centuries" | "cent" | "c" => Field::Century,
        "millennium" | "millennia" | "mil" | "mils" => Field::Millennium,
        "dow" => Field::DayOfWeek,
        "isodow" => Field::IsoDayOfWeek,
        "doy" => Field::DayOfYear,
        "week" | "weeks" | "w" => Field::Week,
        "isoyear" => Field::IsoYear,
        "julian" | "jd" => Field::Julian,
        "epoch" => Field::Epoch,
        "timezone" | "tz" => Field::Zone,
        "timezone_hour" | "timezone_h" => Field::ZoneHour,
        "timezone_minute" | "timezone_m" => Field::ZoneMinute,
        _ => {
            return Err(Error::new(
                SqlState::InvalidParameterValue,
                format!("unit \"{name}\" not recognized for type {type_name}"),
            ));
        }
    })
}

fn unsupported(name: &str, type_name: &str) -> Error {
    Error::new(
        SqlState::FeatureNotSupported,
        format!("unit \"{name}\" not supported for type {type_name}"),
    )
}

/// The field of the row before, most often that of all rows.
struct Fields<'a> {
    names: Texts<'a>,
    type_name: &'static str,
    last: Option<(String, Field)>,
}

impl<'a> Fields<'a> {
    fn new(args: &'a Arguments<'_>, type_name: &'static str) -> Result<Fields<'a>> {
        Ok(Fields {
            names: args.texts(0)?,
            type_name,
            last: None,
        })
    }

    fn get(&mut self, row: usize) -> Result<Option<Field>> {
        let Some(name) = self.names.get(row) else {
            return Ok(None);
        };
        if let Some((before, field)) = &self.last
            && before == name
        {
            return Ok(Some(*field));
        }
        let found = field(name, self.type_name)?;
        self.last = Some((name.to_string(), found));
        Ok(Some(found))
    }

    fn name(&self) -> &str {
        self.last.as_ref().map(|(name, _)| name.as_str()).unwrap_or_default()
    }
}

/// What a field has; no numeric of ours is infinite.
enum Value {
    Number(Number),
    Infinite(f64),
}

/// Numerics for EXTRACT, floats for date_part().
fn build(args: &Arguments<'_>, mut value: impl FnMut(usize) -> Result<Option<Value>>) -> Result<ArrayRef> {
    match args.return_type() {
        DataType::Float64 => args.build::<Float64Type>(|row| {
            Ok(value(row)?.map(|value| match value {
                Value::Number(number) => number.to_f64(),
                Value::Infinite(infinity) => infinity,
            }))
        }),
        _ => args.build_decimals(|row| match value(row)? {
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(Value::Infinite(_)) => Err(Error::unsupported("an infinite numeric")),
            None => Ok(None),
        }),
    }
}

/// The field of a moment that is infinitely far away: years and what counts on are as infinite, the others unknown.
fn of_infinity(field: Field, infinity: f64) -> Option<Value> {
    let counts_on = matches!(
        field,
        Field::Year
            | Field::Decade
            | Field::Century
            | Field::Millennium
            | Field::IsoYear
            | Field::Julian
            | Field::Epoch
    );
    counts_on.then_some(Value::Infinite(infinity))
}

fn whole(value: i64) -> Number {
    Number::new(i128::from(value), 0)
}

/// One field of all rows as EXTRACT's numerics, where no moment is infinite. `parts` are a moment's day and, where it has
/// one, its time of day; `None` for fields that these do not decide.
fn of_finite<T: ArrowPrimitiveType>(
    args: &Arguments<'_>,
    is_finite: fn(T::Native) -> bool,
    parts: fn(T::Native) -> (i64, Option<i64>),
) -> Result<Option<ArrayRef>> {
    let names = args.texts(0)?;
    // A column may have no row.
    let is_one_field = args.is_constant(0) && !args.is_constant(1);
    let name = is_one_field.then(|| names.get(0)).flatten();
    let (DataType::Decimal128(_, scale), Some(field)) =
        (args.return_type(), name.and_then(|name| field(name, "").ok()))
    else {
        return Ok(None);
    };
    let Some(moments) = args.array(1).as_primitive_opt::<T>() else {
        return Ok(None);
    };
    let has_time = parts(T::default_value()).1.is_some();
    let is_of_clock = has_time && of_clock(field, 0).is_some_and(|number| number.scale == i32::from(*scale));
    if !(is_of_clock || *scale == 0 && of_calendar(field, 0).is_some())
        || !moments.values().iter().all(|moment| is_finite(*moment))
    {
        return Ok(None);
    }
    let values: Decimal128Array = moments.unary(|moment| {
        let (day, time) = parts(moment);
        match is_of_clock {
            true => time
                .and_then(|time| of_clock(field, time)?.to_i128())
                .unwrap_or_default(),
            false => of_calendar(field, day).map_or(0, i128::from),
        }
    });
    Ok(Some(Arc::new(values.with_data_type(args.return_type().clone()))))
}

fn of_dates(args: &Arguments<'_>) -> Result<ArrayRef> {
    let is_finite = |days| days != DATE_INFINITY && days != DATE_NEGATIVE_INFINITY;
    if let Some(fields) = of_finite::<Date32Type>(args, is_finite, |days| (days.into(), None))? {
        return Ok(fields);
    }
    let mut fields = Fields::new(args, "date")?;
    let dates = args.numbers::<Date32Type>(1)?;
    build(args, |row| {
        let (Some(field), Some(days)) = (fields.get(row)?, dates.get(row)) else {
            return Ok(None);
        };
        let infinity = match days {
            DATE_INFINITY => Some(f64::INFINITY),
            DATE_NEGATIVE_INFINITY => Some(f64::NEG_INFINITY),
            _ => None,
        };
        let days = i64::from(days);
        let value = match field {
            Field::Epoch => Some(days * (MICROS_PER_DAY / MICROS_PER_SECOND)),
            Field::Julian => Some(days + 2_440_588),
            field => of_calendar(field, days),
        };
        match (value, infinity) {
            (None, _) => Err(unsupported(fields.name(), "date")),
            (Some(_), Some(infinity)) => Ok(of_infinity(field, infinity)),
            (Some(value), None) => Ok(Some(Value::Number(whole(value)))),
        }
    })
}

/// Fields that the day alone decides.
fn of_calendar(field: Field, days: i64) -> Option<i64> {
    let date = CivilDate::from_days(days);
    // There is no year 0: 1 BC comes before 1.
    let year = if date.year > 0 { date.year } else { date.year - 1 };
    Some(match field {
        Field::Day => i64::from(date.day),
        Field::Month => i64::from(date.month),
        Field::Quarter => (i64::from(date.month) - 1) / 3 + 1,
        Field::Year => year,
        Field::Decade => date.year.div_euclid(10),
        Field::Century if year > 0 => (year + 99) / 100,
        Field::Century => -((99 - (year + 1) + 1) / 100),
        Field::Millennium if year > 0 => (year + 999) / 1000,
        Field::Millennium => -((999 - (year + 1) + 1) / 1000),
        Field::DayOfWeek => (days + 4).rem_euclid(7),
        Field::IsoDayOfWeek => (days + 3).rem_euclid(7) + 1,
        Field::DayOfYear => days - first_day(date.year) + 1,
        Field::Week => iso_week(days).1,
        Field::IsoYear => {
            let year = iso_week(days).0;
            if year > 0 { year } else { year - 1 }
        }
        _ => return None,
    })
}

fn first_day(year: i64) -> i64 {
    CivilDate { year, month: 1, day: 1 }.to_days()
}

/// The ISO year and week: a week belongs to the year of its Thursday.
fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let year = CivilDate::from_days(thursday).year;
    (year, (thursday - first_day(year)) / 7 + 1)
}

/// Fields that the time of day decides.
fn of_clock(field: Field, micros: i64) -> Option<Number> {
    let in_minute = micros % (60 * MICROS_PER_SECOND);
    Some(match field {
        Field::Microseconds => whole(in_minute),
        Field::Milliseconds => Number::new(i128::from(in_minute), 3),
        Field::Second => Number::new(i128::from(in_minute), 6),
        Field::Minute => whole(micros / (60 * MICROS_PER_SECOND) % 60),
        Field::Hour => whole(micros / (3600 * MICROS_PER_SECOND)),
        _ => return None,
    })
}

fn of_timestamps(args: &Arguments<'_>, zone: Option<TimeZone>) -> Result<ArrayRef> {
    let type_name = match zone {
        Some(_) => "timestamp with time zone",
        None => "timestamp without time zone",
    };
    let is_finite = |moment| moment != TIMESTAMP_INFINITY && moment != TIMESTAMP_NEGATIVE_INFINITY;
    if zone.is_none()
        && let Some(fields) = of_finite::<TimestampMicrosecondType>(args, is_finite, |moment| {
            (
                moment.div_euclid(MICROS_PER_DAY),
                Some(moment.rem_euclid(MICROS_PER_DAY)),
            )
        })?
    {
        return Ok(fields);
    }
    let mut fields = Fields::new(args, type_name)?;
    let moments = args.numbers::<TimestampMicrosecondType>(1)?;
    build(args, |row| {
        let (Some(field), Some(moment)) = (fields.get(row)?, moments.get(row)) else {
            return Ok(None);
        };
        let infinity = match moment {
            TIMESTAMP_INFINITY => Some(f64::INFINITY),
            TIMESTAMP_NEGATIVE_INFINITY => Some(f64::NEG_INFINITY),
            _ => None,
        };
        if let Some(infinity) = infinity {
            return Ok(of_infinity(field, infinity));
        }
        let offset = zone.as_ref().map(|zone| i64::from(zone.offset_at(moment)));
        let clock = moment + offset.unwrap_or_default() * MICROS_PER_SECOND;
        let (days, time) = (clock.div_euclid(MICROS_PER_DAY), clock.rem_euclid(MICROS_PER_DAY));
        let value = match (field, offset) {
            (Field::Epoch, _) => Some(Number::new(i128::from(moment), 6)),
            (Field::Julian, _) => {
                let part = Number::new(i128::from(time), 0).divide(Number::new(i128::from(MICROS_PER_DAY), 0))?;
                Some(whole(days + 2_440_588).plus(part)?)
            }
            (Field::Zone, Some(offset)) => Some(whole(offset)),
            (Field::ZoneHour, Some(offset)) => Some(whole(offset / 3600)),
            (Field::ZoneMinute, Some(offset)) => Some(whole(offset / 60 % 60)),
            (field, _) => of_clock(field, time).or_else(|| of_calendar(field, days).map(whole)),
        };
        let value = value.map(|value| Some(Value::Number(value)));
        value.ok_or_else(|| unsupported(fields.name(), type_name))
    })
}

fn of_times(args: &Arguments<'_>) -> Result<ArrayRef> {
    let mut fields = Fields::new(args, "time without time zone")?;
    let times = args.numbers::<Time64MicrosecondType>(1)?;
    build(args, |row| {
        let (Some(field), Some(time)) = (fields.get(row)?, times.get(row)) else {
            return Ok(None);
        };
        let value = match field {
            Field::Epoch => Some(Number::new(i128::from(time), 6)),
            field => of_clock(field, time),
        };
        value
            .map(|value| Some(Value::Number(value)))
            .ok_or_else(|| unsupported(fields.name(), "time without time zone"))
    })
}

fn of_zoned_times(args: &Arguments<'_>) -> Result<ArrayRef> {
    let type_name = "time with time zone";
    let mut fields = Fields::new(args, type_name)?;
    let times = args.texts(1)?;
    build(args, |row| {
        let (Some(field), Some(time)) = (fields.get(row)?, times.get(row)) else {
            return Ok(None);
        };
        let time = ZonedTime::parse(time)?;
        let east = i64::from(time.east);
        let value = match field {
            Field::Epoch => Some(Number::new(i128::from(time.in_greenwich()), 6)),
            Field::Zone => Some(whole(east)),
            Field::ZoneHour => Some(whole(east / 3600)),
            Field::ZoneMinute => Some(whole(east / 60 % 60)),
            field => of_clock(field, time.micros),
        };
        value
            .map(|value| Some(Value::Number(value)))
            .ok_or_else(|| unsupported(fields.name(), type_name))
    })
}

fn of_intervals(args: &Arguments<'_>) -> Result<ArrayRef> {
    let mut fields = Fields::new(args, "interval")?;
    let intervals = args.intervals(1)?;
    build(args, |row| {
        let (Some(field), Some(interval)) = (fields.get(row)?, intervals.get(row)) else {
            return Ok(None);
        };
        of_interval(field, interval)
            .map(|value| Some(Value::Number(value)))
            .ok_or_else(|| unsupported(fields.name(), "interval"))
    })
}

fn of_interval(field: Field, interval: IntervalMonthDayNano) -> Option<Number> {
    let months = i64::from(interval.months);
    let years = months / 12;
    let micros = interval.nanoseconds / 1000;
    Some(match field {
        Field::Day => whole(i64::from(interval.days)),
        Field::Month => whole(months % 12),
        Field::Quarter => whole(months % 12 / 3 + 1),
        Field::Year => whole(years),
        Field::Decade => whole(years / 10),
        Field::Century => whole(years / 100),
        Field::Millennium => whole(years / 1000),
        // A year counts 365.25 days.
        Field::Epoch => {
            const SECONDS_PER_QUARTER_DAY: i128 = 21_600;
            let quarter_days = i128::from(years) * 1461 + i128::from(months % 12) * 120 + i128::from(interval.days) * 4;
            let seconds = quarter_days * SECONDS_PER_QUARTER_DAY;
            Number::new(seconds * i128::from(MICROS_PER_SECOND) + i128::from(micros), 6)
        }
        field => return of_clock(field, micros),
    })
}
