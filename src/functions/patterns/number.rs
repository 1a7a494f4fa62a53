//! to_char() and to_number() of numbers: digits by a picture such as `FM999,990.00`.

use super::template::quoted;
use crate::error::{Error, Result, SqlState};
use crate::functions::datum::Datum;
use crate::types::UNCONSTRAINED_NUMERIC;

/// A picture, taken apart.
#[derive(Debug, Default)]
struct Picture {
    /// Places before the point, as the picture has them: `9`, `0`, `,`, `$` or text.
    integer: Vec<Place>,
    fraction: Vec<Place>,
    has_point: bool,
    fill: bool,
    /// MI, PL, SG, S or PR: where the sign stands.
    sign: Sign,
    has_ordinal: Option<bool>,
    /// V: how many of the places before the point stand for a factor of ten each.
    shift: usize,
    /// RN: as a Roman number, in capitals or not.
    roman: Option<bool>,
    has_exponent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A digit; `true`: shown as zero where the number has none.
    Digit(bool),
    Comma,
    Text(String),
    /// SG: plus or minus, right here.
    Sign,
    /// PL: a plus, or a blank in its place; the number has a sign of its own.
    Plus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sign {
    /// A space or a minus before the first digit.
    #[default]
    Default,
    /// S before or after.
    Before,
    After,
    /// MI: a minus or a space after or before the number.
    MinusAfter,
    MinusBefore,
    /// PR: angle brackets.
    Brackets,
    /// Among the places.
    Placed,
}

fn picture(pattern: &str) -> Result<Picture> {
    let mut picture = Picture {
        fill: true,
        ..Picture::default()
    };
    let mut rest = pattern;
    let mut is_shifted = false;
    while let Some(first) = rest.chars().next() {
        let upper: String = rest.chars().take(4).collect::<String>().to_ascii_uppercase();
        let has_digits = !picture.integer.is_empty() || picture.has_point;
        let mut taken = first.len_utf8();
        let place = match first.to_ascii_uppercase() {
            _ if upper.starts_with("EEEE") => {
                picture.has_exponent = true;
                taken = 4;
                None
            }
            'V' => {
                is_shifted = true;
                None
            }
            _ if upper.starts_with("RN") => {
                picture.roman = Some(first == 'R');
                taken = 2;
                None
            }
            _ if upper.starts_with("FM") => {
                picture.fill = false;
                taken = 2;
                None
            }
            _ if upper.starts_with("MI") => {
                picture.sign = if has_digits {
                    Sign::MinusAfter
                } else {
                    Sign::MinusBefore
                };
                taken = 2;
                None
            }
            _ if upper.starts_with("PL") => {
                taken = 2;
                Some(Place::Plus)
            }
            _ if upper.starts_with("SG") => {
                picture.sign = Sign::Placed;
                taken = 2;
                Some(Place::Sign)
            }
            _ if upper.starts_with("PR") => {
                picture.sign = Sign::Brackets;
                taken = 2;
                None
            }
            _ if upper.starts_with("TH") => {
                picture.has_ordinal = Some(first == 'T');
                taken = 2;
                None
            }
            '9' => Some(Place::Digit(false)),
            '0' => Some(Place::Digit(true)),
            ',' | 'G' => Some(Place::Comma),
            '.' | 'D' => {
                picture.has_point = true;
                None
            }
            'S' => {
                picture.sign = if has_digits { Sign::After } else { Sign::Before };
                None
            }
            'L' => Some(Place::Text(" ".into())),
            '"' => {
                let (text, after) = quoted(&rest[1..]);
                taken = rest.len() - after.len();
                Some(Place::Text(text))
            }
            '\\' if rest[1..].starts_with('"') => {
                taken = 2;
                Some(Place::Text("\"".to_string()))
            }
            _ => Some(Place::Text(first.to_string())),
        };
        rest = &rest[taken..];
        if is_shifted && matches!(place, Some(Place::Digit(_))) {
            picture.shift += 1;
        }
        match place {
            Some(place) if picture.has_point => picture.fraction.push(place),
            Some(place) => picture.integer.push(place),
            None => {}
        }
    }
    let is_plain = picture.sign == Sign::Default && picture.fill && picture.shift == 0 && picture.roman.is_none();
    if picture.has_exponent && !is_plain {
        let message = "\"EEEE\" is incompatible with other formats";
        let detail = "\"EEEE\" may only be used together with digit and decimal point patterns.";
        return Err(Error::syntax(message).with_detail(detail));
    }
    if is_shifted && picture.has_point {
        return Err(Error::syntax("cannot use \"V\" and decimal point together"));
    }
    // A point that nothing follows is not shown.
    picture.has_point &= !picture.fraction.is_empty();
    Ok(picture)
}

fn digits_of(places: &[Place]) -> usize {
    places.iter().filter(|place| matches!(place, Place::Digit(_))).count()
}

/// to_char() of a float.
pub(super) fn format_float(pattern: &str, value: f64) -> Result<String> {
    let picture = picture(pattern)?;
    if picture.has_exponent && value.is_finite() {
        return Ok(with_exponent(format!("{value:.*e}", digits_of(&picture.fraction))));
    }
    if !value.is_finite() {
        return Ok(without_number(&picture, value));
    }
    let scale = (digits_of(&picture.fraction) + picture.shift).min(15);
    let scaled = (value * 10_f64.powi(scale as i32)).round();
    if !scaled.is_finite() || scaled.abs() >= 1e37 {
        return Ok("#".repeat(digits_of(&picture.integer).max(1)));
    }
    format(pattern, scaled as i128, scale as i8)
}

/// NaN where there is room for it; an infinity has more digits than any picture.
fn without_number(picture: &Picture, value: f64) -> String {
    let room = digits_of(&picture.integer);
    let mut body = match (value.is_nan(), room >= 3) {
        (true, true) => format!("{:>room$}", "NaN"),
        _ => "#".repeat(room),
    };
    if !(value.is_nan() && room >= 3) && picture.has_point {
        body.push('.');
        body.push_str(&"#".repeat(digits_of(&picture.fraction)));
    }
    let body = if picture.fill {
        body
    } else {
        body.trim_start().to_string()
    };
    with_sign(picture, body, value < 0.0, 0)
}

/// to_char() of a number: `value` over ten to the `scale`.
pub(super) fn format(pattern: &str, value: i128, scale: i8) -> Result<String> {
    let picture = picture(pattern)?;
    let places = digits_of(&picture.fraction);
    let is_negative = value < 0;
    if picture.has_exponent {
        return Ok(with_exponent(scientific(value, i32::from(scale), places)));
    }
    if let Some(is_upper) = picture.roman {
        let whole = rescale(value.unsigned_abs(), i32::from(scale), 0);
        return Ok(roman(if is_negative { 0 } else { whole }, is_upper, picture.fill));
    }
    let scale = i32::from(scale) - picture.shift as i32;
    let rounded = rescale(value.unsigned_abs(), scale, places as i32);
    let text = format!("{rounded:0width$}", width = places + 1);
    let (whole, fraction) = text.split_at(text.len() - places);
    let whole = if whole == "0" { "" } else { whole };
    let room = digits_of(&picture.integer);
    // A sign that vanishes with the digits is no sign: -0.001 as 0.00.
    let is_negative = is_negative && rounded != 0;
    let mut body = String::new();
    if whole.len() > room {
        body = picture
            .integer
            .iter()
            .map(|place| match place {
                Place::Digit(_) => "#".to_string(),
                Place::Comma => ",".to_string(),
                Place::Text(text) => text.clone(),
                Place::Sign => sign_text(is_negative).to_string(),
                Place::Plus => plus_text(&picture, is_negative).to_string(),
            })
            .collect();
        if picture.has_point {
            body.push('.');
            body.push_str(&"#".repeat(places));
        }
        return Ok(with_sign(&picture, body, is_negative, 0));
    }
    let mut digits = whole.bytes().rev();
    let mut reversed: Vec<String> = vec![];
    // From the first zero place on, zeros are shown.
    let first_zero = picture.integer.iter().position(|place| *place == Place::Digit(true));
    for (index, place) in picture.integer.iter().enumerate().rev() {
        let shows_zeros = first_zero.is_some_and(|first| index >= first);
        reversed.push(match place {
            Place::Digit(_) => match digits.next() {
                Some(digit) => (digit as char).to_string(),
                None if shows_zeros => "0".into(),
                None if picture.fill => " ".into(),
                None => String::new(),
            },
            Place::Comma => match digits.len() > 0 || shows_zeros {
                true => ",".into(),
                false if picture.fill => " ".into(),
                false => String::new(),
            },
            Place::Text(text) => text.clone(),
            Place::Sign => sign_text(is_negative).to_string(),
            Place::Plus => plus_text(&picture, is_negative).to_string(),
        });
    }
    let integer: String = reversed.into_iter().rev().collect();
    // Without any digit before the point and after it, a zero stands for the number.
    body.push_str(&integer);
    if whole.is_empty() && !picture.has_point && first_zero.is_none() && room > 0 {
        body = match picture.fill {
            true => format!("{}0", &integer[..integer.len().saturating_sub(1)]),
            false => "0".into(),
        };
    }
    // A currency sign stands before the number's own sign.
    let prefix: usize = picture
        .integer
        .iter()
        .map_while(|place| match place {
            Place::Text(text) => Some(text.len()),
            Place::Plus => Some(plus_text(&picture, is_negative).len()),
            _ => None,
        })
        .sum();
    let after_prefix = body.get(prefix..).unwrap_or_default();
    let leading = prefix + after_prefix.len() - after_prefix.trim_start_matches(' ').len();
    if picture.has_point {
        let fraction = fraction_text(&picture, fraction, is_negative);
        if fraction.is_empty() && whole.is_empty() && room > 0 && first_zero.is_none() && !picture.fill {
            body.push('0');
        }
        body.push('.');
        body.push_str(&fraction);
    }
    if let Some(is_upper) = picture.has_ordinal.filter(|_| !is_negative && !picture.has_point) {
        body.push_str(ordinal(rounded, is_upper));
    }
    Ok(with_sign(&picture, body, is_negative, leading))
}

/// A number as one digit, so many behind the point, and a power of ten.
fn scientific(value: i128, scale: i32, places: usize) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut exponent = digits.len() as i32 - 1 - scale;
    let mut mantissa = rescale(value.unsigned_abs(), digits.len() as i32 - 1, places as i32).to_string();
    if mantissa.len() > places + 1 {
        // Rounded up to the next power.
        mantissa.pop();
        exponent += 1;
    }
    let (first, rest) = mantissa.split_at(mantissa.len().saturating_sub(places));
    let sign = if value < 0 { "-" } else { "" };
    let exponent = if value == 0 { 0 } else { exponent };
    match rest {
        "" => format!("{sign}{first}e{exponent}"),
        rest => format!("{sign}{first:0>1}.{rest}e{exponent}"),
    }
}

/// With the sign of the exponent, two digits of it at least, and a blank where a minus would stand.
fn with_exponent(text: String) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    let blank = if mantissa.starts_with('-') { "" } else { " " };
    format!("{blank}{mantissa}e{sign}{digits:0>2}")
}

fn roman(value: u128, is_upper: bool, fill: bool) -> String {
    const WIDTH: usize = 15;
    const NUMERALS: [(u128, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4000).contains(&value) {
        return "#".repeat(WIDTH);
    }
    let (mut rest, mut text) = (value, String::new());
    for (worth, numeral) in NUMERALS {
        while rest >= worth {
            text.push_str(numeral);
            rest -= worth;
        }
    }
    let text = if is_upper { text } else { text.to_ascii_lowercase() };
    if fill { format!("{text:>WIDTH$}") } else { text }
}

/// The places after the point; FM drops the 9s that are zero at the end.
fn fraction_text(picture: &Picture, fraction: &str, is_negative: bool) -> String {
    let mut digits = fraction.chars();
    let mut text = String::new();
    let mut kept = 0;
    for place in &picture.fraction {
        match place {
            Place::Digit(is_zero) => {
                let digit = digits.next().unwrap_or('0');
                text.push(digit);
                if *is_zero || digit != '0' {
                    kept = text.len();
                }
            }
            Place::Comma => text.push(','),
            Place::Text(other) => {
                text.push_str(other);
                kept = text.len();
            }
            Place::Sign => {
                text.push_str(sign_text(is_negative));
                kept = text.len();
            }
            Place::Plus => {
                text.push_str(plus_text(picture, is_negative));
                kept = text.len();
            }
        }
    }
    if !picture.fill {
        text.truncate(kept);
    }
    text
}

/// `leading` spaces stand before the first digit: the sign goes behind them.
fn with_sign(picture: &Picture, body: String, is_negative: bool, leading: usize) -> String {
    let (spaces, digits) = body.split_at(leading);
    match picture.sign {
        Sign::Default => match (is_negative, picture.fill) {
            (true, _) => format!("{spaces}-{digits}"),
            (false, true) => format!("{spaces} {digits}"),
            (false, false) => body,
        },
        Sign::Before => format!("{spaces}{}{digits}", if is_negative { '-' } else { '+' }),
        Sign::After => format!("{body}{}", if is_negative { '-' } else { '+' }),
        Sign::MinusAfter if is_negative => format!("{body}-"),
        Sign::MinusAfter if picture.fill => format!("{body} "),
        Sign::MinusAfter => body,
        Sign::MinusBefore if is_negative => format!("-{body}"),
        Sign::MinusBefore if picture.fill => format!(" {body}"),
        Sign::MinusBefore => body,
        Sign::Brackets if is_negative => format!("{spaces}<{digits}>"),
        Sign::Brackets if picture.fill => format!(" {body} "),
        Sign::Brackets | Sign::Placed => body,
    }
}

fn sign_text(is_negative: bool) -> &'static str {
    if is_negative { "-" } else { "+" }
}

fn plus_text(picture: &Picture, is_negative: bool) -> &'static str {
    match (is_negative, picture.fill) {
        (false, _) => "+",
        (true, true) => " ",
        (true, false) => "",
    }
}

fn ordinal(value: u128, is_upper: bool) -> &'static str {
    match (value % 10, value / 10 % 10 == 1, is_upper) {
        (1, false, true) => "ST",
        (1, false, false) => "st",
        (2, false, true) => "ND",
        (2, false, false) => "nd",
        (3, false, true) => "RD",
        (3, false, false) => "rd",
        (_, _, true) => "TH",
        (_, _, false) => "th",
    }
}

/// Moves the point, rounding half up.
fn rescale(value: u128, from: i32, to: i32) -> u128 {
    let factor = 10_u128.checked_pow(from.abs_diff(to)).unwrap_or(u128::MAX);
    if to >= from {
        value.saturating_mul(factor)
    } else {
        (value + factor / 2) / factor
    }
}

/// to_number(): the digits of the text, its sign and its point; the picture only tells that there is one.
pub(super) fn parse(text: &str, pattern: &str) -> Result<Datum> {
    let picture = picture(pattern)?;
    for (refused, name) in [(picture.roman.is_some(), "RN"), (picture.has_exponent, "EEEE")] {
        if refused {
            let message = format!("\"{name}\" not supported for input");
            return Err(Error::new(SqlState::FeatureNotSupported, message));
        }
    }
    let mut digits = String::new();
    let (mut scale, mut after_point, mut is_negative) = (picture.shift as i8, false, false);
    let mut rest = text.trim_start().chars().peekable();
    let point = picture.has_point.then_some(Place::Digit(false));
    let places = picture.integer.iter().chain(&point).chain(&picture.fraction);
    let room = digits_of(&picture.fraction);
    let mut after = 0;
    for place in places {
        // Each place stands for one character of the text, whether that is a digit or not.
        match place {
            Place::Digit(_) => {
                if digits.is_empty() && !after_point {
                    while let Some(sign) = rest.next_if(|next| matches!(next, '-' | '+' | '<' | ' ')) {
                        is_negative |= matches!(sign, '-' | '<');
                    }
                }
                match rest.next() {
                    Some(digit @ '0'..='9') if !after_point || after < room => {
                        digits.push(digit);
                        after += usize::from(after_point);
                    }
                    Some('.') if picture.has_point => after_point = true,
                    Some('-') => is_negative = true,
                    _ => {}
                }
            }
            Place::Comma => {
                rest.next_if_eq(&',');
            }
            Place::Sign | Place::Plus => {
                is_negative |= rest.next_if(|next| matches!(next, '-' | '+')) == Some('-');
            }
            Place::Text(text) => {
                for _ in text.chars() {
                    rest.next_if(|next| !matches!(next, '0'..='9' | '.' | ',' | '+' | '-'));
                }
            }
        }
    }
    is_negative |= rest.peek() == Some(&'-');
    scale += after as i8;
    let value: i128 = digits.parse().map_err(|_| {
        Error::new(
            SqlState::InvalidTextRepresentation,
            format!("invalid input syntax for type numeric: \"{text}\""),
        )
    })?;
    let wanted = UNCONSTRAINED_NUMERIC.1;
    let scaled = if scale > wanted {
        value / 10_i128.pow(u32::from((scale - wanted) as u8))
    } else {
        value
    };
    Ok(Datum::Decimal(
        if is_negative { -scaled } else { scaled },
        scale.min(wanted),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of PostgreSQL 15.
    #[test]
    fn numbers_read_as_in_postgres() {
        for (value, scale, pattern, text) in [
            (12345, 2, "999.99", " 123.45"),
            (-12345, 2, "999.99", "-123.45"),
            (12345, 2, "FM999.99", "123.45"),
            (1_234_567, 0, "9,999,999", " 1,234,567"),
            (1_234_567, 0, "FM9,999,999,999", "1,234,567"),
            (485, 0, "99999", "   485"),
            (-485, 0, "99999", "  -485"),
            (485, 0, "00999", " 00485"),
            (5, 1, "0.99", " 0.50"),
            (5, 1, "FM0.99", "0.5"),
            (5, 1, "FM90.00", "0.50"),
            (12345, 0, "999", " ###"),
            (0, 0, "999", "   0"),
            (0, 0, "FM999", "0"),
            (485, 0, "999S", "485+"),
            (-485, 0, "S999", "-485"),
            (-485, 0, "999MI", "485-"),
            (-485, 0, "999PR", "<485>"),
            (482, 0, "999th", " 482nd"),
            (1005, 1, "FM999", "101"),
            (42, 0, "$999", "$  42"),
            (-42, 0, "$9,999", "$   -42"),
            (-1234, 0, "$FM9,999", "$-1,234"),
            (-1, 3, "0.00", " 0.00"),
            (-1, 1, "99.99", "  -.10"),
        ] {
            assert_eq!(format(pattern, value, scale).unwrap(), text, "{value} {pattern}");
        }
        assert_eq!(parse("12,454.8-", "99G999D9S").unwrap(), Datum::Decimal(-124548, 1));
    }
}
