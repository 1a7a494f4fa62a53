//! Numbers with units of time and memory: `5s`, `1.5min`, `64MB`.

/// What a plain number of a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    None,
    Milliseconds,
    Seconds,
    Minutes,
    Bytes,
    Kilobytes,
    Megabytes,
    /// Pages of 8 kB.
    Blocks,
}

const TIME_HINT: &str = "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".";
const MEMORY_HINT: &str = "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".";

/// From the largest, in microseconds and bytes.
const TIME_UNITS: [(&str, f64); 6] = [
    ("d", 86_400e6),
    ("h", 3_600e6),
    ("min", 60e6),
    ("s", 1e6),
    ("ms", 1e3),
    ("us", 1.0),
];
const MEMORY_UNITS: [(&str, f64); 5] = [
    ("TB", 1_099_511_627_776.0),
    ("GB", 1_073_741_824.0),
    ("MB", 1_048_576.0),
    ("kB", 1024.0),
    ("B", 1.0),
];

impl Unit {
    /// The unit that pg_settings.unit names; of an empty name, none.
    pub(super) fn named(name: &str) -> Option<Unit> {
        let all = [
            Unit::None,
            Unit::Milliseconds,
            Unit::Seconds,
            Unit::Minutes,
            Unit::Bytes,
            Unit::Kilobytes,
            Unit::Megabytes,
            Unit::Blocks,
        ];
        all.into_iter().find(|unit| unit.name().unwrap_or_default() == name)
    }

    /// pg_settings.unit.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Unit::None => None,
            Unit::Milliseconds => Some("ms"),
            Unit::Seconds => Some("s"),
            Unit::Minutes => Some("min"),
            Unit::Bytes => Some("B"),
            Unit::Kilobytes => Some("kB"),
            Unit::Megabytes => Some("MB"),
            Unit::Blocks => Some("8kB"),
        }
    }

    fn table(self) -> (&'static [(&'static str, f64)], Option<&'static str>) {
        match self {
            Unit::None => (&[], None),
            Unit::Milliseconds | Unit::Seconds | Unit::Minutes => (&TIME_UNITS, Some(TIME_HINT)),
            Unit::Bytes | Unit::Kilobytes | Unit::Megabytes | Unit::Blocks => (&MEMORY_UNITS, Some(MEMORY_HINT)),
        }
    }

    /// Microseconds or bytes in one of this unit.
    fn size(self) -> f64 {
        match self {
            Unit::None | Unit::Blocks => 8192.0,
            Unit::Milliseconds => 1e3,
            Unit::Seconds => 1e6,
            Unit::Minutes => 60e6,
            Unit::Bytes => 1.0,
            Unit::Kilobytes => 1024.0,
            Unit::Megabytes => 1_048_576.0,
        }
    }
}

/// Reads a whole number in the setting's unit; the error is the hint that names the units.
pub(super) fn parse_integer(text: &str, unit: Unit) -> Result<i64, Option<&'static str>> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).map_err(|_| None);
    }
    parse_real(text, unit).map(|value| value.round_ties_even() as i64)
}

/// The same of a number with a fraction.
pub(super) fn parse_real(text: &str, unit: Unit) -> Result<f64, Option<&'static str>> {
    let text = text.trim();
    let end = text
        .char_indices()
        .find(|(position, character)| {
            let exponent =
                matches!(character, 'e' | 'E') && text[position + 1..].starts_with(|c: char| c.is_ascii_digit());
            !(character.is_ascii_digit() || matches!(character, '.' | '+' | '-') || exponent)
        })
        .map_or(text.len(), |(position, _)| position);
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| None)?;
    let (table, hint) = unit.table();
    let suffix = suffix.trim();
    Ok(match suffix {
        "" => number,
        suffix => {
            let (_, size) = table.iter().find(|(name, _)| *name == suffix).ok_or(hint)?;
            number * size / unit.size()
        }
    })
}

/// A number with the largest unit that divides it: 5000 ms is `5s`.
pub(super) fn show_number(canonical: &str, unit: Unit) -> String {
    let (table, _) = unit.table();
    let Ok(value) = canonical.parse::<f64>() else {
        return canonical.to_string();
    };
    if table.is_empty() || value <= 0.0 {
        return canonical.to_string();
    }
    let total = value * unit.size();
    match table.iter().find(|(_, size)| total % size == 0.0) {
        Some((name, size)) => format!("{}{name}", total / size),
        None => canonical.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units() {
        for (text, unit, value, shown) in [
            ("5s", Unit::Milliseconds, 5000, "5s"),
            ("1.5min", Unit::Milliseconds, 90_000, "90s"),
            ("0", Unit::Milliseconds, 0, "0"),
            ("1500", Unit::Milliseconds, 1500, "1500ms"),
            ("1 h", Unit::Seconds, 3600, "1h"),
            ("64MB", Unit::Kilobytes, 65_536, "64MB"),
            ("4GB", Unit::Blocks, 524_288, "4GB"),
            ("2 d", Unit::Minutes, 2880, "2d"),
            ("1GB", Unit::Megabytes, 1024, "1GB"),
            ("16MB", Unit::Bytes, 16_777_216, "16MB"),
            ("7", Unit::None, 7, "7"),
            ("-1", Unit::Kilobytes, -1, "-1"),
        ] {
            assert_eq!(parse_integer(text, unit), Ok(value), "{text}");
            assert_eq!(show_number(&value.to_string(), unit), shown, "{text}");
        }
        assert_eq!(parse_integer("5 xx", Unit::Seconds), Err(Some(TIME_HINT)));
        assert_eq!(parse_integer("abc", Unit::Seconds), Err(None));
    }
}
