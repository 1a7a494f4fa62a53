//! What bodies are read as, what is refused and where, and which names become parameters.

use super::*;
use crate::types::SqlType;

fn read(body: &str) -> crate::error::Result<Routine> {
    parse(body, &Signature::of_block())
}

fn refused(body: &str) -> String {
    let error = read(body).unwrap_err();
    let position = error.position().unwrap_or(0);
    format!("{} {}@{position}", error.state().code(), error.message())
}

#[test]
fn statements_have_their_lines_and_names() {
    let routine = read(
        "\nDECLARE\n  x int := 1;\nBEGIN\n  x := 2;\n  IF x > 1 THEN\n    NULL;\n  END IF;\n  INSERT INTO t VALUES (x);\n\
         FOR i IN 1..x LOOP EXIT; END LOOP; DO 'x';\nEND",
    )
    .unwrap();
    let steps = routine.body.steps.iter();
    let shown: Vec<_> = steps.map(|step| (step.line, step.action.name())).collect();
    assert_eq!(
        shown,
        [
            (5, "assignment"),
            (6, "IF"),
            (9, "SQL statement"),
            (10, "FOR with integer loop variable"),
            (10, "DO"),
        ]
    );
}

#[test]
fn ranges_are_no_numbers() {
    for range in ["1..10", "1 .. 10", "a..b", "f(1, 2)..10", "1...5", "REVERSE 10..1 BY 2"] {
        let body = format!("DECLARE a int; b int; BEGIN FOR i IN {range} LOOP NULL; END LOOP; END");
        let routine = read(&body).unwrap();
        assert!(
            matches!(routine.body.steps[0].action, Action::ForNumbers { .. }),
            "{range}"
        );
    }
}

#[test]
fn into_is_taken_out_of_the_statement() {
    let routine = read("DECLARE a int; b int; BEGIN SELECT 1, 2 INTO STRICT a, b FROM t; END").unwrap();
    let Action::Command { sql, into: Some(into) } = &routine.body.steps[0].action else {
        panic!("no INTO");
    };
    assert_eq!(sql.text, "SELECT 1, 2                  FROM t");
    assert!(into.strict);
    assert_eq!(into.targets.len(), 2);
    let routine = read("BEGIN INSERT INTO t VALUES (1); END").unwrap();
    assert!(matches!(
        &routine.body.steps[0].action,
        Action::Command { into: None, .. }
    ));
}

#[test]
fn what_is_wrong_is_told_where_it_stands() {
    for (body, expected) in [
        ("BEGIN FOO; END", "42601 syntax error at or near \"FOO\"@7"),
        ("BEGIN x := 1; END", "42601 \"x\" is not a known variable@7"),
        ("BEGIN NULL", "42601 syntax error at end of input@11"),
        (
            "BEGIN PERFORM 1 + FROM; END",
            "42601 syntax error at or near \"FROM\"@19",
        ),
        ("BEGIN IF 1 THEN END", "42601 syntax error at end of input@20"),
        (
            "BEGIN EXIT; END",
            "42601 EXIT cannot be used outside a loop, unless it has a label@7",
        ),
        (
            "BEGIN RAISE 'x %'; END",
            "42601 too few parameters specified for RAISE@0",
        ),
        (
            "BEGIN SELECT 'a; END",
            "42601 unterminated quoted string at or near \"'a; END\"@14",
        ),
    ] {
        assert_eq!(refused(body), expected, "{body}");
    }
}

#[test]
fn blocks_have_a_deepest() {
    let nested = |depth: usize| format!("{}NULL;{}", "BEGIN ".repeat(depth), " END;".repeat(depth));
    assert!(read(&nested(50)).is_ok());
    assert!(refused(&nested(101)).starts_with("54001"));
    assert!(refused(&nested(20_000)).starts_with("54001"));
}

/// The text and parameters of the first statement of a body.
fn with_parameters(body: &str) -> (String, Vec<Reference>, Vec<String>) {
    let routine = read(body).unwrap();
    let (Action::Command { sql, .. } | Action::Perform(sql)) = &routine.body.steps[0].action else {
        panic!("no statement");
    };
    let shape = |variable: usize| match routine.variables[variable].declared {
        DeclaredType::Record => Shape::Record(Some(vec!["a".into(), "b".into()])),
        _ => Shape::Scalar,
    };
    let made = parameterized(sql, &routine.names, &shape).unwrap();
    let doubts = made.doubts.iter().map(|doubt| doubt.text.clone()).collect();
    (made.text, made.references, doubts)
}

#[test]
fn names_of_variables_become_parameters() {
    let declared = "<<l>> DECLARE x int; y text; r record; BEGIN ";
    for (statement, expected) in [
        ("SELECT x", "SELECT $1 AS x"),
        ("SELECT x + 1, y", "SELECT $1 + 1, $2 AS y"),
        ("SELECT l.x, r.a, r.b", "SELECT $1 AS x, $2 AS a, $3 AS b"),
        ("SELECT r.*", "SELECT $1 AS a, $2 AS b"),
        (
            "SELECT f(r)",
            "SELECT f((SELECT r FROM (SELECT $1 AS a, $2 AS b) AS r))",
        ),
        ("SELECT z AS x FROM t ORDER BY x", "SELECT z AS x FROM t ORDER BY x"),
        ("SELECT t.x FROM t WHERE a = x", "SELECT t.x FROM t WHERE a = $1"),
        (
            "INSERT INTO x (x, y) VALUES (x, y)",
            "INSERT INTO x (x, y) VALUES ($1, $2)",
        ),
        ("UPDATE t SET x = x WHERE t.x = 1", "UPDATE t SET x = $1 WHERE t.x = 1"),
        ("DELETE FROM t WHERE y = 'x'", "DELETE FROM t WHERE $1 = 'x'"),
        ("SELECT (SELECT x FROM u)", "SELECT (SELECT $1 AS x FROM u)"),
        ("CREATE TABLE made AS SELECT x", "CREATE TABLE made AS SELECT $1 AS x"),
        ("CREATE TABLE x (x int)", "CREATE TABLE x (x int)"),
    ] {
        let (text, ..) = with_parameters(&format!("{declared}{statement}; END"));
        assert_eq!(text, expected, "{statement}");
    }
}

#[test]
fn names_beside_tables_are_in_doubt() {
    let (text, references, doubts) = with_parameters("DECLARE x int; BEGIN SELECT x FROM t WHERE x > 1; END");
    assert_eq!(text, "SELECT $1 AS x FROM t WHERE $1 > 1");
    assert_eq!(references.len(), 1);
    assert_eq!(doubts, ["SELECT x FROM t WHERE $1 > 1", "SELECT $1 FROM t WHERE x > 1"]);
    let (.., doubts) = with_parameters("DECLARE x int; BEGIN PERFORM x + 1; END");
    assert!(doubts.is_empty());
}

#[test]
fn positions_are_told_as_they_are_written() {
    let routine = read("DECLARE long_name int; BEGIN PERFORM long_name + missing; END").unwrap();
    let Action::Perform(sql) = &routine.body.steps[0].action else {
        panic!("no PERFORM");
    };
    let made = parameterized(sql, &routine.names, &|_| Shape::Scalar).unwrap();
    assert_eq!(made.text, "SELECT $1 + missing");
    assert_eq!(made.written_position(1), 1);
    assert_eq!(made.written_position(8), 8);
    assert_eq!(made.written_position(13), 20);
}

#[test]
fn elements_are_assigned_through_the_whole() {
    let routine = read("DECLARE a int[]; BEGIN a[1 + 1] := 2.5; END").unwrap();
    let Action::Assign { value, .. } = &routine.body.steps[0].action else {
        panic!("no assignment");
    };
    assert_eq!(value.text, "SELECT assigned_part(a, CAST((2.5) AS integer), 1 + 1)");
}

#[test]
fn declarations_have_their_types() {
    let routine = read(
        "DECLARE a CONSTANT numeric(10,2) NOT NULL := 1; b t.c%TYPE; d a%TYPE; e s.t%ROWTYPE; f record; g ALIAS FOR a; \
         h text[]; i double precision = 2; BEGIN END",
    )
    .unwrap();
    let named = |name: &str| {
        let variable = routine.variables.iter().position(|variable| variable.name == name);
        &routine.variables[variable.unwrap()]
    };
    assert_eq!(named("a").declared, DeclaredType::Type(SqlType::Numeric(Some((10, 2)))));
    assert!(named("a").constant && named("a").not_null);
    assert!(matches!(named("b").declared, DeclaredType::OfColumn(_)));
    assert!(matches!(named("d").declared, DeclaredType::OfVariable(_)));
    assert!(matches!(named("e").declared, DeclaredType::RowOf(_)));
    assert_eq!(named("f").declared, DeclaredType::Record);
    assert_eq!(
        named("h").declared,
        DeclaredType::Type(SqlType::Array(Box::new(SqlType::Text)))
    );
    assert!(named("i").default.is_some());
    assert!(!routine.variables.iter().any(|variable| variable.name == "g"));
}
