//! Statements: text → the shape of `Statement`, or the error's SQLSTATE, message and position.

use super::ast::Statement;
use super::parse;

fn outcome(text: &str) -> String {
    match parse(text) {
        Ok(statements) => {
            let shapes = statements.iter().map(|parsed| match &parsed.statement {
                Statement::Query(query) => format!("Query({query})"),
                Statement::Insert(insert) => format!(
                    "Insert({}, {:?}, {}, overwrite: {})",
                    insert.table,
                    insert.columns,
                    insert
                        .source
                        .as_ref()
                        .map_or("DEFAULT VALUES".to_string(), ToString::to_string),
                    insert.overwrite
                ),
                other => format!("{other:?}"),
            });
            shapes.collect::<Vec<_>>().join("; ")
        }
        Err(error) => {
            let position = error
                .position()
                .map_or(String::new(), |position| format!("@{position}"));
            format!("{} {}{position}", error.state().code(), error.message())
        }
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|(text, expected)| {
            let actual = outcome(text);
            (actual != *expected).then(|| format!("{text}\n   expected {expected}\n   actual   {actual}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn empty_statements() {
    check(&[
        ("", "Empty"),
        (" ; ;-- x\n;", "Empty"),
        (";select 1;;", "Query(SELECT 1)"),
    ]);
}
