//! Whole parts of square roots.

use datafusion::arrow::datatypes::i256;

use super::to_float;

/// The whole part of a square root, by Newton's method from a float and in floats: a step needs no more than their
/// digits of its length.
pub(super) fn integer_root(value: i256) -> i256 {
    if let (low, 0) = value.to_parts() {
        return i256::from_i128(narrow_root(low).into());
    }
    let square = |root: i256| root.checked_mul(root);
    let mut root = i256::from_parts(to_float(value).sqrt() as u128, 0);
    for _ in 0..4 {
        let Some(square) = square(root) else { break };
        let step = to_float(value.wrapping_sub(square)) / (2.0 * to_float(root));
        if step.is_nan() || step.abs() < 1.0 {
            break;
        }
        root = root.wrapping_add(i256::from_i128(step as i128));
    }
    while square(root).is_none_or(|square| square > value) {
        root = root.wrapping_sub(i256::ONE);
    }
    while square(root.wrapping_add(i256::ONE)).is_some_and(|square| square <= value) {
        root = root.wrapping_add(i256::ONE);
    }
    root
}

/// The same of 128 bits, whose root has half as many.
fn narrow_root(value: u128) -> u64 {
    let square = |root: u64| u128::from(root) * u128::from(root);
    // The nearest float of a large value may be beyond it.
    let mut root = (value as f64).sqrt() as u64;
    // A float's 53 digits of the root leave at most eleven, which a step finds.
    let step = value.wrapping_sub(square(root)) as i128 as f64 / (2.0 * root as f64);
    if step.abs() >= 1.0 {
        root = root.saturating_add_signed(step as i64);
    }
    while square(root) > value {
        root -= 1;
    }
    while root < u64::MAX && square(root + 1) <= value {
        root += 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn a_root_is_the_largest_whose_square_is_no_more() {
        let random = &mut StdRng::seed_from_u64(1);
        let root_is = |value: u128, root: u64| {
            let square = |root: u64| u128::from(root) * u128::from(root);
            square(root) <= value && root.checked_add(1).is_none_or(|next| square(next) > value)
        };
        for value in [
            0,
            1,
            2,
            3,
            4,
            u128::MAX,
            u128::MAX - 1,
            u128::from(u64::MAX) * u128::from(u64::MAX),
        ] {
            assert!(root_is(value, narrow_root(value)), "{value}");
        }
        for _ in 0..200_000 {
            let root = random.random::<u64>() >> random.random_range(0..64);
            let square = u128::from(root) * u128::from(root);
            for value in [
                square,
                square.saturating_sub(1),
                square + u128::from(random.random_range(0..=root)),
            ] {
                assert!(root_is(value, narrow_root(value)), "{value}");
            }
        }
    }
}
