//! Long division of 256-bit magnitudes, a word at a time. A word of the quotient costs two multiplications by the
//! divisor's reciprocal (Möller and Granlund, "Improved division by invariant integers").

use datafusion::arrow::datatypes::i256;

/// A divisor of one word.
#[derive(Debug, Clone, Copy)]
struct WordDivisor {
    shift: u32,
    normalized: Normalized,
}

/// A word with its highest bit set, and (2^128 - 1) / it - 2^64.
#[derive(Debug, Clone, Copy)]
struct Normalized {
    word: u64,
    reciprocal: u64,
}

impl Normalized {
    const fn new(word: u64) -> Normalized {
        Normalized {
            word,
            reciprocal: (u128::MAX / word as u128 - (1 << 64)) as u64,
        }
    }

    /// Quotient and remainder of `high * 2^64 + low`, where `high` is less than the word.
    fn divide(self, high: u64, low: u64) -> (u64, u64) {
        let estimate = u128::from(self.reciprocal) * u128::from(high) + (u128::from(high) << 64 | u128::from(low));
        let mut quotient = ((estimate >> 64) as u64).wrapping_add(1);
        let mut rest = low.wrapping_sub(quotient.wrapping_mul(self.word));
        if rest > estimate as u64 {
            quotient = quotient.wrapping_sub(1);
            rest = rest.wrapping_add(self.word);
        }
        if rest >= self.word {
            quotient = quotient.wrapping_add(1);
            rest -= self.word;
        }
        (quotient, rest)
    }
}

impl WordDivisor {
    /// The divisor is not zero.
    const fn new(divisor: u64) -> WordDivisor {
        let shift = divisor.leading_zeros();
        WordDivisor {
            shift,
            normalized: Normalized::new(divisor << shift),
        }
    }

    /// Quotient and remainder of a magnitude.
    fn divide(self, magnitude: i256) -> (i256, u64) {
        let words = words_of(magnitude);
        let Some(first) = words.iter().position(|word| *word != 0) else {
            return (i256::ZERO, 0);
        };
        let mut quotient = [0; 4];
        let mut rest = shifted_in(0, words[first], self.shift);
        for place in first..4 {
            let next = words.get(place + 1).copied().unwrap_or_default();
            let low = shifted_in(words[place], next, self.shift);
            (quotient[place], rest) = self.normalized.divide(rest, low);
        }
        (of_words(quotient), rest >> self.shift)
    }
}

/// Divides numbers of 128 bits by a power of ten if nothing is left: what is odd is divided by multiplying with its
/// inverse modulo 2^128, and the product is the quotient if it is not too large for one.
#[derive(Debug, Clone, Copy)]
struct ExactDivisor {
    digits: i32,
    inverse: u128,
    most: u128,
}

impl ExactDivisor {
    const fn new(digits: i32) -> ExactDivisor {
        let odd = 5_u128.pow(digits as u32);
        // Each step doubles the bits that are right, which are three in the beginning.
        let mut inverse = odd;
        let mut bits = 3;
        while bits < u128::BITS {
            inverse = inverse.wrapping_mul(2_u128.wrapping_sub(odd.wrapping_mul(inverse)));
            bits *= 2;
        }
        ExactDivisor {
            digits,
            inverse,
            most: u128::MAX / odd,
        }
    }

    fn divide(self, magnitude: u128) -> Option<u128> {
        let quotient = self.divide_shifted(magnitude >> self.digits);
        quotient.filter(|_| magnitude.trailing_zeros() >= self.digits as u32)
    }

    /// Of a magnitude without as many of its last bits as the power has, which are zeros.
    fn divide_shifted(self, shifted: u128) -> Option<u128> {
        let quotient = shifted.wrapping_mul(self.inverse);
        (quotient <= self.most).then_some(quotient)
    }
}

/// For the powers of ten of one to 38 digits.
const EXACT: [ExactDivisor; 39] = {
    let mut divisors = [ExactDivisor::new(0); 39];
    let mut digits = 1;
    while digits < divisors.len() {
        divisors[digits] = ExactDivisor::new(digits as i32);
        digits += 1;
    }
    divisors
};

/// The powers of five of one word.
const FIVES: [WordDivisor; 28] = {
    let mut divisors = [WordDivisor::new(1); 28];
    let mut exponent = 1;
    while exponent < divisors.len() {
        divisors[exponent] = WordDivisor::new(5_u64.pow(exponent as u32));
        exponent += 1;
    }
    divisors
};

const ZEROS: [ExactDivisor; 5] = [EXACT[16], EXACT[8], EXACT[4], EXACT[2], EXACT[1]];

/// The magnitude without so many digits at its end, if they are zeros, and if finding out is cheap.
pub(super) fn without_digits(magnitude: i256, digits: i32) -> Option<i256> {
    let (low, high) = magnitude.to_parts();
    let shift = u32::try_from(digits)
        .ok()
        .filter(|shift| low.trailing_zeros() >= *shift)?;
    let shifted = match high {
        0 => i256::from_parts(low >> shift, 0),
        _ => magnitude >> shift as u8,
    };
    match shifted.to_parts() {
        (low, 0) => {
            let quotient = EXACT.get(shift as usize)?.divide_shifted(low)?;
            Some(i256::from_parts(quotient, 0))
        }
        _ => match FIVES.get(shift as usize)?.divide(shifted) {
            (quotient, 0) => Some(quotient),
            _ => None,
        },
    }
}

/// The product of magnitudes of which neither has more than 127 bits.
pub(super) fn wide_product(left: u128, right: u128) -> i256 {
    let halves = |value: u128| (value >> 64, value & u128::from(u64::MAX));
    let ((left_high, left_low), (right_high, right_low)) = (halves(left), halves(right));
    let low = left_low * right_low;
    let middle = left_high * right_low + (low >> 64);
    let (upper, crossed) = (left_low * right_high).overflowing_add(middle);
    let high = left_high * right_high + (upper >> 64) + (u128::from(crossed) << 64);
    i256::from_parts(upper << 64 | low & u128::from(u64::MAX), high as i128)
}

/// A magnitude other than zero without the zeros at the end of its fraction, and its scale then.
pub(super) fn without_zeros(mut magnitude: i256, mut scale: i32) -> (i256, i32) {
    const WORD: (i32, WordDivisor) = (16, WordDivisor::new(10_u64.pow(16)));
    const DIGIT: (i32, WordDivisor) = (1, WordDivisor::new(10));
    for (digits, divisor) in [WORD, DIGIT] {
        while magnitude.to_parts().1 != 0
            && scale >= digits
            && magnitude.to_parts().0.trailing_zeros() >= digits as u32
            && let (quotient, 0) = divisor.divide(magnitude)
        {
            (magnitude, scale) = (quotient, scale - digits);
        }
    }
    let (mut low, 0) = magnitude.to_parts() else {
        return (magnitude, scale);
    };
    for divisor in ZEROS {
        while scale >= divisor.digits
            && let Some(quotient) = divisor.divide(low)
        {
            (low, scale) = (quotient, scale - divisor.digits);
        }
    }
    (i256::from_parts(low, 0), scale)
}

/// Quotient and remainder of magnitudes, whose divisor is not zero.
pub(super) fn divide_magnitudes(dividend: i256, divisor: i256) -> (i256, i256) {
    match words_of(divisor) {
        [0, 0, 0, word] => {
            let (quotient, rest) = WordDivisor::new(word).divide(dividend);
            (quotient, i256::from_i128(rest.into()))
        }
        [0, 0, high, low] => {
            let (quotient, rest) = divide_by_two_words(dividend, high, low);
            (quotient, i256::from_parts(rest, 0))
        }
        // The quotient of two magnitudes of more than 128 bits has less.
        _ => {
            let quotient = dividend.wrapping_div(divisor);
            (quotient, dividend.wrapping_sub(quotient.wrapping_mul(divisor)))
        }
    }
}

/// Knuth's algorithm D for a divisor of two words, the first of which is not zero.
fn divide_by_two_words(dividend: i256, high: u64, low: u64) -> (i256, u128) {
    let shift = high.leading_zeros();
    let (high, low) = (shifted_in(high, low, shift), shifted_in(low, 0, shift));
    let divisor = u128::from(high) << 64 | u128::from(low);
    let normalized = Normalized::new(high);
    let words = words_of(dividend);
    // What is left of the words so far, always less than the divisor.
    let mut rest = u128::from(shifted_in(0, words[0], shift)) << 64 | u128::from(shifted_in(words[0], words[1], shift));
    let mut quotient = [0; 4];
    for place in [1, 2, 3] {
        let next = words.get(place + 1).copied().unwrap_or_default();
        let last = shifted_in(words[place], next, shift);
        (quotient[place], rest) = next_word(rest, last, divisor, normalized, low);
    }
    (of_words(quotient), rest >> shift)
}

/// Quotient and remainder of `rest * 2^64 + last`, where `rest` is less than the divisor, of which `normalized` is the
/// first word and `low` the second.
fn next_word(rest: u128, last: u64, divisor: u128, normalized: Normalized, low: u64) -> (u64, u128) {
    let (first, second) = ((rest >> 64) as u64, rest as u64);
    // Of the two first words by the divisor's first, at most two too much.
    let (mut quotient, mut left) = match first < normalized.word {
        true => {
            let (quotient, left) = normalized.divide(first, second);
            (quotient, Some(left))
        }
        false => (u64::MAX, second.checked_add(normalized.word)),
    };
    while let Some(known) = left
        && u128::from(quotient) * u128::from(low) > (u128::from(known) << 64 | u128::from(last))
    {
        quotient -= 1;
        left = known.checked_add(normalized.word);
    }
    let dividend = u128::from(second) << 64 | u128::from(last);
    // The words above these two are the same in both.
    (
        quotient,
        dividend.wrapping_sub(divisor.wrapping_mul(u128::from(quotient))),
    )
}

/// The upper word of two that are shifted to the left.
fn shifted_in(word: u64, next: u64, shift: u32) -> u64 {
    ((u128::from(word) << 64 | u128::from(next)) >> (u64::BITS - shift)) as u64
}

fn words_of(magnitude: i256) -> [u64; 4] {
    let (low, high) = magnitude.to_parts();
    let high = high as u128;
    [(high >> 64) as u64, high as u64, (low >> 64) as u64, low as u64]
}

fn of_words(words: [u64; 4]) -> i256 {
    let [first, second, third, last] = words.map(u128::from);
    i256::from_parts(third << 64 | last, (first << 64 | second) as i128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// Words of all bits, none, few at either end, or any.
    fn word(random: &mut StdRng) -> u64 {
        match random.random_range(0..6) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 63,
            3 => random.random::<u64>() >> random.random_range(0..64),
            4 => random.random::<u64>() << random.random_range(0..64),
            _ => random.random(),
        }
    }

    #[test]
    fn quotients_and_remainders_are_those_of_plain_division() {
        let random = &mut StdRng::seed_from_u64(1);
        for _ in 0..200_000 {
            let mut magnitude = |most: usize| {
                let used = random.random_range(0..=most);
                let mut words = [0; 4];
                words[4 - used..].iter_mut().for_each(|each| *each = word(random));
                words[0] &= i64::MAX as u64;
                of_words(words)
            };
            let (dividend, divisor) = (magnitude(4), magnitude(4));
            if divisor == i256::ZERO {
                continue;
            }
            let expected = (dividend.wrapping_div(divisor), dividend.wrapping_rem(divisor));
            assert_eq!(
                divide_magnitudes(dividend, divisor),
                expected,
                "{dividend} by {divisor}"
            );
        }
    }
}
