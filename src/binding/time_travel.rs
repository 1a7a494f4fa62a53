//! `t VERSION AS OF 3` and `t TIMESTAMP AS OF '2026-01-01'`. The planner knows names only, so the
//! version travels inside the name, behind a character that no identifier can hold.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self as sql, VisitMut, VisitorMut};

use crate::error::{Error, Result, SqlState};
use crate::statement::relation;

const SEPARATOR: char = '\u{1}';

/// Which past version of a table a scan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeTravel {
    Version(u64),
    /// Microseconds since 1970 UTC: the newest version not younger.
    Timestamp(i64),
}

impl TimeTravel {
    /// As the storage spells it.
    pub(crate) fn in_storage(self) -> Result<crate::storage::TimeTravel> {
        Ok(match self {
            TimeTravel::Version(version) => crate::storage::TimeTravel::Version(version),
            TimeTravel::Timestamp(micros) => {
                let instant = chrono::DateTime::from_timestamp_micros(micros)
                    .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range"))?;
                crate::storage::TimeTravel::Timestamp(instant)
            }
        })
    }
}

/// Moves each relation's version into its name.
pub(crate) fn hide_versions_in_names(query: &mut sql::Query) -> Result<()> {
    let mut hider = VersionHider;
    match VisitMut::visit(query, &mut hider) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Splits a name made by `hide_versions_in_names`.
pub(crate) fn split_version(name: &str) -> Result<(&str, Option<TimeTravel>)> {
    let Some((table, version)) = name.split_once(SEPARATOR) else {
        return Ok((name, None));
    };
    let malformed = || Error::internal("a time travel reference is malformed");
    let travel = match version.split_once('=') {
        Some(("version", number)) => TimeTravel::Version(number.parse().map_err(|_| malformed())?),
        Some(("timestamp", micros)) => TimeTravel::Timestamp(micros.parse().map_err(|_| malformed())?),
        _ => return Err(malformed()),
    };
    Ok((table, Some(travel)))
}

struct VersionHider;

impl VisitorMut for VersionHider {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut sql::TableFactor) -> ControlFlow<Error> {
        let sql::TableFactor::Table {
            name, alias, version, ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let Some(version) = version.take() else {
            return ControlFlow::Continue(());
        };
        let suffix = match suffix(&version) {
            Ok(suffix) => suffix,
            Err(error) => return ControlFlow::Break(error),
        };
        let Some(sql::ObjectNamePart::Identifier(last)) = name.0.last_mut() else {
            return ControlFlow::Break(Error::syntax("time travel needs a table's name"));
        };
        let table = super::names::fold(last);
        if alias.is_none() {
            let name = sql::Ident::with_quote('"', table.clone());
            *alias = Some(relation::alias(name));
        }
        *last = sql::Ident::with_quote('"', format!("{table}{SEPARATOR}{suffix}"));
        ControlFlow::Continue(())
    }
}

impl TimeTravel {
    /// The version that a clause names.
    pub fn of(version: &sql::TableVersion) -> Result<TimeTravel> {
        match version {
            sql::TableVersion::VersionAsOf(expression) => {
                let text = literal(expression)
                    .ok_or_else(|| Error::new(SqlState::InvalidParameterValue, "VERSION AS OF takes a whole number"))?;
                let number: u64 = text.parse().map_err(|_| {
                    Error::new(
                        SqlState::InvalidParameterValue,
                        format!("VERSION AS OF takes a whole number, not \"{text}\""),
                    )
                })?;
                Ok(TimeTravel::Version(number))
            }
            sql::TableVersion::TimestampAsOf(expression) | sql::TableVersion::ForSystemTimeAsOf(expression) => {
                let text = literal(expression).ok_or_else(|| {
                    Error::new(SqlState::InvalidParameterValue, "TIMESTAMP AS OF takes a literal")
                        .with_hint("Write for example TIMESTAMP AS OF '2026-01-31 12:00:00'.")
                })?;
                Ok(TimeTravel::Timestamp(parse_timestamp(&text)?))
            }
            other => Err(Error::unsupported(format!("time travel by {other}"))),
        }
    }
}

fn suffix(version: &sql::TableVersion) -> Result<String> {
    Ok(match TimeTravel::of(version)? {
        TimeTravel::Version(number) => format!("version={number}"),
        TimeTravel::Timestamp(micros) => format!("timestamp={micros}"),
    })
}

fn literal(expression: &sql::Expr) -> Option<String> {
    match expression {
        sql::Expr::Value(value) => match &value.value {
            sql::Value::Number(text, _) => Some(text.clone()),
            sql::Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        sql::Expr::Nested(inner) => literal(inner),
        sql::Expr::Cast { expr, .. } => literal(expr),
        sql::Expr::TypedString(typed) => match &typed.value.value {
            sql::Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// ISO 8601 with or without a zone (UTC when absent), or a date alone.
fn parse_timestamp(text: &str) -> Result<i64> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime};
    let trimmed = text.trim();
    for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(instant) = DateTime::parse_from_str(trimmed, format) {
            return Ok(instant.timestamp_micros());
        }
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"] {
        if let Ok(instant) = NaiveDateTime::parse_from_str(trimmed, format) {
            return Ok(instant.and_utc().timestamp_micros());
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(trimmed, "%Y-%m-%d") {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros());
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(trimmed) {
        return Ok(instant.timestamp_micros());
    }
    Err(Error::new(
        SqlState::InvalidDatetimeFormat,
        format!("invalid input syntax for type timestamp: \"{text}\""),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_hide_in_names_and_come_back() {
        assert_eq!(split_version("t").unwrap(), ("t", None));
        assert_eq!(
            split_version("t\u{1}version=3").unwrap(),
            ("t", Some(TimeTravel::Version(3)))
        );
        assert_eq!(parse_timestamp("1970-01-01 00:00:01").unwrap(), 1_000_000);
        assert_eq!(parse_timestamp("1970-01-01 02:00:01+02").unwrap(), 1_000_000);
        assert_eq!(parse_timestamp("1970-01-02").unwrap(), 86_400_000_000);
        assert!(parse_timestamp("soon").is_err());
    }
}
