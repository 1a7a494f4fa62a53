//! Values and their text: input, output and casts of every type, as PostgreSQL's functions of the types make them.

use bytes::BytesMut;

use super::super::analyzer::not_covered;
use super::super::value_type::{
    BOOL, BPCHAR, CHAR, CID, FLOAT4, FLOAT8, INT2, INT2VECTOR, INT4, INT8, NAME, NUMERIC, OID, OIDVECTOR, RECORD,
    REGCLASS, REGCOLLATION, REGCONFIG, REGDICTIONARY, REGNAMESPACE, REGOPER, REGOPERATOR, REGPROC, REGPROCEDURE,
    REGROLE, REGTYPE, TEXT, Type, VARCHAR, XID,
};
use super::Executor;
use super::compare::number;
use crate::error::{Error, Result, SqlState};
use crate::functions::{Datum, call_function, to_array};
use crate::types::format::Format;
use crate::types::parse::{ArrayItem, parse_array, parse_value};
use crate::types::precision::{round_time, round_timestamp};
use crate::types::{ColumnEncoder, SqlType};

/// The longest name, in bytes.
const NAME_LENGTH: usize = 63;

/// The function that reads a registered name, and with `out` the one that writes it.
fn registered_name(oid: u32) -> Option<&'static str> {
    Some(match oid {
        REGCLASS => "regclass",
        REGTYPE => "regtype",
        REGPROC => "regproc",
        REGPROCEDURE => "regprocedure",
        REGNAMESPACE => "regnamespace",
        REGROLE => "regrole",
        REGOPER => "regoper",
        REGOPERATOR => "regoperator",
        REGCOLLATION => "regcollation",
        _ => return None,
    })
}

impl Executor<'_> {
    /// What the type's input function reads.
    pub fn input(&self, text: &str, ty: &Type) -> Result<Datum> {
        if let Some(name) = registered_name(ty.oid) {
            return self.row_function(name, &[text.into()]);
        }
        match ty.oid {
            TEXT | VARCHAR | BPCHAR => return Ok(text.into()),
            NAME => return Ok(truncated(text, NAME_LENGTH).into()),
            CHAR => return Ok(first_byte(text).into()),
            INT2VECTOR | OIDVECTOR => {
                let parts = text.split_whitespace().map(|part| {
                    part.parse::<i64>()
                        .map(Datum::Int)
                        .map_err(|_| Error::new(SqlState::InvalidTextRepresentation, invalid(ty, part)))
                });
                return Ok(Datum::List(parts.collect::<Result<_>>()?));
            }
            XID | CID => {
                let number = text.trim().parse::<u32>();
                return number
                    .map(Datum::from)
                    .map_err(|_| Error::new(SqlState::InvalidTextRepresentation, invalid(ty, text)));
            }
            RECORD => return Err(not_covered("input of a record")),
            _ => {}
        }
        if ty.is_registered() {
            return match text.parse::<u32>() {
                Ok(oid) => Ok(oid.into()),
                Err(_) => Err(not_covered(format!("a name as {}", ty.name()))),
            };
        }
        if let Some(element) = ty.element() {
            return self.array_input(&parse_array(text)?, &element).map(Datum::List);
        }
        match SqlType::from_oid(ty.oid) {
            Some(SqlType::System(_)) | None => Ok(text.into()),
            // Only an interval's fields tell the unit of a number.
            Some(SqlType::Interval(_)) => Datum::from_scalar(&parse_value(&ty.to_sql_type(), text, self.settings)?),
            Some(sql_type) => Datum::from_scalar(&parse_value(&sql_type, text, self.settings)?),
        }
    }

    fn array_input(&self, items: &[ArrayItem], element: &Type) -> Result<Vec<Datum>> {
        items
            .iter()
            .map(|item| match item {
                ArrayItem::Null => Ok(Datum::Null),
                ArrayItem::Text(text) => self.input(text, element),
                ArrayItem::Array(_) => Err(not_covered("an array of several dimensions")),
            })
            .collect()
    }

    pub fn row_function(&self, name: &'static str, values: &[Datum]) -> Result<Datum> {
        call_function(name, self.environment, values)
            .unwrap_or_else(|| Err(Error::internal(format!("no function {name}"))))
    }

    /// What the type's output function writes; not for NULL.
    pub fn output(&self, value: &Datum, ty: &Type) -> Result<String> {
        Ok(match value {
            Datum::Null => String::new(),
            Datum::Bool(value) => if *value { "t" } else { "f" }.to_string(),
            Datum::Text(text) => text.clone(),
            Datum::Int(number) => match registered_name(ty.oid) {
                Some(name) => self.registered_output(name, *number)?,
                None => match ty.oid {
                    REGCONFIG | REGDICTIONARY if *number == 0 => "-".to_string(),
                    _ => number.to_string(),
                },
            },
            Datum::Decimal(value, scale) => decimal_text(*value, *scale),
            Datum::List(values) => match ty.oid {
                INT2VECTOR | OIDVECTOR => {
                    let texts: Vec<String> = values
                        .iter()
                        .filter_map(Datum::as_int)
                        .map(|number| number.to_string())
                        .collect();
                    texts.join(" ")
                }
                RECORD => self.record_output(values, ty)?,
                _ => self.array_output(values, &ty.element().unwrap_or(Type::of(TEXT)))?,
            },
            other => {
                let sql_type = match (other, ty.to_sql_type()) {
                    (Datum::Float(_), SqlType::Float4) => SqlType::Float4,
                    (Datum::Float(_), _) => SqlType::Float8,
                    (_, sql_type) => sql_type,
                };
                let array = to_array(&sql_type.to_arrow(), std::slice::from_ref(other))?;
                let mut bytes = BytesMut::new();
                ColumnEncoder::new(&sql_type, Format::Text, self.settings).encode(&array, 0, &mut bytes)?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
        })
    }

    fn registered_output(&self, name: &'static str, number: i64) -> Result<String> {
        let shown = match name {
            "regclass" => "regclassout",
            "regtype" => "regtypeout",
            "regproc" => "regprocout",
            "regprocedure" => "regprocedureout",
            "regnamespace" => "regnamespaceout",
            "regoper" => "regoperout",
            "regoperator" => "regoperatorout",
            "regcollation" => "regcollationout",
            _ => "regroleout",
        };
        match self.row_function(shown, &[number.into()])? {
            Datum::Text(text) => Ok(text),
            _ => Ok(number.to_string()),
        }
    }

    fn array_output(&self, values: &[Datum], element: &Type) -> Result<String> {
        let mut texts = vec![];
        for value in values {
            texts.push(match value {
                Datum::Null => "NULL".to_string(),
                Datum::List(inner) if element.oid != RECORD => self.array_output(inner, element)?,
                other => quoted_element(&self.output(other, element)?),
            });
        }
        Ok(format!("{{{}}}", texts.join(",")))
    }

    fn record_output(&self, values: &[Datum], ty: &Type) -> Result<String> {
        let mut texts = vec![];
        for (index, value) in values.iter().enumerate() {
            let field = ty.fields.as_ref().and_then(|fields| fields.get(index));
            let field_type = field.map_or(Type::of(TEXT), |field| field.ty.clone());
            texts.push(match value {
                Datum::Null => String::new(),
                other => quoted_field(&self.output(other, &field_type)?),
            });
        }
        Ok(format!("({})", texts.join(",")))
    }

    /// A cast that the analyzer allowed.
    pub fn cast(&self, value: Datum, from: &Type, to: &Type, explicit: bool) -> Result<Datum> {
        if value.is_null() {
            return Ok(value);
        }
        if from.oid == to.oid {
            return self.fitted(value, to, explicit);
        }
        if to.category() == 'S' || to.oid == CHAR {
            let text = match &value {
                Datum::Bool(value) => if *value { "true" } else { "false" }.to_string(),
                Datum::Text(text) if from.is(BPCHAR) => text.trim_end_matches(' ').to_string(),
                Datum::Int(number) if to.is(CHAR) && from.is(INT4) => {
                    char::from(u8::try_from(*number & 0xff).unwrap_or(0)).to_string()
                }
                other => self.output(other, from)?,
            };
            let text = match to.oid {
                NAME => truncated(&text, NAME_LENGTH).to_string(),
                CHAR => first_byte(&text).to_string(),
                _ => text,
            };
            return self.fitted(text.into(), to, explicit);
        }
        if let (Datum::List(values), Some(from), Some(to)) = (&value, from.element(), to.element()) {
            let cast = |value: &Datum| match value {
                Datum::List(_) => Err(not_covered("a cast of a nested array")),
                other => self.cast(other.clone(), &from, &to, explicit),
            };
            return Ok(Datum::List(values.iter().map(cast).collect::<Result<_>>()?));
        }
        if let Datum::Text(text) = &value {
            if from.is(CHAR) && to.is(INT4) {
                return Ok(i64::from(text.bytes().next().unwrap_or(0)).into());
            }
            let value = self.input(text, to)?;
            return self.fitted(value, to, explicit);
        }
        match (to.oid, &value) {
            (BOOL, Datum::Int(number)) => Ok((*number != 0).into()),
            (INT4, Datum::Bool(value)) => Ok(i64::from(*value).into()),
            (FLOAT4 | FLOAT8, Datum::Int(_) | Datum::Float(_) | Datum::Decimal(..)) => Ok(Datum::Float(number(&value))),
            (NUMERIC, Datum::Int(number)) => self.fitted(Datum::Decimal(i128::from(*number), 0), to, explicit),
            (NUMERIC, Datum::Float(number)) => {
                let value = self.input(&number.to_string(), to)?;
                self.fitted(value, to, explicit)
            }
            (_, Datum::Int(number)) => integer(*number, to),
            (INT2 | INT4 | INT8, Datum::Float(number)) => {
                let rounded = number.round_ties_even();
                match rounded.abs() < 9.3e18 {
                    true => integer(rounded as i64, to),
                    false => Err(out_of_range(to)),
                }
            }
            (INT2 | INT4 | INT8, Datum::Decimal(value, scale)) => {
                let factor = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
                let half = factor / 2;
                let rounded = (value.abs() + half) / factor * value.signum();
                integer(i64::try_from(rounded).map_err(|_| out_of_range(to))?, to)
            }
            _ => Err(not_covered(format!("a cast from {} to {}", from.name(), to.name()))),
        }
    }

    /// A value within its type's length or precision.
    fn fitted(&self, value: Datum, to: &Type, explicit: bool) -> Result<Datum> {
        if to.typmod < 0 {
            return Ok(value);
        }
        match (&value, to.to_sql_type()) {
            (Datum::Micros(time), SqlType::Time(digits)) => return Ok(Datum::Micros(round_time(*time, digits))),
            (Datum::Micros(moment), SqlType::Timestamp(digits) | SqlType::Timestamptz(digits)) => {
                return Ok(Datum::Micros(round_timestamp(*moment, digits)));
            }
            (Datum::Interval(span), SqlType::Interval(Some(modifier))) => {
                return Ok(Datum::Interval(modifier.fit(*span)));
            }
            (Datum::Text(text), SqlType::Spelled(spelled)) => return Ok(spelled.fit(text, explicit)?.into()),
            _ if to.typmod < 4 => return Ok(value),
            _ => {}
        }
        let length = (to.typmod - 4) as usize;
        match (&value, to.oid) {
            (Datum::Text(text), VARCHAR) => {
                if text.chars().count() > length && !explicit && !text.chars().skip(length).all(|rest| rest == ' ') {
                    let message = format!("value too long for type character varying({length})");
                    return Err(Error::new(SqlState::StringDataRightTruncation, message));
                }
                Ok(text.chars().take(length).collect::<String>().into())
            }
            (Datum::Text(text), BPCHAR) => {
                let cut: String = text.chars().take(length).collect();
                let count = cut.chars().count();
                Ok(format!("{cut}{}", " ".repeat(length - count)).into())
            }
            (Datum::Decimal(..), NUMERIC) => {
                let text = self.output(&value, &Type::of(NUMERIC))?;
                Datum::from_scalar(&parse_value(&to.to_sql_type(), &text, self.settings)?)
            }
            _ => Ok(value),
        }
    }
}

fn integer(number: i64, to: &Type) -> Result<Datum> {
    let fits = match to.oid {
        INT2 => i16::try_from(number).is_ok(),
        INT4 => i32::try_from(number).is_ok(),
        INT8 => true,
        // A negative integer is read as the OID of the same bits.
        OID if i32::try_from(number).is_ok() => return Ok(i64::from(number as i32 as u32).into()),
        OID | XID | CID => u32::try_from(number).is_ok(),
        _ if to.is_registered() => u32::try_from(number).is_ok(),
        _ => return Err(not_covered(format!("an integer as {}", to.name()))),
    };
    match fits {
        true => Ok(number.into()),
        false => Err(out_of_range(to)),
    }
}

fn out_of_range(to: &Type) -> Error {
    let name = if to.is(OID) { "OID".to_string() } else { to.name() };
    Error::new(SqlState::NumericValueOutOfRange, format!("{name} out of range"))
}

fn invalid(ty: &Type, text: &str) -> String {
    format!("invalid input syntax for type {}: \"{text}\"", ty.name())
}

/// At most so many bytes, whole characters.
fn truncated(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

fn first_byte(text: &str) -> &str {
    match text.chars().next() {
        Some(first) if first.is_ascii() => &text[..1],
        _ => "",
    }
}

fn decimal_text(value: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    match fraction {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

fn quoted_element(text: &str) -> String {
    let special = |c: char| matches!(c, '"' | '\\' | '{' | '}' | ',' | ' ' | '\t'..='\r');
    if !text.is_empty() && !text.contains(special) && !text.eq_ignore_ascii_case("null") {
        return text.to_string();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn quoted_field(text: &str) -> String {
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | ',' | ' ' | '\t'..='\r');
    if !text.is_empty() && !text.contains(special) {
        return text.to_string();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
}
