//! pg_tables, pg_views and their kin: relations by name.

use super::pg_class::tables_with_foreign_keys;
use crate::catalog::model::{BOOTSTRAP_ROLE, Object, Oid, Table};
use crate::error::Result;
use crate::functions::builtin::{builtin_indexes, builtin_relation, builtin_relations};
use crate::functions::{Datum, Lookup, call_function, view_definition};
use crate::introspection::{Introspection, Rows};

/// pg_tables.
pub(super) fn tables(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    let with_foreign_keys = tables_with_foreign_keys(introspection);
    for object in lookup.relations() {
        let Object::Table(table @ Table { materialized: None, .. }) = object else {
            continue;
        };
        rows.add([
            ("schemaname", schema_name(lookup, table.schema)),
            ("tablename", table.name.as_str().into()),
            ("tableowner", role_name(lookup, table.owner)),
            ("hasindexes", lookup.has_indexes(table).into()),
            ("hasrules", false.into()),
            ("hastriggers", with_foreign_keys.contains(&table.id).into()),
            ("rowsecurity", table.row_filter.is_some().into()),
        ])?;
    }
    for relation in builtin_relations().iter().filter(|relation| relation.kind == 'r') {
        rows.add([
            ("schemaname", relation.schema.into()),
            ("tablename", relation.name.into()),
            ("tableowner", role_name(lookup, BOOTSTRAP_ROLE)),
            (
                "hasindexes",
                builtin_indexes()
                    .iter()
                    .any(|index| index.relation == relation.oid)
                    .into(),
            ),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ])?;
    }
    Ok(())
}

/// pg_views.
pub(super) fn views(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        let Object::View(view) = object else { continue };
        rows.add([
            ("schemaname", schema_name(lookup, view.schema)),
            ("viewname", view.name.as_str().into()),
            ("viewowner", role_name(lookup, view.owner)),
            ("definition", view_definition(view).into()),
        ])?;
    }
    for relation in builtin_relations().iter().filter(|relation| relation.kind == 'v') {
        rows.add([
            ("schemaname", relation.schema.into()),
            ("viewname", relation.name.into()),
            ("viewowner", role_name(lookup, BOOTSTRAP_ROLE)),
        ])?;
    }
    Ok(())
}

/// pg_matviews.
pub(super) fn materialized_views(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for table in lookup.tables() {
        let (Some(query), Some(view)) = (&table.materialized, table.defining_view()) else {
            continue;
        };
        rows.add([
            ("schemaname", schema_name(lookup, table.schema)),
            ("matviewname", table.name.as_str().into()),
            ("matviewowner", role_name(lookup, table.owner)),
            ("hasindexes", lookup.has_indexes(table).into()),
            ("ispopulated", query.populated.into()),
            ("definition", view_definition(&view).into()),
        ])?;
    }
    Ok(())
}

pub(super) fn schema_name(lookup: &Lookup<'_>, schema: Oid) -> Datum {
    lookup.catalog.schema(schema).map(|schema| schema.name.as_str()).into()
}

pub(super) fn role_name(lookup: &Lookup<'_>, role: Oid) -> Datum {
    lookup.catalog.role(role).map(|role| role.name.as_str()).into()
}

/// pg_indexes.
pub(super) fn indexes(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    let definition = |oid: Oid| {
        let call = call_function("pg_get_indexdef", introspection.environment, &[oid.into()]);
        call.unwrap_or(Ok(Datum::Null))
    };
    for index in lookup.indexes() {
        rows.add([
            ("schemaname", schema_name(lookup, index.table().schema)),
            ("tablename", index.table().name.as_str().into()),
            ("indexname", index.name().into()),
            ("indexdef", definition(index.oid())?),
        ])?;
    }
    for index in builtin_indexes() {
        let relation = builtin_relation(index.relation).map(|relation| relation.name);
        rows.add([
            ("schemaname", "pg_catalog".into()),
            ("tablename", relation.into()),
            ("indexname", index.name.into()),
            ("indexdef", definition(index.oid)?),
        ])?;
    }
    Ok(())
}
