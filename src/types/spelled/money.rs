//! money: an amount in hundredths, carried as a decimal with two digits behind the point, and shown as PostgreSQL shows it
//! where lc_monetary is C.

use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::types::binary::Reader;
use crate::types::parse::invalid_syntax;

/// 22003 for what no amount is.
pub fn out_of_range() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "money out of range")
}

/// The hundredths of what a client wrote: a sign or parentheses, a currency, digits in groups.
pub fn read(text: &str) -> Result<i64> {
    let too_large = || {
        let message = format!("value \"{text}\" is out of range for type money");
        Error::new(SqlState::NumericValueOutOfRange, message)
    };
    let currency = |text: &mut &str| {
        *text = text.trim_ascii_start();
        *text = text.strip_prefix('$').unwrap_or(text).trim_ascii_start();
    };
    let mut rest = text;
    currency(&mut rest);
    let mut is_negative = rest.starts_with(['-', '(']);
    rest = rest.strip_prefix(['-', '(', '+']).unwrap_or(rest);
    currency(&mut rest);
    let (mut hundredths, mut behind) = (0_i128, None);
    while let Some(next) = rest.chars().next() {
        match (next, behind) {
            (',', _) => {}
            ('.', None) => behind = Some(0),
            (digit @ '0'..='9', None | Some(0 | 1)) => {
                let value = i128::from(digit as u8 - b'0');
                hundredths = hundredths.checked_mul(10).ok_or_else(too_large)? + value;
                behind = behind.map(|places| places + 1);
            }
            _ => break,
        }
        rest = &rest[1..];
    }
    for _ in behind.unwrap_or(0)..2 {
        hundredths = hundredths.checked_mul(10).ok_or_else(too_large)?;
    }
    hundredths += i128::from(rest.starts_with(['5', '6', '7', '8', '9']));
    for behind in rest.trim_start_matches(|next: char| next.is_ascii_digit()).chars() {
        match behind {
            '-' => is_negative = true,
            ')' | '+' | '$' => {}
            space if space.is_ascii_whitespace() => {}
            _ => return Err(invalid_syntax("money", text)),
        }
    }
    i64::try_from(if is_negative { -hundredths } else { hundredths }).map_err(|_| too_large())
}

/// The spelling that values are carried in.
pub fn spelling(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let magnitude = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", magnitude / 100, magnitude % 100)
}

/// What a session is shown: `-$1,234.56`.
pub fn shown(hundredths: i64) -> String {
    let magnitude = hundredths.unsigned_abs();
    let mut digits = (magnitude / 100).to_string();
    let mut place = digits.len();
    while place > 3 {
        place -= 3;
        digits.insert(place, ',');
    }
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}${digits}.{:02}", magnitude % 100)
}

/// Reads the binary format.
pub fn receive(bytes: &[u8]) -> Result<i64> {
    let mut reader = Reader::new(bytes);
    let hundredths = i64::from_be_bytes(reader.take()?);
    reader.end()?;
    Ok(hundredths)
}

/// Appends the binary format.
pub fn send(hundredths: i64, out: &mut BytesMut) {
    out.put_i64(hundredths);
}

/// Appends bytes that sort as amounts do.
pub fn order_key(hundredths: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&(hundredths ^ i64::MIN).to_be_bytes());
}

/// The amount in words, as cash_words() has it.
pub fn in_words(hundredths: i64) -> String {
    const GROUPS: [&str; 6] = [
        "",
        " thousand ",
        " million ",
        " billion ",
        " trillion ",
        " quadrillion ",
    ];
    let magnitude = hundredths.unsigned_abs();
    let (dollars, cents) = (magnitude / 100, magnitude % 100);
    let mut words = String::from(if hundredths < 0 { "minus " } else { "" });
    let is_signed = !words.is_empty();
    for (group, name) in GROUPS.iter().enumerate().rev() {
        let value = dollars / 1000_u64.pow(group as u32) % 1000;
        if value != 0 {
            words.push_str(&number_in_words(value as usize));
            words.push_str(name);
        }
    }
    if words.is_empty() {
        words.push_str("zero");
    }
    words.push_str(if dollars == 1 { " dollar and " } else { " dollars and " });
    words.push_str(&number_in_words(cents as usize));
    words.push_str(if cents == 1 { " cent" } else { " cents" });
    let first = if is_signed {
        "M"
    } else {
        &words[..1].to_ascii_uppercase()
    };
    format!("{first}{}", &words[1..])
}

/// A number below a thousand.
fn number_in_words(value: usize) -> String {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] = [
        "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    let rest = value % 100;
    let below_hundred = match rest {
        0..20 => SMALL[rest].to_string(),
        _ if rest.is_multiple_of(10) => TENS[rest / 10].to_string(),
        _ => format!("{} {}", TENS[rest / 10], SMALL[rest % 10]),
    };
    match (value / 100, rest) {
        (0, _) => below_hundred,
        (hundreds, 0) => format!("{} hundred", SMALL[hundreds]),
        // PostgreSQL's "and" stands before small numbers only.
        (hundreds, 1..20) => format!("{} hundred and {below_hundred}", SMALL[hundreds]),
        (hundreds, _) => format!("{} hundred {below_hundred}", SMALL[hundreds]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown() {
        for (text, expected) in [
            ("1234.565", "$1,234.57"),
            ("($123,456.78)", "-$123,456.78"),
            (" $ -1", "-$1.00"),
            ("1-", "-$1.00"),
            ("-92233720368547758.08", "-$92,233,720,368,547,758.08"),
            (".5", "$0.50"),
        ] {
            assert_eq!(shown(read(text).unwrap()), expected, "{text}");
        }
        for text in ["1x", "$1$x", "1.2.3", "92233720368547758.08"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spellings_come_back() {
        for hundredths in [0, -1, 99, i64::MIN, i64::MAX] {
            assert_eq!(read(&spelling(hundredths)).unwrap(), hundredths);
        }
    }

    #[test]
    fn amounts_have_words() {
        assert_eq!(in_words(12345), "One hundred twenty three dollars and forty five cents");
        assert_eq!(in_words(-100), "Minus one dollar and zero cents");
    }
}
