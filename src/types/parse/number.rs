//! Integers, floats and numerics as PostgreSQL reads them.

use std::fmt;

use datafusion::common::ScalarValue;

use super::invalid_syntax;
use crate::error::{Error, Result, SqlState};

const MAX_PRECISION: u8 = 38;

/// Reads a signed integer between the bounds, in decimal or with 0x, 0o, 0b; underscores may group digits.
pub fn parse_integer(text: &str, type_name: &str, minimum: i64, maximum: i64) -> Result<i64> {
    if let Some((value, None)) = plain_number(text.as_bytes()) {
        return match (minimum..=maximum).contains(&value) {
            true => Ok(value),
            false => Err(out_of_range(text, type_name)),
        };
    }
    let trimmed = trim(text);
    let (negative, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let magnitude = read_digits(digits).ok_or_else(|| invalid_syntax(type_name, text))?;
    let value = magnitude.map(|magnitude| if negative { -magnitude } else { magnitude });
    match value.and_then(|value| i64::try_from(value).ok()) {
        Some(value) if (minimum..=maximum).contains(&value) => Ok(value),
        _ => Err(out_of_range(text, type_name)),
    }
}

/// Up to 18 digits with an optional sign and perhaps a point among them, nearly every number: its digits, and how many of
/// them stand behind the point.
fn plain_number(text: &[u8]) -> Option<(i64, Option<usize>)> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (mut value, mut point) = (0_i64, None);
    for (position, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.wrapping_mul(10).wrapping_add(i64::from(byte - b'0')),
            b'.' if point.is_none() => point = Some(digits.len() - position - 1),
            _ => return None,
        }
    }
    let count = digits.len() - usize::from(point.is_some());
    (1..=18)
        .contains(&count)
        .then(|| (if negative { -value } else { value }, point))
}

/// `None` for malformed digits, `Some(None)` for too many.
fn read_digits(digits: &str) -> Option<Option<i128>> {
    let bytes = digits.as_bytes();
    let (radix, digits) = match bytes {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest.strip_prefix(b"_").unwrap_or(rest)),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest.strip_prefix(b"_").unwrap_or(rest)),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest.strip_prefix(b"_").unwrap_or(rest)),
        rest => (10, rest),
    };
    let mut value = Some(0_i128);
    let mut after_digit = false;
    for byte in digits {
        match char::from(*byte).to_digit(radix) {
            Some(digit) => {
                value = value.and_then(|value| value.checked_mul(i128::from(radix))?.checked_add(i128::from(digit)));
                after_digit = true;
            }
            None if *byte == b'_' && after_digit => after_digit = false,
            None => return None,
        }
    }
    after_digit.then_some(value)
}

fn out_of_range(text: &str, type_name: &str) -> Error {
    Error::new(
        SqlState::NumericValueOutOfRange,
        format!("value \"{text}\" is out of range for type {type_name}"),
    )
}

/// Reads an oid; as in PostgreSQL a negative number wraps.
pub fn parse_oid(text: &str) -> Result<u32> {
    let value = parse_integer(text, "oid", i64::from(i32::MIN), i64::from(u32::MAX))?;
    Ok(value as u32)
}

/// Reads a double precision number.
pub fn parse_float8(text: &str) -> Result<f64> {
    let value: f64 = read_float(text, "double precision")?;
    check_float(value.is_infinite(), value == 0.0, text, "double precision")?;
    Ok(value)
}

/// Reads a real.
pub fn parse_float4(text: &str) -> Result<f32> {
    let value: f32 = read_float(text, "real")?;
    check_float(value.is_infinite(), value == 0.0, text, "real")?;
    Ok(value)
}

fn read_float<F: std::str::FromStr>(text: &str, type_name: &str) -> Result<F> {
    let trimmed = trim(text);
    // Rust reads the same grammar: digits, exponent, inf, infinity and nan in any case.
    trimmed.parse().map_err(|_| invalid_syntax(type_name, text))
}

/// An infinity that no word named is overflow, a zero of digits other than zero is underflow.
fn check_float(infinite: bool, zero: bool, text: &str, type_name: &str) -> Result<()> {
    let mantissa = || text.split(['e', 'E']).next().unwrap_or(text);
    let overflow = infinite && !text.contains(['n', 'N']);
    let underflow = zero && mantissa().bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    match overflow || underflow {
        true => Err(Error::new(
            SqlState::NumericValueOutOfRange,
            format!("\"{}\" is out of range for type {type_name}", trim(text)),
        )),
        false => Ok(()),
    }
}

/// An exact decimal: `value * 10^-scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    pub value: i128,
    pub scale: i8,
}

impl Decimal {
    /// Decimal128 of exactly the digits that the number has.
    pub fn to_scalar(self) -> Result<ScalarValue> {
        let precision = digit_count(self.value).max(self.scale.max(1) as u8);
        match precision <= MAX_PRECISION {
            true => Ok(ScalarValue::Decimal128(Some(self.value), precision, self.scale)),
            false => Err(too_wide()),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = bytes::BytesMut::new();
        crate::types::text::write_decimal(self.value, self.scale, false, &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

fn digit_count(value: i128) -> u8 {
    value
        .unsigned_abs()
        .checked_ilog10()
        .map_or(1, |digits| digits as u8 + 1)
}

/// Reads a numeric of up to 38 digits.
pub fn parse_decimal(text: &str) -> Result<Decimal> {
    if let Some((value, behind)) = plain_number(text.as_bytes()) {
        return Ok(Decimal {
            value: value.into(),
            scale: behind.unwrap_or(0) as i8,
        });
    }
    let trimmed = trim(text);
    let invalid = || invalid_syntax("numeric", text);
    let (negative, unsigned) = match trimmed.as_bytes().first().ok_or_else(invalid)? {
        b'-' => (true, &trimmed[1..]),
        b'+' => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let lower = unsigned.to_ascii_lowercase();
    if matches!(lower.as_str(), "nan" | "inf" | "infinity") {
        return Err(Error::unsupported(format!("the numeric value {unsigned}")));
    }
    if lower.starts_with("0x") || lower.starts_with("0o") || lower.starts_with("0b") {
        let value = read_digits(unsigned).ok_or_else(invalid)?.ok_or_else(too_wide)?;
        return checked(if negative { -value } else { value }, 0);
    }
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(invalid());
            }
            (mantissa, exponent.parse::<i32>().map_err(|_| too_wide())?)
        }
        None => (lower.as_str(), 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if integer.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let mut value = 0_i128;
    for part in [integer, fraction] {
        let mut after_digit = part.is_empty();
        for byte in part.bytes() {
            match byte {
                b'0'..=b'9' => {
                    value = value
                        .checked_mul(10)
                        .and_then(|value| value.checked_add(i128::from(byte - b'0')))
                        .ok_or_else(too_wide)?;
                    after_digit = true;
                }
                b'_' if after_digit => after_digit = false,
                _ => return Err(invalid()),
            }
        }
        if !after_digit {
            return Err(invalid());
        }
    }
    let fraction_digits = fraction.bytes().filter(u8::is_ascii_digit).count() as i64;
    let mut scale = fraction_digits - i64::from(exponent);
    if scale < 0 {
        let power = 10_i128.checked_pow(scale.unsigned_abs().min(100) as u32);
        value = match value {
            0 => 0,
            value => power.and_then(|power| value.checked_mul(power)).ok_or_else(too_wide)?,
        };
        scale = 0;
    }
    // Zeros at the end that do not fit are no loss.
    while scale > i64::from(MAX_PRECISION) && value % 10 == 0 && value != 0 {
        value /= 10;
        scale -= 1;
    }
    if value == 0 {
        scale = scale.min(i64::from(MAX_PRECISION));
    }
    let scale = i8::try_from(scale)
        .ok()
        .filter(|scale| *scale <= MAX_PRECISION as i8)
        .ok_or_else(too_wide)?;
    checked(if negative { -value } else { value }, scale)
}

fn checked(value: i128, scale: i8) -> Result<Decimal> {
    match digit_count(value) <= MAX_PRECISION {
        true => Ok(Decimal { value, scale }),
        false => Err(too_wide()),
    }
}

fn too_wide() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
        .with_detail("A numeric holds at most 38 digits.")
}

/// Brings a decimal to a column's precision and scale, rounding half away from zero.
pub fn fit_decimal(decimal: Decimal, precision: u8, scale: i8) -> Result<i128> {
    let shift = i32::from(scale) - i32::from(decimal.scale);
    let overflow = || {
        let digits = i32::from(precision) - i32::from(scale);
        Error::new(SqlState::NumericValueOutOfRange, "numeric field overflow").with_detail(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than {}.",
            if digits > 0 {
                format!("10^{digits}")
            } else {
                "1".to_string()
            }
        ))
    };
    let value = if shift >= 0 {
        let power = 10_i128.checked_pow(shift as u32);
        match decimal.value {
            0 => 0,
            value => power.and_then(|power| value.checked_mul(power)).ok_or_else(overflow)?,
        }
    } else {
        round_away(decimal.value, shift.unsigned_abs())
    };
    match value == 0 || digit_count(value) <= precision {
        true => Ok(value),
        false => Err(overflow()),
    }
}

/// Divides by a power of ten, rounding half away from zero.
fn round_away(value: i128, digits: u32) -> i128 {
    let Some(power) = 10_i128.checked_pow(digits) else {
        return 0;
    };
    let (quotient, remainder) = (value / power, value % power);
    match remainder.unsigned_abs() >= power.unsigned_abs().div_ceil(2) {
        true => quotient + value.signum(),
        false => quotient,
    }
}

/// C's isspace, as the input functions skip it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c'])
}
