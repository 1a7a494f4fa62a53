//! Names and OIDs: the casts of registered names (`regclass`, `regclassout` …), what is visible without
//! a schema, and the names of types, roles and encodings.

use super::builtin::{
    builtin_function, builtin_functions_named, builtin_index, builtin_indexes, builtin_type_named, relation_of_type,
    row_array_type, row_type, type_name, type_name_without_modifier,
};
use super::datum::Datum;
use super::lookup::{Lookup, Relation, parse_name, quote_identifier};
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::model::{Object, Oid, PG_CATALOG_SCHEMA};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::encoding::{self, NAMES};
use crate::types::user_type::ARRAY_TYPES;

const NAME_OR_OID: &[&[Argument]] = &[&[Argument::NameOrOid]];
const NAME: &[&[Argument]] = &[&[Argument::Text]];
const OID: &[&[Argument]] = &[&[Argument::Oid]];

pub(super) fn functions() -> Vec<RowFunction> {
    let stable = RowFunction::stable;
    vec![
        stable("regclass", NAME_OR_OID, SqlType::Regclass, |call, row| {
            by_name(call, row, relation_oid, "relation", SqlState::UndefinedTable)
        }),
        stable("regtype", NAME_OR_OID, SqlType::Regtype, |call, row| {
            by_name(call, row, type_oid, "type", SqlState::UndefinedObject)
        }),
        stable("regproc", NAME_OR_OID, SqlType::Regproc, |call, row| {
            by_name(call, row, function_oid, "function", SqlState::UndefinedFunction)
        }),
        stable("regprocedure", NAME_OR_OID, SqlType::Regproc, |call, row| {
            by_name(call, row, procedure_oid, "function", SqlState::UndefinedFunction)
        }),
        stable("regnamespace", NAME_OR_OID, SqlType::Oid, |call, row| {
            by_name(call, row, schema_oid, "schema", SqlState::InvalidSchemaName)
        }),
        stable("regrole", NAME_OR_OID, SqlType::Oid, |call, row| {
            by_name(call, row, role_oid, "role", SqlState::UndefinedObject)
        }),
        stable("to_regclass", NAME, SqlType::Regclass, |call, row| {
            or_null(call, row, relation_oid)
        }),
        stable("to_regtype", NAME, SqlType::Regtype, |call, row| {
            or_null(call, row, type_oid)
        }),
        stable("to_regproc", NAME, SqlType::Regproc, |call, row| {
            or_null(call, row, function_oid)
        }),
        stable("to_regprocedure", NAME, SqlType::Regproc, |call, row| {
            or_null(call, row, procedure_oid)
        }),
        stable("to_regnamespace", NAME, SqlType::Oid, |call, row| {
            or_null(call, row, schema_oid)
        }),
        stable("to_regrole", NAME, SqlType::Oid, |call, row| {
            or_null(call, row, role_oid)
        }),
        stable("regclassout", OID, SqlType::Text, |call, row| {
            shown(row, |oid| {
                let lookup = Lookup::of(call)?;
                let relation = lookup.relation(oid);
                Ok(relation
                    .map(|relation| lookup.relation_display(relation))
                    .or_else(|| index_display(&lookup, oid)))
            })
        }),
        stable("regtypeout", OID, SqlType::Text, |call, row| {
            shown(row, |oid| {
                Ok(Some(shown_type(&Lookup::of(call)?, oid, None)).filter(|name| name != "???"))
            })
        }),
        stable("regprocout", OID, SqlType::Text, |call, row| {
            shown(row, |oid| function_name(&Lookup::of(call)?, oid))
        }),
        stable("regprocedureout", OID, SqlType::Text, |call, row| {
            shown(row, |oid| procedure_name(&Lookup::of(call)?, oid))
        }),
        stable("regnamespaceout", OID, SqlType::Text, |call, row| {
            shown(row, |oid| {
                let lookup = Lookup::of(call)?;
                Ok(lookup
                    .catalog
                    .schema(lookup.schema_of_namespace(oid))
                    .map(|schema| quote_identifier(&schema.name)))
            })
        }),
        stable("regroleout", OID, SqlType::Text, |call, row| {
            shown(row, |oid| {
                Ok(Lookup::of(call)?
                    .catalog
                    .role(oid)
                    .map(|role| quote_identifier(&role.name)))
            })
        }),
        stable("pg_table_is_visible", OID, SqlType::Bool, |call, row| {
            let lookup = Lookup::of(call)?;
            // An index is where its table is.
            let of_index = |oid| match builtin_index(oid) {
                Some(index) => lookup.relation(index.relation),
                None => lookup.relation(lookup.index(oid)?.table().id),
            };
            Ok(oid(row)
                .and_then(|oid| lookup.relation(oid).or_else(|| of_index(oid)))
                .map(|relation| lookup.is_visible(relation))
                .into())
        }),
        stable("pg_function_is_visible", OID, SqlType::Bool, |call, row| {
            let lookup = Lookup::of(call)?;
            let Some(oid) = oid(row) else { return Ok(Datum::Null) };
            if builtin_function(oid).is_some() {
                return Ok(true.into());
            }
            let Some(function) = lookup.catalog.function(oid) else {
                return Ok(Datum::Null);
            };
            let name = [function.name.clone()];
            let found = lookup.catalog.find_functions(lookup.scope(), &name)?;
            Ok(found.iter().any(|other| other.id == oid).into())
        }),
        stable("pg_type_is_visible", OID, SqlType::Bool, |call, row| {
            let lookup = Lookup::of(call)?;
            Ok(oid(row)
                .map(|oid| match lookup.user_type(oid) {
                    Some((user_type, _)) => lookup.is_visible_type(user_type),
                    None => type_name(oid, -1) != "???",
                })
                .into())
        }),
        // Everything of these kinds that exists lies in pg_catalog.
        stable("pg_operator_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_collation_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_opclass_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_opfamily_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_conversion_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_statistics_obj_is_visible", OID, SqlType::Bool, |_, _| {
            Ok(true.into())
        }),
        stable("pg_ts_config_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_ts_dict_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_ts_parser_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_ts_template_is_visible", OID, SqlType::Bool, |_, _| Ok(true.into())),
        stable("pg_get_userbyid", OID, SqlType::Name, |call, row| {
            let lookup = Lookup::of(call)?;
            Ok(oid(row)
                .map(|oid| match lookup.catalog.role(oid) {
                    Some(role) => role.name.clone(),
                    None => format!("unknown (OID={oid})"),
                })
                .into())
        }),
        RowFunction::stable(
            "format_type",
            &[&[Argument::Oid, Argument::Int]],
            SqlType::Text,
            |call, row| {
                let Some(oid) = oid(row) else { return Ok(Datum::Null) };
                let typmod = row.get(1).and_then(Datum::as_int);
                let typmod = typmod.and_then(|typmod| i32::try_from(typmod).ok());
                Ok(shown_type(&Lookup::of(call)?, oid, typmod).into())
            },
        )
        .called_on_null(),
        RowFunction::immutable("pg_typeof", &[&[Argument::Any]], SqlType::Regtype, |call, _| {
            let sql_type = call
                .argument_fields
                .first()
                .map_or(SqlType::Unknown, |field| SqlType::from_field(field));
            Ok(sql_type.oid().into())
        })
        .called_on_null(),
        RowFunction::immutable("pg_encoding_to_char", &[&[Argument::Int]], SqlType::Name, |_, row| {
            Ok(row
                .first()
                .and_then(Datum::as_int)
                .and_then(|number| NAMES.get(usize::try_from(number).ok()?))
                .map_or("", |(name, _)| name)
                .into())
        }),
        RowFunction::immutable("pg_char_to_encoding", NAME, SqlType::Int4, |_, row| {
            let named = encoding::named(text(row).unwrap_or_default());
            let number = named.and_then(|named| NAMES.iter().position(|(name, _)| *name == named.name()));
            Ok(number.map_or(-1, |number| number as i64).into())
        }),
        RowFunction::stable("pg_client_encoding", &[&[]], SqlType::Name, |call, _| {
            Ok(call
                .environment()?
                .setting("client_encoding")
                .unwrap_or_else(|| "UTF8".into())
                .into())
        }),
        RowFunction::immutable("quote_ident", NAME, SqlType::Text, |_, row| {
            Ok(text(row).map(quote_identifier).into())
        }),
        stable(
            "parse_ident",
            &[&[Argument::Text], &[Argument::Text, Argument::Bool]],
            SqlType::Array(Box::new(SqlType::Text)),
            |_, row| text(row).map(parse_name).transpose().map(Datum::from),
        ),
    ]
}

fn oid(row: &[Datum]) -> Option<Oid> {
    row.first().and_then(Datum::as_oid)
}

fn text(row: &[Datum]) -> Option<&str> {
    row.first().and_then(Datum::as_text)
}

/// Text in quotes that read back as the same text.
pub fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

type Find = fn(&Lookup<'_>, &str) -> Result<Option<Oid>>;

/// A cast to a registered name's type: numbers pass, names are looked up, `-` is 0.
fn by_name(call: &Call<'_>, row: &[Datum], find: Find, kind: &str, missing: SqlState) -> Result<Datum> {
    match text(row) {
        Some(name) => Ok(found(&Lookup::of(call)?, name, find, kind, missing)?.into()),
        None => Ok(row.first().cloned().unwrap_or(Datum::Null)),
    }
}

fn found(lookup: &Lookup<'_>, name: &str, find: Find, kind: &str, missing: SqlState) -> Result<Oid> {
    if let Some(number) = as_number(name) {
        return Ok(number);
    }
    find(lookup, name)?.ok_or_else(|| Error::new(missing, format!("{kind} \"{name}\" does not exist")))
}

/// The OID that a value of a reg* type names in text form; `None` for other types.
pub fn registered_oid(lookup: &Lookup<'_>, sql_type: &SqlType, name: &str) -> Result<Option<Oid>> {
    let (find, kind, missing): (Find, _, _) = match sql_type {
        SqlType::Regclass => (relation_oid, "relation", SqlState::UndefinedTable),
        SqlType::Regtype => (type_oid, "type", SqlState::UndefinedObject),
        SqlType::Regproc => (function_oid, "function", SqlState::UndefinedFunction),
        _ => return Ok(None),
    };
    found(lookup, name, find, kind, missing).map(Some)
}

fn or_null(call: &Call<'_>, row: &[Datum], find: Find) -> Result<Datum> {
    let Some(name) = text(row) else { return Ok(Datum::Null) };
    match as_number(name) {
        Some(_) => Ok(Datum::Null),
        None => Ok(find(&Lookup::of(call)?, name)?.into()),
    }
}

pub(super) fn as_number(name: &str) -> Option<Oid> {
    if name == "-" { Some(0) } else { name.parse().ok() }
}

/// The name of an OID; the number itself where nothing has it, `-` for 0.
pub(super) fn shown(row: &[Datum], name: impl Fn(Oid) -> Result<Option<String>>) -> Result<Datum> {
    match oid(row) {
        None => Ok(Datum::Null),
        Some(0) => Ok("-".into()),
        Some(oid) => Ok(name(oid)?.unwrap_or_else(|| oid.to_string()).into()),
    }
}

/// The relation that an argument means: its name, or its OID as a number or as text.
pub(crate) fn relation_argument<'a>(lookup: &Lookup<'a>, argument: &Datum) -> Result<Option<Relation<'a>>> {
    let Some(name) = argument.as_text() else {
        return Ok(argument.as_oid().and_then(|oid| lookup.relation(oid)));
    };
    match as_number(name) {
        Some(oid) => Ok(lookup.relation(oid)),
        None => match lookup.relation_named(&parse_name(name)?)? {
            Some(relation) => Ok(Some(relation)),
            None => Err(Error::new(
                SqlState::UndefinedTable,
                format!("relation \"{name}\" does not exist"),
            )),
        },
    }
}

fn relation_oid(lookup: &Lookup<'_>, name: &str) -> Result<Option<Oid>> {
    let parts = parse_name(name)?;
    if let Some(relation) = lookup.relation_named(&parts)? {
        return Ok(Some(relation.oid()));
    }
    let index = match parts.as_slice() {
        [name] => Some(name),
        [schema, name] if schema == "pg_catalog" => Some(name),
        _ => None,
    };
    let builtin = index.and_then(|name| builtin_indexes().iter().find(|index| index.name == name));
    Ok(builtin.map(|index| index.oid).or_else(|| {
        let mut keys = lookup.keys();
        let key = keys.find(|key| match parts.as_slice() {
            [name] => *name == key.constraint.name && lookup.search_path().contains(&key.table.schema),
            [schema, name] => {
                let found = lookup.catalog.schema_named(lookup.context.database, schema);
                *name == key.constraint.name && found.is_some_and(|schema| schema.id == key.table.schema)
            }
            _ => false,
        });
        key.map(|key| key.index())
    }))
}

/// The name of an index, qualified where its table has to be.
fn index_display(lookup: &Lookup<'_>, oid: Oid) -> Option<String> {
    if let Some(index) = builtin_index(oid) {
        return Some(index.name.to_string());
    }
    let index = lookup.index(oid)?;
    let qualifier = lookup.qualifier(lookup.relation(index.table().id)?);
    Some(format!("{qualifier}{}", quote_identifier(index.name())))
}

/// format_type(): the row type of a relation is called as the relation is.
pub(super) fn shown_type(lookup: &Lookup<'_>, oid: Oid, typmod: Option<i32>) -> String {
    match relation_of_type(oid).and_then(|(relation, is_array)| Some((lookup.relation(relation)?, is_array))) {
        Some((relation, true)) => format!("{}[]", lookup.relation_display(relation)),
        Some((relation, false)) => lookup.relation_display(relation),
        None if lookup.user_type(oid).is_some() => lookup.type_display(oid),
        None => match typmod {
            Some(typmod) => type_name(oid, typmod),
            None => type_name_without_modifier(oid),
        },
    }
}

pub(super) fn type_oid(lookup: &Lookup<'_>, name: &str) -> Result<Option<Oid>> {
    let plain = name.trim().strip_prefix("pg_catalog.").unwrap_or(name.trim());
    if let Ok(sql_type) = plain.parse::<SqlType>() {
        return Ok(Some(sql_type.oid()));
    }
    let (element, is_array) = match plain.strip_suffix("[]") {
        Some(element) => (element, true),
        None => (plain, false),
    };
    if let Some(builtin) = builtin_type_named(&element.trim_matches('"').to_lowercase()) {
        return Ok(Some(if is_array { builtin.array } else { builtin.oid }));
    }
    let found = lookup.type_named(&parse_name(element)?)?;
    if let Some(found) = found {
        return Ok(Some(if is_array {
            ARRAY_TYPES + found.id
        } else {
            found.type_oid()
        }));
    }
    // A relation's rows have a type of its name.
    let relation = lookup.relation_named(&parse_name(element)?)?;
    let has_rows =
        |relation: &Relation<'_>| !matches!(relation, Relation::Object(Object::Sequence(_) | Object::Index(_)));
    let relation = relation.filter(has_rows).map(|relation| relation.oid());
    Ok(relation.map(|relation| {
        if is_array {
            row_array_type(relation)
        } else {
            row_type(relation)
        }
    }))
}

fn function_oid(lookup: &Lookup<'_>, name: &str) -> Result<Option<Oid>> {
    let mut found = function_candidates(lookup, name)?;
    if found.len() > 1 {
        return Err(Error::new(
            SqlState::AmbiguousFunction,
            format!("more than one function named \"{name}\""),
        ));
    }
    Ok(found.pop())
}

fn procedure_oid(lookup: &Lookup<'_>, signature: &str) -> Result<Option<Oid>> {
    let Some((name, rest)) = signature.split_once('(') else {
        return Err(Error::new(
            SqlState::InvalidTextRepresentation,
            "expected a left parenthesis",
        ));
    };
    let mut arguments = vec![];
    for argument in rest
        .trim_end_matches(')')
        .split(',')
        .filter(|argument| !argument.trim().is_empty())
    {
        arguments.push(type_oid(lookup, argument)?.unwrap_or_default());
    }
    Ok(function_candidates(lookup, name)?
        .into_iter()
        .find(|oid| argument_types(lookup, *oid) == arguments))
}

fn function_candidates(lookup: &Lookup<'_>, name: &str) -> Result<Vec<Oid>> {
    let parts = parse_name(name)?;
    let mut found: Vec<Oid> = lookup
        .catalog
        .find_functions(lookup.scope(), &parts)?
        .into_iter()
        .map(|function| function.id)
        .collect();
    match parts.as_slice() {
        [last] => found.extend(builtin_functions_named(last).map(|function| function.oid)),
        [schema, last] if schema == "pg_catalog" => {
            found.extend(builtin_functions_named(last).map(|function| function.oid));
        }
        _ => {}
    }
    Ok(found)
}

fn argument_types(lookup: &Lookup<'_>, oid: Oid) -> Vec<Oid> {
    match builtin_function(oid) {
        Some(builtin) => builtin.arguments.clone(),
        None => lookup
            .catalog
            .function(oid)
            .map(|function| function.argument_oids())
            .unwrap_or_default(),
    }
}

fn schema_oid(lookup: &Lookup<'_>, name: &str) -> Result<Option<Oid>> {
    let [name] = parse_name(name)?
        .try_into()
        .map_err(|_| Error::new(SqlState::InvalidName, "invalid name syntax"))?;
    Ok(lookup
        .catalog
        .schema_named(lookup.context.database, &name)
        .map(|schema| lookup.namespace_oid(schema.id)))
}

fn role_oid(lookup: &Lookup<'_>, name: &str) -> Result<Option<Oid>> {
    let [name] = parse_name(name)?
        .try_into()
        .map_err(|_| Error::new(SqlState::InvalidName, "invalid name syntax"))?;
    Ok(lookup.catalog.role_named(&name).map(|role| role.id))
}

fn function_name(lookup: &Lookup<'_>, oid: Oid) -> Result<Option<String>> {
    if let Some(builtin) = builtin_function(oid) {
        // A name of several functions finds none of them.
        let is_overloaded = builtin_functions_named(builtin.name).nth(1).is_some();
        let schema = if is_overloaded { "pg_catalog." } else { "" };
        return Ok(Some(format!("{schema}{}", quote_identifier(builtin.name))));
    }
    let Some(function) = lookup.catalog.function(oid) else {
        return Ok(None);
    };
    let name = [function.name.clone()];
    let visible = lookup
        .catalog
        .find_functions(lookup.scope(), &name)?
        .iter()
        .any(|found| found.id == oid);
    let schema = lookup
        .catalog
        .schema(function.schema)
        .filter(|schema| !visible && schema.id != PG_CATALOG_SCHEMA);
    let qualifier = schema
        .map(|schema| format!("{}.", quote_identifier(&schema.name)))
        .unwrap_or_default();
    Ok(Some(format!("{qualifier}{}", quote_identifier(&function.name))))
}

fn procedure_name(lookup: &Lookup<'_>, oid: Oid) -> Result<Option<String>> {
    let Some(name) = function_name(lookup, oid)? else {
        return Ok(None);
    };
    let arguments: Vec<String> = argument_types(lookup, oid)
        .into_iter()
        .map(|argument| shown_type(lookup, argument, None))
        .collect();
    Ok(Some(format!("{name}({})", arguments.join(","))))
}

/// The function that `name` or `name(types)` means; 42883 when there is none.
pub(crate) fn function_argument(lookup: &Lookup<'_>, text: &str) -> Result<Oid> {
    let found = if text.contains('(') {
        procedure_oid(lookup, text)?
    } else {
        function_oid(lookup, text)?
    };
    found.ok_or_else(|| {
        Error::new(
            SqlState::UndefinedFunction,
            format!("function \"{text}\" does not exist"),
        )
    })
}
