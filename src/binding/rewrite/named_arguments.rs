//! `make_interval(days => 1)`: the arguments of functions that people call by names, in their places.

use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Value};

use super::syntax::folded;
use crate::error::{Error, Result, SqlState};

/// A parameter, and what it is where a call leaves it out.
type Parameter = (&'static str, Option<Fallback>);

#[derive(Clone, Copy)]
enum Fallback {
    Zero,
    One,
    Truth(bool),
    Text(&'static str),
}

use self::Fallback::{One, Text, Truth, Zero};

const FUNCTIONS: &[(&str, &[Parameter])] = &[
    (
        "make_interval",
        &[
            ("years", Some(Zero)),
            ("months", Some(Zero)),
            ("weeks", Some(Zero)),
            ("days", Some(Zero)),
            ("hours", Some(Zero)),
            ("mins", Some(Zero)),
            ("secs", Some(Zero)),
        ],
    ),
    (
        "jsonb_set",
        &[
            ("jsonb_in", None),
            ("path", None),
            ("replacement", None),
            ("create_if_missing", Some(Truth(true))),
        ],
    ),
    (
        "jsonb_set_lax",
        &[
            ("jsonb_in", None),
            ("path", None),
            ("replacement", None),
            ("create_if_missing", Some(Truth(true))),
            ("null_value_treatment", Some(Text("use_json_null"))),
        ],
    ),
    (
        "jsonb_insert",
        &[
            ("jsonb_in", None),
            ("path", None),
            ("replacement", None),
            ("insert_after", Some(Truth(false))),
        ],
    ),
    ("jsonb_path_exists", PATH),
    ("jsonb_path_exists_tz", PATH),
    ("jsonb_path_match", PATH),
    ("jsonb_path_match_tz", PATH),
    ("jsonb_path_query", PATH),
    ("jsonb_path_query_tz", PATH),
    ("jsonb_path_query_array", PATH),
    ("jsonb_path_query_array_tz", PATH),
    ("jsonb_path_query_first", PATH),
    ("jsonb_path_query_first_tz", PATH),
    ("make_date", &[("year", None), ("month", None), ("day", None)]),
    ("make_time", &[("hour", None), ("min", None), ("sec", None)]),
    ("random", &[("min", None), ("max", None)]),
    ("random_normal", &[("mean", Some(Zero)), ("stddev", Some(One))]),
    (
        "make_timestamp",
        &[
            ("year", None),
            ("month", None),
            ("mday", None),
            ("hour", None),
            ("min", None),
            ("sec", None),
        ],
    ),
];

const PATH: &[Parameter] = &[
    ("target", None),
    ("path", None),
    ("vars", Some(Text("{}"))),
    ("silent", Some(Truth(false))),
];

/// Puts named arguments of a known function in their places; 42883 for a name that it has not.
pub(super) fn position(function: &str, arguments: &mut Vec<FunctionArg>) -> Result<()> {
    let is_named = |argument: &FunctionArg| matches!(argument, FunctionArg::Named { .. });
    let Some((_, parameters)) = FUNCTIONS.iter().find(|(name, _)| *name == function) else {
        return Ok(());
    };
    if !arguments.iter().any(is_named) {
        return Ok(());
    }
    let mut places: Vec<Option<FunctionArgExpr>> = vec![None; parameters.len()];
    for (index, argument) in arguments.drain(..).enumerate() {
        let (place, value) = match argument {
            FunctionArg::Named { name, arg, .. } => {
                let name = folded(&name);
                (parameters.iter().position(|(known, _)| *known == name), arg)
            }
            FunctionArg::Unnamed(arg) => (Some(index), arg),
            FunctionArg::ExprNamed { arg, .. } => (None, arg),
        };
        match place.and_then(|place| places.get_mut(place)) {
            Some(place) => *place = Some(value),
            None => return Err(undefined(function)),
        }
    }
    for (place, (_, default)) in places.into_iter().zip(*parameters) {
        let value = match (place, default) {
            (Some(value), _) => value,
            (None, Some(default)) => FunctionArgExpr::Expr(literal(*default)),
            (None, None) => return Err(undefined(function)),
        };
        arguments.push(FunctionArg::Unnamed(value));
    }
    Ok(())
}

fn literal(fallback: Fallback) -> Expr {
    Expr::value(match fallback {
        Zero => Value::Number("0".into(), false),
        One => Value::Number("1".into(), false),
        Truth(truth) => Value::Boolean(truth),
        Text(text) => Value::SingleQuotedString(text.into()),
    })
}

fn undefined(function: &str) -> Error {
    let message = format!("function {function} does not have arguments of these names");
    Error::new(SqlState::UndefinedFunction, message)
}
