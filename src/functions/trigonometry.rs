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
        "sind" => sine,
        "cosd" => cosine,
        "tand" => tangent,
        "cotd" => cotangent,
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

/// An angle brought to the first quadrant, with the signs that its sine and its cosine have.
struct Angle {
    degrees: f64,
    sine: f64,
    cosine: f64,
}

impl Angle {
    fn of(degrees: f64) -> Result<Angle> {
        if degrees.is_infinite() {
            return Err(out_of_range("input is out of range"));
        }
        let mut angle = Angle {
            degrees: degrees % 360.0,
            sine: 1.0,
            cosine: 1.0,
        };
        if angle.degrees < 0.0 {
            angle.degrees = -angle.degrees;
            angle.sine = -angle.sine;
        }
        if angle.degrees > 180.0 {
            angle.degrees = 360.0 - angle.degrees;
            angle.sine = -angle.sine;
        }
        if angle.degrees > 90.0 {
            angle.degrees = 180.0 - angle.degrees;
            angle.cosine = -angle.cosine;
        }
        Ok(angle)
    }
}

fn sine(degrees: f64) -> Result<f64> {
    let angle = Angle::of(degrees)?;
    Ok(angle.sine * first_quadrant_sine(angle.degrees))
}

fn cosine(degrees: f64) -> Result<f64> {
    let angle = Angle::of(degrees)?;
    Ok(angle.cosine * first_quadrant_cosine(angle.degrees))
}

fn tangent(degrees: f64) -> Result<f64> {
    let of = |degrees| first_quadrant_sine(degrees) / first_quadrant_cosine(degrees);
    let angle = Angle::of(degrees)?;
    let value = of(angle.degrees) / of(45.0);
    Ok(without_negative_zero(angle.sine * angle.cosine * value))
}

fn cotangent(degrees: f64) -> Result<f64> {
    let of = |degrees| first_quadrant_cosine(degrees) / first_quadrant_sine(degrees);
    let angle = Angle::of(degrees)?;
    let value = of(angle.degrees) / of(45.0);
    Ok(without_negative_zero(angle.sine * angle.cosine * value))
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// The sine of an angle of 0 to 90 degrees, computed so that it is exact where the answer is.
fn first_quadrant_sine(degrees: f64) -> f64 {
    match degrees <= 30.0 {
        true => small_sine(degrees),
        false => small_cosine(90.0 - degrees),
    }
}

fn first_quadrant_cosine(degrees: f64) -> f64 {
    match degrees <= 60.0 {
        true => small_cosine(degrees),
        false => small_sine(90.0 - degrees),
    }
}

/// Of 0 to 30 degrees, as a part of what 30 degrees have.
fn small_sine(degrees: f64) -> f64 {
    (degrees * RADIANS_PER_DEGREE).sin() / (30.0 * RADIANS_PER_DEGREE).sin() / 2.0
}

/// Of 0 to 60 degrees, as a part of what 60 degrees have.
fn small_cosine(degrees: f64) -> f64 {
    let missing = |degrees: f64| 1.0 - (degrees * RADIANS_PER_DEGREE).cos();
    1.0 - missing(degrees) / missing(60.0) / 2.0
}

fn without_negative_zero(value: f64) -> f64 {
    match value == 0.0 {
        true => 0.0,
        false => value,
    }
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
        assert_eq!(sine(150.0).unwrap(), 0.5);
        assert_eq!(cosine(-120.0).unwrap(), -0.5);
        assert_eq!(tangent(225.0).unwrap(), 1.0);
        for zero in [
            sine(180.0),
            sine(360.0),
            cosine(270.0),
            tangent(180.0),
            cotangent(270.0),
        ] {
            assert_eq!(zero.unwrap().to_bits(), 0);
        }
        assert_eq!(cotangent(180.0).unwrap(), f64::NEG_INFINITY);
        assert!(sine(f64::INFINITY).is_err() && sine(f64::NAN).unwrap().is_nan());
        assert_eq!(exact_degrees(0.5_f64.asin()), 30.0);
    }
}
