//! pg_attribute: columns of tables, views and system relations.

use std::sync::OnceLock;

use crate::catalog::SYSTEM_COLUMNS;
use crate::catalog::acl::column_access_list;
use crate::catalog::model::{Column, Numbering, NumberingKind, Object, Oid};
use crate::error::Result;
use crate::functions::Datum;
use crate::functions::builtin::{BuiltinColumn, builtin_indexes, builtin_relation, builtin_relations, builtin_type};
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};
use crate::types::SqlType;

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        for column in object.columns() {
            add(
                rows,
                Attribute {
                    relation: object.id(),
                    name: &column.name,
                    position: i64::from(column.id),
                    sql_type: &column.sql_type,
                    not_null: !column.nullable,
                    has_default: has_default(column),
                    identity: identity(column),
                    generated: column.generated().is_some(),
                    access_list: column_access_list(lookup.catalog, column).into(),
                },
            )?;
        }
    }
    let tables = lookup.relations().filter(|object| matches!(object, Object::Table(_)));
    for (table, column) in tables.flat_map(|table| SYSTEM_COLUMNS.iter().map(move |column| (table, column))) {
        let position = i64::from(column.number);
        add(
            rows,
            Attribute {
                not_null: true,
                ..Attribute::plain(table.id(), column.name, position, &column.sql_type)
            },
        )?;
    }
    for user_type in lookup.user_types() {
        for attribute in user_type.attributes().unwrap_or_default() {
            add(
                rows,
                Attribute::plain(
                    user_type.id,
                    &attribute.name,
                    i64::from(attribute.number),
                    &attribute.sql_type,
                ),
            )?;
        }
    }
    /// What a sequence is in PostgreSQL: a relation of one row.
    const OF_SEQUENCE: [(&str, SqlType); 3] = [
        ("last_value", SqlType::Int8),
        ("log_cnt", SqlType::Int8),
        ("is_called", SqlType::Bool),
    ];
    for sequence in super::pg_sequence::sequences(introspection) {
        for ((name, sql_type), position) in OF_SEQUENCE.iter().zip(1..) {
            add(
                rows,
                Attribute {
                    not_null: true,
                    ..Attribute::plain(sequence.id, name, position, sql_type)
                },
            )?;
        }
    }
    for index in lookup.indexes() {
        let columns = index.key_columns().into_iter().chain(index.included_columns());
        for (column, position) in columns.zip(1..) {
            add(
                rows,
                Attribute::plain(index.oid(), &column.name, position, column.sql_type),
            )?;
        }
    }
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, |rows| {
        for relation in builtin_relations() {
            for (column, position) in relation.columns.iter().zip(1..) {
                add_builtin(rows, relation.oid, column, position)?;
            }
        }
        for index in builtin_indexes() {
            let columns = builtin_relation(index.relation).map_or(&[][..], |relation| &relation.columns);
            for (key, position) in index.keys.iter().zip(1..) {
                let column = usize::try_from(key - 1).ok().and_then(|key| columns.get(key));
                if let Some(column) = column {
                    add_builtin(rows, index.oid, column, position)?;
                }
            }
        }
        Ok(())
    })
}

fn has_default(column: &Column) -> bool {
    let is_serial = |numbering: Numbering| numbering.kind == NumberingKind::Serial;
    column.default.is_some() || column.numbering.is_some_and(is_serial)
}

/// pg_attribute.attidentity.
fn identity(column: &Column) -> &'static str {
    match column.numbering.map(|numbering| numbering.kind) {
        Some(NumberingKind::Always) => "a",
        Some(NumberingKind::ByDefault) => "d",
        Some(NumberingKind::Serial) | None => "",
    }
}

/// A column of a system relation, with the type that PostgreSQL gives it.
fn add_builtin(rows: &mut Rows, relation: Oid, column: &BuiltinColumn, position: i64) -> Result<()> {
    let exact = match column.exact_type() {
        Some(oid) => SqlType::from_oid(oid).unwrap_or_else(|| column.sql_type.clone()),
        None => column.sql_type.clone(),
    };
    add(
        rows,
        Attribute {
            relation,
            name: column.name,
            position,
            sql_type: &exact,
            not_null: column.is_not_null,
            has_default: false,
            identity: "",
            generated: false,
            access_list: Datum::Null,
        },
    )
}

struct Attribute<'a> {
    relation: Oid,
    name: &'a str,
    position: i64,
    sql_type: &'a SqlType,
    not_null: bool,
    has_default: bool,
    identity: &'static str,
    generated: bool,
    access_list: Datum,
}

impl<'a> Attribute<'a> {
    /// One that may be NULL and has nothing more to it.
    fn plain(relation: Oid, name: &'a str, position: i64, sql_type: &'a SqlType) -> Attribute<'a> {
        Attribute {
            relation,
            name,
            position,
            sql_type,
            not_null: false,
            has_default: false,
            identity: "",
            generated: false,
            access_list: Datum::Null,
        }
    }
}

fn add(rows: &mut Rows, attribute: Attribute<'_>) -> Result<()> {
    let sql_type = attribute.sql_type;
    // A user's type is laid out as a type of PostgreSQL's is.
    let builtin = builtin_type(match sql_type.base() {
        SqlType::Enum(_) => SqlType::Oid.oid(),
        SqlType::Array(element) if element.user_type().is_some() => SqlType::Array(Box::new(SqlType::Oid)).oid(),
        // Rows are laid out as arrays are.
        SqlType::Composite(_) => SqlType::Array(Box::new(SqlType::Float8)).oid(),
        other => other.oid(),
    });
    rows.add([
        ("attrelid", attribute.relation.into()),
        ("attname", attribute.name.into()),
        ("atttypid", sql_type.oid().into()),
        ("attlen", builtin.map(|builtin| builtin.length).into()),
        ("attnum", attribute.position.into()),
        ("attcacheoff", (-1).into()),
        ("atttypmod", sql_type.typmod().into()),
        ("attndims", i64::from(matches!(sql_type, SqlType::Array(_))).into()),
        ("attbyval", builtin.map(|builtin| builtin.by_value).into()),
        ("attalign", builtin.map(|builtin| builtin.alignment).into()),
        ("attstorage", builtin.map(|builtin| builtin.storage).into()),
        ("attcompression", "".into()),
        ("attnotnull", attribute.not_null.into()),
        ("atthasdef", attribute.has_default.into()),
        ("atthasmissing", false.into()),
        ("attidentity", attribute.identity.into()),
        ("attgenerated", if attribute.generated { "s" } else { "" }.into()),
        ("attisdropped", false.into()),
        ("attislocal", true.into()),
        ("attinhcount", 0.into()),
        ("attcollation", builtin.map(|builtin| builtin.collation).into()),
        ("attacl", attribute.access_list),
    ])
}
