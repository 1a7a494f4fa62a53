//! pg_class: tables and views of the connected database, and the system's own relations.

use std::collections::HashSet;

use crate::catalog::acl::access_list;
use crate::catalog::model::{BOOTSTRAP_ROLE, ConstraintRule, Object, Oid, PG_CATALOG_SCHEMA, Table, ViewOptions};
use crate::error::Result;
use crate::functions::builtin::{builtin_indexes, builtin_relations, row_type};
use crate::functions::{Datum, builtin_schema};
use crate::introspection::{Introspection, Rows};

/// The access method `heap`; views have none.
const HEAP: i64 = 2;
const BTREE: i64 = 403;

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    let with_foreign_keys = tables_with_foreign_keys(introspection);
    for object in lookup.relations() {
        let (kind, access_method, has_rules) = match object {
            Object::View(_) => ("v", 0, true),
            Object::Sequence(_) => ("S", 0, false),
            Object::Table(table) if table.materialized.is_some() => ("m", HEAP, true),
            _ => ("r", HEAP, false),
        };
        let tuples = introspection.environment.relation_rows(object.id());
        let has_row_filter = matches!(object, Object::Table(table) if table.row_filter.is_some());
        add(
            rows,
            Entry {
                oid: object.id(),
                name: object.name(),
                schema: lookup.namespace_oid(object.parent().unwrap_or_default()),
                owner: object.owner().unwrap_or_default(),
                access_method,
                kind,
                column_count: if kind == "S" { 3 } else { object.columns().len() },
                has_rules,
                has_row_filter,
                options: match object {
                    Object::View(view) => view.options,
                    _ => ViewOptions::default(),
                },
                is_populated: !matches!(object, Object::Table(table)
                    if table.materialized.as_ref().is_some_and(|query| !query.populated)),
                has_index: matches!(object, Object::Table(table) if lookup.has_indexes(table)),
                check_count: check_count(object),
                tuples: tuples.unwrap_or(-1),
                has_triggers: with_foreign_keys.contains(&object.id()),
                access_list: access_list(lookup.catalog, object).into(),
                is_unlogged: matches!(object, Object::Table(table) if table.unlogged),
            },
            lookup.catalog.temporary_schema(),
        )?;
    }
    for user_type in lookup.user_types() {
        let Some(attributes) = user_type.attributes() else {
            continue;
        };
        add(
            rows,
            Entry {
                oid: user_type.id,
                name: &user_type.name,
                schema: lookup.namespace_oid(user_type.schema),
                owner: user_type.owner,
                access_method: 0,
                kind: "c",
                column_count: attributes.len(),
                has_rules: false,
                has_row_filter: false,
                is_populated: true,
                options: ViewOptions::default(),
                has_index: false,
                check_count: 0,
                tuples: 0,
                has_triggers: false,
                access_list: Datum::Null,
                is_unlogged: false,
            },
            lookup.catalog.temporary_schema(),
        )?;
    }
    for relation in builtin_relations() {
        let is_view = relation.kind == 'v';
        add(
            rows,
            Entry {
                oid: relation.oid,
                name: relation.name,
                schema: builtin_schema(relation.schema).unwrap_or_default(),
                owner: BOOTSTRAP_ROLE,
                access_method: if is_view { 0 } else { HEAP },
                kind: if is_view { "v" } else { "r" },
                column_count: relation.columns.len(),
                has_rules: is_view,
                has_row_filter: false,
                is_populated: true,
                options: ViewOptions::default(),
                has_index: builtin_indexes().iter().any(|index| index.relation == relation.oid),
                check_count: 0,
                tuples: -1,
                has_triggers: false,
                access_list: builtin_access_list(introspection),
                is_unlogged: false,
            },
            lookup.catalog.temporary_schema(),
        )?;
    }
    for index in lookup.indexes() {
        add(
            rows,
            Entry {
                oid: index.oid(),
                name: index.name(),
                schema: lookup.namespace_oid(index.table().schema),
                owner: index.table().owner,
                access_method: index.access_method(),
                kind: "i",
                column_count: index.key_columns().len() + index.included_columns().len(),
                has_rules: false,
                has_row_filter: false,
                is_populated: true,
                options: ViewOptions::default(),
                has_index: false,
                check_count: 0,
                tuples: -1,
                has_triggers: false,
                access_list: Datum::Null,
                is_unlogged: index.table().unlogged,
            },
            lookup.catalog.temporary_schema(),
        )?;
    }
    for index in builtin_indexes() {
        add(
            rows,
            Entry {
                oid: index.oid,
                name: index.name,
                schema: PG_CATALOG_SCHEMA,
                owner: BOOTSTRAP_ROLE,
                access_method: BTREE,
                kind: "i",
                column_count: index.keys.len(),
                has_rules: false,
                has_row_filter: false,
                is_populated: true,
                options: ViewOptions::default(),
                has_index: false,
                check_count: 0,
                tuples: -1,
                has_triggers: false,
                access_list: Datum::Null,
                is_unlogged: false,
            },
            None,
        )?;
    }
    Ok(())
}

/// The tables on both sides of foreign keys. PostgreSQL enforces these by triggers of both: psql and pg_dump look for keys
/// where there are triggers.
pub(super) fn tables_with_foreign_keys(introspection: &Introspection<'_>) -> HashSet<Oid> {
    let of_table = |table: &Table| {
        let id = table.id;
        let keys = table.constraints.iter();
        let sides = keys.filter_map(move |constraint| match &constraint.rule {
            ConstraintRule::ForeignKey { table, .. } => Some([id, *table]),
            _ => None,
        });
        sides.flatten().collect::<Vec<Oid>>()
    };
    introspection.lookup.tables().flat_map(of_table).collect()
}

fn check_count(object: &Object) -> i64 {
    match object {
        Object::Table(table) => table.checks().count() as i64,
        _ => 0,
    }
}

/// Everybody may read the system's relations.
pub(super) fn builtin_access_list(introspection: &Introspection<'_>) -> Datum {
    let owner = introspection.lookup.catalog.role(BOOTSTRAP_ROLE);
    vec![format!("=r/{}", owner.map_or("", |owner| owner.name.as_str()))].into()
}

struct Entry<'a> {
    oid: Oid,
    name: &'a str,
    schema: Oid,
    owner: Oid,
    access_method: i64,
    kind: &'static str,
    column_count: usize,
    has_rules: bool,
    has_index: bool,
    check_count: i64,
    has_triggers: bool,
    has_row_filter: bool,
    is_populated: bool,
    options: ViewOptions,
    /// -1 where it is not known, or not this principal's to know.
    tuples: i64,
    access_list: Datum,
    is_unlogged: bool,
}

/// What a view's definition says beside its query.
fn options(options: ViewOptions) -> Datum {
    match options.is_empty() {
        true => Datum::Null,
        false => Datum::List(options.spelled().into_iter().map(Datum::Text).collect()),
    }
}

fn add(rows: &mut Rows, entry: Entry<'_>, temporary: Option<Oid>) -> Result<()> {
    let persistence = match entry.is_unlogged {
        _ if Some(entry.schema) == temporary => "t",
        true => "u",
        false => "p",
    };
    rows.add([
        ("oid", entry.oid.into()),
        ("relname", entry.name.into()),
        ("relnamespace", entry.schema.into()),
        (
            "reltype",
            if matches!(entry.kind, "i" | "S") {
                0
            } else {
                row_type(entry.oid)
            }
            .into(),
        ),
        ("reloftype", 0.into()),
        ("relowner", entry.owner.into()),
        ("relam", entry.access_method.into()),
        (
            "relfilenode",
            if matches!(entry.kind, "v" | "c") {
                0.into()
            } else {
                entry.oid.into()
            },
        ),
        ("reltablespace", 0.into()),
        ("relpages", 0.into()),
        ("reltuples", entry.tuples.into()),
        ("relallvisible", 0.into()),
        ("reltoastrelid", 0.into()),
        ("relhasindex", entry.has_index.into()),
        ("relisshared", false.into()),
        ("relpersistence", persistence.into()),
        ("relkind", entry.kind.into()),
        ("relnatts", (entry.column_count as i64).into()),
        ("relchecks", entry.check_count.into()),
        ("relhasrules", entry.has_rules.into()),
        ("relhastriggers", entry.has_triggers.into()),
        ("relhassubclass", false.into()),
        ("relrowsecurity", entry.has_row_filter.into()),
        ("relforcerowsecurity", false.into()),
        ("relispopulated", entry.is_populated.into()),
        (
            "relreplident",
            if matches!(entry.kind, "r" | "m") {
                "d".into()
            } else {
                "n".into()
            },
        ),
        ("relispartition", false.into()),
        ("relrewrite", 0.into()),
        ("relfrozenxid", 0.into()),
        ("relminmxid", 0.into()),
        ("relacl", entry.access_list),
        ("reloptions", options(entry.options)),
    ])
}
