//! Sizes of relations and databases, as far as the principal may know them, and bytes made readable.

use super::column_size::column_size;
use super::datum::Datum;
use super::lookup::{Lookup, Relation};
use super::names::relation_argument;
use super::privileges::is_template_database;
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::model::Object;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

const RELATION: &[&[Argument]] = &[&[Argument::NameOrOid]];

pub(super) fn functions() -> Vec<RowFunction> {
    let stable = RowFunction::stable;
    vec![
        stable(
            "pg_relation_size",
            &[&[Argument::NameOrOid], &[Argument::NameOrOid, Argument::Text]],
            SqlType::Int8,
            relation_size,
        ),
        stable("pg_table_size", RELATION, SqlType::Int8, relation_size),
        stable("pg_total_relation_size", RELATION, SqlType::Int8, relation_size),
        stable("pg_indexes_size", RELATION, SqlType::Int8, |_, _| Ok(0.into())),
        stable("pg_database_size", RELATION, SqlType::Int8, database_size),
        stable("pg_tablespace_size", RELATION, SqlType::Int8, |_, _| Ok(Datum::Null)),
        RowFunction::immutable(
            "pg_size_pretty",
            &[&[Argument::Int], &[Argument::Float]],
            SqlType::Text,
            |_, row| {
                Ok(match row.first() {
                    Some(Datum::Int(bytes)) => pretty(*bytes).into(),
                    Some(Datum::Float(bytes)) => pretty(bytes.round() as i64).into(),
                    _ => Datum::Null,
                })
            },
        ),
        RowFunction::immutable("pg_size_bytes", &[&[Argument::Text]], SqlType::Int8, |_, row| {
            row.first()
                .and_then(Datum::as_text)
                .map(bytes)
                .transpose()
                .map(Datum::from)
        }),
        RowFunction::immutable("pg_column_size", &[&[Argument::Any]], SqlType::Int4, |call, row| {
            let sql_type = call.argument_fields.first().map(|field| SqlType::from_field(field));
            Ok(match (row.first(), sql_type) {
                (None | Some(Datum::Null), _) | (_, None) => Datum::Null,
                (Some(value), Some(sql_type)) => column_size(&sql_type, value).into(),
            })
        }),
    ]
}

fn relation_size(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    let relation = relation_argument(&lookup, row.first().unwrap_or(&Datum::Null))?;
    Ok(match relation {
        Some(Relation::Object(object)) => size_of(call, object)?.into(),
        Some(Relation::Builtin(_)) => 0.into(),
        None => Datum::Null,
    })
}

fn size_of(call: &Call<'_>, object: &Object) -> Result<i64> {
    Ok(call.environment()?.relation_size(object.id()).unwrap_or(0))
}

fn database_size(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    if row.first().is_some_and(is_template_database) {
        return Ok(0.into());
    }
    let database = match row.first() {
        Some(Datum::Text(name)) => Some(lookup.catalog.resolve_database(name)?),
        Some(oid) => oid.as_oid().and_then(|oid| lookup.catalog.database(oid)),
        None => None,
    };
    let Some(database) = database else {
        return Ok(Datum::Null);
    };
    let mut total = 0;
    for schema in lookup.catalog.schemas(database.id) {
        for object in lookup.catalog.relations(schema.id).filter(|object| lookup.sees(object)) {
            total += size_of(call, object)?;
        }
    }
    Ok(total.into())
}

/// pg_size_pretty(): whole units, rounded half away from zero, up to petabytes.
fn pretty(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes.unsigned_abs() < 10 * 1024 {
        return format!("{bytes} bytes");
    }
    let mut half_units = bytes / 512;
    for (index, unit) in UNITS.iter().enumerate() {
        let is_last = index + 1 == UNITS.len();
        if half_units.unsigned_abs() < 20 * 1024 - 1 || is_last {
            return format!("{} {unit}", (half_units + half_units.signum()) / 2);
        }
        half_units /= 1024;
    }
    format!("{bytes} bytes")
}

fn bytes(text: &str) -> Result<i64> {
    let invalid = || Error::new(SqlState::InvalidParameterValue, format!("invalid size: \"{text}\""));
    let trimmed = text.trim();
    let split = trimmed
        .find(|character: char| character.is_alphabetic())
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let number: f64 = number.trim().parse().map_err(|_| invalid())?;
    let power = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 0,
        "kb" => 1,
        "mb" => 2,
        "gb" => 3,
        "tb" => 4,
        "pb" => 5,
        _ => return Err(invalid()),
    };
    let size = (number * 1024_f64.powi(power)).round();
    // The limits are powers of two, which floats have.
    match size >= i64::MIN as f64 && size < i64::MAX as f64 {
        true => Ok(size as i64),
        false if power == 0 && number == i64::MAX as f64 => Ok(i64::MAX),
        false => Err(Error::new(SqlState::NumericValueOutOfRange, "bigint out of range")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_in_postgres() {
        for (size, text) in [
            (0, "0 bytes"),
            (10239, "10239 bytes"),
            (10240, "10 kB"),
            (10752, "11 kB"),
            (1_048_576, "1024 kB"),
            (10_485_248, "10 MB"),
            (123_456_789, "118 MB"),
            (-20480, "-20 kB"),
            (i64::MAX, "8192 PB"),
        ] {
            assert_eq!(pretty(size), text);
        }
        assert_eq!(bytes("1.5 GB").unwrap(), 1_610_612_736);
        assert_eq!(bytes("12 stones").unwrap_err().state(), SqlState::InvalidParameterValue);
    }
}
