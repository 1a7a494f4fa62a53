//! Operators and collations as registered names: the casts of `regoper`, `regoperator` and `regcollation`, and their text.

use super::builtin::{builtin_operators, collations};
use super::datum::Datum;
use super::lookup::{Lookup, parse_name, quote_identifier};
use super::names::{as_number, shown, shown_type, type_oid};
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::model::Oid;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

const NAME_OR_OID: &[&[Argument]] = &[&[Argument::NameOrOid]];
const NAME: &[&[Argument]] = &[&[Argument::Text]];
const OID: &[&[Argument]] = &[&[Argument::Oid]];

pub(super) fn functions() -> Vec<RowFunction> {
    let stable = RowFunction::stable;
    vec![
        stable("regoper", NAME_OR_OID, SqlType::Oid, |call, row| {
            by_name(call, row, named)
        }),
        stable("regoperator", NAME_OR_OID, SqlType::Oid, |call, row| {
            by_name(call, row, with_operands)
        }),
        stable("regcollation", NAME_OR_OID, SqlType::Oid, |call, row| {
            by_name(call, row, collation)
        }),
        stable("to_regoper", NAME, SqlType::Oid, |call, row| or_null(call, row, named)),
        stable("to_regoperator", NAME, SqlType::Oid, |call, row| {
            or_null(call, row, with_operands)
        }),
        stable("to_regcollation", NAME, SqlType::Oid, |call, row| {
            or_null(call, row, collation)
        }),
        stable("regoperout", OID, SqlType::Text, |_, row| {
            shown_operator(row, |oid| {
                let found = operators().find(|operator| operator.oid == oid);
                Ok(found.map(|operator| {
                    // A name of several operators finds none of them.
                    let is_overloaded = operators().filter(|other| other.name == operator.name).nth(1).is_some();
                    let schema = if is_overloaded { "pg_catalog." } else { "" };
                    format!("{schema}{}", operator.name)
                }))
            })
        }),
        stable("regoperatorout", OID, SqlType::Text, |call, row| {
            shown_operator(row, |oid| {
                let lookup = Lookup::of(call)?;
                let found = operators().find(|operator| operator.oid == oid);
                Ok(found.map(|operator| operator.text(&lookup)))
            })
        }),
        stable("regcollationout", OID, SqlType::Text, |_, row| {
            shown(row, |oid| {
                let found = collations().iter().find(|collation| collation.oid == oid);
                Ok(found.map(|collation| quote_identifier(collation.name)))
            })
        }),
    ]
}

/// An operator of pg_operator; the left operand of a prefix operator is 0.
struct Operator {
    oid: Oid,
    name: &'static str,
    operands: [Oid; 2],
}

impl Operator {
    fn text(&self, lookup: &Lookup<'_>) -> String {
        let [left, right] = self.operands.map(|operand| match operand {
            0 => "NONE".to_string(),
            operand => shown_type(lookup, operand, None),
        });
        format!("{}({left},{right})", self.name)
    }
}

fn operators() -> impl Iterator<Item = Operator> {
    builtin_operators().filter_map(|row| {
        let [oid, name, _, _, _, left, right, ..] = row.as_slice() else {
            return None;
        };
        Some(Operator {
            oid: oid.parse().ok()?,
            name,
            operands: [left.parse().ok()?, right.parse().ok()?],
        })
    })
}

/// No operator is `0` and not `-`, which is the name of some.
fn shown_operator(row: &[Datum], name: impl Fn(Oid) -> Result<Option<String>>) -> Result<Datum> {
    match row.first().and_then(Datum::as_oid) {
        Some(0) => Ok("0".into()),
        _ => shown(row, name),
    }
}

fn missing(name: &str) -> Error {
    Error::new(SqlState::UndefinedFunction, format!("operator does not exist: {name}"))
}

/// The name without its schema; `None` where it is said to lie in another one than `pg_catalog`, which holds all.
fn plain(name: &str) -> Option<&str> {
    let is_letter = |character: char| character.is_alphanumeric() || matches!(character, '_' | '"');
    match name.split_once('.').filter(|(schema, _)| schema.chars().all(is_letter)) {
        Some(("pg_catalog", name)) => Some(name),
        Some(_) => None,
        None => Some(name),
    }
}

fn named(_: &Lookup<'_>, name: &str) -> Result<Oid> {
    let plain = plain(name.trim()).ok_or_else(|| missing(name))?;
    let mut found = operators().filter(|operator| operator.name == plain);
    match (found.next(), found.next()) {
        (Some(operator), None) => Ok(operator.oid),
        (Some(_), Some(_)) => Err(Error::new(
            SqlState::AmbiguousFunction,
            format!("more than one operator named {name}"),
        )),
        (None, _) => Err(missing(name)),
    }
}

fn with_operands(lookup: &Lookup<'_>, text: &str) -> Result<Oid> {
    let invalid = |message| Error::new(SqlState::InvalidTextRepresentation, message);
    let (name, rest) = text
        .split_once('(')
        .ok_or_else(|| invalid("expected a left parenthesis"))?;
    let rest = rest
        .trim_end()
        .strip_suffix(')')
        .ok_or_else(|| invalid("expected a right parenthesis"))?;
    let mut operands = vec![];
    for operand in rest.split(',') {
        let operand = operand.trim();
        operands.push(match operand.eq_ignore_ascii_case("none") {
            true => 0,
            false => type_oid(lookup, operand)?
                .ok_or_else(|| Error::new(SqlState::UndefinedObject, format!("type \"{operand}\" does not exist")))?,
        });
    }
    let too_many = |message, hint: &str| Error::new(SqlState::TooManyArguments, message).with_hint(hint.to_string());
    let operands: [Oid; 2] = match operands.as_slice() {
        [left, right] => [*left, *right],
        [_] => {
            return Err(Error::new(SqlState::UndefinedParameter, "missing argument")
                .with_hint("Use NONE to denote the missing argument of a unary operator.".to_string()));
        }
        _ => {
            return Err(too_many(
                "too many arguments",
                "Provide two argument types for operator.",
            ));
        }
    };
    let plain = plain(name.trim()).ok_or_else(|| missing(text))?;
    let found = operators().find(|operator| operator.name == plain && operator.operands == operands);
    found.map(|operator| operator.oid).ok_or_else(|| missing(text))
}

fn collation(_: &Lookup<'_>, name: &str) -> Result<Oid> {
    let parts = parse_name(name)?;
    let found = match parts.as_slice() {
        [plain] => Some(plain),
        [schema, plain] if schema == "pg_catalog" => Some(plain),
        _ => None,
    };
    let found = found.and_then(|name| collations().iter().find(|collation| collation.name == name));
    found.map(|collation| collation.oid).ok_or_else(|| {
        Error::new(
            SqlState::UndefinedObject,
            format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
        )
    })
}

type Find = fn(&Lookup<'_>, &str) -> Result<Oid>;

fn by_name(call: &Call<'_>, row: &[Datum], find: Find) -> Result<Datum> {
    match row.first().and_then(Datum::as_text) {
        Some(name) => match as_number(name) {
            Some(oid) => Ok(oid.into()),
            None => Ok(find(&Lookup::of(call)?, name)?.into()),
        },
        None => Ok(row.first().cloned().unwrap_or(Datum::Null)),
    }
}

/// What names nothing, or more than one thing, is NULL.
fn or_null(call: &Call<'_>, row: &[Datum], find: Find) -> Result<Datum> {
    let Some(name) = row.first().and_then(Datum::as_text) else {
        return Ok(Datum::Null);
    };
    let found = find(&Lookup::of(call)?, name);
    Ok(found.map_or(Datum::Null, Datum::from))
}
