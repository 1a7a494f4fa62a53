//! Turns PostgreSQL's binary values into the text that `psql` would print, written from the protocol's
//! description and independent of the server's own codec, so that the tests notice when both are wrong.

use std::error::Error;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime};
use tokio_postgres::types::{FromSql, Kind, Type};

use crate::binary_spelled as spelled;

/// A non-NULL value of any type as text.
pub struct Rendered(pub String);

type Failure = Box<dyn Error + Sync + Send>;

impl<'a> FromSql<'a> for Rendered {
    fn from_sql(sql_type: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Rendered(render(sql_type, raw)?))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn render(sql_type: &Type, raw: &[u8]) -> Result<String, Failure> {
    if let Kind::Array(element) = sql_type.kind()
        && !matches!(*sql_type, Type::INT2_VECTOR | Type::OID_VECTOR)
    {
        return array(element, raw);
    }
    if let Kind::Composite(fields) = sql_type.kind() {
        return row(fields, raw);
    }
    if let Kind::Domain(base) = sql_type.kind() {
        return render(base, raw);
    }
    if let Kind::Range(element) = sql_type.kind() {
        return spelled::range(raw, |bound| render(element, bound));
    }
    if let Kind::Multirange(element) = sql_type.kind() {
        return spelled::multirange(raw, |bound| render(element, bound));
    }
    Ok(match *sql_type {
        Type::BOOL => if raw == [1] { "t" } else { "f" }.to_string(),
        Type::INT2 => i16::from_be_bytes(raw.try_into()?).to_string(),
        Type::INT4 => i32::from_be_bytes(raw.try_into()?).to_string(),
        Type::INT8 => i64::from_be_bytes(raw.try_into()?).to_string(),
        Type::OID | Type::XID | Type::CID => u32::from_be_bytes(raw.try_into()?).to_string(),
        Type::TID => {
            let (block, offset) = raw.split_at_checked(4).ok_or("a tid is too short")?;
            let (block, offset) = (
                u32::from_be_bytes(block.try_into()?),
                u16::from_be_bytes(offset.try_into()?),
            );
            format!("({block},{offset})")
        }
        Type::FLOAT4 => {
            let value = f32::from_be_bytes(raw.try_into()?);
            float(f64::from(value), &format!("{value:e}"), 6)
        }
        Type::FLOAT8 => {
            let value = f64::from_be_bytes(raw.try_into()?);
            float(value, &format!("{value:e}"), 15)
        }
        Type::NUMERIC => numeric(raw)?,
        Type::BYTEA => raw
            .iter()
            .fold("\\x".to_string(), |text, byte| text + &format!("{byte:02x}")),
        Type::DATE => date(i32::from_be_bytes(raw.try_into()?)),
        Type::TIME => time_of_day(i64::from_be_bytes(raw.try_into()?)),
        Type::TIMETZ => {
            let (clock, zone) = raw.split_at_checked(8).ok_or("a short time")?;
            time_of_day(i64::from_be_bytes(clock.try_into()?)) + &spelled::zone(i32::from_be_bytes(zone.try_into()?))
        }
        Type::BIT | Type::VARBIT => spelled::bits(raw)?,
        Type::INET | Type::CIDR => spelled::address(raw)?,
        Type::MACADDR | Type::MACADDR8 => spelled::hardware_address(raw),
        Type::MONEY => spelled::money(i64::from_be_bytes(raw.try_into()?)),
        Type::TIMESTAMP => timestamp(i64::from_be_bytes(raw.try_into()?), ""),
        Type::TIMESTAMPTZ => timestamp(i64::from_be_bytes(raw.try_into()?), "+00"),
        Type::INTERVAL => interval(raw)?,
        Type::UUID => uuid::Uuid::from_slice(raw)?.to_string(),
        Type::JSONB => String::from_utf8(raw.get(1..).ok_or("jsonb without its version byte")?.to_vec())?,
        _ => String::from_utf8(raw.to_vec())?,
    })
}

/// The number of fields, and of each its type and its value with the length in front. PostgreSQL names a field's domain, the server the type
/// below it, as both do of a column.
fn row(fields: &[tokio_postgres::types::Field], raw: &[u8]) -> Result<String, Failure> {
    let mut rest = raw;
    let mut take = |length: usize| -> Result<&[u8], Failure> {
        let (taken, after) = rest.split_at_checked(length).ok_or("a row ends early")?;
        rest = after;
        Ok(taken)
    };
    let count = i32::from_be_bytes(take(4)?.try_into()?);
    if usize::try_from(count)? != fields.len() {
        return Err(format!("{count} fields where the type has {}", fields.len()).into());
    }
    let mut shown = vec![];
    for field in fields {
        let oid = u32::from_be_bytes(take(4)?.try_into()?);
        let is_base = matches!(field.type_().kind(), Kind::Domain(base) if oid == base.oid());
        if oid != field.type_().oid() && !is_base {
            return Err(format!("a field of type {oid} where the type has {}", field.type_().oid()).into());
        }
        let length = i32::from_be_bytes(take(4)?.try_into()?);
        shown.push(match usize::try_from(length) {
            Ok(length) => in_row(&render(field.type_(), take(length)?)?),
            Err(_) => String::new(),
        });
    }
    match rest.is_empty() {
        true => Ok(format!("({})", shown.join(","))),
        false => Err("a row has more than its fields".into()),
    }
}

/// Quoted where a row's text would read as something else.
fn in_row(text: &str) -> String {
    let special = |character: char| matches!(character, '"' | '\\' | '(' | ')' | ',') || character.is_whitespace();
    match text.is_empty() || text.contains(special) {
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\"")),
        false => text.to_string(),
    }
}

/// PostgreSQL switches to an exponent below 10^-4 and from 10^`digits` on.
fn float(value: f64, shortest: &str, digits: i32) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let Some((mantissa, exponent)) = shortest.split_once('e') else {
        return shortest.to_string();
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.into();
    }
    if (-4..digits).contains(&exponent) {
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let point = exponent + 1;
        let text = if point <= 0 {
            format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
        } else if digits.len() <= point as usize {
            format!("{digits}{}", "0".repeat(point as usize - digits.len()))
        } else {
            format!("{}.{}", &digits[..point as usize], &digits[point as usize..])
        };
        return format!("{sign}{text}");
    }
    format!(
        "{mantissa}e{}{:02}",
        if exponent < 0 { '-' } else { '+' },
        exponent.abs()
    )
}

/// Groups of four decimal digits, with the weight of the first, a sign and a display scale.
fn numeric(raw: &[u8]) -> Result<String, Failure> {
    let word = |index: usize| -> Result<i16, Failure> {
        let bytes = raw.get(index * 2..index * 2 + 2).ok_or("a numeric ends early")?;
        Ok(i16::from_be_bytes(bytes.try_into()?))
    };
    let (groups, weight, sign, scale) = (word(0)?, word(1)?, word(2)? as u16, word(3)? as usize);
    match sign {
        0xC000 => return Ok("NaN".into()),
        0xD000 => return Ok("Infinity".into()),
        0xF000 => return Ok("-Infinity".into()),
        _ => {}
    }
    let group = |position: i16| -> Result<i16, Failure> {
        let index = weight - position;
        if (0..groups).contains(&index) {
            word(4 + index as usize)
        } else {
            Ok(0)
        }
    };
    let mut whole = String::new();
    for position in (0..=weight.max(0)).rev() {
        whole.push_str(&format!("{:04}", group(position)?));
    }
    let whole = whole.trim_start_matches('0');
    let mut fraction = String::new();
    for position in 1..=scale.div_ceil(4) as i16 {
        fraction.push_str(&format!("{:04}", group(-position)?));
    }
    fraction.truncate(scale);
    let minus = if sign == 0x4000 { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(if scale == 0 {
        format!("{minus}{whole}")
    } else {
        format!("{minus}{whole}.{fraction}")
    })
}

fn epoch() -> NaiveDate {
    NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default()
}

/// Years before 1 are written as PostgreSQL counts them, with `BC` at the end.
fn calendar(day: NaiveDate, rest: &str) -> String {
    use chrono::Datelike;
    if day.year() > 0 {
        format!("{:04}-{:02}-{:02}{rest}", day.year(), day.month(), day.day())
    } else {
        format!("{:04}-{:02}-{:02}{rest} BC", 1 - day.year(), day.month(), day.day())
    }
}

fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".into(),
        i32::MIN => "-infinity".into(),
        _ => calendar(epoch() + Duration::days(i64::from(days)), ""),
    }
}

fn time_of_day(microseconds: i64) -> String {
    let seconds = microseconds.div_euclid(1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    text + &fraction_of_second(microseconds.rem_euclid(1_000_000))
}

fn fraction_of_second(microseconds: i64) -> String {
    if microseconds == 0 {
        return String::new();
    }
    format!(".{microseconds:06}").trim_end_matches('0').to_string()
}

fn timestamp(microseconds: i64, zone: &str) -> String {
    match microseconds {
        i64::MAX => "infinity".into(),
        i64::MIN => "-infinity".into(),
        _ => {
            let start: DateTime<_> = NaiveDateTime::from(epoch()).and_utc();
            let moment = start + Duration::microseconds(microseconds);
            let clock = time_of_day(microseconds.rem_euclid(86_400_000_000));
            calendar(moment.date_naive(), &format!(" {clock}{zone}"))
        }
    }
}

/// The style `postgres`: 1 year 2 mons 3 days 04:05:06.
fn interval(raw: &[u8]) -> Result<String, Failure> {
    let microseconds = i64::from_be_bytes(raw.get(..8).ok_or("a short interval")?.try_into()?);
    let days = i32::from_be_bytes(raw.get(8..12).ok_or("a short interval")?.try_into()?);
    let months = i32::from_be_bytes(raw.get(12..16).ok_or("a short interval")?.try_into()?);
    let mut parts = Vec::new();
    let mut is_negative_before = false;
    let fields = [(months / 12, "year"), (months % 12, "mon"), (days, "day")];
    for (count, unit) in fields {
        if count != 0 {
            let plus = if is_negative_before && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            parts.push(format!("{plus}{count} {unit}{plural}"));
            is_negative_before = count < 0;
        }
    }
    if microseconds != 0 || parts.is_empty() {
        let sign = if microseconds < 0 {
            "-"
        } else if is_negative_before {
            "+"
        } else {
            ""
        };
        let absolute = i64::try_from(microseconds.unsigned_abs())?;
        parts.push(format!("{sign}{}", time_of_day(absolute)));
    }
    Ok(parts.join(" "))
}

fn array(element: &Type, raw: &[u8]) -> Result<String, Failure> {
    let integer = |offset: usize| -> Result<i32, Failure> {
        let bytes = raw.get(offset..offset + 4).ok_or("an array ends early")?;
        Ok(i32::from_be_bytes(bytes.try_into()?))
    };
    let dimensions = integer(0)? as usize;
    if dimensions == 0 {
        return Ok("{}".into());
    }
    let lengths = (0..dimensions).map(|index| integer(12 + index * 8).map(|length| length as usize));
    let lengths = lengths.collect::<Result<Vec<_>, _>>()?;
    let mut offset = 12 + dimensions * 8;
    let mut items = Vec::new();
    for _ in 0..lengths.iter().product() {
        let length = integer(offset)?;
        offset += 4;
        if length < 0 {
            items.push("NULL".to_string());
            continue;
        }
        let end = offset + length as usize;
        let value = render(element, raw.get(offset..end).ok_or("an array ends early")?)?;
        items.push(quoted_element(&value));
        offset = end;
    }
    for length in lengths.iter().rev() {
        items = items
            .chunks((*length).max(1))
            .map(|chunk| format!("{{{}}}", chunk.join(",")))
            .collect();
    }
    Ok(items.concat())
}

fn quoted_element(value: &str) -> String {
    let is_special = |c: char| c.is_whitespace() || "{},\"\\".contains(c);
    if !value.is_empty() && !value.eq_ignore_ascii_case("null") && !value.contains(is_special) {
        return value.to_string();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
