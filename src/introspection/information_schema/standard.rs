//! sql_implementation_info, sql_sizing and sql_parts: what the standard has a server tell about itself.

use crate::error::Result;
use crate::introspection::{Introspection, Rows};

/// Number, name, value and comment.
const INFORMATION: [(&str, &str, Value, Option<&str>); 12] = [
    ("10003", "CATALOG NAME", Value::Text("Y"), None),
    ("10004", "COLLATING SEQUENCE", Value::Text("ucs_basic"), None),
    (
        "23",
        "CURSOR COMMIT BEHAVIOR",
        Value::Number(1),
        Some("close cursors and retain prepared statements"),
    ),
    ("2", "DATA SOURCE NAME", Value::Text(""), None),
    ("17", "DBMS NAME", Value::Text("PostgreSQL"), None),
    (
        "26",
        "DEFAULT TRANSACTION ISOLATION",
        Value::Number(2),
        Some("READ COMMITTED; user-settable"),
    ),
    (
        "28",
        "IDENTIFIER CASE",
        Value::Number(3),
        Some("stored in mixed case - case sensitive"),
    ),
    (
        "85",
        "NULL COLLATION",
        Value::Number(0),
        Some("nulls higher than non-nulls"),
    ),
    ("13", "SERVER NAME", Value::Text(""), None),
    (
        "94",
        "SPECIAL CHARACTERS",
        Value::Text(""),
        Some("all non-ASCII characters allowed"),
    ),
    ("46", "TRANSACTION CAPABLE", Value::Number(2), Some("both DML and DDL")),
    ("18", "DBMS VERSION", Value::Text("17.00.0000"), None),
];

#[derive(Clone, Copy)]
enum Value {
    Number(i64),
    Text(&'static str),
}

const NAME_LENGTH: Option<&str> = Some("Might be less, depending on character set.");

/// Number, name, limit (0 for none, nothing for what does not apply) and comment.
const SIZES: [(i64, &str, Option<i64>, Option<&str>); 23] = [
    (97, "MAXIMUM COLUMNS IN GROUP BY", Some(0), None),
    (99, "MAXIMUM COLUMNS IN ORDER BY", Some(0), None),
    (100, "MAXIMUM COLUMNS IN SELECT", Some(1664), None),
    (101, "MAXIMUM COLUMNS IN TABLE", Some(1600), None),
    (1, "MAXIMUM CONCURRENT ACTIVITIES", Some(0), None),
    (0, "MAXIMUM DRIVER CONNECTIONS", None, None),
    (20000, "MAXIMUM STATEMENT OCTETS", Some(0), None),
    (20001, "MAXIMUM STATEMENT OCTETS DATA", Some(0), None),
    (20002, "MAXIMUM STATEMENT OCTETS SCHEMA", Some(0), None),
    (106, "MAXIMUM TABLES IN SELECT", Some(0), None),
    (25000, "MAXIMUM CURRENT DEFAULT TRANSFORM GROUP LENGTH", None, None),
    (25001, "MAXIMUM CURRENT TRANSFORM GROUP LENGTH", None, None),
    (25002, "MAXIMUM CURRENT PATH LENGTH", Some(0), None),
    (25003, "MAXIMUM CURRENT ROLE LENGTH", None, None),
    (34, "MAXIMUM CATALOG NAME LENGTH", Some(63), NAME_LENGTH),
    (30, "MAXIMUM COLUMN NAME LENGTH", Some(63), NAME_LENGTH),
    (31, "MAXIMUM CURSOR NAME LENGTH", Some(63), NAME_LENGTH),
    (10005, "MAXIMUM IDENTIFIER LENGTH", Some(63), NAME_LENGTH),
    (32, "MAXIMUM SCHEMA NAME LENGTH", Some(63), NAME_LENGTH),
    (35, "MAXIMUM TABLE NAME LENGTH", Some(63), NAME_LENGTH),
    (107, "MAXIMUM USER NAME LENGTH", Some(63), NAME_LENGTH),
    (25004, "MAXIMUM SESSION USER LENGTH", Some(63), NAME_LENGTH),
    (25005, "MAXIMUM SYSTEM USER LENGTH", Some(63), NAME_LENGTH),
];

/// Number and name of a part of the standard; none is conformed to as a whole.
const PARTS: [(&str, &str); 10] = [
    ("1", "Framework (SQL/Framework)"),
    ("2", "Foundation (SQL/Foundation)"),
    ("3", "Call-Level Interface (SQL/CLI)"),
    ("4", "Persistent Stored Modules (SQL/PSM)"),
    ("9", "Management of External Data (SQL/MED)"),
    ("10", "Object Language Bindings (SQL/OLB)"),
    ("11", "Information and Definition Schema (SQL/Schemata)"),
    ("13", "Routines and Types Using the Java Programming Language (SQL/JRT)"),
    ("14", "XML-Related Specifications (SQL/XML)"),
    ("15", "Multi-Dimensional Arrays (SQL/MDA)"),
];

pub(super) fn implementation(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (id, name, value, comment) in INFORMATION {
        let (number, text) = match value {
            Value::Number(number) => (Some(number), None),
            Value::Text(text) => (None, Some(text)),
        };
        rows.add([
            ("implementation_info_id", id.into()),
            ("implementation_info_name", name.into()),
            ("integer_value", number.into()),
            ("character_value", text.into()),
            ("comments", comment.into()),
        ])?;
    }
    Ok(())
}

pub(super) fn sizes(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (id, name, limit, comment) in SIZES {
        rows.add([
            ("sizing_id", id.into()),
            ("sizing_name", name.into()),
            ("supported_value", limit.into()),
            ("comments", comment.into()),
        ])?;
    }
    Ok(())
}

pub(super) fn parts(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (id, name) in PARTS {
        rows.add([
            ("feature_id", id.into()),
            ("feature_name", name.into()),
            ("is_supported", "NO".into()),
        ])?;
    }
    Ok(())
}
