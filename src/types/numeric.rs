//! PostgreSQL's numeric arithmetic on scaled integers: how many digits a quotient, root or logarithm has, and
//! how each is rounded. Results whose digits depend on the value travel as `COMPUTED_NUMERIC`.

use std::cmp::Ordering;
use std::sync::LazyLock;

use datafusion::arrow::datatypes::{DataType, i256};

use self::division::{divide_magnitudes, wide_product, without_digits, without_zeros};
use self::roots::integer_root;
use crate::error::{Error, Result, SqlState};

/// Precision and scale that carry a computed numeric; the digits that it shows follow from its value.
pub const COMPUTED_NUMERIC: (u8, i8) = (76, 38);
/// The layout of computed numerics.
pub const COMPUTED_LAYOUT: DataType = DataType::Decimal256(COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1);
/// Digits behind the point that a computed numeric can hold.
pub const MAX_SCALE: i32 = 38;
/// Digits behind the point to which roots are computed.
const MAX_ROOT_SCALE: i32 = 30;
/// PostgreSQL's NUMERIC_MIN_SIG_DIGITS.
const SIGNIFICANT_DIGITS: i32 = 16;
/// Decimal digits in one digit of PostgreSQL's numeric.
const GROUP: i32 = 4;

/// An exact number: `value * 10^-scale`, shown with `scale` digits behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    pub value: i256,
    pub scale: i32,
}

static POWERS: LazyLock<Vec<i256>> = LazyLock::new(|| {
    let ten = i256::from_i128(10);
    std::iter::successors(Some(i256::ONE), |power| power.checked_mul(ten))
        .take(77)
        .collect()
});

/// The powers of ten of one word.
const SMALL_POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = 10 * powers[exponent - 1];
        exponent += 1;
    }
    powers
};

/// 10^exponent; `None` past 76.
pub fn power_of_ten(exponent: i32) -> Option<i256> {
    usize::try_from(exponent)
        .ok()
        .and_then(|exponent| POWERS.get(exponent).copied())
}

/// Whether exact numbers of these layouts need more digits together than one layout of 38 has, so that they have to travel as
/// computed ones. Where one already is, the engine makes all the others like it.
pub fn exceed_one_layout<'a>(layouts: impl IntoIterator<Item = &'a DataType>) -> bool {
    let (mut before, mut behind) = (0, 0);
    for layout in layouts {
        let (whole, scale) = match layout {
            DataType::Int16 => (5, 0),
            DataType::Int32 => (10, 0),
            DataType::Int64 => (19, 0),
            DataType::Decimal128(precision, scale) => (i32::from(*precision) - i32::from(*scale), i32::from(*scale)),
            _ => return false,
        };
        (before, behind) = (before.max(whole), behind.max(scale));
    }
    before + behind > MAX_SCALE
}

/// 22003 as PostgreSQL words it for numeric.
pub fn overflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
}

/// Below which magnitude every dividend, with `scale` digits behind the point, has a quotient by the divisor that is
/// computed to at least `wanted` digits behind the point.
pub fn exact_below(scale: i32, divisor: i64, divisor_scale: i32, wanted: i32) -> Option<i128> {
    let (divisor_weight, _, _) = Number::new(divisor.into(), divisor_scale).leading();
    // The quotient's weight is at most the difference of the weights.
    let weight = divisor_weight + (SIGNIFICANT_DIGITS - wanted).div_euclid(GROUP);
    let exponent = u32::try_from((weight + 1) * GROUP + scale).ok()?;
    10_i128.checked_pow(exponent.min(38))
}

fn division_by_zero() -> Error {
    Error::new(SqlState::DivisionByZero, "division by zero")
}

/// The quotient of magnitudes, which is less than 2^40, and whether nothing is left.
fn small_quotient(dividend: i256, divisor: i256) -> (i256, bool) {
    let mut quotient = i256::from_i128((to_float(dividend) / to_float(divisor)) as i128);
    let mut product = divisor.wrapping_mul(quotient);
    while product > dividend {
        (quotient, product) = (quotient.wrapping_sub(i256::ONE), product.wrapping_sub(divisor));
    }
    while dividend.wrapping_sub(product) >= divisor {
        (quotient, product) = (quotient.wrapping_add(i256::ONE), product.wrapping_add(divisor));
    }
    (quotient, product == dividend)
}

fn to_float(value: i256) -> f64 {
    let (low, high) = value.wrapping_abs().to_parts();
    let magnitude = (high as u128) as f64 * 2_f64.powi(128) + low as f64;
    if value.is_negative() { -magnitude } else { magnitude }
}

/// The exponent of the power of ten that a magnitude's first digit has; `None` for zero.
fn first_exponent(magnitude: i256) -> Option<i32> {
    let (low, high) = magnitude.to_parts();
    let bits = match high {
        0 => 128 - low.leading_zeros(),
        high => 256 - high.leading_zeros(),
    };
    if bits == 0 {
        return None;
    }
    // A bit is 0.30103 digits.
    let guess = ((bits * 1233) >> 12) as i32;
    let reaches = |exponent: i32| power_of_ten(exponent).is_some_and(|power| magnitude >= power);
    Some(
        (guess - 1..=guess + 1)
            .rev()
            .find(|exponent| reaches(*exponent))
            .unwrap_or_default(),
    )
}

/// The digits behind the point that a computed number of this magnitude, with this scale, shows at least; `None` for zero.
fn shown_scale(magnitude: i256, scale: i32) -> Option<i32> {
    let weight = (first_exponent(magnitude)? - scale).div_euclid(GROUP);
    let exponent = weight * GROUP + scale;
    // A power of PostgreSQL's base counts as the largest number below it.
    let is_power = exponent >= 0 && power_of_ten(exponent) == Some(magnitude);
    let weight = weight - i32::from(is_power);
    Some((SIGNIFICANT_DIGITS - weight * GROUP).clamp(0, MAX_SCALE))
}

/// The value times 10^exponent; `None` where it overflows.
fn scaled_up(value: i256, exponent: i32) -> Option<i256> {
    let power = power_of_ten(exponent)?;
    match (value.to_i128(), power.to_parts()) {
        // Less than 2^127 each.
        (Some(narrow), (power, 0)) if narrow != i128::MIN && power >> 127 == 0 => {
            let product = wide_product(narrow.unsigned_abs(), power);
            Some(if narrow < 0 { product.wrapping_neg() } else { product })
        }
        _ => value.checked_mul(power),
    }
}

/// Quotient rounded half away from zero.
fn divide_rounded(dividend: i256, divisor: i256) -> i256 {
    if let (Some(dividend), Some(divisor)) = (dividend.to_i128(), divisor.to_i128()) {
        let quotient = dividend.wrapping_div(divisor);
        let remainder = dividend.wrapping_sub(quotient.wrapping_mul(divisor));
        let is_up = remainder.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2);
        let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
        return i256::from_i128(if remainder != 0 && is_up {
            quotient + away
        } else {
            quotient
        });
    }
    let (quotient, rest) = divide_magnitudes(dividend.wrapping_abs(), divisor.wrapping_abs());
    // What is missing to the next multiple is no more than what is left.
    let is_up = rest != i256::ZERO && divisor.wrapping_abs().wrapping_sub(rest) <= rest;
    let quotient = quotient.wrapping_add(if is_up { i256::ONE } else { i256::ZERO });
    match dividend.is_negative() == divisor.is_negative() {
        true => quotient,
        false => quotient.wrapping_neg(),
    }
}

impl Number {
    pub fn new(value: i128, scale: i32) -> Number {
        Number {
            value: i256::from_i128(value),
            scale,
        }
    }

    /// A computed numeric as it is carried: its zeros at the end are no digits of it.
    pub fn computed(carried: i256) -> Number {
        let magnitude = carried.wrapping_abs();
        // Most have no more digits than the shown ones.
        if let Some(scale) = shown_scale(magnitude, MAX_SCALE)
            && let Some(shown) = without_digits(magnitude, MAX_SCALE - scale)
        {
            let value = if carried.is_negative() {
                shown.wrapping_neg()
            } else {
                shown
            };
            return Number { value, scale };
        }
        let mut number = Number {
            value: carried,
            scale: MAX_SCALE,
        }
        .trimmed();
        number.scale_up_to(number.natural_scale());
        number
    }

    /// Without zeros at the end of its fraction.
    pub fn trimmed(self) -> Number {
        if self.value == i256::ZERO {
            return Number { scale: 0, ..self };
        }
        let (magnitude, scale) = without_zeros(self.value.wrapping_abs(), self.scale);
        let value = match self.value.is_negative() {
            true => magnitude.wrapping_neg(),
            false => magnitude,
        };
        Number { value, scale }
    }

    fn scale_up_to(&mut self, scale: i32) {
        if scale > self.scale
            && let Some(value) = scaled_up(self.value, scale - self.scale)
        {
            (self.value, self.scale) = (value, scale);
        }
    }

    /// The value as it is carried.
    pub fn to_carried(self) -> Result<i256> {
        self.rounded(MAX_SCALE)?.limited().ok_or_else(overflow)
    }

    fn limited(self) -> Option<i256> {
        let limit = power_of_ten(i32::from(COMPUTED_NUMERIC.0))?;
        (self.value.wrapping_abs() < limit).then_some(self.value)
    }

    /// The same number with another scale, rounded half away from zero.
    pub fn rounded(self, scale: i32) -> Result<Number> {
        let value = match scale.cmp(&self.scale) {
            Ordering::Equal => self.value,
            Ordering::Greater => scaled_up(self.value, scale - self.scale).ok_or_else(overflow)?,
            Ordering::Less => match power_of_ten(self.scale - scale) {
                Some(power) => divide_rounded(self.value, power),
                None => i256::ZERO,
            },
        };
        Ok(Number { value, scale })
    }

    /// The same number cut to a scale.
    pub fn truncated(self, scale: i32) -> Result<Number> {
        if scale >= self.scale {
            return self.rounded(scale);
        }
        let value = power_of_ten(self.scale - scale).map_or(i256::ZERO, |power| self.value.wrapping_div(power));
        Ok(Number { value, scale })
    }

    /// The value as a 128-bit integer of this scale; `None` where it does not fit.
    pub fn to_i128(self) -> Option<i128> {
        self.value.to_i128()
    }

    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Weight and first digit of PostgreSQL's base-10000 form, and whether nothing follows the first digit.
    pub(super) fn leading(self) -> (i32, i256, bool) {
        if let Some(value) = self.value.to_i128().and_then(|value| i64::try_from(value).ok()) {
            let magnitude = value.unsigned_abs();
            let digits = magnitude.checked_ilog10().unwrap_or_default() as i32;
            let weight = (digits - self.scale).div_euclid(GROUP);
            // At most as many as there are digits.
            if let Some(power) = usize::try_from(weight * GROUP + self.scale)
                .ok()
                .and_then(|exponent| SMALL_POWERS.get(exponent))
                && magnitude > 0
            {
                let first = magnitude / power;
                return (weight, i256::from_i128(first.into()), first * power == magnitude);
            }
        }
        let magnitude = self.value.wrapping_abs();
        let Some(digits) = first_exponent(magnitude) else {
            return (0, i256::ZERO, true);
        };
        let weight = (digits - self.scale).div_euclid(GROUP);
        let exponent = weight * GROUP + self.scale;
        match exponent >= 0 {
            true => {
                let power = power_of_ten(exponent).unwrap_or(i256::ONE);
                let (first, is_whole) = small_quotient(magnitude, power);
                (weight, first, is_whole)
            }
            false => (
                weight,
                magnitude.wrapping_mul(power_of_ten(-exponent).unwrap_or(i256::ONE)),
                true,
            ),
        }
    }

    /// The digits behind the point of a quotient of this value, as far as the value alone tells.
    pub fn natural_scale(self) -> i32 {
        let scale = shown_scale(self.value.wrapping_abs(), self.scale);
        scale.unwrap_or((SIGNIFICANT_DIGITS + GROUP).min(MAX_SCALE))
    }

    /// PostgreSQL's select_div_scale().
    pub fn quotient_scale(self, divisor: Number) -> i32 {
        let (weight, first, _) = self.leading();
        let (divisor_weight, divisor_first, _) = divisor.leading();
        let quotient_weight = weight - divisor_weight - i32::from(first <= divisor_first);
        let scale = SIGNIFICANT_DIGITS - quotient_weight * GROUP;
        scale.max(self.scale).max(divisor.scale).clamp(0, MAX_SCALE)
    }

    pub fn divide(self, divisor: Number) -> Result<Number> {
        self.divide_to(divisor, self.quotient_scale(divisor))
    }

    /// The quotient rounded to a scale.
    pub fn divide_to(self, divisor: Number, scale: i32) -> Result<Number> {
        if divisor.value == i256::ZERO {
            return Err(division_by_zero());
        }
        let shift = scale + divisor.scale - self.scale;
        let (dividend, by) = match shift >= 0 {
            true => (scaled_up(self.value, shift), Some(divisor.value)),
            false => (Some(self.value), scaled_up(divisor.value, -shift)),
        };
        match (dividend, by) {
            (Some(dividend), Some(by)) => Ok(Number {
                value: divide_rounded(dividend, by),
                scale,
            }),
            // Fewer digits than PostgreSQL computes are better than none.
            _ if scale > 0 => self.divide_to(divisor, scale - 1),
            _ => Err(overflow()),
        }
    }

    /// The whole part of a quotient.
    pub fn whole_quotient(self, divisor: Number) -> Result<Number> {
        let (left, right, _) = self.aligned(divisor)?;
        if right == i256::ZERO {
            return Err(division_by_zero());
        }
        Ok(Number {
            value: left.wrapping_div(right),
            scale: 0,
        })
    }

    pub fn remainder(self, divisor: Number) -> Result<Number> {
        let (left, right, scale) = self.aligned(divisor)?;
        if right == i256::ZERO {
            return Err(division_by_zero());
        }
        Ok(Number {
            value: left.wrapping_rem(right),
            scale,
        })
    }

    pub fn multiply(self, factor: Number) -> Result<Number> {
        let scale = self.scale + factor.scale;
        if let Some(value) = self.value.checked_mul(factor.value) {
            return Number { value, scale }.rounded(scale.min(MAX_SCALE));
        }
        let (left, right) = (self.trimmed(), factor.trimmed());
        let value = left.value.checked_mul(right.value).ok_or_else(overflow)?;
        let scale = left.scale + right.scale;
        Number { value, scale }.rounded(scale.min(MAX_SCALE))
    }

    pub fn plus(self, other: Number) -> Result<Number> {
        let (left, right, scale) = self.aligned(other)?;
        let value = left.checked_add(right).ok_or_else(overflow)?;
        Ok(Number { value, scale })
    }

    pub fn compare(self, other: Number) -> Ordering {
        match self.aligned(other) {
            Ok((left, right, _)) => left.cmp(&right),
            Err(_) => self.to_f64().total_cmp(&other.to_f64()),
        }
    }

    fn aligned(self, other: Number) -> Result<(i256, i256, i32)> {
        let scale = self.scale.max(other.scale);
        Ok((self.rounded(scale)?.value, other.rounded(scale)?.value, scale))
    }

    /// The square root, with PostgreSQL's digits.
    pub fn square_root(self) -> Result<Number> {
        let (weight, _, _) = self.leading();
        // Half as many digits before the point as the argument has, as far as its groups tell.
        let scale = SIGNIFICANT_DIGITS - (2 * weight + 1);
        self.square_root_to(scale.max(self.scale).clamp(0, MAX_ROOT_SCALE))
    }

    /// The square root rounded to a scale.
    pub fn square_root_to(self, scale: i32) -> Result<Number> {
        if self.value.is_negative() {
            return Err(Error::new(
                SqlState::InvalidArgumentForPowerFunction,
                "cannot take square root of a negative number",
            ));
        }
        let digits = scale.min(MAX_ROOT_SCALE);
        let square = self.rounded(2 * (digits + 1)).or_else(|_| self.rounded(2 * digits))?;
        let root = Number {
            value: integer_root(square.value),
            scale: square.scale / 2,
        };
        root.rounded(scale)
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.value.wrapping_abs().to_string();
        let scale = self.scale.max(0) as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let sign = if self.value.is_negative() { "-" } else { "" };
        match fraction {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

mod division;
mod roots;
#[cfg(test)]
mod tests;
