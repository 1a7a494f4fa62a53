//! Definitions as text: pg_get_viewdef(), pg_get_functiondef() and the like. What the catalog does not
//! have (indexes, constraints, triggers) has no definition: NULL.

use super::builtin::{Signature, builtin_function, builtin_signature, type_name, type_name_without_modifier};
use super::comments::TYPE_CLASS;
use super::datum::Datum;
use super::lookup::{Lookup, Relation, quote_identifier};
use super::names::relation_argument;
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::Parameter;
use crate::catalog::model::{Function, Object, Oid, OutputMode, View, Volatility};
use crate::context::settings::{Kind, definition, parse_names};
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
        stable("pg_get_function_arguments", OID, SqlType::Text, |call, row| {
            arguments(call, row, &full_arguments, |signature| signature.arguments)
        }),
        stable("pg_get_function_identity_arguments", OID, SqlType::Text, |call, row| {
            arguments(call, row, &identity_arguments, |signature| signature.identity)
        }),
        stable(
            "pg_get_function_arg_default",
            &[&[Argument::Oid, Argument::Int]],
            SqlType::Text,
            |call, row| {
                let lookup = Lookup::of(call)?;
                let number = row.get(1).and_then(Datum::as_int).unwrap_or_default();
                let found = function(&lookup, row).map(|function| argument_default(function, number));
                Ok(found.flatten().into())
            },
        ),
        stable("pg_get_function_result", OID, SqlType::Text, |call, row| {
            let lookup = Lookup::of(call)?;
            if let Some(function) = function(&lookup, row) {
                return Ok(match function.is_procedure() {
                    true => Datum::Null,
                    false => result(function).into(),
                });
            }
            let builtin = row.first().and_then(Datum::as_oid).and_then(builtin_function);
            Ok(builtin
                .map(|builtin| match builtin.returns_set {
                    true => format!("SETOF {}", type_name_without_modifier(builtin.returns)),
                    false => type_name_without_modifier(builtin.returns),
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

fn arguments(
    call: &Call<'_>,
    row: &[Datum],
    of: &dyn Fn(&Function) -> String,
    of_builtin: fn(&Signature) -> &'static str,
) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    if let Some(function) = function(&lookup, row) {
        return Ok(of(function).into());
    }
    let builtin = row.first().and_then(Datum::as_oid).and_then(builtin_function);
    let spelled = |oids: &[u32]| {
        let names = oids.iter().map(|oid| type_name_without_modifier(*oid));
        names.collect::<Vec<_>>().join(", ")
    };
    Ok(builtin
        .map(|builtin| match builtin_signature(builtin.oid) {
            Some(signature) => of_builtin(signature).to_string(),
            None => spelled(&builtin.arguments),
        })
        .into())
}

fn full_arguments(function: &Function) -> String {
    let shown = shown_parameters(function, |parameter| parameter.mode != Some(OutputMode::Table));
    let with_defaults = shown.map(|(parameter, shown)| match parameter.default {
        Some(default) => format!("{shown} DEFAULT {default}"),
        None => shown,
    });
    with_defaults.collect::<Vec<_>>().join(", ")
}

/// The default of an argument by its number among all of them.
fn argument_default(function: &Function, number: i64) -> Option<String> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    let parameter = function.parameters().into_iter().nth(index)?;
    parameter.default.map(str::to_string)
}

fn identity_arguments(function: &Function) -> String {
    let is_argument = |parameter: &Parameter<'_>| parameter.mode != Some(OutputMode::Table);
    let shown = shown_parameters(function, is_argument).map(|(_, shown)| shown);
    shown.collect::<Vec<_>>().join(", ")
}

/// What a call gives, as RETURNS says it.
fn result(function: &Function) -> String {
    let columns = shown_parameters(function, |parameter| parameter.mode == Some(OutputMode::Table));
    let columns: Vec<String> = columns.map(|(_, shown)| shown).collect();
    match (columns.as_slice(), function.is_set()) {
        ([], false) => function.returns.to_string(),
        ([], true) => format!("SETOF {}", function.returns),
        (columns, _) => format!("TABLE({})", columns.join(", ")),
    }
}

fn shown_parameters(
    function: &Function,
    is_shown: impl Fn(&Parameter<'_>) -> bool,
) -> impl Iterator<Item = (Parameter<'_>, String)> {
    let is_procedure = function.is_procedure();
    let parameters = function.parameters().into_iter();
    let shown = parameters.filter(move |parameter| is_shown(parameter));
    shown.map(move |parameter| {
        let mode = match parameter.mode {
            Some(OutputMode::Out) => "OUT ",
            Some(OutputMode::InOut) => "INOUT ",
            None if is_procedure => "IN ",
            Some(OutputMode::Table) | None => "",
        };
        let name = match parameter.name {
            "" => String::new(),
            name => format!("{} ", quote_identifier(name)),
        };
        (parameter, format!("{mode}{name}{}", parameter.sql_type))
    })
}

/// The function's text as a query, which is how PostgreSQL keeps it.
pub fn function_source(function: &Function) -> String {
    match function.query {
        // A script has one, too.
        Some(_) => function.body.clone(),
        None => format!("select {}", function.body.trim()),
    }
}

fn function_definition(lookup: &Lookup<'_>, function: &Function) -> String {
    let schema = lookup
        .catalog
        .schema(function.schema)
        .map_or("?", |schema| schema.name.as_str());
    let (schema, name) = (quote_identifier(schema), quote_identifier(&function.name));
    let arguments = full_arguments(function);
    let source = function_source(function);
    let (language, volatility) = match &function.script {
        Some(script) => (script.language.name(), script.volatility),
        None => ("sql", Volatility::Volatile),
    };
    let mut attributes = match volatility {
        Volatility::Volatile => String::new(),
        Volatility::Stable => " STABLE".to_string(),
        Volatility::Immutable => " IMMUTABLE".to_string(),
    };
    if function.query.as_ref().is_some_and(|query| query.is_strict) {
        attributes.push_str(" STRICT");
    }
    if function.script.as_ref().is_some_and(|script| script.security_definer) {
        attributes.push_str(" SECURITY DEFINER");
    }
    if !attributes.is_empty() {
        attributes.insert(0, '\n');
    }
    let settings = function.script.iter().flat_map(|script| &script.settings);
    for (name, value) in settings {
        attributes.push_str(&format!(
            "\n SET {} TO {}",
            quote_identifier(name),
            shown_setting(name, value)
        ));
    }
    if function.is_procedure() {
        return format!(
            "CREATE OR REPLACE PROCEDURE {schema}.{name}({arguments})\n LANGUAGE {language}{attributes}\nAS \
             $procedure${source}$procedure$\n"
        );
    }
    format!(
        "CREATE OR REPLACE FUNCTION {schema}.{name}({arguments})\n RETURNS {}\n LANGUAGE {language}{attributes}\nAS \
         $function${source}$function$\n",
        result(function),
    )
}

/// A setting's value as SET takes it: of a list each name by itself.
fn shown_setting(name: &str, value: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let names = match definition(name).map(|found| found.kind) {
        Some(Kind::Names) => parse_names(value),
        _ => None,
    };
    match names {
        Some(names) => names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
        None => quoted(value),
    }
}
