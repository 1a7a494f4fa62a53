//! routines and parameters: SQL functions that the principal owns or may execute.

use super::columns::Facets;
use super::{catalog, yes_or_no};
use crate::catalog::model::{Function, Object, OutputMode, Schema};
use crate::error::Result;
use crate::functions::{Datum, function_source};
use crate::introspection::{Introspection, Rows};

fn functions<'a>(introspection: &'a Introspection<'a>) -> impl Iterator<Item = (&'a Schema, &'a Function)> {
    let lookup = &introspection.lookup;
    let schemas = lookup.catalog.schemas(lookup.context.database);
    let all = schemas.flat_map(|schema| {
        lookup
            .catalog
            .functions(schema.id)
            .map(move |function| (schema, function))
    });
    all.filter(|(_, function)| lookup.sees(&Object::Function((*function).clone())))
}

pub(super) fn routines(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (schema, function) in functions(introspection) {
        let is_owner = introspection.lookup.access.has_privileges_of(function.owner);
        let facets = Facets::of(&function.returns);
        let language = function.script.as_ref().map_or("sql", |script| script.language.name());
        let body = if language == "sql" { "SQL" } else { "EXTERNAL" };
        let is_definer = function.script.as_ref().is_some_and(|script| script.security_definer);
        let security = if is_definer { "DEFINER" } else { "INVOKER" };
        // A procedure gives nothing by itself.
        let returned = |value: Datum| match function.is_procedure() {
            true => Datum::Null,
            false => value,
        };
        rows.add([
            ("specific_catalog", catalog(introspection)),
            ("specific_schema", schema.name.as_str().into()),
            ("specific_name", format!("{}_{}", function.name, function.id).into()),
            ("routine_catalog", catalog(introspection)),
            ("routine_schema", schema.name.as_str().into()),
            ("routine_name", function.name.as_str().into()),
            ("routine_type", function.word().to_uppercase().into()),
            ("data_type", returned(facets.data_type.into())),
            ("type_udt_catalog", returned(catalog(introspection))),
            ("type_udt_schema", returned("pg_catalog".into())),
            ("type_udt_name", returned(function.returns.internal_name().into())),
            ("dtd_identifier", returned("0".into())),
            ("routine_body", body.into()),
            ("routine_definition", is_owner.then(|| function_source(function)).into()),
            ("external_language", language.to_uppercase().into()),
            ("parameter_style", "GENERAL".into()),
            ("is_deterministic", "NO".into()),
            ("sql_data_access", "MODIFIES".into()),
            ("is_null_call", "NO".into()),
            ("schema_level_routine", "YES".into()),
            ("max_dynamic_result_sets", 0.into()),
            ("security_type", security.into()),
            ("as_locator", "NO".into()),
            ("is_udt_dependent", "NO".into()),
        ])?;
    }
    Ok(())
}

pub(super) fn parameters(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (schema, function) in functions(introspection) {
        for (parameter, position) in function.parameters().into_iter().zip(1_i64..) {
            let name = (!parameter.name.is_empty()).then_some(parameter.name);
            let mode = match parameter.mode {
                None => "IN",
                Some(OutputMode::InOut) => "INOUT",
                Some(OutputMode::Out | OutputMode::Table) => "OUT",
            };
            rows.add([
                ("specific_catalog", catalog(introspection)),
                ("specific_schema", schema.name.as_str().into()),
                ("specific_name", format!("{}_{}", function.name, function.id).into()),
                ("ordinal_position", position.into()),
                ("parameter_mode", mode.into()),
                ("is_result", yes_or_no(false)),
                ("as_locator", yes_or_no(false)),
                ("parameter_name", name.into()),
                ("data_type", Facets::of(parameter.sql_type).data_type.into()),
                ("udt_catalog", catalog(introspection)),
                ("udt_schema", "pg_catalog".into()),
                ("udt_name", parameter.sql_type.internal_name().into()),
                ("dtd_identifier", position.to_string().into()),
            ])?;
        }
    }
    Ok(())
}
