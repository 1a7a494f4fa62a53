//! Trigonometry; in degrees exact where the answer is.

use std::sync::Arc;

use datafusion::arrow::datatypes::Float64Type;
use datafusion::logical_expr::ScalarUDF;

use super::mathematics::{float, out_of_range};
use super::overload::{OverloadedFunction, kernel};
use crate::error::Result;

// As PostgreSQL has them: the platform's own.
unsafe extern "C" {
    safe fn erf(value: f64) -> f64;
    safe fn erfc(value: f64) -> f64;
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    macro_rules! of_float {
        ($($name:literal => $body:expr),+ $(,)?) => {
            vec![$(OverloadedFunction::immutable($name, vec![
                kernel("(float8) float8", |args| float(args, $body)),
            ])),+]
        };
    }
    let mut functions = of_float! {
        "sind" => |degrees| Ok(sine(degrees)),
        "cosd" => |degrees| Ok(sine(90.0 - degrees)),
        "tand" => |degrees| Ok(sine(degrees) / sine(90.0 - degrees)),
        "cotd" => |degrees| Ok(sine(90.0 - degrees) / sine(degrees)),
        "asind" => |value| Ok(exact_degrees(in_unit(value)?.asin())),
        "acosd" => |value| Ok(exact_degrees(in_unit(value)?.acos())),
        "atand" => |value| Ok(exact_degrees(value.atan())),
        "asin" => |value| Ok(in_unit(value)?.asin()),
        "acos" => |value| Ok(in_unit(value)?.acos()),
        "cot" => |value| Ok(1.0 / value.tan()),
        "erf" => |value| Ok(erf(value)),
        "erfc" => |value| Ok(erfc(value)),
        "degrees" => |value| Ok(value.to_degrees()),
        "radians" => |value| Ok(value * (std::f64::consts::PI / 180.0)),
    };
    functions.push(OverloadedFunction::immutable(
        "atan2d",
        vec![kernel("(float8, float8) float8", |args| {
            let (y, x) = (args.float8(0)?, args.float8(1)?);
            args.build::<Float64Type>(|row| Ok(y.get(row).zip(x.get(row)).map(|(y, x)| exact_degrees(y.atan2(x)))))
        })],
    ));
    functions
}

fn sine(degrees: f64) -> f64 {
    let reduced = degrees.rem_euclid(360.0);
    let (sign, reduced) = if reduced >= 180.0 {
        (-1.0, reduced - 180.0)
    } else {
        (1.0, reduced)
    };
    let reduced = if reduced > 90.0 { 180.0 - reduced } else { reduced };
    let value = match reduced {
        0.0 => 0.0,
        30.0 => 0.5,
        90.0 => 1.0,
        other => other.to_radians().sin(),
    };
    sign * value
}

/// Degrees of an angle; a whole number that rounding missed by a hair is meant.
fn exact_degrees(radians: f64) -> f64 {
    let degrees = radians.to_degrees();
    if (degrees - degrees.round()).abs() < 1e-12 {
        degrees.round()
    } else {
        degrees
    }
}

fn in_unit(value: f64) -> Result<f64> {
    match value.is_nan() || (-1.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(out_of_range("input is out of range")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_exact() {
        assert_eq!(sine(150.0), 0.5);
        assert_eq!(exact_degrees(0.5_f64.asin()), 30.0);
    }
}
