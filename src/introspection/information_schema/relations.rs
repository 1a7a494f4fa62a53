//! tables, views and what views read.

use super::{catalog, schema_name, yes_or_no};
use crate::catalog::model::Object;
use crate::error::Result;
use crate::functions::builtin::builtin_relations;
use crate::functions::{Datum, view_definition};
use crate::introspection::{Introspection, Rows};

pub(super) fn tables(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let mut add = |schema: Datum, name: &str, kind: &str, is_insertable: bool| {
        rows.add([
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema),
            ("table_name", name.into()),
            ("table_type", kind.into()),
            ("is_insertable_into", yes_or_no(is_insertable)),
            ("is_typed", "NO".into()),
        ])
    };
    for object in introspection.lookup.relations() {
        let kind = match object {
            // Materialized views are not the SQL standard's, sequences are elsewhere.
            Object::Table(table) if table.materialized.is_some() => continue,
            Object::Sequence(_) => continue,
            Object::View(_) => "VIEW",
            Object::Table(table) if table.is_temporary() => "LOCAL TEMPORARY",
            _ => "BASE TABLE",
        };
        let schema = schema_name(introspection, object.parent());
        add(schema, object.name(), kind, kind != "VIEW")?;
    }
    for relation in builtin_relations() {
        let kind = if relation.kind == 'v' { "VIEW" } else { "BASE TABLE" };
        add(relation.schema.into(), relation.name, kind, false)?;
    }
    Ok(())
}

/// The definition shows to the view's owner only.
pub(super) fn views(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        let Object::View(view) = object else { continue };
        let definition = lookup
            .access
            .has_privileges_of(view.owner)
            .then(|| view_definition(view));
        rows.add([
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema_name(introspection, object.parent())),
            ("table_name", view.name.as_str().into()),
            ("view_definition", definition.into()),
            ("check_option", "NONE".into()),
            ("is_updatable", "NO".into()),
            ("is_insertable_into", "NO".into()),
            ("is_trigger_updatable", "NO".into()),
            ("is_trigger_deletable", "NO".into()),
            ("is_trigger_insertable_into", "NO".into()),
        ])?;
    }
    Ok(())
}

/// Tables that views read, where the principal owns the table.
pub(super) fn view_table_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        let Object::View(view) = object else { continue };
        for reference in &view.references {
            let Some(table) = lookup
                .catalog
                .object(reference.object)
                .filter(|table| lookup.access.owns(table))
            else {
                continue;
            };
            if !matches!(table, Object::Table(_) | Object::View(_)) {
                continue;
            }
            rows.add([
                ("view_catalog", catalog(introspection)),
                ("view_schema", schema_name(introspection, object.parent())),
                ("view_name", view.name.as_str().into()),
                ("table_catalog", catalog(introspection)),
                ("table_schema", schema_name(introspection, table.parent())),
                ("table_name", table.name().into()),
            ])?;
        }
    }
    Ok(())
}
