//! Methods of paths that make a value of another type: `.integer()`, `.string()`, `.datetime()`.

use super::super::scan::{self, Kind};
use super::moments::{Moment, MomentKind, unrecognized};
use crate::error::{Error, Result, SqlState};
use crate::types::json::{canonical, write_string};
use crate::types::numeric::Number;
use crate::types::parse::{parse_bool, parse_decimal};
use crate::types::{SqlType, TimeZone};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conversion {
    BigInt,
    Boolean,
    /// The precision and scale, if there are any.
    Decimal(Option<(i64, i64)>),
    Integer,
    Number,
    String,
    /// By a template, if there is one.
    Datetime(Option<String>),
    /// With so many digits of seconds.
    Moment(MomentKind, Option<u32>),
}

/// An argument of a method.
pub(super) enum Argument {
    Text(String),
    Number(i64),
}

impl Conversion {
    pub fn named(name: &str, arguments: &[Argument]) -> Option<Conversion> {
        let digits = || match arguments {
            [] => Some(None),
            [Argument::Number(digits)] => u32::try_from(*digits).ok().map(Some),
            _ => None,
        };
        Some(match (name, arguments) {
            ("bigint", []) => Conversion::BigInt,
            ("boolean", []) => Conversion::Boolean,
            ("decimal", []) => Conversion::Decimal(None),
            ("decimal", [Argument::Number(precision)]) => Conversion::Decimal(Some((*precision, 0))),
            ("decimal", [Argument::Number(precision), Argument::Number(scale)]) => {
                Conversion::Decimal(Some((*precision, *scale)))
            }
            ("integer", []) => Conversion::Integer,
            ("number", []) => Conversion::Number,
            ("string", []) => Conversion::String,
            ("datetime", []) => Conversion::Datetime(None),
            ("datetime", [Argument::Text(template)]) => Conversion::Datetime(Some(template.clone())),
            ("date", []) => Conversion::Moment(MomentKind::Date, None),
            ("time", _) => Conversion::Moment(MomentKind::Time, digits()?),
            ("time_tz", _) => Conversion::Moment(MomentKind::Timetz, digits()?),
            ("timestamp", _) => Conversion::Moment(MomentKind::Timestamp, digits()?),
            ("timestamp_tz", _) => Conversion::Moment(MomentKind::Timestamptz, digits()?),
            _ => return None,
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Conversion::BigInt => "bigint",
            Conversion::Boolean => "boolean",
            Conversion::Decimal(_) => "decimal",
            Conversion::Integer => "integer",
            Conversion::Number => "number",
            Conversion::String => "string",
            Conversion::Datetime(_) => "datetime",
            Conversion::Moment(MomentKind::Date, _) => "date",
            Conversion::Moment(MomentKind::Time, _) => "time",
            Conversion::Moment(MomentKind::Timetz, _) => "time_tz",
            Conversion::Moment(MomentKind::Timestamp, _) => "timestamp",
            Conversion::Moment(MomentKind::Timestamptz, _) => "timestamp_tz",
        }
    }

    /// What becomes of an item.
    pub fn apply(&self, item: &str, zone: Option<&TimeZone>) -> Result<String> {
        let kind = match Moment::of_item(item) {
            Some(_) => None,
            None => Some(scan::kind(item)),
        };
        let refused = |what: &str| {
            let message = format!("jsonpath item method .{}() can only be applied to {what}", self.name());
            Err(Error::new(SqlState::NonNumericSqlJsonItem, message))
        };
        let text = || match kind {
            Some(Kind::String) => scan::unquoted(item),
            _ => Ok(item.to_string()),
        };
        match self {
            Conversion::String => match (Moment::of_item(item), kind) {
                (Some(moment), _) => Ok(quoted(&moment.text().replacen('T', " ", 1))),
                (_, Some(Kind::String)) => Ok(item.to_string()),
                (_, Some(Kind::Number | Kind::Boolean)) => Ok(quoted(item)),
                _ => refused("a boolean, string, numeric, or datetime value"),
            },
            Conversion::Boolean => match kind {
                Some(Kind::Boolean) => Ok(item.to_string()),
                Some(Kind::Number) => match self.whole(item, "integer")? {
                    0 => Ok("false".to_string()),
                    _ => Ok("true".to_string()),
                },
                Some(Kind::String) => match parse_bool(&text()?) {
                    Ok(value) => Ok(value.to_string()),
                    Err(_) => Err(self.invalid(&text()?, "boolean")),
                },
                _ => refused("a boolean, string, or numeric value"),
            },
            Conversion::BigInt | Conversion::Integer => match kind {
                Some(Kind::String | Kind::Number) => {
                    let name = if *self == Conversion::BigInt {
                        "bigint"
                    } else {
                        "integer"
                    };
                    let text = text()?;
                    if kind == Some(Kind::String)
                        && text.trim().trim_start_matches(['+', '-']).contains(['.', 'e', 'E'])
                    {
                        return Err(self.invalid(&text, name));
                    }
                    Ok(self.whole(&text, name)?.to_string())
                }
                _ => refused("a string or numeric value"),
            },
            Conversion::Number | Conversion::Decimal(_) => match kind {
                Some(Kind::String | Kind::Number) => self.number(&text()?),
                _ => refused("a string or numeric value"),
            },
            Conversion::Datetime(template) => match (kind, template) {
                (Some(Kind::String), Some(template)) => Ok(Moment::read_by(&text()?, template)?.into_item()),
                (Some(Kind::String), None) => match Moment::read(&text()?) {
                    Some(moment) => Ok(moment.into_item()),
                    None => Err(unrecognized("datetime", &text()?)),
                },
                _ => not_a_string(self.name()),
            },
            Conversion::Moment(wanted, digits) => {
                let moment = match (Moment::of_item(item), kind) {
                    (Some(moment), _) => moment,
                    (None, Some(Kind::String)) => {
                        Moment::read(&text()?).ok_or_else(|| unrecognized(self.name(), &text().unwrap_or_default()))?
                    }
                    _ => return not_a_string(self.name()),
                };
                let cast = moment.cast(*wanted, zone)?;
                let cast = cast.ok_or_else(|| unrecognized(self.name(), &moment.text()))?;
                Ok(digits.map_or(cast, |digits| cast.rounded(digits)).into_item())
            }
        }
    }

    fn invalid(&self, text: &str, sql_type: &str) -> Error {
        let message = format!(
            "argument \"{text}\" of jsonpath item method .{}() is invalid for type {sql_type}",
            self.name()
        );
        Error::new(SqlState::NonNumericSqlJsonItem, message)
    }

    /// The nearest whole number, within the type.
    fn whole(&self, text: &str, sql_type: &str) -> Result<i64> {
        let invalid = || self.invalid(text, sql_type);
        let number = parse_decimal(text).map_err(|_| invalid())?;
        let rounded = Number::new(number.value, i32::from(number.scale)).rounded(0)?.to_i128();
        let value = rounded
            .and_then(|value| i64::try_from(value).ok())
            .ok_or_else(invalid)?;
        match sql_type == "integer" && i32::try_from(value).is_err() {
            true => Err(invalid()),
            false => Ok(value),
        }
    }

    fn number(&self, text: &str) -> Result<String> {
        let decimal = parse_decimal(text).map_err(|_| self.invalid(text, "numeric"))?;
        let Conversion::Decimal(Some((precision, scale))) = self else {
            return canonical(text.trim().trim_start_matches('+')).map_err(|_| self.invalid(text, "numeric"));
        };
        let modifier = format!("numeric({precision},{scale})");
        let sql_type: SqlType = modifier.parse()?;
        let SqlType::Numeric(Some((precision, scale))) = sql_type else {
            return Err(self.invalid(text, "numeric"));
        };
        let fitted = crate::types::parse::fit_decimal(decimal, precision, scale)?;
        Ok(Number::new(fitted, i32::from(scale)).to_string())
    }
}

fn not_a_string(method: &str) -> Result<String> {
    let message = format!("jsonpath item method .{method}() can only be applied to a string");
    Err(Error::new(SqlState::InvalidJsonDatetime, message))
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    write_string(text, &mut out);
    out
}
