//! Functions that ask what PostgreSQL keeps elsewhere: statistics, updatability, types of expressions.

use super::super::evaluate::Executor;
use super::super::node::Body;
use crate::catalog::model::Object;
use crate::functions::{Datum, Lookup, Relation};

pub(super) fn body(name: &str) -> Option<Body> {
    Some(match name {
        "pg_typeof" => |_, callable, _| Ok(callable.arguments.first().map(|ty| ty.oid).into()),
        // Nothing is counted for relations.
        "pg_stat_get_numscans" | "pg_stat_get_tuples_returned" | "pg_stat_get_live_tuples" => |_, _, _| Ok(0.into()),
        "pg_column_is_updatable" => |executor, _, row| {
            let positive = super::int_at(row, 1) > 0;
            Ok(match is_table(executor, &row[0]) {
                Some(table) => (table && positive).into(),
                None => Datum::Null,
            })
        },
        // Bits of INSERT, UPDATE and DELETE, as the protocol of foreign tables counts commands.
        "pg_relation_is_updatable" => |executor, _, row| {
            Ok(match is_table(executor, &row[0]) {
                Some(true) => 28.into(),
                Some(false) => 0.into(),
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

/// Whether a relation is a table that can be written to; `None` where there is none.
fn is_table(executor: &Executor<'_>, relation: &Datum) -> Option<bool> {
    let lookup = Lookup::new(executor.environment.context());
    Some(match lookup.relation(relation.as_oid()?)? {
        Relation::Object(Object::Table(_)) => true,
        Relation::Object(_) => false,
        Relation::Builtin(relation) => relation.kind == 'r',
    })
}
