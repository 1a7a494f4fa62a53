//! tables, views and what views read.

use super::{catalog, schema_name, yes_or_no};
use crate::binding::updatable;
use crate::catalog::model::{Object, Reference, View};
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
        let is_insertable = match object {
            Object::View(view) => updatable(introspection.lookup.catalog, view).is_ok(),
            _ => true,
        };
        add(schema, object.name(), kind, is_insertable)?;
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
        let is_updatable = yes_or_no(updatable(lookup.catalog, view).is_ok());
        let check_option = view
            .options
            .check_option
            .map_or("NONE".into(), |option| option.name().to_uppercase());
        rows.add([
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema_name(introspection, object.parent())),
            ("table_name", view.name.as_str().into()),
            ("view_definition", definition.into()),
            ("check_option", check_option.into()),
            ("is_updatable", is_updatable.clone()),
            ("is_insertable_into", is_updatable),
            ("is_trigger_updatable", "NO".into()),
            ("is_trigger_deletable", "NO".into()),
            ("is_trigger_insertable_into", "NO".into()),
        ])?;
    }
    Ok(())
}

/// Tables that views read, where the principal owns the table.
pub(super) fn view_table_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (view, _, table) in owned_below_views(introspection) {
        rows.add([
            ("view_catalog", catalog(introspection)),
            ("view_schema", schema_name(introspection, Some(view.schema))),
            ("view_name", view.name.as_str().into()),
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema_name(introspection, table.parent())),
            ("table_name", table.name().into()),
        ])?;
    }
    Ok(())
}

/// Columns that views read, where the principal owns the table.
pub(super) fn view_column_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (view, reference, table) in owned_below_views(introspection) {
        for (number, _) in &reference.columns {
            let Some(column) = table.columns().iter().find(|column| column.id == *number) else {
                continue;
            };
            rows.add([
                ("view_catalog", catalog(introspection)),
                ("view_schema", schema_name(introspection, Some(view.schema))),
                ("view_name", view.name.as_str().into()),
                ("table_catalog", catalog(introspection)),
                ("table_schema", schema_name(introspection, table.parent())),
                ("table_name", table.name().into()),
                ("column_name", column.name.as_str().into()),
            ])?;
        }
    }
    Ok(())
}

/// What views read of tables and views that the principal owns.
fn owned_below_views<'a>(
    introspection: &'a Introspection<'_>,
) -> impl Iterator<Item = (&'a View, &'a Reference, &'a Object)> + 'a {
    let lookup = &introspection.lookup;
    let views = lookup.relations().filter_map(|object| match object {
        Object::View(view) => Some(view),
        _ => None,
    });
    views
        .flat_map(|view| view.references.iter().map(move |reference| (view, reference)))
        .filter_map(|(view, reference)| {
            let object = lookup.catalog.object(reference.object)?;
            let is_relation = matches!(object, Object::Table(_) | Object::View(_));
            (is_relation && lookup.access.owns(object)).then_some((view, reference, object))
        })
}
