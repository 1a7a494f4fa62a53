//! SQL/JSON paths over stored documents: jsonb_path_query() and its kin, the operators `@?` and `@@`.

mod clauses;
mod conversions;
mod evaluate;
mod moments;
mod syntax;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use self::syntax::Path;
use super::super::datum::Datum;
use super::super::overload::{Arguments, Overload, OverloadedFunction, RowBody, rows};
use crate::error::{Error, Result, SqlState};
use crate::types::TimeZone;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    // Those that compare dates and times across zones, with the session's, and those that refuse to.
    let functions: [(&'static str, &'static str, &str, RowBody); 5] = [
        ("jsonb_path_rows", "jsonb_path_rows_tz", "jsonb[]", |args, row| {
            let found = unless_silent(row, found(args, row))?;
            Ok(Datum::List(
                found.unwrap_or_default().into_iter().map(Datum::from).collect(),
            ))
        }),
        (
            "jsonb_path_query_array",
            "jsonb_path_query_array_tz",
            "jsonb",
            |args, row| {
                let found = unless_silent(row, found(args, row))?;
                Ok(format!("[{}]", found.unwrap_or_default().join(", ")).into())
            },
        ),
        (
            "jsonb_path_query_first",
            "jsonb_path_query_first_tz",
            "jsonb",
            |args, row| {
                let found = unless_silent(row, found(args, row))?;
                Ok(found.unwrap_or_default().into_iter().next().into())
            },
        ),
        ("jsonb_path_exists", "jsonb_path_exists_tz", "bool", |args, row| {
            let found = unless_silent(row, found(args, row))?;
            Ok(found.map(|found| !found.is_empty()).into())
        }),
        ("jsonb_path_match", "jsonb_path_match_tz", "bool", |args, row| {
            let matched = unless_silent(row, matched(args, row))?;
            Ok(matched.flatten().into())
        }),
    ];
    let mut declared: Vec<Arc<ScalarUDF>> = functions
        .into_iter()
        .flat_map(|(name, with_zone, returns, body)| {
            [name, with_zone].map(|name| OverloadedFunction::immutable(name, overloads(returns, body)))
        })
        .collect();
    // The operators are silent.
    declared.push(OverloadedFunction::immutable(
        "jsonb_path_exists_opr",
        vec![rows("(jsonb, text) bool", |args, row| {
            Ok(silent(found(args, row))?.map(|found| !found.is_empty()).into())
        })],
    ));
    declared.push(OverloadedFunction::immutable(
        "jsonb_path_match_opr",
        vec![rows("(jsonb, text) bool", |args, row| {
            Ok(silent(matched(args, row))?.flatten().into())
        })],
    ));
    declared.extend(clauses::functions());
    declared
}

fn overloads(returns: &str, body: RowBody) -> Vec<Overload> {
    ["(jsonb, text)", "(jsonb, text, jsonb)", "(jsonb, text, jsonb, bool)"]
        .into_iter()
        .map(|parameters| rows(&format!("{parameters} {returns}"), body))
        .collect()
}

fn text(row: &[Datum], index: usize) -> Option<&str> {
    row.get(index).and_then(Datum::as_text)
}

fn found(args: &Arguments<'_>, row: &[Datum]) -> Result<Vec<String>> {
    let zone = args.name.ends_with("_tz").then(|| args.zone());
    found_in(row, zone.as_ref())
}

fn found_in(row: &[Datum], zone: Option<&TimeZone>) -> Result<Vec<String>> {
    let path = Path::parse(text(row, 1).unwrap_or_default())?;
    path.items(text(row, 0).unwrap_or_default(), text(row, 2).unwrap_or("{}"), zone)
}

fn matched(args: &Arguments<'_>, row: &[Datum]) -> Result<Option<bool>> {
    match found(args, row)?.as_slice() {
        [only] if only == "true" => Ok(Some(true)),
        [only] if only == "false" => Ok(Some(false)),
        [only] if only == "null" => Ok(None),
        _ => Err(Error::new(
            SqlState::SingletonSqlJsonItemRequired,
            "single boolean result is expected",
        )),
    }
}

fn unless_silent<T>(row: &[Datum], result: Result<T>) -> Result<Option<T>> {
    match row.get(3).and_then(Datum::as_bool) {
        Some(true) => silent(result),
        _ => result.map(Some),
    }
}

/// Nothing in the place of what the document's shape makes impossible.
fn silent<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error)
            if error.state().code().starts_with("22") && error.state() != SqlState::InvalidTextRepresentation =>
        {
            Ok(None)
        }
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_values() {
        let value = r#"{"a": [1, 2, {"b": "x"}], "c": {"d": true}}"#;
        let found = |path: &str| found_in(&[Datum::text(value), Datum::text(path)], None);
        for (path, values) in [
            ("$.a[*]", vec!["1", "2", r#"{"b": "x"}"#]),
            ("$.a[*] ? (@ > 1)", vec!["2"]),
            ("$.a.b", vec!["\"x\""]),
            ("$.c.d", vec!["true"]),
            ("$.a[0] == 1", vec!["true"]),
            ("$.a[last].b", vec!["\"x\""]),
            ("$.a[0 to 1] + 1", vec![]),
            ("-$.a[0 to 1]", vec!["-1", "-2"]),
            ("$.a.size()", vec!["3"]),
            ("$.**{2}", vec!["1", "2", r#"{"b": "x"}"#, "true"]),
            (r#"$.a[*] ? (@.b starts with "x")"#, vec![r#"{"b": "x"}"#]),
            ("($.a[0] == \"x\") is unknown", vec!["true"]),
        ] {
            match found(path) {
                Ok(items) => assert_eq!(items, values, "{path}"),
                Err(error) => assert_eq!((error.state().code(), values.len()), ("22038", 0), "{path}"),
            }
        }
        assert!(Path::parse("a b").is_err() && Path::parse("@").is_err() && Path::parse("").is_err());
    }
}
