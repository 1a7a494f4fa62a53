//! What a session decides about how values are written and read: DateStyle, TimeZone, IntervalStyle,
//! bytea_output and extra_float_digits. Cheap to clone; part of every key of a cached answer.

use std::fmt;

use crate::types::time_zone::TimeZone;

/// The format of a value on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    #[default]
    Text,
    Binary,
}

impl Format {
    /// The protocol's format code; `None` for a code that does not exist.
    pub fn from_code(code: i16) -> Option<Format> {
        match code {
            0 => Some(Format::Text),
            1 => Some(Format::Binary),
            _ => None,
        }
    }

    pub fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// The settings that text output and input depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FormatSettings {
    pub date_style: DateStyle,
    pub time_zone: TimeZone,
    pub interval_style: IntervalStyle,
    pub bytea_output: ByteaOutput,
    /// Above zero: the shortest text that reads back as the same number.
    pub extra_float_digits: i32,
}

impl Default for FormatSettings {
    fn default() -> Self {
        FormatSettings {
            date_style: DateStyle::default(),
            time_zone: TimeZone::UTC,
            interval_style: IntervalStyle::default(),
            bytea_output: ByteaOutput::default(),
            extra_float_digits: 1,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DateStyle {
    pub format: DateFormat,
    pub order: DateOrder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DateFormat {
    #[default]
    Iso,
    Sql,
    Postgres,
    German,
}

/// The order in which 01/02/03 is read, and written by the styles SQL and Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DateOrder {
    Ymd,
    Dmy,
    #[default]
    Mdy,
}

impl DateStyle {
    /// Applies what SET DateStyle names (`ISO, DMY`, `german`, `European`) to the style in force; `None`
    /// for an unknown or contradictory word.
    pub fn parse(text: &str, current: DateStyle) -> Option<DateStyle> {
        let (mut format, mut order, mut implied_order) = (None, None, None);
        for word in text.split(',') {
            let word = word.trim().to_ascii_lowercase();
            let (named_format, named_order) = match word.as_str() {
                "iso" => (Some(DateFormat::Iso), None),
                "sql" => (Some(DateFormat::Sql), None),
                word if word.starts_with("postgres") => (Some(DateFormat::Postgres), None),
                "german" => (Some(DateFormat::German), None),
                "ymd" => (None, Some(DateOrder::Ymd)),
                "dmy" => (None, Some(DateOrder::Dmy)),
                word if word.starts_with("euro") => (None, Some(DateOrder::Dmy)),
                "mdy" | "us" => (None, Some(DateOrder::Mdy)),
                word if word.starts_with("noneuro") => (None, Some(DateOrder::Mdy)),
                "default" => {
                    format = format.or(Some(DateFormat::default()));
                    order = order.or(Some(DateOrder::default()));
                    continue;
                }
                _ => return None,
            };
            let contradicts_format = named_format.is_some() && format.is_some() && format != named_format;
            let contradicts_order = named_order.is_some() && order.is_some() && order != named_order;
            if contradicts_format || contradicts_order {
                return None;
            }
            format = format.or(named_format);
            order = order.or(named_order);
            if named_format == Some(DateFormat::German) {
                implied_order = Some(DateOrder::Dmy);
            }
        }
        let order = order.or(implied_order);
        Some(DateStyle {
            format: format.unwrap_or(current.format),
            order: order.unwrap_or(current.order),
        })
    }
}

/// `ISO, MDY`, as SHOW DateStyle prints it.
impl fmt::Display for DateStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            DateFormat::Iso => "ISO",
            DateFormat::Sql => "SQL",
            DateFormat::Postgres => "Postgres",
            DateFormat::German => "German",
        };
        let order = match self.order {
            DateOrder::Ymd => "YMD",
            DateOrder::Dmy => "DMY",
            DateOrder::Mdy => "MDY",
        };
        write!(f, "{format}, {order}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IntervalStyle {
    #[default]
    Postgres,
    PostgresVerbose,
    SqlStandard,
    Iso8601,
}

impl IntervalStyle {
    /// Reads a value of SET IntervalStyle.
    pub fn parse(text: &str) -> Option<IntervalStyle> {
        let all = [
            IntervalStyle::Postgres,
            IntervalStyle::PostgresVerbose,
            IntervalStyle::SqlStandard,
            IntervalStyle::Iso8601,
        ];
        all.into_iter().find(|style| style.name().eq_ignore_ascii_case(text))
    }

    pub fn name(self) -> &'static str {
        match self {
            IntervalStyle::Postgres => "postgres",
            IntervalStyle::PostgresVerbose => "postgres_verbose",
            IntervalStyle::SqlStandard => "sql_standard",
            IntervalStyle::Iso8601 => "iso_8601",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ByteaOutput {
    #[default]
    Hex,
    Escape,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_styles_read_as_postgres_reads_them() {
        let current = DateStyle {
            format: DateFormat::Sql,
            order: DateOrder::Ymd,
        };
        for (text, expected) in [
            ("ISO, MDY", Some("ISO, MDY")),
            ("iso", Some("ISO, YMD")),
            ("dmy", Some("SQL, DMY")),
            ("German", Some("German, DMY")),
            ("german, ymd", Some("German, YMD")),
            ("European", Some("SQL, DMY")),
            ("PostgreSQL, US", Some("Postgres, MDY")),
            ("default", Some("ISO, MDY")),
            ("iso, sql", None),
            ("mdy, dmy", None),
            ("nope", None),
        ] {
            let shown = DateStyle::parse(text, current).map(|style| style.to_string());
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }
}
