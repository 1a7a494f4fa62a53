//! Functions that ask what PostgreSQL keeps elsewhere: statistics, updatability, types of expressions.

use super::super::evaluate::Executor;
use super::super::node::Body;
use crate::binding::updatable;
use crate::catalog::model::Object;
use crate::functions::{Datum, Lookup, Relation, column_size};

pub(super) fn body(name: &str) -> Option<Body> {
    Some(match name {
        "pg_typeof" => |_, callable, _| Ok(callable.arguments.first().map(|ty| ty.oid).into()),
        "pg_column_size" => |_, callable, row| {
            Ok(match (&row[0], callable.arguments.first()) {
                (Datum::Null, _) | (_, None) => Datum::Null,
                // A literal that nothing typed ends with a zero.
                (Datum::Text(text), Some(ty)) if ty.is_unknown() => (text.len() as i64 + 1).into(),
                (value, Some(ty)) => column_size(&ty.to_sql_type(), value).into(),
            })
        },
        // Nothing is counted for relations.
        "pg_stat_get_numscans" | "pg_stat_get_tuples_returned" | "pg_stat_get_live_tuples" => |_, _, _| Ok(0.into()),
        "pg_column_is_updatable" => |executor, _, row| {
            let column = super::int_at(row, 1);
            Ok(match updated(executor, &row[0]) {
                Some(Updated::All) => (column > 0).into(),
                Some(Updated::Columns(columns)) => columns.iter().any(|known| i64::from(*known) == column).into(),
                None => Datum::Null,
            })
        },
        // Bits of INSERT, UPDATE and DELETE, as the protocol of foreign tables counts commands.
        "pg_relation_is_updatable" => |executor, _, row| {
            Ok(match updated(executor, &row[0]) {
                Some(Updated::Columns(columns)) if columns.is_empty() => 0.into(),
                Some(_) => 28.into(),
                None => Datum::Null,
            })
        },
        "oidvectortypes" => |executor, _, row| {
            let mut names = vec![];
            for oid in super::list_at(row, 0) {
                names.push(executor.row_function("format_type", &[oid.clone(), Datum::Null])?);
            }
            let names: Vec<&str> = names.iter().filter_map(Datum::as_text).collect();
            Ok(names.join(", ").into())
        },
        "pg_column_compression" => |_, _, _| Ok(Datum::Null),
        _ => return None,
    })
}

/// What of a relation can be written to.
enum Updated {
    All,
    /// These of a view's columns.
    Columns(Vec<i16>),
}

/// `None` where there is no such relation.
fn updated(executor: &Executor<'_>, relation: &Datum) -> Option<Updated> {
    let lookup = Lookup::new(executor.environment.context());
    Some(match lookup.relation(relation.as_oid()?)? {
        Relation::Object(Object::Table(_)) => Updated::All,
        Relation::Object(Object::View(view)) => Updated::Columns(match updatable(lookup.catalog, view) {
            Ok(found) => {
                let columns = view.columns.iter().zip(found.table_columns());
                columns.filter_map(|(column, id)| id.map(|_| column.id)).collect()
            }
            Err(_) => vec![],
        }),
        Relation::Builtin(relation) if relation.kind == 'r' => Updated::All,
        _ => Updated::Columns(vec![]),
    })
}
