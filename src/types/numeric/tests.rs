//! Numerics have PostgreSQL's digits, and the same by every way of computing them.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn number(text: &str) -> Number {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    Number::new(format!("{whole}{fraction}").parse().unwrap(), fraction.len() as i32)
}

/// Answers of PostgreSQL 15.
#[test]
fn quotients_have_postgres_digits() {
    for (left, right, expected) in [
        ("7.0", "2", "3.5000000000000000"),
        ("1", "3.0", "0.33333333333333333333"),
        ("100000", "3.0", "33333.333333333333"),
        ("1.0", "1", "1.00000000000000000000"),
        ("0", "5.0", "0.00000000000000000000"),
        ("12345", "1.0", "12345.0000000000000000"),
        ("99999", "100.0", "999.9900000000000000"),
        ("0.00005", "3", "0.000016666666666666666667"),
        ("-7.0", "2", "-3.5000000000000000"),
    ] {
        assert_eq!(number(left).divide(number(right)).unwrap().to_string(), expected);
    }
}

#[test]
fn a_carried_quotient_shows_its_digits_again() {
    for text in [
        "3.5000000000000000",
        "0.33333333333333333333",
        "33333.333333333333",
        "-16.2500000000000000",
    ] {
        let carried = number(text).to_carried().unwrap();
        assert_eq!(Number::computed(carried).to_string(), text);
    }
}

#[test]
fn small_and_large_values_have_the_same_digits() {
    let large = i256::from_i128(10_i128.pow(30));
    for value in [
        1_i64,
        7,
        10,
        9_999,
        10_000,
        120_000,
        -5_500,
        1 << 40,
        i64::MAX,
        i64::MIN,
    ] {
        for scale in 0..30 {
            let small = Number::new(value.into(), scale);
            let wide = Number {
                value: small.value.wrapping_mul(large),
                scale: scale + 30,
            };
            assert_eq!(small.trimmed(), wide.trimmed(), "{small}");
            assert_eq!(small.leading().0, wide.leading().0, "{small}");
            assert_eq!(small.leading().1, wide.leading().1, "{small}");
            assert_eq!(small.leading().2, wide.leading().2, "{small}");
        }
    }
}

/// Values of all magnitudes, many with zeros at their end.
fn random_value(random: &mut StdRng) -> i256 {
    let value = i256::from_parts(random.random(), random.random_range(-(1 << 110)..1 << 110));
    let power = |exponent: i32| power_of_ten(exponent).unwrap();
    let value = value.wrapping_div(power(random.random_range(0..72)));
    let zeros = random.random_range(0..40);
    let ending = value.checked_mul(power(zeros)).filter(|_| random.random_bool(0.5));
    ending.unwrap_or(value)
}

#[test]
fn short_ways_lead_to_the_same_numbers() {
    let random = &mut StdRng::seed_from_u64(1);
    let ten = i256::from_i128(10);
    for _ in 0..20_000 {
        let value = random_value(random);
        let magnitude = value.wrapping_abs();
        let (root, next) = (integer_root(magnitude), integer_root(magnitude).wrapping_add(i256::ONE));
        assert!(
            root.wrapping_mul(root) <= magnitude && next.wrapping_mul(next) > magnitude,
            "{value}"
        );
        assert_eq!(
            first_exponent(magnitude),
            magnitude.checked_ilog10().map(|exponent| exponent as i32),
            "{value}"
        );
        let scale = random.random_range(0..=38);
        let number = Number { value, scale };
        let mut expected = number;
        while expected.scale > 0 && expected.value.wrapping_rem(ten) == i256::ZERO {
            expected = Number {
                value: expected.value.wrapping_div(ten),
                scale: expected.scale - 1,
            };
        }
        assert_eq!(number.trimmed(), expected, "{value} {scale}");
        if let Ok(carried) = number.to_carried() {
            assert_eq!(
                Some(carried),
                value.checked_mul(power_of_ten(MAX_SCALE - scale).unwrap())
            );
            expected.scale_up_to(expected.natural_scale());
            assert_eq!(Number::computed(carried), expected, "{value} {scale}");
        }
        let by = random_value(random);
        if by == i256::ZERO {
            continue;
        }
        let quotient = divide_rounded(value, by);
        let rest = value.wrapping_sub(quotient.wrapping_mul(by)).wrapping_abs();
        let twice = rest.wrapping_add(rest);
        assert!(twice <= by.wrapping_abs(), "{value} / {by}");
        if twice == by.wrapping_abs() {
            assert!(quotient.wrapping_mul(by).wrapping_abs() > magnitude, "{value} / {by}");
        }
    }
}

#[test]
fn roots_have_postgres_digits() {
    assert_eq!(number("2.0").square_root().unwrap().to_string(), "1.414213562373095");
    assert_eq!(
        number("122.9166666666666667").square_root().unwrap().to_string(),
        "11.0867789130417256"
    );
}
