//! pg_policy and pg_policies: row filters, as PostgreSQL would show a policy of the same effect.

use super::pg_tables::schema_name;
use crate::catalog::model::{Object, Oid, RowFilter, Table};
use crate::error::Result;
use crate::functions::{Lookup, quote_identifier};
use crate::introspection::{Introspection, Rows};

/// pg_policy.
pub(super) fn policy(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        let Object::Table(table) = object else { continue };
        let Some(filter) = &table.row_filter else { continue };
        rows.add([
            // A table has at most one row filter: its own OID tells policies apart.
            ("oid", table.id.into()),
            ("polname", NAME.into()),
            ("polrelid", table.id.into()),
            ("polcmd", "*".into()),
            ("polpermissive", false.into()),
            ("polroles", vec![0_i64].into()),
            ("polqual", row_filter_expression(lookup, table, filter).into()),
        ])?;
    }
    Ok(())
}

/// pg_policies.
pub(super) fn policies(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        let Object::Table(table) = object else { continue };
        let Some(filter) = &table.row_filter else { continue };
        rows.add([
            ("schemaname", schema_name(lookup, table.schema)),
            ("tablename", table.name.as_str().into()),
            ("policyname", NAME.into()),
            ("permissive", "RESTRICTIVE".into()),
            ("roles", vec!["public"].into()),
            ("cmd", "ALL".into()),
            ("qual", row_filter_expression(lookup, table, filter).into()),
        ])?;
    }
    Ok(())
}

/// Row filters have no name of their own.
const NAME: &str = "row filter";

fn row_filter_expression(lookup: &Lookup<'_>, table: &Table, filter: &RowFilter) -> String {
    let columns = filter
        .columns
        .iter()
        .filter_map(|id| table.column(*id))
        .map(|column| quote_identifier(&column.name));
    format!(
        "{}({})",
        function_name(lookup, filter.function),
        columns.collect::<Vec<_>>().join(", ")
    )
}

/// A policy's function with its schema.
pub(in crate::introspection) fn function_name(lookup: &Lookup<'_>, function: Oid) -> String {
    let Some(function) = lookup.catalog.function(function) else {
        return "?".into();
    };
    let schema = lookup
        .catalog
        .schema(function.schema)
        .map_or("?", |schema| schema.name.as_str());
    format!("{}.{}", quote_identifier(schema), quote_identifier(&function.name))
}
