//! Results and messages are PostgreSQL's.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::Schema;

use super::*;
use crate::types::{ColumnEncoder, Format, TimeZone, parse};

/// Reads `text` as `source`, casts it and shows the result, or the error.
fn cast(source: &str, text: &str, target: &str, context: CastContext) -> String {
    let settings = FormatSettings {
        time_zone: TimeZone::parse("America/New_York").unwrap(),
        ..Default::default()
    };
    let (source, target): (SqlType, SqlType) = (source.parse().unwrap(), target.parse().unwrap());
    let array = parse::parse_value(&source, text, &settings)
        .unwrap()
        .to_array()
        .unwrap();
    let shown = cast_array(&array, &source, &target, context, &settings).map(|array| {
        assert_eq!(array.data_type(), &target.to_arrow());
        let mut out = BytesMut::new();
        ColumnEncoder::new(&target, Format::Text, &settings)
            .encode(&array, 0, &mut out)
            .unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    });
    shown.unwrap_or_else(|error| format!("{} {}", error.state().code(), error.message()))
}

#[test]
fn assignments() {
    for (source, text, target, expected) in [
        ("float8", "1.5", "int4", "2"),
        ("float8", "2.5", "int4", "2"),
        ("numeric(2,1)", "2.5", "int4", "3"),
        ("numeric(2,1)", "-2.5", "int4", "-3"),
        ("float8", "NaN", "int4", "22003 integer out of range"),
        ("int4", "70000", "int2", "22003 smallint out of range"),
        ("float8", "1e30", "int8", "22003 bigint out of range"),
        ("float8", "9223372036854775808", "int8", "22003 bigint out of range"),
        ("float8", "1e300", "float4", "22003 value out of range: overflow"),
        ("float8", "1e10", "numeric(5,2)", "22003 numeric field overflow"),
        ("float8", "1.005", "numeric(5,2)", "1.01"),
        ("float4", "0.1", "numeric(5,2)", "0.10"),
        ("numeric(10,4)", "1.0050", "numeric(5,2)", "1.01"),
        ("int8", "-1", "oid", "22003 OID out of range"),
        (
            "bool",
            "t",
            "varchar(3)",
            "22001 value too long for type character varying(3)",
        ),
        ("bool", "t", "text", "true"),
        ("text", "abc  ", "varchar(3)", "abc"),
        ("char(5)", "ab", "text", "ab"),
        ("text", "ab", "char(4)", "ab  "),
        ("text", "abcd", "char(3)", "22001 value too long for type character(3)"),
        ("unknown", "2024-01-02", "date", "2024-01-02"),
        (
            "unknown",
            "x",
            "int4",
            "22P02 invalid input syntax for type integer: \"x\"",
        ),
        ("timestamptz", "2024-01-02 03:00:00+00", "date", "2024-01-01"),
        (
            "timestamptz",
            "2024-01-02 03:00:00+00",
            "timestamp",
            "2024-01-01 22:00:00",
        ),
        ("timestamptz", "2024-01-02 03:00:00+00", "time", "22:00:00"),
        (
            "timestamp",
            "2024-07-01 00:00:00",
            "timestamptz",
            "2024-07-01 00:00:00-04",
        ),
        ("date", "2024-07-01", "timestamptz", "2024-07-01 00:00:00-04"),
        ("date", "infinity", "timestamp", "infinity"),
        ("interval", "25 hours", "time", "01:00:00"),
        ("time", "10:00", "interval", "10:00:00"),
        ("json", "{\"b\":1,\"a\":2}", "jsonb", "{\"a\": 2, \"b\": 1}"),
        ("float8[]", "{1.5,NULL,2.5}", "int4[]", "{2,NULL,2}"),
        ("int4", "1", "bool", "42846 cannot cast type integer to boolean"),
        ("text", "1", "int4", "42846 cannot cast type text to integer"),
    ] {
        assert_eq!(
            cast(source, text, target, CastContext::Assignment),
            expected,
            "{source} {text} to {target}"
        );
    }
}

#[test]
fn explicit_casts() {
    for (source, text, target, expected) in [
        ("text", "abcd", "varchar(3)", "abc"),
        ("text", "äöüß", "char(3)", "äöü"),
        ("text", " 12 ", "int4", "12"),
        ("int4", "7", "bool", "t"),
        ("bool", "t", "int4", "1"),
        ("text", "yes", "bool", "t"),
        ("numeric(4,3)", "1.005", "text", "1.005"),
        ("date", "2024-01-01", "int4", "42846 cannot cast type date to integer"),
        ("varchar(40)", "{1,2}", "int4[]", "{1,2}"),
    ] {
        assert_eq!(
            cast(source, text, target, CastContext::Explicit),
            expected,
            "{source} {text} to {target}"
        );
    }
}

#[test]
fn rows_become_the_tables() {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(1), None])),
        Arc::new(StringViewArray::from(vec![Some("2024-01-02"), None])),
    ];
    let source = Schema::new(vec![
        SqlType::Int4.to_field("x", true),
        SqlType::Text.to_field("y", true),
    ]);
    let batch = RecordBatch::try_new(Arc::new(source), columns).unwrap();
    let settings = FormatSettings::default();
    let assignment = |first: SqlType, second: SqlType, nullable: bool| {
        let target = |source, name: &str, sql_type: SqlType| TargetColumn {
            source,
            name: name.into(),
            sql_type,
            nullable,
        };
        let targets = vec![
            target(Some(1), "b", second),
            TargetColumn {
                nullable: true,
                ..target(None, "c", SqlType::Text)
            },
            target(Some(0), "a", first),
        ];
        let stored = targets
            .iter()
            .map(|target| target.sql_type.to_field(&target.name, true))
            .collect::<Vec<_>>();
        Assignment::new("t", targets, &Arc::new(Schema::new(stored)), &settings).unwrap()
    };
    let rows = assignment(SqlType::Int8, SqlType::Date, true).apply(&batch).unwrap();
    assert_eq!(rows.schema().field(2).data_type(), &SqlType::Int8.to_arrow());
    assert_eq!((rows.column(0).null_count(), rows.column(1).null_count()), (1, 2));
    let error = assignment(SqlType::Int8, SqlType::Date, false)
        .apply(&batch)
        .unwrap_err();
    assert_eq!(
        error.message(),
        "null value in column \"b\" of relation \"t\" violates not-null constraint"
    );
    assert_eq!(error.detail(), Some("Failing row contains (null, null, null)."));
    let error = assignment(SqlType::Bool, SqlType::Date, true)
        .apply(&batch)
        .unwrap_err();
    assert_eq!(
        error.message(),
        "column \"a\" is of type boolean but expression is of type integer"
    );
    let error = assignment(SqlType::Int2, SqlType::Int4, true)
        .apply(&batch)
        .unwrap_err();
    assert_eq!(error.message(), "invalid input syntax for type integer: \"2024-01-02\"");
}
