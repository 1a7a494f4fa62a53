//! information_schema, a file per family of views: what the principal owns or holds a privilege on. Views that
//! are not listed here exist with PostgreSQL's columns and are empty.

mod columns;
mod composites;
mod constraints;
mod domains;
mod privileges;
mod relations;
mod roles;
mod routines;
mod schemata;
mod sequences;
mod standard;

use super::{Generator, Introspection};
use crate::functions::Datum;

/// What fills a view; `None` for one that is always empty here.
pub(super) fn generator(name: &str) -> Option<Generator> {
    Some(match name {
        "administrable_role_authorizations" => roles::administrable,
        "applicable_roles" => roles::applicable,
        "character_sets" => schemata::character_sets,
        "column_privileges" | "role_column_grants" => privileges::on_columns,
        "check_constraints" => constraints::check_constraints,
        "constraint_column_usage" => constraints::column_usage,
        "constraint_table_usage" => constraints::table_usage,
        "collation_character_set_applicability" => schemata::collations_of_character_sets,
        "collations" => schemata::collations,
        "column_udt_usage" => columns::type_usage,
        "sql_implementation_info" => standard::implementation,
        "sql_parts" => standard::parts,
        "sql_sizing" => standard::sizes,
        "column_domain_usage" => domains::column_usage,
        "domain_constraints" => domains::constraints,
        "domain_udt_usage" => domains::udt_usage,
        "domains" => domains::domains,
        "key_column_usage" => constraints::key_column_usage,
        "referential_constraints" => constraints::referential_constraints,
        "table_constraints" => constraints::table_constraints,
        "attributes" => composites::attributes,
        "columns" => columns::generate,
        "element_types" => columns::element_types,
        "enabled_roles" => roles::enabled,
        "information_schema_catalog_name" => schemata::catalog_name,
        "parameters" => routines::parameters,
        "routine_privileges" | "role_routine_grants" => privileges::on_routines,
        "routines" => routines::routines,
        "schemata" => schemata::schemata,
        "sequences" => sequences::generate,
        "table_privileges" | "role_table_grants" => privileges::on_tables,
        "tables" => relations::tables,
        "user_defined_types" => composites::user_defined_types,
        "view_column_usage" => relations::view_column_usage,
        "view_table_usage" => relations::view_table_usage,
        "views" => relations::views,
        _ => return None,
    })
}

/// The connected database, which these views call the catalog.
fn catalog(introspection: &Introspection<'_>) -> Datum {
    introspection.lookup.context.database_name.as_ref().into()
}

fn schema_name(introspection: &Introspection<'_>, schema: Option<u32>) -> Datum {
    schema
        .and_then(|schema| introspection.lookup.catalog.schema(schema))
        .map(|schema| schema.name.as_str())
        .into()
}

fn yes_or_no(value: bool) -> Datum {
    if value { "YES".into() } else { "NO".into() }
}
