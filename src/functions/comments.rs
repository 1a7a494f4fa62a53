//! Comments by OID: obj_description() and its kin.

use super::builtin::{builtin_description, builtin_relation_named};
use super::datum::Datum;
use super::lookup::Lookup;
use super::row_function::{Argument, RowFunction};
use crate::catalog::model::{Object, Oid};
use crate::error::Result;
use crate::types::SqlType;

/// OIDs of the catalogs that describe a kind of object: pg_class.oid of pg_namespace, pg_class …
pub const NAMESPACE_CLASS: Oid = 2615;
pub const RELATION_CLASS: Oid = 1259;
pub const FUNCTION_CLASS: Oid = 1255;
pub const DATABASE_CLASS: Oid = 1262;
pub const ROLE_CLASS: Oid = 1260;
pub const CONSTRAINT_CLASS: Oid = 2606;
pub const REWRITE_CLASS: Oid = 2618;
pub const TYPE_CLASS: Oid = 1247;
pub const DEFAULT_CLASS: Oid = 2604;

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        RowFunction::stable(
            "obj_description",
            &[&[Argument::Oid], &[Argument::Oid, Argument::Text]],
            SqlType::Text,
            |call, row| {
                let class = row
                    .get(1)
                    .and_then(Datum::as_text)
                    .map(|class| class.trim_start_matches("pg_catalog."));
                comment(&Lookup::of(call)?, row, class)
            },
        ),
        RowFunction::stable(
            "shobj_description",
            &[&[Argument::Oid, Argument::Text]],
            SqlType::Text,
            |call, row| {
                let class = row
                    .get(1)
                    .and_then(Datum::as_text)
                    .map(|class| class.trim_start_matches("pg_catalog."));
                comment(&Lookup::of(call)?, row, class)
            },
        ),
        RowFunction::stable(
            "col_description",
            &[&[Argument::Oid, Argument::Int]],
            SqlType::Text,
            |call, row| {
                let lookup = Lookup::of(call)?;
                let Some(object) = object(&lookup, row) else {
                    return Ok(Datum::Null);
                };
                let wanted = row.get(1).and_then(Datum::as_int);
                if let Object::Type(user_type) = object {
                    let mut attributes = user_type.attributes().unwrap_or_default().iter();
                    let found = attributes.find(|known| Some(i64::from(known.number)) == wanted);
                    return Ok(found.and_then(|known| known.comment.as_deref()).into());
                }
                let column = object
                    .columns()
                    .iter()
                    .find(|column| Some(i64::from(column.id)) == wanted);
                Ok(column.and_then(|column| column.comment.as_deref()).into())
            },
        ),
    ]
}

fn object<'a>(lookup: &Lookup<'a>, row: &[Datum]) -> Option<&'a Object> {
    let oid = row.first().and_then(Datum::as_oid)?;
    let of_rows = || {
        let (user_type, is_array) = lookup.user_type(oid)?;
        lookup.catalog.object(user_type.id).filter(|_| !is_array)
    };
    lookup
        .catalog
        .object(lookup.schema_of_namespace(oid))
        .or_else(of_rows)
        .filter(|object| match object {
            Object::Table(_) | Object::View(_) | Object::Function(_) | Object::Sequence(_) | Object::Index(_) => {
                lookup.sees(object)
            }
            _ => true,
        })
}

fn comment(lookup: &Lookup<'_>, row: &[Datum], class: Option<&str>) -> Result<Datum> {
    let Some(object) = object(lookup, row) else {
        let constraint = row
            .first()
            .and_then(Datum::as_oid)
            .filter(|_| class == Some("pg_constraint"));
        if let Some(comment) = constraint.and_then(|oid| comment_of_constraint(lookup, oid)) {
            return Ok(comment.into());
        }
        let oid = row.first().and_then(Datum::as_oid);
        let class = class.and_then(|class| builtin_relation_named("pg_catalog", class));
        return Ok(class.and_then(|class| builtin_description(class.oid, oid?)).into());
    };
    let class_of_object = match object {
        Object::Table(_) | Object::View(_) | Object::Sequence(_) | Object::Index(_) => "pg_class",
        Object::Schema(_) => "pg_namespace",
        Object::Function(_) => "pg_proc",
        Object::Type(_) => "pg_type",
        Object::Database(_) => "pg_database",
        Object::Role(_) => "pg_authid",
        Object::ExternalLocation(_) => "",
    };
    match class {
        Some(class) if class != class_of_object => Ok(Datum::Null),
        _ => Ok(object.comment().into()),
    }
}

fn comment_of_constraint(lookup: &Lookup<'_>, oid: Oid) -> Option<String> {
    let tables = lookup.relations().filter_map(|relation| match relation {
        Object::Table(table) => Some(table),
        _ => None,
    });
    let mut constraints = tables.flat_map(|table| &table.constraints);
    constraints.find(|constraint| constraint.id == oid)?.comment.clone()
}
