//! Set-returning functions: what rows they give, in a select list and in FROM.

use super::analyzer::{Analyzer, not_covered};
use super::coercion::Place;
use super::evaluate::Executor;
use super::node::{Node, SetBody, SetCall};
use super::value_type::{ANYARRAY, BOOL, CHAR, Field, INT4, INT8, NAME, OID, REGCLASS, TEXT, Type};
use crate::error::{Error, Result, SqlState};
use crate::functions::builtin::{BuiltinRelation, builtin_relation_named};
use crate::functions::{Datum, Lookup, keywords};

/// Whether a function of this name gives rows that the evaluator makes.
pub(super) fn is_set_returning(name: &str) -> bool {
    matches!(
        name,
        "unnest"
            | "generate_series"
            | "generate_subscripts"
            | "_pg_expandarray"
            | "pg_get_keywords"
            | "pg_options_to_table"
            | "aclexplode"
            | "pg_available_extensions"
            | "pg_listening_channels"
            | "pg_partition_ancestors"
            | "pg_sequence_parameters"
            | "pg_show_all_settings"
            | "regexp_split_to_table"
            | "string_to_table"
            | "ts_token_type"
    )
}

impl Analyzer<'_> {
    pub fn set_call(&mut self, name: &str, arguments: Vec<Node>) -> Result<SetCall> {
        let first_type = arguments.first().map(|node| node.ty.clone());
        let element = || {
            first_type
                .as_ref()
                .and_then(Type::element)
                .ok_or_else(|| Error::new(SqlState::UndefinedFunction, format!("function {name} needs an array")))
        };
        let texts = |count: usize| vec![Type::of(TEXT); count];
        let (wanted, result, body): (Vec<Type>, Type, SetBody) = match (name, arguments.len()) {
            ("unnest", 1) => (vec![Type::of(ANYARRAY)], element()?, elements),
            ("_pg_expandarray", 1) => {
                let fields = vec![Field::new("x", element()?), Field::new("n", INT4)];
                (vec![Type::of(ANYARRAY)], Type::record(fields), expanded)
            }
            ("generate_subscripts", 2 | 3) => {
                element()?;
                let wanted = vec![Type::of(ANYARRAY), Type::of(INT4), Type::of(BOOL)];
                (wanted, Type::of(INT4), subscripts)
            }
            ("generate_series", 2 | 3) => {
                let is_wide = arguments.iter().any(|node| node.ty.is(INT8));
                let integer = |node: &Node| matches!(node.ty.oid, INT4 | INT8 | 21 | 705);
                if !arguments.iter().all(integer) {
                    return Err(not_covered("generate_series of other than integers"));
                }
                let ty = Type::of(if is_wide { INT8 } else { INT4 });
                (vec![ty.clone(); arguments.len()], ty, series)
            }
            ("pg_get_keywords", 0) => {
                let fields = vec![
                    Field::new("word", TEXT),
                    Field::new("catcode", CHAR),
                    Field::new("barelabel", BOOL),
                    Field::new("catdesc", TEXT),
                    Field::new("baredesc", TEXT),
                ];
                (vec![], Type::record(fields), all_keywords)
            }
            ("pg_options_to_table", 1) => {
                let fields = vec![Field::new("option_name", TEXT), Field::new("option_value", TEXT)];
                (vec![Type::of(1009)], Type::record(fields), options)
            }
            ("aclexplode", 1) => {
                let fields = vec![
                    Field::new("grantor", OID),
                    Field::new("grantee", OID),
                    Field::new("privilege_type", TEXT),
                    Field::new("is_grantable", BOOL),
                ];
                (vec![Type::of(1034)], Type::record(fields), access_items)
            }
            ("pg_available_extensions", 0) => {
                let fields = vec![
                    Field::new("name", NAME),
                    Field::new("default_version", TEXT),
                    Field::new("comment", TEXT),
                ];
                (vec![], Type::record(fields), nothing)
            }
            ("pg_listening_channels", 0) => (vec![], Type::of(TEXT), channels),
            ("pg_sequence_parameters", 1) => {
                let numbers = ["start_value", "minimum_value", "maximum_value", "increment"];
                let mut fields: Vec<Field> = numbers.iter().map(|name| Field::new(*name, INT8)).collect();
                fields.push(Field::new("cycle_option", BOOL));
                fields.push(Field::new("cache_size", INT8));
                fields.push(Field::new("data_type", OID));
                (vec![Type::of(OID)], Type::record(fields), sequence_parameters)
            }
            ("ts_token_type", 1) => {
                let fields = vec![
                    Field::new("tokid", INT4),
                    Field::new("alias", TEXT),
                    Field::new("description", TEXT),
                ];
                (vec![Type::of(OID)], Type::record(fields), token_types)
            }
            ("pg_show_all_settings", 0) => (vec![], settings_type()?, all_settings),
            ("pg_partition_ancestors", 1) => (vec![Type::of(REGCLASS)], Type::of(REGCLASS), itself),
            ("string_to_table", 2) => (texts(2), Type::of(TEXT), split),
            _ => return Err(not_covered(format!("the function {name}"))),
        };
        let arguments = arguments
            .into_iter()
            .zip(wanted)
            .map(|(node, wanted)| self.coerce(node, &wanted, Place::Implicit))
            .collect::<Result<_>>()?;
        Ok(SetCall {
            arguments,
            result,
            body,
            scalar: None,
        })
    }
}

/// A function that gives one value, in FROM.
pub(super) fn one_value(_: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    Ok(row.to_vec())
}

fn nothing(_: &Executor<'_>, _: &SetCall, _: &[Datum]) -> Result<Vec<Datum>> {
    Ok(vec![])
}

fn itself(_: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    Ok(row.iter().filter(|value| !value.is_null()).cloned().collect())
}

fn list(row: &[Datum]) -> &[Datum] {
    match row.first() {
        Some(Datum::List(elements)) => elements,
        _ => &[],
    }
}

fn elements(_: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    fn flatten(values: &[Datum], out: &mut Vec<Datum>) {
        for value in values {
            match value {
                Datum::List(inner) => flatten(inner, out),
                other => out.push(other.clone()),
            }
        }
    }
    let mut flat = vec![];
    flatten(list(row), &mut flat);
    Ok(flat)
}

fn expanded(_: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    let numbered = list(row).iter().zip(1_i64..);
    Ok(numbered
        .map(|(value, number)| Datum::List(vec![value.clone(), number.into()]))
        .collect())
}

fn subscripts(_: &Executor<'_>, call: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    if row.get(1).and_then(Datum::as_int) != Some(1) {
        return Ok(vec![]);
    }
    let first = call.arguments.first().map_or(1, |node| node.ty.lower_bound());
    let mut subscripts: Vec<Datum> = (first..first + list(row).len() as i64).map(Datum::from).collect();
    if row.get(2).and_then(Datum::as_bool) == Some(true) {
        subscripts.reverse();
    }
    Ok(subscripts)
}

fn series(executor: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    let (Some(start), Some(stop)) = (row[0].as_int(), row[1].as_int()) else {
        return Ok(vec![]);
    };
    let step = match row.get(2) {
        None => 1,
        Some(step) => match step.as_int() {
            Some(step) => step,
            None => return Ok(vec![]),
        },
    };
    if step == 0 {
        return Err(Error::new(
            SqlState::InvalidParameterValue,
            "step size cannot equal zero",
        ));
    }
    let mut values = vec![];
    let mut value = start;
    while (step > 0 && value <= stop) || (step < 0 && value >= stop) {
        executor.count_row(values.len())?;
        values.push(value.into());
        match value.checked_add(step) {
            Some(next) => value = next,
            None => break,
        }
    }
    Ok(values)
}

/// The channels that the session listens to.
fn channels(executor: &Executor<'_>, _: &SetCall, _: &[Datum]) -> Result<Vec<Datum>> {
    let channels = executor.environment.listening_channels();
    Ok(channels.into_iter().map(Datum::from).collect())
}

fn sequence_parameters(executor: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    let lookup = Lookup::new(executor.environment.context());
    let oid = row.first().and_then(Datum::as_oid).unwrap_or_default();
    let Some(sequence) = lookup.sequence(oid) else {
        let message = format!("could not open relation with OID {oid}");
        return Err(Error::new(SqlState::UndefinedTable, message));
    };
    Ok(vec![Datum::List(vec![
        sequence.start.into(),
        sequence.minimum.into(),
        sequence.maximum.into(),
        sequence.increment.into(),
        sequence.cycle.into(),
        1.into(),
        sequence.sql_type.oid().into(),
    ])])
}

/// What the parser `default` of text search tells apart.
fn token_types(_: &Executor<'_>, _: &SetCall, _: &[Datum]) -> Result<Vec<Datum>> {
    const TOKENS: [(&str, &str); 23] = [
        ("asciiword", "Word, all ASCII"),
        ("word", "Word, all letters"),
        ("numword", "Word, letters and digits"),
        ("email", "Email address"),
        ("url", "URL"),
        ("host", "Host"),
        ("sfloat", "Scientific notation"),
        ("version", "Version number"),
        ("hword_numpart", "Hyphenated word part, letters and digits"),
        ("hword_part", "Hyphenated word part, all letters"),
        ("hword_asciipart", "Hyphenated word part, all ASCII"),
        ("blank", "Space symbols"),
        ("tag", "XML tag"),
        ("protocol", "Protocol head"),
        ("numhword", "Hyphenated word, letters and digits"),
        ("asciihword", "Hyphenated word, all ASCII"),
        ("hword", "Hyphenated word, all letters"),
        ("url_path", "URL path"),
        ("file", "File or path name"),
        ("float", "Decimal notation"),
        ("int", "Signed integer"),
        ("uint", "Unsigned integer"),
        ("entity", "XML entity"),
    ];
    let numbered = TOKENS.iter().zip(1_i64..);
    let rows = numbered
        .map(|((alias, description), number)| Datum::List(vec![number.into(), (*alias).into(), (*description).into()]));
    Ok(rows.collect())
}

fn all_keywords(_: &Executor<'_>, _: &SetCall, _: &[Datum]) -> Result<Vec<Datum>> {
    Ok(keywords()
        .map(|keyword| {
            let (code, description) = match keyword.category {
                "C" => ("C", "unreserved (cannot be function or type name)"),
                "T" => ("T", "reserved (can be function or type name)"),
                "R" => ("R", "reserved"),
                _ => ("U", "unreserved"),
            };
            let bare = match keyword.is_bare_label {
                true => "can be bare label",
                false => "requires AS",
            };
            Datum::List(vec![
                keyword.word.into(),
                code.into(),
                keyword.is_bare_label.into(),
                description.into(),
                bare.into(),
            ])
        })
        .collect())
}

fn options(_: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    Ok(list(row)
        .iter()
        .filter_map(Datum::as_text)
        .map(|option| match option.split_once('=') {
            Some((name, value)) => Datum::List(vec![name.into(), value.into()]),
            None => Datum::List(vec![option.into(), Datum::Null]),
        })
        .collect())
}

fn access_items(executor: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    let lookup = crate::functions::Lookup::new(executor.environment.context());
    let items = list(row).iter().filter_map(Datum::as_text);
    Ok(items
        .flat_map(|item| crate::functions::exploded_access_item(&lookup, item))
        .map(Datum::List)
        .collect())
}

/// The rows of pg_settings.
fn settings_relation() -> Result<&'static BuiltinRelation> {
    builtin_relation_named("pg_catalog", "pg_settings").ok_or_else(|| Error::internal("pg_settings is not declared"))
}

fn settings_type() -> Result<Type> {
    settings_relation().map(|relation| Type::record(super::from_clause::relation_columns(relation)))
}

fn all_settings(executor: &Executor<'_>, _: &SetCall, _: &[Datum]) -> Result<Vec<Datum>> {
    let relation = settings_relation()?;
    let rows = executor.relation(relation)?;
    let width = relation.columns.len();
    Ok(rows.iter().map(|row| Datum::List(row[..width].to_vec())).collect())
}

fn split(_: &Executor<'_>, _: &SetCall, row: &[Datum]) -> Result<Vec<Datum>> {
    let (Some(text), Some(separator)) = (row[0].as_text(), row[1].as_text()) else {
        return Ok(vec![]);
    };
    Ok(text.split(separator).map(Datum::from).collect())
}
