//! Expected values and messages are PostgreSQL's.

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::*;
use crate::types::format::{DateOrder, IntervalStyle};
use crate::types::time_zone::TimeZone;

/// Shows a value, or the SQLSTATE and message of the error.
fn read(type_name: &str, text: &str) -> String {
    let sql_type: SqlType = type_name.parse().unwrap();
    let settings = FormatSettings::default();
    let shown = parse_value(&sql_type, text, &settings).and_then(|scalar| {
        let mut out = bytes::BytesMut::new();
        let array = scalar.to_array().unwrap();
        let sql_type = if sql_type == SqlType::Numeric(None) {
            SqlType::from_arrow(array.data_type())
        } else {
            sql_type
        };
        crate::types::ColumnEncoder::new(&sql_type, Format::Text, &settings).encode(&array, 0, &mut out)?;
        Ok(String::from_utf8(out.to_vec()).unwrap())
    });
    shown.unwrap_or_else(|error| format!("{} {}", error.state().code(), error.message()))
}

fn check(type_name: &str, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(read(type_name, text), *expected, "{type_name} {text:?}");
    }
}

#[test]
fn numbers() {
    check(
        "int4",
        &[
            ("1", "1"),
            (" -7 ", "-7"),
            ("+7", "7"),
            ("2147483647", "2147483647"),
            (
                "2147483648",
                "22003 value \"2147483648\" is out of range for type integer",
            ),
            (
                "99999999999999999999999999999999999999999999",
                "22003 value \"99999999999999999999999999999999999999999999\" is out of range for type integer",
            ),
            ("", "22P02 invalid input syntax for type integer: \"\""),
            ("1.5", "22P02 invalid input syntax for type integer: \"1.5\""),
            ("0x1F", "31"),
            ("1_000", "1000"),
            ("1__0", "22P02 invalid input syntax for type integer: \"1__0\""),
        ],
    );
    check("int8", &[("-9223372036854775808", "-9223372036854775808")]);
    check(
        "int2",
        &[("32768", "22003 value \"32768\" is out of range for type smallint")],
    );
    check(
        "float8",
        &[
            ("1e400", "22003 \"1e400\" is out of range for type double precision"),
            ("1e-400", "22003 \"1e-400\" is out of range for type double precision"),
            ("inf", "Infinity"),
            ("-Infinity", "-Infinity"),
            ("nan", "NaN"),
            (" .5 ", "0.5"),
            ("5.", "5"),
            ("x", "22P02 invalid input syntax for type double precision: \"x\""),
        ],
    );
    check(
        "numeric",
        &[
            ("1.50", "1.50"),
            ("-.5", "-0.5"),
            ("1e3", "1000"),
            ("1.5e-3", "0.0015"),
            ("0.00", "0.00"),
            (
                "12345678901234567890123456789012345678",
                "12345678901234567890123456789012345678",
            ),
            (
                "123456789012345678901234567890123456789",
                "22003 value overflows numeric format",
            ),
            ("1e", "22P02 invalid input syntax for type numeric: \"1e\""),
            ("1.2.3", "22P02 invalid input syntax for type numeric: \"1.2.3\""),
        ],
    );
    check(
        "numeric(5,2)",
        &[
            ("1.005", "1.01"),
            ("-1.005", "-1.01"),
            ("999.994", "999.99"),
            ("999.995", "22003 numeric field overflow"),
            (
                "0.000000000000000000000000000000000000000000000001",
                "22003 value overflows numeric format",
            ),
        ],
    );
}

#[test]
fn texts_and_bytes() {
    check(
        "bool",
        &[
            ("t", "t"),
            (" YES ", "t"),
            ("of", "f"),
            ("o", "22P02 invalid input syntax for type boolean: \"o\""),
        ],
    );
    check(
        "varchar(3)",
        &[
            ("abc  ", "abc"),
            ("äöü", "äöü"),
            ("abcd", "22001 value too long for type character varying(3)"),
        ],
    );
    check(
        "char(3)",
        &[("a", "a  "), ("abcd", "22001 value too long for type character(3)")],
    );
    check(
        "bytea",
        &[
            ("\\x 00 ff", "\\x00ff"),
            ("a\\000\\\\", "\\x61005c"),
            ("\\x0", "22023 invalid hexadecimal data: odd number of digits"),
        ],
    );
    check(
        "uuid",
        &[
            (
                "{A0EEBC99-9C0B4EF8-BB6D6BB9BD380A11}",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            ("a0eebc99", "22P02 invalid input syntax for type uuid: \"a0eebc99\""),
        ],
    );
    check("jsonb", &[("{\"b\":1,\"a\":[]}", "{\"a\": [], \"b\": 1}")]);
}

#[test]
fn arrays() {
    check(
        "int4[]",
        &[
            ("{1, 2,NULL}", "{1,2,NULL}"),
            ("{}", "{}"),
            ("[0:1]={5,6}", "{5,6}"),
            ("{1", "22P02 malformed array literal: \"{1\""),
            ("1", "22P02 malformed array literal: \"1\""),
            ("{x}", "22P02 invalid input syntax for type integer: \"x\""),
        ],
    );
    check(
        "text[]",
        &[(
            r#"{a,"b c","null",null,"","\"\\"}"#,
            r#"{a,"b c","null",NULL,"","\"\\"}"#,
        )],
    );
    check(
        "int4[][]",
        &[
            ("{{1,2},{3,4}}", "{{1,2},{3,4}}"),
            ("{{1},{2,3}}", "22P02 malformed array literal: \"{{1},{2,3}}\""),
        ],
    );
}

#[test]
fn dates() {
    let out_of_range = |text: &str| format!("22008 date/time field value out of range: \"{text}\"");
    let invalid = |text: &str| format!("22007 invalid input syntax for type date: \"{text}\"");
    for (text, expected) in [
        ("2024-01-02", "2024-01-02"),
        ("20240102", "2024-01-02"),
        ("240102", "2024-01-02"),
        ("1/2/2024", "2024-01-02"),
        ("Jan 2 2024", "2024-01-02"),
        ("2 Jan 2024", "2024-01-02"),
        ("January 2, 2024", "2024-01-02"),
        ("2024-Jan-02", "2024-01-02"),
        ("02-Jan-2024", "2024-01-02"),
        ("2024.002", "2024-01-02"),
        ("2024-002", "2024-01-02"),
        ("J2451187", "1999-01-08"),
        ("0044-03-15 BC", "0044-03-15 BC"),
        ("2024-01-02 04:05:06", "2024-01-02"),
        ("2024-01-02T04:05:06Z", "2024-01-02"),
        ("infinity", "infinity"),
        ("Tue Jan 02 12:00:00 2024", "2024-01-02"),
        ("2024-1-2", "2024-01-02"),
        ("2024/1/2", "2024-01-02"),
        ("1.2.2024", "2024-01-02"),
        ("10000-01-01", "10000-01-01"),
        ("01/02/03", "2003-01-02"),
        ("5874898-01-01", "22008 date out of range: \"5874898-01-01\""),
    ] {
        assert_eq!(read("date", text), expected, "{text}");
    }
    for text in ["13/2/2024", "99-1-2", "2024-02-30", "2024-13-01", "0000-01-01"] {
        assert_eq!(read("date", text), out_of_range(text));
    }
    for text in ["x", "", "12", "2024-01"] {
        assert_eq!(read("date", text), invalid(text));
    }
    assert_eq!(parse_date("13/2/2024", DateOrder::Dmy, &TimeZone::UTC).unwrap(), 19766);
}

#[test]
fn instants() {
    for (text, expected) in [
        ("2024-01-02 04:05:06.789", "2024-01-02 04:05:06.789+00"),
        ("2024-01-02 04:05:06+02", "2024-01-02 02:05:06+00"),
        ("2024-01-02 04:05:06 PST", "2024-01-02 12:05:06+00"),
        ("2024-01-02 04:05:06 America/New_York", "2024-01-02 09:05:06+00"),
        ("2024-01-02T04:05:06.5Z", "2024-01-02 04:05:06.5+00"),
        ("20240102T040506", "2024-01-02 04:05:06+00"),
        ("20240102 040506", "2024-01-02 04:05:06+00"),
        ("2024-01-02 04:05 PM", "2024-01-02 16:05:00+00"),
        ("2024-01-02 24:00:00", "2024-01-03 00:00:00+00"),
        ("2024-01-02 23:59:60", "2024-01-03 00:00:00+00"),
        (
            "2024-01-02 25:00",
            "22008 date/time field value out of range: \"2024-01-02 25:00\"",
        ),
        ("Tue Jan 02 12:00:00 2024 PST", "2024-01-02 20:00:00+00"),
        (
            "2024-01-02 04:05:06 foo/bar",
            "22023 time zone \"foo/bar\" not recognized",
        ),
        (
            "2024-01-02 04:05:06 xyz",
            "22007 invalid input syntax for type timestamp with time zone: \"2024-01-02 04:05:06 xyz\"",
        ),
        ("2024-01-02 04:05:06-03:30", "2024-01-02 07:35:06+00"),
        ("2024-01-02 04:05:06.1234567", "2024-01-02 04:05:06.123457+00"),
        ("epoch", "1970-01-01 00:00:00+00"),
        ("2024-01-02 4:5:6", "2024-01-02 04:05:06+00"),
        ("2024-01-02 04:05:06 +5:30", "2024-01-01 22:35:06+00"),
        ("2024-01-02 04:05:06 GMT+3", "2024-01-02 07:05:06+00"),
        ("294277-01-01", "22008 timestamp out of range: \"294277-01-01\""),
        (
            "2024-01-02 04:05:06+99",
            "22009 time zone displacement out of range: \"2024-01-02 04:05:06+99\"",
        ),
        (
            "2024-01-02 13:00 AM",
            "22008 date/time field value out of range: \"2024-01-02 13:00 AM\"",
        ),
        ("2024-01-02 04:05:06-0330", "2024-01-02 07:35:06+00"),
        ("Sat Mar 10 2024", "2024-03-10 00:00:00+00"),
        ("2024-01-02 12:30 AM", "2024-01-02 00:30:00+00"),
        ("4714-01-01 BC", "22008 timestamp out of range: \"4714-01-01 BC\""),
        ("2024-01-02 040506.789", "2024-01-02 04:05:06.789+00"),
        ("1932-11-19 14:39:40.1485765", "1932-11-19 14:39:40.148576+00"),
        ("6650-04-09 07:25 Europe/Berlin", "6650-04-09 05:25:00+00"),
    ] {
        assert_eq!(read("timestamptz", text), expected, "{text}");
    }
    check(
        "time",
        &[
            ("04:05:06.789", "04:05:06.789"),
            ("040506", "04:05:06"),
            ("12:30 am", "00:30:00"),
            ("24:00", "24:00:00"),
            ("24:01", "22008 date/time field value out of range: \"24:01\""),
            ("x", "22007 invalid input syntax for type time: \"x\""),
        ],
    );
    let berlin = TimeZone::parse("Europe/Berlin").unwrap();
    assert_eq!(
        parse_timestamptz("2024-07-01 02:00:00", DateOrder::Mdy, &berlin).unwrap(),
        1_719_792_000_000_000
    );
    assert!(reads_the_clock("Now") && reads_the_clock("tomorrow 10:00") && !reads_the_clock("2024-01-02"));
}

#[test]
fn intervals() {
    let invalid = |text: &str| format!("22007 invalid input syntax for type interval: \"{text}\"");
    for (text, expected) in [
        ("1", "00:00:01"),
        ("1.5 days", "1 day 12:00:00"),
        ("1.5 years", "1 year 6 mons"),
        ("1.5 months", "1 mon 15 days"),
        ("1-2", "1 year 2 mons"),
        ("1-2 3 4:05:06", "1 year 2 mons 3 days 04:05:06"),
        ("3 4:05:06", "3 days 04:05:06"),
        ("P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
        ("P1W", "7 days"),
        ("PT1.5H", "01:30:00"),
        ("P0001-02-03T04:05:06", "1 year 2 mons 3 days 04:05:06"),
        ("@ 1 year 2 mons ago", "-1 years -2 mons"),
        ("1 day ago 2 hours", "-1 days -02:00:00"),
        ("1h30m", "01:30:00"),
        ("2 weeks", "14 days"),
        ("1 millennium", "1000 years"),
        ("10 us", "00:00:00.00001"),
        ("-1 day 2 hours", "-1 days +02:00:00"),
        ("- 1 day", "-1 days"),
        ("-1:30", "-01:30:00"),
        ("1:30.5", "00:01:30.5"),
        (".5 sec", "00:00:00.5"),
        ("1.234567891 sec", "00:00:01.234568"),
        ("-0.1 month", "-3 days"),
        ("1 day 12", "1 day 00:00:12"),
        ("P-1Y2M", "-10 mons"),
        ("-1-2", "-1 years -2 mons"),
        ("100000000 years", "100000000 years"),
        ("00:00:59.9999999", "00:01:00"),
        ("0.3 years", "4 mons"),
        ("P20040102T", "2004 years 1 mon 2 days"),
        ("10 seconds 5 msecs", "00:00:10.005"),
        ("P-2.4M-1.1D", "-2 mons -12 days -26:24:00"),
        (
            "3000000000 days",
            "22015 interval field value out of range: \"3000000000 days\"",
        ),
    ] {
        assert_eq!(read("interval", text), expected, "{text}");
    }
    for text in [
        "x",
        "",
        "1 x",
        "1 day 1 day",
        "P",
        "1e10 days",
        "1 2",
        "interval 1 day",
        "PT2S3",
        "1 quarter",
        "1.5 sec 1 ms",
        "1 day -1:60",
    ] {
        assert_eq!(read("interval", text), invalid(text));
    }
    let standard = parse_interval("-1 2:03:04", IntervalStyle::SqlStandard, None).unwrap();
    assert_eq!(standard, IntervalMonthDayNano::new(0, -1, -7_384_000_000_000));
}

#[test]
fn parameters() {
    let settings = FormatSettings::default();
    let binary = |sql_type: &SqlType, bytes: &[u8]| decode_parameter(sql_type, Format::Binary, Some(bytes), &settings);
    assert_eq!(
        binary(&SqlType::Int4, &[0, 0, 0, 7]).unwrap(),
        datafusion::common::ScalarValue::Int32(Some(7))
    );
    assert_eq!(binary(&SqlType::Int4, &[7]).unwrap_err().state().code(), "08P01");
    assert_eq!(binary(&SqlType::Text, b"\xff").unwrap_err().state().code(), "22021");
    let null = decode_parameter(&SqlType::Date, Format::Text, None, &settings).unwrap();
    assert!(null.is_null());
    assert_eq!(
        binary(&SqlType::Uuid, &[0x11; 16]).unwrap().to_string(),
        "11111111-1111-1111-1111-111111111111"
    );
}
