//! Exponentials, logarithms and powers of numerics, in fixed point with more digits than PostgreSQL shows.

use std::sync::LazyLock;

use datafusion::arrow::datatypes::i256;

use super::numeric::{MAX_SCALE, Number, overflow, power_of_ten};
use crate::error::{Error, Result, SqlState};

/// Digits behind the point while computing: a product of two still fits 256 bits.
const WORKING: i32 = 34;
const SIGNIFICANT_DIGITS: i32 = 16;

fn one() -> i256 {
    power_of_ten(WORKING).unwrap_or(i256::ONE)
}

fn multiplied(left: i256, right: i256) -> i256 {
    left.wrapping_mul(right).wrapping_div(one())
}

fn small(value: i128) -> i256 {
    i256::from_i128(value)
}

/// e^x for |x| below 1 by its series.
fn exponential_series(x: i256) -> i256 {
    let (mut term, mut sum) = (one(), one());
    for step in 1..200 {
        term = multiplied(term, x).wrapping_div(small(step));
        if term == i256::ZERO {
            break;
        }
        sum = sum.wrapping_add(term);
    }
    sum
}

/// ln(x) for x between 1/2 and 2 by the series of atanh.
fn logarithm_series(x: i256) -> i256 {
    let ratio = x
        .wrapping_sub(one())
        .wrapping_mul(one())
        .wrapping_div(x.wrapping_add(one()));
    let square = multiplied(ratio, ratio);
    let (mut power, mut sum) = (ratio, ratio);
    for step in (3..400).step_by(2) {
        power = multiplied(power, square);
        let term = power.wrapping_div(small(step));
        if term == i256::ZERO {
            break;
        }
        sum = sum.wrapping_add(term);
    }
    sum.wrapping_add(sum)
}

/// ln of a positive number in working digits.
fn logarithm(number: Number) -> Result<i256> {
    // number = mantissa * 10^exponent with a mantissa in [1, 10), then halved until it is below 2.
    let digits = number.value.checked_ilog10().ok_or_else(overflow)? as i32;
    let exponent = digits - number.scale;
    let mantissa = match WORKING - digits {
        up if up >= 0 => power_of_ten(up).map(|power| number.value.wrapping_mul(power)),
        down => power_of_ten(-down).map(|power| number.value.wrapping_div(power)),
    };
    let mut mantissa = mantissa.ok_or_else(overflow)?;
    let (two, mut halvings) = (small(2), 0);
    let bound = one().wrapping_add(one().wrapping_div(two));
    while mantissa > bound {
        mantissa = mantissa.wrapping_div(two);
        halvings += 1;
    }
    let ln_two = logarithm_series(one().wrapping_mul(two));
    Ok(logarithm_series(mantissa)
        .wrapping_add(ln_two.wrapping_mul(small(halvings)))
        .wrapping_add(ln_ten().wrapping_mul(small(i128::from(exponent)))))
}

/// ln 10 = 3 ln 2 + ln 5/4.
fn ln_ten() -> i256 {
    static VALUE: LazyLock<i256> = LazyLock::new(|| {
        let ln_two = logarithm_series(one().wrapping_mul(small(2)));
        logarithm_series(one().wrapping_mul(small(5)).wrapping_div(small(4)))
            .wrapping_add(ln_two.wrapping_mul(small(3)))
    });
    *VALUE
}

fn working(value: i256) -> Number {
    Number { value, scale: WORKING }
}

/// Digits before the point of a power of e: the decimal weight of the answer.
fn decimal_weight(logarithm: Number) -> i32 {
    (logarithm.to_f64() / std::f64::consts::LN_10).trunc() as i32
}

fn checked_positive(number: Number) -> Result<()> {
    let message = if number.value == i256::ZERO {
        "cannot take logarithm of zero"
    } else if number.value.is_negative() {
        "cannot take logarithm of a negative number"
    } else {
        return Ok(());
    };
    Err(Error::new(SqlState::InvalidArgumentForLogarithm, message))
}

impl Number {
    /// PostgreSQL's exp(): 16 significant digits at least.
    pub fn exponential(self) -> Result<Number> {
        let scale = (SIGNIFICANT_DIGITS - decimal_weight(self))
            .max(self.scale)
            .clamp(0, MAX_SCALE);
        self.exponential_to(scale)
    }

    fn exponential_to(self, scale: i32) -> Result<Number> {
        let exponent = self.to_f64();
        if exponent > 75.0 * std::f64::consts::LN_10 {
            return Err(overflow());
        }
        if exponent < -f64::from(scale + 1) * std::f64::consts::LN_10 {
            return Ok(Number {
                value: i256::ZERO,
                scale,
            });
        }
        // e^x = 10^k e^r with a small r, whose power is squared up from an eighth of it.
        let tens = (exponent / std::f64::consts::LN_10).floor() as i32;
        let rest = self
            .rounded(WORKING)?
            .value
            .wrapping_sub(ln_ten().wrapping_mul(small(i128::from(tens))));
        let mut power = exponential_series(rest.wrapping_div(small(8)));
        for _ in 0..3 {
            power = multiplied(power, power);
        }
        let result = Number {
            value: power,
            scale: WORKING - tens,
        };
        result.rounded(scale)
    }

    /// PostgreSQL's ln().
    pub fn natural_logarithm(self) -> Result<Number> {
        checked_positive(self)?;
        let result = working(logarithm(self)?);
        let scale = (SIGNIFICANT_DIGITS - logarithm_weight(self)).max(self.scale);
        result.rounded(scale.clamp(0, MAX_SCALE))
    }

    /// PostgreSQL's log() to base 10.
    pub fn common_logarithm(self) -> Result<Number> {
        Number::new(10, 0).logarithm_of(self)
    }

    /// The logarithm of a number to this base.
    pub fn logarithm_of(self, number: Number) -> Result<Number> {
        checked_positive(self)?;
        checked_positive(number)?;
        let base = logarithm(self)?;
        if base == i256::ZERO {
            return Err(Error::new(SqlState::DivisionByZero, "division by zero"));
        }
        let result = logarithm(number)?.wrapping_mul(one()).wrapping_div(base);
        // One digit less carries no error of the working digits.
        let result = working(result).rounded(WORKING - 2)?;
        let weight = logarithm_weight(number) - logarithm_weight(self);
        let scale = (SIGNIFICANT_DIGITS - weight).max(self.scale).max(number.scale);
        result.rounded(scale.clamp(0, MAX_SCALE))
    }

    /// PostgreSQL's power(): exact for whole exponents, as far as the digits go.
    pub fn power(self, exponent: Number) -> Result<Number> {
        let refused = |message: &str| Error::new(SqlState::InvalidArgumentForPowerFunction, message);
        let whole = exponent.trimmed();
        let whole = if whole.scale == 0 { whole.to_i128() } else { None };
        if self.value == i256::ZERO {
            return match exponent.value.is_negative() {
                true => Err(refused("zero raised to a negative power is undefined")),
                false if exponent.value == i256::ZERO => Ok(Number::new(1, 0).rounded(SIGNIFICANT_DIGITS)?),
                false => Ok(Number::new(0, 0).rounded(SIGNIFICANT_DIGITS)?),
            };
        }
        if self.value.is_negative() && whole.is_none() {
            return Err(refused(
                "a negative number raised to a non-integer power yields a complex result",
            ));
        }
        let magnitude_of_base = Number {
            value: self.value.wrapping_abs(),
            ..self
        };
        let estimate = magnitude_of_base.to_f64().ln() * exponent.to_f64();
        let weight = (estimate / std::f64::consts::LN_10).trunc() as i32;
        let scale = SIGNIFICANT_DIGITS
            .saturating_sub(weight)
            .max(self.scale)
            .max(exponent.scale)
            .clamp(0, MAX_SCALE);
        if let Some(whole) = whole
            && whole.unsigned_abs() <= 512
            && let Some(result) = self.whole_power(whole, scale)
        {
            return Ok(result);
        }
        let logarithm = working(logarithm(magnitude_of_base)?);
        let product = logarithm.multiply(exponent)?.rounded(WORKING)?;
        let magnitude = product.exponential_to(scale)?;
        match self.value.is_negative() && whole.is_some_and(|whole| whole % 2 != 0) {
            true => Ok(Number {
                value: magnitude.value.wrapping_neg(),
                ..magnitude
            }),
            false => Ok(magnitude),
        }
    }

    /// Repeated multiplication; `None` where the digits do not fit.
    fn whole_power(self, exponent: i128, scale: i32) -> Option<Number> {
        let base = self.trimmed();
        let mut result = Number::new(1, 0);
        for _ in 0..exponent.unsigned_abs() {
            let value = result.value.checked_mul(base.value)?;
            result = Number {
                value,
                scale: result.scale + base.scale,
            };
        }
        match exponent < 0 {
            true => Number::new(1, 0).divide_to(result, scale).ok(),
            false => result.rounded(scale).ok(),
        }
    }
}

/// PostgreSQL's estimate_ln_dweight(): the decimal weight of a natural logarithm, by which its digits are chosen.
fn logarithm_weight(number: Number) -> i32 {
    let value = number.to_f64();
    if !(0.9..=1.1).contains(&value) {
        return value.ln().abs().log10().trunc() as i32;
    }
    // ln(1 + x) is about x there; its first digit of PostgreSQL's base counts.
    match number.plus(Number::new(-1, 0)) {
        Ok(rest) if rest.value != i256::ZERO => {
            let (weight, first, _) = rest.leading();
            weight * 4 + first.checked_ilog10().unwrap_or_default() as i32
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of PostgreSQL 15.
    #[test]
    fn transcendental_functions_have_postgres_digits() {
        let number = |value, scale| Number::new(value, scale);
        assert_eq!(number(10, 1).exponential().unwrap().to_string(), "2.7182818284590452");
        assert_eq!(
            number(20, 1).natural_logarithm().unwrap().to_string(),
            "0.6931471805599453"
        );
        assert_eq!(
            number(105, 1).natural_logarithm().unwrap().to_string(),
            "2.3513752571634777"
        );
        assert_eq!(
            number(1000, 1).common_logarithm().unwrap().to_string(),
            "2.0000000000000000"
        );
        assert_eq!(
            number(2, 0).logarithm_of(number(8, 0)).unwrap().to_string(),
            "3.0000000000000000"
        );
        assert_eq!(
            number(20, 1).power(number(3, 0)).unwrap().to_string(),
            "8.0000000000000000"
        );
        assert_eq!(
            number(2, 0).power(number(5, 1)).unwrap().to_string(),
            "1.4142135623730950"
        );
    }
}
