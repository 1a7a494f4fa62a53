//! Numbers as PostgreSQL prints them: integers, decimals with their scale, and floats in the shortest
//! form that reads back as the same value.

use std::fmt::{LowerExp, Write};

use bytes::{BufMut, BytesMut};

const DIGIT_PAIRS: &[u8; 200] =
    b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Appends an integer.
pub fn write_integer(value: i64, out: &mut BytesMut) {
    if value < 0 {
        out.put_u8(b'-');
    }
    write_unsigned(value.unsigned_abs(), out);
}

fn write_unsigned(value: u64, out: &mut BytesMut) {
    let mut buffer = [0_u8; 20];
    let start = fill_digits(value, &mut buffer);
    out.extend_from_slice(&buffer[start..]);
}

/// Writes digits at the end of `buffer` and answers where they start.
fn fill_digits(mut value: u64, buffer: &mut [u8]) -> usize {
    let mut position = buffer.len();
    while value >= 100 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        position -= 2;
        buffer[position..position + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    }
    if value >= 10 {
        let pair = value as usize * 2;
        position -= 2;
        buffer[position..position + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    } else {
        position -= 1;
        buffer[position] = b'0' + value as u8;
    }
    position
}

/// Appends two digits, with a leading zero.
pub(super) fn write_two_digits(value: u8, out: &mut BytesMut) {
    let pair = usize::from(value % 100) * 2;
    out.extend_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
}

/// Appends at least `width` digits.
pub(super) fn write_padded(value: u64, width: usize, out: &mut BytesMut) {
    let mut buffer = [b'0'; 20];
    let start = fill_digits(value, &mut buffer);
    out.extend_from_slice(&buffer[start.min(20 - width.min(20))..]);
}

/// Appends `.123456` without trailing zeros; nothing for zero.
pub(super) fn write_fraction(micros: u32, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    let (mut digits, mut width) = (micros, 6);
    while digits % 10 == 0 {
        digits /= 10;
        width -= 1;
    }
    out.put_u8(b'.');
    write_padded(u64::from(digits), width, out);
}

/// Appends a scaled integer as a decimal; `trim` drops zeros at the end of the fraction.
pub fn write_decimal(value: i128, scale: i8, trim: bool, out: &mut BytesMut) {
    if value < 0 {
        out.put_u8(b'-');
    }
    let mut buffer = [0_u8; 40];
    let start = fill_wide_digits(value.unsigned_abs(), &mut buffer);
    let digits = &buffer[start..];
    if scale <= 0 {
        out.extend_from_slice(digits);
        if value != 0 {
            out.put_bytes(b'0', usize::from(scale.unsigned_abs()));
        }
        return;
    }
    let scale = scale as usize;
    let (integer, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    let leading_zeros = scale - fraction.len();
    let fraction = match trim {
        true => {
            &fraction[..fraction
                .iter()
                .rposition(|digit| *digit != b'0')
                .map_or(0, |last| last + 1)]
        }
        false => fraction,
    };
    match integer {
        [] => out.put_u8(b'0'),
        integer => out.extend_from_slice(integer),
    }
    if !(trim && fraction.is_empty()) {
        out.put_u8(b'.');
        out.put_bytes(b'0', leading_zeros);
        out.extend_from_slice(fraction);
    }
}

/// Division by a constant is cheap in 64 bits and slow in 128: split first.
pub fn fill_wide_digits(value: u128, buffer: &mut [u8; 40]) -> usize {
    const CHUNK: u128 = 10_000_000_000_000_000_000;
    let (mut rest, mut end) = (value, buffer.len());
    loop {
        if let Ok(small) = u64::try_from(rest) {
            return fill_digits(small, &mut buffer[..end]);
        }
        let start = fill_digits((rest % CHUNK) as u64, &mut buffer[..end]);
        buffer[end - 19..start].fill(b'0');
        rest /= CHUNK;
        end -= 19;
    }
}

/// Appends a real.
pub fn write_float4(value: f32, extra_digits: i32, out: &mut BytesMut) {
    if write_special(f64::from(value), out) {
        return;
    }
    if extra_digits <= 0 {
        return write_rounded(value, 6 + extra_digits, out);
    }
    let bits = value.to_bits();
    let bound = |digits: &ScientificText| is_interval_bound(digits, bits & 0x7f_ffff, bits >> 23 & 0xff, 150);
    let digits = shortest(value, f64::from(value), 6..=9, bound, |text| text.parse() == Ok(value));
    write_shortest(&digits, 6, out);
}

/// Appends a double precision number.
pub fn write_float8(value: f64, extra_digits: i32, out: &mut BytesMut) {
    if write_special(value, out) {
        return;
    }
    if extra_digits <= 0 {
        return write_rounded(value, 15 + extra_digits, out);
    }
    let bits = value.to_bits();
    let bound = |digits: &ScientificText| is_interval_bound(digits, bits & ((1 << 52) - 1), bits >> 52 & 0x7ff, 1075);
    let digits = shortest(value, value, 15..=17, bound, |text| text.parse() == Ok(value));
    write_shortest(&digits, 15, out);
}

fn write_special(value: f64, out: &mut BytesMut) -> bool {
    let text: &[u8] = match value {
        value if value.is_nan() => b"NaN",
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        value if value == 0.0 && value.is_sign_negative() => b"-0",
        0.0 => b"0",
        _ => return false,
    };
    out.extend_from_slice(text);
    true
}

/// `d.ddde±x` as Rust prints it, in place.
struct ScientificText {
    text: [u8; 40],
    length: usize,
}

impl Write for ScientificText {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let end = self.length + part.len();
        let room = self.text.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(part.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl ScientificText {
    /// The shortest digits, or `places` of them after the point.
    fn new(value: impl LowerExp, places: Option<usize>) -> ScientificText {
        let mut scientific = ScientificText {
            text: [0; 40],
            length: 0,
        };
        let _ = match places {
            Some(places) => write!(scientific, "{value:.places$e}"),
            None => write!(scientific, "{value:e}"),
        };
        scientific
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }

    /// Sign, digits without the point, exponent of the first digit.
    fn parts(&self) -> (bool, [u8; 20], usize, i32) {
        let text = self.as_str();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut digits = [0; 20];
        let mut count = 0;
        for digit in mantissa.bytes().filter(u8::is_ascii_digit).take(20) {
            digits[count] = digit;
            count += 1;
        }
        (text.starts_with('-'), digits, count, exponent.parse().unwrap_or(0))
    }
}

/// Whether the digits lie exactly halfway to a neighbouring float. They read back only thanks to
/// round-half-even, and PostgreSQL's algorithm (Ryu without STRICTLY_SHORTEST) does not use them.
fn is_interval_bound(digits: &ScientificText, fraction: impl Into<u64>, exponent: impl Into<u64>, bias: i32) -> bool {
    let (fraction, biased_exponent): (u64, u64) = (fraction.into(), exponent.into());
    let hidden_bit = if bias == 150 { 1 << 23 } else { 1 << 52 };
    let mantissa = if biased_exponent == 0 {
        fraction
    } else {
        fraction | hidden_bit
    };
    let binary_exponent = biased_exponent.max(1) as i32 - bias;
    let (_, text, count, decimal_exponent) = digits.parts();
    let decimal_exponent = decimal_exponent - (count as i32 - 1);
    // value = mantissa * 2^b; bounds = (4 * mantissa ± 2) * 2^(b - 2); the lower one of a power of two is nearer.
    if mantissa % 2 == 1 || !(-2..=27).contains(&decimal_exponent) || !(-4..=100).contains(&binary_exponent) {
        return false;
    }
    let number = text[..count]
        .iter()
        .fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let mut left = number;
    let mut right_factor = 1_u128;
    match decimal_exponent {
        exponent if exponent >= 0 => match 5_u128
            .checked_pow(exponent as u32)
            .and_then(|power| left.checked_mul(power))
        {
            Some(scaled) => left = scaled,
            None => return false,
        },
        exponent => right_factor = 5_u128.pow(exponent.unsigned_abs()),
    }
    // left * 2^decimal_exponent == bound * right_factor * 2^(b - 2)
    let shift = binary_exponent - 2 - decimal_exponent;
    let (above, below) = (
        4 * u128::from(mantissa) + 2,
        4 * u128::from(mantissa) - if fraction == 0 { 1 } else { 2 },
    );
    [above, below].into_iter().any(|bound| {
        let right = bound * right_factor;
        match shift {
            0 => left == right,
            shift if shift > 0 => {
                shift < 60 && right.checked_shl(shift as u32) == Some(left) && right << shift >> shift == right
            }
            shift => left.leading_zeros() > shift.unsigned_abs() && left << shift.unsigned_abs() == right,
        }
    })
}

/// The shortest digits that are strictly inside the rounding interval; of two that are equally near, the
/// even ones. `digits` are the counts at which a choice can arise.
fn shortest(
    value: impl LowerExp + Copy,
    wide: f64,
    digits: std::ops::RangeInclusive<usize>,
    is_bound: impl Fn(&ScientificText) -> bool,
    reads_back: impl Fn(&str) -> bool,
) -> ScientificText {
    /// A tie ends with a 5 behind the digits, so that few binary digits lie behind the point.
    const TIE_SCALE: f64 = 33_554_432.0;
    let shortest = ScientificText::new(value, None);
    let (_, bound_digits, bound_count, _) = shortest.parts();
    if is_bound(&shortest) {
        for count in digits {
            let candidate = ScientificText::new(value, Some(count - 1));
            let (_, candidate_digits, candidate_count, _) = candidate.parts();
            let zeros = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
            let same = candidate_count >= bound_count
                && candidate_digits[..bound_count] == bound_digits[..bound_count]
                && zeros(&candidate_digits[bound_count..candidate_count]);
            if !same && reads_back(candidate.as_str()) {
                return candidate;
            }
        }
    } else if bound_count >= *digits.start() && (wide * TIE_SCALE).fract() == 0.0 {
        let rounded = ScientificText::new(value, Some(bound_count - 1));
        if reads_back(rounded.as_str()) {
            return rounded;
        }
    }
    shortest
}

/// Fixed notation for exponents from -4 up to `fixed_below`, else `d.ddde+xx`.
fn write_shortest(scientific: &ScientificText, fixed_below: i32, out: &mut BytesMut) {
    let (negative, digits, count, exponent) = scientific.parts();
    let significant = digits[..count]
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(1, |last| last + 1);
    write_digits(
        negative,
        &digits[..significant],
        exponent,
        (-4..fixed_below).contains(&exponent),
        out,
    );
}

/// C's `%.*g`, for extra_float_digits of zero and below.
fn write_rounded(value: impl LowerExp, significant: i32, out: &mut BytesMut) {
    let places = significant.clamp(1, 17);
    let (negative, digits, count, exponent) = ScientificText::new(value, Some(places as usize - 1)).parts();
    let significant = digits[..count]
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(1, |last| last + 1);
    write_digits(
        negative,
        &digits[..significant],
        exponent,
        (-4..places).contains(&exponent),
        out,
    );
}

fn write_digits(negative: bool, digits: &[u8], exponent: i32, fixed: bool, out: &mut BytesMut) {
    if negative {
        out.put_u8(b'-');
    }
    if !fixed {
        out.put_u8(digits[0]);
        if digits.len() > 1 {
            out.put_u8(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        return write_padded(u64::from(exponent.unsigned_abs()), 2, out);
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.put_bytes(b'0', (-exponent - 1) as usize);
        return out.extend_from_slice(digits);
    }
    let integer_digits = exponent as usize + 1;
    if digits.len() <= integer_digits {
        out.extend_from_slice(digits);
        out.put_bytes(b'0', integer_digits - digits.len());
    } else {
        out.extend_from_slice(&digits[..integer_digits]);
        out.put_u8(b'.');
        out.extend_from_slice(&digits[integer_digits..]);
    }
}
