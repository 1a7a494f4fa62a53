//! The kinds of values: sizes, times, fractions, addresses. Each is read from TOML and from plain text
//! (environment, command line) by the same function, and says what it accepts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};

/// Bytes: "256MB" or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A span of time: "30s" or a number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(pub Duration);

/// Bytes, or a fraction of the machine's memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MemoryLimit {
    Bytes(u64),
    Fraction(f64),
}

/// One address or a list of them, HOST:PORT each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub Vec<String>);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl MemoryLimit {
    /// The limit in bytes on a machine with `available` bytes of memory.
    pub fn bytes(self, available: u64) -> u64 {
        match self {
            MemoryLimit::Bytes(bytes) => bytes,
            MemoryLimit::Fraction(fraction) => (available as f64 * fraction) as u64,
        }
    }
}

/// Reads a value from the environment or the command line; the error says what is accepted.
pub(super) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
}

const SIZE_UNITS: [(&str, u64); 12] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1 << 10),
    ("kB", 1 << 10),
    ("MB", 1 << 20),
    ("GB", 1 << 30),
    ("TB", 1 << 40),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("B", 1),
];
const TIME_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("m", 60_000),
    ("h", 3_600_000),
];

/// `number unit`, in the unit's base; a bare number counts in the base.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number.trim_end(), *factor)))
        .unwrap_or((text, 1));
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let value = number.parse::<f64>().ok()? * factor as f64;
    (value.is_finite() && value >= 0.0 && value < u64::MAX as f64).then_some(value as u64)
}

impl FromText for ByteSize {
    fn from_text(text: &str) -> Result<Self, String> {
        measure(text, &SIZE_UNITS)
            .map(ByteSize)
            .ok_or_else(|| format!("\"{text}\" is no size: write \"512KB\", \"256MB\", \"1.5GB\" or a number of bytes"))
    }
}

impl FromText for Interval {
    fn from_text(text: &str) -> Result<Self, String> {
        measure(text, &TIME_UNITS)
            .map(|milliseconds| Interval(Duration::from_millis(milliseconds)))
            .ok_or_else(|| {
                format!("\"{text}\" is no time: write \"250ms\", \"30s\", \"5m\", \"1h\" or a number of milliseconds")
            })
    }
}

impl FromText for MemoryLimit {
    fn from_text(text: &str) -> Result<Self, String> {
        let accepted = || {
            format!("\"{text}\" is no limit: write a size such as \"256MB\", or a fraction of the memory such as 0.6")
        };
        if let Some(percent) = text.trim().strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| accepted())?;
            return MemoryLimit::fraction(percent / 100.0).ok_or_else(accepted);
        }
        if text.contains('.')
            && let Ok(number) = text.trim().parse::<f64>()
        {
            return MemoryLimit::fraction(number).ok_or_else(accepted);
        }
        ByteSize::from_text(text)
            .map(|size| MemoryLimit::Bytes(size.0))
            .map_err(|_| accepted())
    }
}

impl MemoryLimit {
    fn fraction(fraction: f64) -> Option<MemoryLimit> {
        (fraction > 0.0 && fraction <= 1.0).then_some(MemoryLimit::Fraction(fraction))
    }
}

impl FromText for Addresses {
    fn from_text(text: &str) -> Result<Self, String> {
        Addresses::of(text.split(',').map(|address| address.trim().to_string()).collect())
    }
}

impl Addresses {
    fn of(addresses: Vec<String>) -> Result<Addresses, String> {
        match addresses.iter().find(|address| !is_address(address)) {
            None if !addresses.is_empty() => Ok(Addresses(addresses)),
            None => Err("at least one address is needed, such as \"127.0.0.1:5433\"".to_string()),
            Some(wrong) => Err(format!(
                "\"{wrong}\" is no address: write HOST:PORT, such as \"127.0.0.1:5433\""
            )),
        }
    }
}

/// Whether a text looks like HOST:PORT; whether it resolves is known when it is bound.
pub(super) fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl FromText for LogFormat {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            other => Err(format!("\"{other}\" is no format: write \"text\" or \"json\"")),
        }
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_string())
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(format!("\"{text}\" is neither true nor false")),
        }
    }
}

impl FromText for usize {
    fn from_text(text: &str) -> Result<Self, String> {
        text.trim()
            .parse()
            .map_err(|_| format!("\"{text}\" is no whole number"))
    }
}

impl FromText for BTreeMap<String, String> {
    fn from_text(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) => Ok((key.trim().to_string(), value.trim().to_string())),
                None => Err(format!(
                    "\"{pair}\" is no option: write key=value, with commas between several"
                )),
            })
            .collect()
    }
}

/// A scalar of TOML as the text that the environment would hold.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D, expected: &str) -> Result<String, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        // A whole number in TOML's float spelling stays a fraction: 1.0, not 1.
        toml::Value::Float(number) => Ok(format!("{number:?}")),
        other => Err(D::Error::custom(format!(
            "expected {expected}, found a {}",
            other.type_str()
        ))),
    }
}

macro_rules! from_scalar {
    ($($Value:ty: $expected:literal),* $(,)?) => {$(
        impl<'de> Deserialize<'de> for $Value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$Value>::from_text(&scalar(deserializer, $expected)?).map_err(D::Error::custom)
            }
        }
    )*};
}

from_scalar! {
    ByteSize: "a size such as \"256MB\"",
    Interval: "a time such as \"30s\"",
    MemoryLimit: "a size such as \"256MB\" or a fraction such as 0.6",
    LogFormat: "\"text\" or \"json\"",
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "expected an address such as \"127.0.0.1:5433\", or a list of addresses";
        let addresses = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => vec![text],
            toml::Value::Array(values) => values
                .into_iter()
                .map(|value| {
                    value
                        .as_str()
                        .map(str::to_string)
                        .ok_or_else(|| D::Error::custom(expected))
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(D::Error::custom(expected)),
        };
        Addresses::of(addresses).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_times_and_limits() {
        let size = |text: &str| ByteSize::from_text(text).map(|size| size.0).ok();
        assert_eq!(size("256MB"), Some(256 << 20));
        assert_eq!(size("1.5 GiB"), Some(3 << 29));
        assert_eq!(size("42"), Some(42));
        assert_eq!((size("plenty"), size("-1"), size("99999999999TB")), (None, None, None));
        let time = |text: &str| Interval::from_text(text).map(|time| time.0.as_millis()).ok();
        assert_eq!(
            (time("250ms"), time("30s"), time("5m"), time("7"), time("x")),
            (Some(250), Some(30_000), Some(300_000), Some(7), None)
        );
        let limit = |text: &str| MemoryLimit::from_text(text).map(|limit| limit.bytes(1000)).ok();
        assert_eq!(
            (limit("0.5"), limit("25%"), limit("64"), limit("1.5"), limit("plenty")),
            (Some(500), Some(250), Some(64), None, None)
        );
    }
}
