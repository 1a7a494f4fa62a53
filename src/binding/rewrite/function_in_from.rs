//! Functions in FROM. DataFusion has UNNEST of arrays; PostgreSQL's set-returning functions exist
//! here as functions that return the set as an array, one for each column of the set.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, Ident, ObjectName, TableAlias, TableAliasColumnDef, TableFactor, VisitMut,
    VisitorMut,
};

use super::super::relations::parse_query;
use super::aggregates::is_aggregate;
use super::syntax::{call, plain_arguments, system_name};
use super::{named_arguments, numbered_name, output_name, rows_from};
use crate::error::{Error, Result, SqlState};
use crate::functions::builtin::builtin_functions_named;
use crate::statement::{ROWS_FROM, relation};

/// A set-returning function: its columns, and for each the function that gives the column as an array.
struct SetReturning {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const SET_RETURNING: [SetReturning; 23] = [
    SetReturning {
        name: "pg_input_error_info",
        columns: &[
            ("message", "pg_input_error_message"),
            ("detail", "pg_input_error_detail"),
            ("hint", "pg_input_error_hint"),
            ("sql_error_code", "pg_input_error_code"),
        ],
    },
    SetReturning {
        name: "json_array_elements",
        columns: &[("value", "json_elements")],
    },
    SetReturning {
        name: "jsonb_array_elements",
        columns: &[("value", "jsonb_elements")],
    },
    SetReturning {
        name: "json_array_elements_text",
        columns: &[("value", "json_element_texts")],
    },
    SetReturning {
        name: "jsonb_array_elements_text",
        columns: &[("value", "jsonb_element_texts")],
    },
    SetReturning {
        name: "json_object_keys",
        columns: &[("json_object_keys", "json_keys")],
    },
    SetReturning {
        name: "jsonb_object_keys",
        columns: &[("jsonb_object_keys", "jsonb_keys")],
    },
    SetReturning {
        name: "json_each",
        columns: &[("key", "json_member_keys"), ("value", "json_member_values")],
    },
    SetReturning {
        name: "jsonb_each",
        columns: &[("key", "jsonb_member_keys"), ("value", "jsonb_member_values")],
    },
    SetReturning {
        name: "json_each_text",
        columns: &[("key", "json_member_keys"), ("value", "json_member_texts")],
    },
    SetReturning {
        name: "jsonb_each_text",
        columns: &[("key", "jsonb_member_keys"), ("value", "jsonb_member_texts")],
    },
    SetReturning {
        name: "regexp_matches",
        columns: &[("regexp_matches", "regexp_matches_rows")],
    },
    SetReturning {
        name: "jsonb_path_query_tz",
        columns: &[("jsonb_path_query_tz", "jsonb_path_rows_tz")],
    },
    SetReturning {
        name: "jsonb_path_query",
        columns: &[("jsonb_path_query", "jsonb_path_rows")],
    },
    SetReturning {
        name: "generate_series",
        columns: &[("generate_series", "generate_series")],
    },
    SetReturning {
        name: "generate_subscripts",
        columns: &[("generate_subscripts", "array_subscripts")],
    },
    SetReturning {
        name: "regexp_split_to_table",
        columns: &[("regexp_split_to_table", "regexp_split_to_array")],
    },
    SetReturning {
        name: "string_to_table",
        columns: &[("string_to_table", "string_to_array")],
    },
    SetReturning {
        name: "pg_partition_ancestors",
        columns: &[("relid", "pg_partition_ancestors")],
    },
    SetReturning {
        name: "_pg_expandarray",
        columns: &[("x", "unnest"), ("n", "array_ordinals")],
    },
    SetReturning {
        name: "aclexplode",
        columns: &[
            ("grantor", "aclexplode_grantor"),
            ("grantee", "aclexplode_grantee"),
            ("privilege_type", "aclexplode_privilege_type"),
            ("is_grantable", "aclexplode_is_grantable"),
        ],
    },
    SetReturning {
        name: "pg_options_to_table",
        columns: &[
            ("option_name", "pg_options_names"),
            ("option_value", "pg_options_values"),
        ],
    },
    SetReturning {
        name: "pg_get_keywords",
        columns: &[
            ("word", "pg_keyword_words"),
            ("catcode", "pg_keyword_categories"),
            ("barelabel", "pg_keyword_bare_labels"),
            ("catdesc", "pg_keyword_descriptions"),
            ("baredesc", "pg_keyword_bare_descriptions"),
        ],
    },
];

/// Functions that give the rows of a system view of PostgreSQL, and the view.
const BEHIND_RELATIONS: [(&str, &str); 8] = [
    ("pg_available_extensions", "pg_available_extensions"),
    ("pg_available_extension_versions", "pg_available_extension_versions"),
    ("pg_cursor", "pg_cursors"),
    ("pg_lock_status", "pg_locks"),
    ("pg_prepared_statement", "pg_prepared_statements"),
    ("pg_show_all_settings", "pg_settings"),
    ("pg_stat_get_activity", "pg_stat_activity"),
    ("pg_timezone_names", "pg_timezone_names"),
];

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Relations;
    impl VisitorMut for Relations {
        type Break = Error;
        fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            match unnested(factor) {
                Ok(Some(replacement)) => {
                    *factor = replacement;
                    ControlFlow::Continue(())
                }
                Ok(None) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Relations) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn unnested(factor: &TableFactor) -> Result<Option<TableFactor>> {
    Ok(match factor {
        TableFactor::Table {
            name,
            args: Some(arguments),
            alias,
            with_ordinality,
            ..
        } => from_call(name, &arguments.args, alias.as_ref(), *with_ordinality)?,
        TableFactor::Function {
            name,
            args,
            alias,
            with_ordinality,
            ..
        } => from_call(name, args, alias.as_ref(), *with_ordinality)?,
        TableFactor::UNNEST {
            alias,
            array_exprs,
            with_offset: false,
            with_ordinality,
            ..
        } => {
            let names = match array_exprs.len() {
                1 => vec!["unnest".to_string()],
                count => (1..=count).map(|index| numbered_name("unnest", index)).collect(),
            };
            Some(unnest(
                "unnest",
                names,
                array_exprs.iter().cloned().map(flat).collect(),
                alias.as_ref(),
                *with_ordinality,
            ))
        }
        _ => None,
    })
}

fn from_call(
    name: &ObjectName,
    arguments: &[FunctionArg],
    alias: Option<&TableAlias>,
    with_ordinality: bool,
) -> Result<Option<TableFactor>> {
    let Some(function) = system_name(name) else {
        return Ok(None);
    };
    if function == ROWS_FROM {
        return side_by_side(arguments, alias, with_ordinality).map(Some);
    }
    if let Some((_, relation)) = BEHIND_RELATIONS.iter().find(|(behind, _)| *behind == function) {
        return Ok(Some(system_relation(relation, alias)));
    }
    if let Some((_, rows)) = ROWS_OF_JSON.iter().find(|(name, _)| *name == function)
        && !with_ordinality
    {
        return match positional(&function, arguments)? {
            Some(arguments) => rows_of_json(&function, rows, arguments, alias).map(Some),
            None => Ok(None),
        };
    }
    if let Some((columns, arrays)) = set_columns(name, arguments)? {
        refuse_definitions(alias, columns.len())?;
        return Ok(Some(unnest(&function, columns, arrays, alias, with_ordinality)));
    }
    // What others may have made is looked up later.
    let Some(value) = value_of(name, arguments)? else {
        return Ok(None);
    };
    refuse_definitions(alias, 1)?;
    Ok(Some(one_row(&function, value, alias, with_ordinality)))
}

/// A function that is known to have columns needs none to be defined.
fn refuse_definitions(alias: Option<&TableAlias>, columns: usize) -> Result<()> {
    let defined = alias
        .iter()
        .flat_map(|alias| &alias.columns)
        .any(|column| column.data_type.is_some());
    match (defined, columns) {
        (false, _) => Ok(()),
        (true, 1) => Err(Error::syntax(
            "a column definition list is only allowed for functions returning \"record\"",
        )),
        (true, _) => Err(Error::syntax(
            "a column definition list is redundant for a function with OUT parameters",
        )),
    }
}

/// A call's arguments by their places; `None` where they are no plain values.
fn positional(function: &str, arguments: &[FunctionArg]) -> Result<Option<Vec<Expr>>> {
    let mut arguments = arguments.to_vec();
    named_arguments::position(function, &mut arguments)?;
    Ok(plain_arguments(&arguments))
}

/// The columns of a set-returning function and the array behind each; `None` for any other function.
fn set_columns(name: &ObjectName, arguments: &[FunctionArg]) -> Result<Option<(Vec<String>, Vec<Expr>)>> {
    let Some(function) = system_name(name) else {
        return Ok(None);
    };
    let declared = SET_RETURNING.iter().find(|declared| declared.name == function);
    if declared.is_none() && function != "unnest" {
        return Ok(None);
    }
    let Some(arguments) = positional(&function, arguments)? else {
        return Ok(None);
    };
    Ok(Some(match declared {
        None => {
            let names = match arguments.len() {
                1 => vec![function],
                count => (1..=count).map(|index| numbered_name("unnest", index)).collect(),
            };
            (names, arguments.into_iter().map(flat).collect())
        }
        Some(declared) => arrays_of(declared.name, &arguments).into_iter().unzip(),
    }))
}

/// The columns of a set-returning function and the arrays behind them.
pub(super) fn arrays_of(function: &str, arguments: &[Expr]) -> Vec<(String, Expr)> {
    let declared = SET_RETURNING.iter().find(|declared| declared.name == function);
    let columns = declared.map_or(&[][..], |declared| declared.columns).iter();
    columns
        .map(|(column, array)| (column.to_string(), column_array(array, arguments)))
        .collect()
}

/// Whether a function of this name returns rows of several columns.
pub(super) fn has_columns(function: &str) -> bool {
    let mut declared = SET_RETURNING.iter();
    declared.any(|declared| declared.name == function && declared.columns.len() > 1)
}

/// The call of a function of PostgreSQL's that gives one value.
fn value_of(name: &ObjectName, arguments: &[FunctionArg]) -> Result<Option<Expr>> {
    let Some(function) = system_name(name).filter(|name| builtin_functions_named(name).next().is_some()) else {
        return Ok(None);
    };
    if is_aggregate(&function) {
        let message = "aggregate functions are not allowed in functions in FROM";
        return Err(Error::new(SqlState::GroupingError, message));
    }
    Ok(positional(&function, arguments)?.map(|arguments| call(&function, arguments)))
}

/// The columns of a function of ROWS FROM, if it is one whose columns are arrays.
pub(super) fn columns_of(name: &ObjectName, arguments: &[FunctionArg]) -> Result<Option<(Vec<String>, Vec<Expr>)>> {
    let function = system_name(name).unwrap_or_default();
    let is_relation = BEHIND_RELATIONS.iter().any(|(behind, _)| *behind == function)
        || ROWS_OF_JSON.iter().any(|(rows, _)| *rows == function);
    if is_relation {
        return Ok(None);
    }
    if let Some(columns) = set_columns(name, arguments)? {
        return Ok(Some(columns));
    }
    let value = value_of(name, arguments)?;
    Ok(value.map(|value| (vec![function], vec![call("make_array", vec![value])])))
}

/// ROWS FROM several functions whose columns are arrays.
fn side_by_side(functions: &[FunctionArg], alias: Option<&TableAlias>, with_ordinality: bool) -> Result<TableFactor> {
    let mut names: Vec<String> = vec![];
    let mut arrays = vec![];
    let mut first = None;
    for (function, arguments) in rows_from::functions(functions)? {
        let Some((columns, values)) = columns_of(&function, &arguments)? else {
            return Err(Error::internal("a function of ROWS FROM is not made of arrays"));
        };
        first = first.or_else(|| system_name(&function));
        for name in columns {
            let shown = output_name(&name);
            let same = names.iter().filter(|known| output_name(known) == shown).count();
            names.push(match same {
                0 => name,
                before => numbered_name(shown, before + 1),
            });
        }
        arrays.extend(values);
    }
    let own = first.unwrap_or_default();
    rows_from::check_width(alias, &own, names.len() + usize::from(with_ordinality))?;
    Ok(unnest(&own, names, arrays, alias, with_ordinality))
}

/// A function that gives one value is a table of one row.
pub(crate) fn one_row(
    function: &str,
    call_of_it: Expr,
    alias: Option<&TableAlias>,
    with_ordinality: bool,
) -> TableFactor {
    let array = call("make_array", vec![call_of_it]);
    let mut rows = unnest(
        function,
        vec![function.to_string()],
        vec![array],
        alias,
        with_ordinality,
    );
    // A row has more columns than one.
    if let (TableFactor::UNNEST { alias: Some(named), .. }, Some(alias)) = (&mut rows, alias) {
        let others = alias.columns.iter().skip(named.columns.len());
        named.columns.extend(others.cloned());
    }
    rows
}

/// The name of rows whose fields are about to be spelled out.
pub(crate) const ROWS: &str = "(rows)";

/// Functions that make rows of a type of json; those that make sets of them, as arrays.
const ROWS_OF_JSON: [(&str, Option<&str>); 4] = [
    ("json_populate_record", None),
    ("jsonb_populate_record", None),
    ("json_populate_recordset", Some("json_populated_rows")),
    ("jsonb_populate_recordset", Some("jsonb_populated_rows")),
];

/// The fields of each row are columns.
fn rows_of_json(
    function: &str,
    rows: &Option<&str>,
    arguments: Vec<Expr>,
    alias: Option<&TableAlias>,
) -> Result<TableFactor> {
    let subquery = match rows {
        Some(array) => {
            let array = call(array, arguments);
            format!("SELECT (\"{ROWS}\".v).* FROM UNNEST({array}) AS \"{ROWS}\" (v)")
        }
        None => format!("SELECT ({}).*", call(function, arguments)),
    };
    let own = relation::alias(Ident::new(function));
    Ok(TableFactor::Derived {
        lateral: true,
        subquery: Box::new(parse_query(&subquery)?),
        alias: Some(alias.cloned().unwrap_or(own)),
        sample: None,
    })
}

/// The elements of all dimensions.
pub(super) fn flat(array: Expr) -> Expr {
    match array {
        // A written array tells how deep it is.
        Expr::Array(literal) if !literal.elem.iter().any(|element| matches!(element, Expr::Array(_))) => {
            Expr::Array(literal)
        }
        other => call("array_flattened", vec![other]),
    }
}

fn system_relation(name: &str, alias: Option<&TableAlias>) -> TableFactor {
    let name = ObjectName::from(vec![Ident::new("pg_catalog"), Ident::new(name)]);
    relation::relation(name, alias.cloned())
}

/// The array behind one column of a set-returning function.
fn column_array(function: &str, arguments: &[Expr]) -> Expr {
    match (function, arguments) {
        ("unnest", [array]) => array.clone(),
        // One row.
        (function, arguments) if function.starts_with("pg_input_error") => {
            call("make_array", vec![call(function, arguments.to_vec())])
        }
        // The planner does not know yet what the branches are.
        (function, [value @ Expr::Case { .. }]) if function.starts_with("json") => {
            let data_type = match function.starts_with("jsonb") {
                true => DataType::JSONB,
                false => DataType::JSON,
            };
            let value = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(value.clone()),
                data_type,
                array: false,
                format: None,
            };
            call(function, vec![value])
        }
        _ => call(function, arguments.to_vec()),
    }
}

/// `UNNEST(arrays) AS alias(columns)`, with PostgreSQL's defaults for what the query does not name: a
/// function of one column names the column as its alias.
fn unnest(
    function: &str,
    mut columns: Vec<String>,
    mut arrays: Vec<Expr>,
    alias: Option<&TableAlias>,
    with_ordinality: bool,
) -> TableFactor {
    // A column that the function names itself keeps its name.
    if let (Some(alias), [only]) = (alias, columns.as_mut_slice())
        && only == function
    {
        *only = alias.name.value.clone();
    }
    if with_ordinality {
        arrays.push(call("array_ordinals", arrays.clone()));
        columns.push("ordinality".into());
    }
    let mut names: Vec<TableAliasColumnDef> = columns
        .iter()
        .map(|column| TableAliasColumnDef {
            name: quoted_as(alias, column),
            data_type: None,
        })
        .collect();
    if let Some(alias) = alias {
        for (name, given) in names.iter_mut().zip(&alias.columns) {
            name.name = given.name.clone();
        }
    }
    let alias = match alias {
        Some(alias) => TableAlias {
            columns: names,
            ..alias.clone()
        },
        None => TableAlias {
            explicit: true,
            name: Ident::new(function),
            columns: names,
            at: None,
        },
    };
    // The planner reads the elements of an array literal without the relations around it.
    let arrays = arrays.into_iter().map(|array| match array {
        Expr::Array(literal) if !literal.elem.is_empty() => call("make_array", literal.elem),
        other => other,
    });
    TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: arrays.collect(),
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

fn quoted_as(alias: Option<&TableAlias>, column: &str) -> Ident {
    match alias {
        Some(alias) if alias.name.value == column => alias.name.clone(),
        _ => Ident::new(column),
    }
}
