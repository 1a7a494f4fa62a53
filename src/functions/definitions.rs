//! Definitions as text: pg_get_viewdef(), pg_get_functiondef() and the like. What the catalog does not
//! have (indexes, constraints, triggers) has no definition: NULL.

use super::builtin::{builtin_function, type_name};
use super::comments::TYPE_CLASS;
use super::datum::Datum;
use super::lookup::{Lookup, Relation, quote_identifier};
use super::names::relation_argument;
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::model::{self, Function, Object, Oid, View};
use crate::error::Result;
use crate::types::SqlType;

const OID: &[&[Argument]] = &[&[Argument::Oid]];
const OID_PRETTY: &[&[Argument]] = &[&[Argument::Oid], &[Argument::Oid, Argument::Bool]];

pub(super) fn functions() -> Vec<RowFunction> {
    let stable = RowFunction::stable;
    let nothing: super::row_function::Body = |_, _| Ok(Datum::Null);
    vec![
        stable(
            "pg_get_viewdef",
            &[
                &[Argument::NameOrOid],
                &[Argument::NameOrOid, Argument::Bool],
                &[Argument::NameOrOid, Argument::Int],
            ],
            SqlType::Text,
            |call, row| {
                let lookup = Lookup::of(call)?;
                Ok(match relation_argument(&lookup, row.first().unwrap_or(&Datum::Null))? {
                    Some(Relation::Object(object)) => match object.stored_view() {
                        Some(view) => view_definition(&view).into(),
                        None => "Not a view".into(),
                    },
                    Some(_) => "Not a view".into(),
                    None => Datum::Null,
                })
            },
        ),
        stable("pg_get_functiondef", OID, SqlType::Text, |call, row| {
            let lookup = Lookup::of(call)?;
            Ok(match function(&lookup, row) {
                Some(function) => function_definition(&lookup, function).into(),
                None => Datum::Null,
            })
        }),
        stable("pg_get_function_arguments", OID, SqlType::Text, arguments),
        stable("pg_get_function_identity_arguments", OID, SqlType::Text, arguments),
        stable("pg_get_function_result", OID, SqlType::Text, |call, row| {
            let lookup = Lookup::of(call)?;
            if let Some(function) = function(&lookup, row) {
                return Ok(function.returns.to_string().into());
            }
            let builtin = row.first().and_then(Datum::as_oid).and_then(builtin_function);
            Ok(builtin
                .map(|builtin| match builtin.returns_set {
                    true => format!("SETOF {}", type_name(builtin.returns, -1)),
                    false => type_name(builtin.returns, -1),
                })
                .into())
        }),
        stable(
            "pg_describe_object",
            &[&[Argument::Oid, Argument::Oid, Argument::Int]],
            SqlType::Text,
            |call, row| {
                let lookup = Lookup::of(call)?;
                let number = |index: usize| row.get(index).and_then(Datum::as_oid);
                let part = row.get(2).and_then(Datum::as_int).unwrap_or_default();
                Ok(match (number(0), number(1)) {
                    (Some(TYPE_CLASS), Some(oid)) => format!("type {}", type_name(oid, -1)).into(),
                    (_, Some(oid)) => described(&lookup, oid, part).into(),
                    _ => Datum::Null,
                })
            },
        ),
        stable("pg_get_function_sqlbody", OID, SqlType::Text, nothing),
        // The expression trees of pg_node_tree columns are stored as the text that they stand for.
        stable(
            "pg_get_expr",
            &[
                &[Argument::Text, Argument::Oid],
                &[Argument::Text, Argument::Oid, Argument::Bool],
            ],
            SqlType::Text,
            |_, row| Ok(row.first().cloned().unwrap_or(Datum::Null)),
        ),
        stable("pg_get_triggerdef", OID_PRETTY, SqlType::Text, nothing),
        stable("pg_get_ruledef", OID_PRETTY, SqlType::Text, |call, row| {
            let lookup = Lookup::of(call)?;
            // A view's rule has the view's OID.
            let view = row
                .first()
                .and_then(Datum::as_oid)
                .and_then(|oid| lookup.catalog.object(oid))
                .and_then(Object::stored_view);
            Ok(view
                .map(|view| {
                    format!(
                        "CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {} DO INSTEAD {}",
                        quote_identifier(&view.name),
                        view_definition(&view)
                    )
                })
                .into())
        }),
        stable("pg_get_partkeydef", OID, SqlType::Text, nothing),
        stable("pg_get_partition_constraintdef", OID, SqlType::Text, nothing),
        stable("pg_get_statisticsobjdef", OID, SqlType::Text, nothing),
        stable("pg_get_statisticsobjdef_columns", OID, SqlType::Text, nothing),
        stable(
            "pg_relation_is_publishable",
            &[&[Argument::NameOrOid]],
            SqlType::Bool,
            |_, _| Ok(false.into()),
        ),
        stable("pg_relation_filenode", &[&[Argument::NameOrOid]], SqlType::Oid, nothing),
        stable("pg_tablespace_location", OID, SqlType::Text, |_, _| Ok("".into())),
        stable(
            "pg_partition_ancestors",
            &[&[Argument::NameOrOid]],
            SqlType::Array(Box::new(SqlType::Regclass)),
            |call, row| {
                // No table has a parent: each is its own only ancestor.
                let lookup = Lookup::of(call)?;
                let relation = relation_argument(&lookup, row.first().unwrap_or(&Datum::Null))?;
                Ok(relation.map(|relation| vec![i64::from(relation.oid())]).into())
            },
        ),
        stable(
            "pg_partition_root",
            &[&[Argument::NameOrOid]],
            SqlType::Regclass,
            nothing,
        ),
    ]
}

/// An object, or a column of it, as pg_describe_object() names it.
fn described(lookup: &Lookup<'_>, oid: Oid, part: i64) -> Option<String> {
    let object = lookup.catalog.object(lookup.schema_of_namespace(oid))?;
    let whole = match lookup.relation(oid) {
        Some(relation) => {
            let name = quote_identifier(object.name());
            format!("{} {}{name}", object.kind().word(), lookup.qualifier(relation))
        }
        None => object.to_string(),
    };
    let column = object.columns().iter().find(|column| i64::from(column.id) == part);
    Some(match column {
        Some(column) => format!("column {} of {whole}", quote_identifier(&column.name)),
        None => whole,
    })
}

/// The view's query as pg_get_viewdef() ends it.
pub fn view_definition(view: &View) -> String {
    let query = view.query.trim().trim_end_matches(';').trim_end();
    format!(" {query};")
}

fn function<'a>(lookup: &Lookup<'a>, row: &[Datum]) -> Option<&'a Function> {
    let object = row
        .first()
        .and_then(Datum::as_oid)
        .and_then(|oid| lookup.catalog.object(oid))?;
    match object {
        Object::Function(function) if lookup.sees(object) => Some(function),
        _ => None,
    }
}

fn arguments(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    if let Some(function) = function(&lookup, row) {
        let arguments = function.arguments.iter().map(|argument| {
            let shown = shown_argument(argument);
            match &argument.default {
                Some(default) => format!("{shown} DEFAULT {default}"),
                None => shown,
            }
        });
        return Ok(arguments.collect::<Vec<_>>().join(", ").into());
    }
    let builtin = row.first().and_then(Datum::as_oid).and_then(builtin_function);
    let names = |oids: &[u32]| {
        oids.iter()
            .map(|oid| type_name(*oid, -1))
            .collect::<Vec<_>>()
            .join(", ")
    };
    Ok(builtin.map(|builtin| names(&builtin.arguments)).into())
}

fn argument_list(function: &Function) -> String {
    let arguments = function.arguments.iter().map(shown_argument);
    arguments.collect::<Vec<_>>().join(", ")
}

fn shown_argument(argument: &model::Argument) -> String {
    match argument.name.as_str() {
        "" => argument.sql_type.to_string(),
        name => format!("{} {}", quote_identifier(name), argument.sql_type),
    }
}

/// The function's text as a query, which is how PostgreSQL keeps it.
pub fn function_source(function: &Function) -> String {
    format!("select {}", function.body.trim())
}

fn function_definition(lookup: &Lookup<'_>, function: &Function) -> String {
    let schema = lookup
        .catalog
        .schema(function.schema)
        .map_or("?", |schema| schema.name.as_str());
    format!(
        "CREATE OR REPLACE FUNCTION {}.{}({})\n RETURNS {}\n LANGUAGE sql\nAS $function${}$function$\n",
        quote_identifier(schema),
        quote_identifier(&function.name),
        argument_list(function),
        function.returns,
        function_source(function),
    )
}
