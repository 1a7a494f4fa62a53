//! Expected texts are what PostgreSQL prints.

#![expect(clippy::excessive_precision, reason = "the values lie halfway between two texts")]

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, Int32Array, ListArray, MapArray, StringArray, StructArray,
    TimestampNanosecondArray, UInt64Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Int8Type, Int32Type, IntervalMonthDayNano};

use super::*;
use crate::types::SqlType;
use crate::types::calendar::{CivilDate, MICROS_PER_DAY};
use crate::types::format::{DateFormat, DateOrder, DateStyle, IntervalStyle};
use crate::types::time_zone::TimeZone;
use crate::types::values::Column;

fn text(write: impl FnOnce(&mut BytesMut)) -> String {
    let mut out = BytesMut::new();
    write(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn integers() {
    for value in [0, 7, -7, 10, 99, 100, 12345, i64::MAX, i64::MIN] {
        assert_eq!(text(|out| write_integer(value, out)), value.to_string());
    }
}

#[test]
fn decimals() {
    for (value, scale, trim, expected) in [
        (0, 0, false, "0"),
        (0, 2, false, "0.00"),
        (0, 10, true, "0"),
        (15, 1, false, "1.5"),
        (-5, 2, false, "-0.05"),
        (150, 2, false, "1.50"),
        (15_000_000_000, 10, true, "1.5"),
        (20_000_000_000, 10, true, "2"),
        (100_000_000, 10, true, "0.01"),
        (12, -2, false, "1200"),
        (0, -2, false, "0"),
        (
            99_999_999_999_999_999_999_999_999_999_999_999_999,
            10,
            false,
            "9999999999999999999999999999.9999999999",
        ),
        (-10_000_000_000_000_000_000_i128, 0, false, "-10000000000000000000"),
    ] {
        assert_eq!(text(|out| write_decimal(value, scale, trim, out)), expected);
    }
}

#[test]
fn doubles() {
    for (value, expected) in [
        (1.0, "1"),
        (100000.0, "100000"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (123456789012345678.0, "1.2345678901234568e+17"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5, "1.5"),
        (-0.0, "-0"),
        (1e-7, "1e-07"),
        (1e20, "1e+20"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (9007199254740992.0, "9.007199254740992e+15"),
        (18014398509481984.0, "1.8014398509481984e+16"),
        (144115188075855872.0, "1.4411518807585587e+17"),
        (0.1, "0.1"),
        // Halfway between two floats, and as near to one text as to another.
        (8.0495e20, "8.049500000000001e+20"),
        (3.67941975842135e16, "3.6794197584213504e+16"),
        (1125899906842624.25, "1.1258999068426242e+15"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(text(|out| write_float8(value, 1, out)), expected);
    }
    for (value, digits, expected) in [
        (std::f64::consts::PI, 0, "3.14159265358979"),
        (1e15 / 3.0, 0, "333333333333333"),
        (1e-5 / 3.0, 0, "3.33333333333333e-06"),
        (std::f64::consts::PI, -3, "3.14159265359"),
        (123456789.123, -3, "123456789.123"),
        (std::f64::consts::PI, -15, "3"),
    ] {
        assert_eq!(text(|out| write_float8(value, digits, out)), expected);
    }
}

#[test]
fn reals() {
    for (value, expected) in [
        (1.0, "1"),
        (100000.0, "100000"),
        (1e6, "1e+06"),
        (123456.7, "123456.7"),
        (16777216.0, "1.6777216e+07"),
        (33554432.0, "3.3554432e+07"),
        (67108864.0, "6.7108864e+07"),
        (f32::MIN_POSITIVE, "1.1754944e-38"),
        (0.1, "0.1"),
        (f32::MAX, "3.4028235e+38"),
        (8589934592.0, "8.589935e+09"),
        (0.00001, "1e-05"),
        (2727686.25, "2.7276862e+06"),
        (0.000244140625, "0.00024414062"),
        (99794896.0, "9.9794896e+07"),
    ] {
        assert_eq!(text(|out| write_float4(value, 1, out)), expected);
    }
    assert_eq!(text(|out| write_float4(1_234_567.0, 0, out)), "1.23457e+06");
}

#[test]
fn dates_and_timestamps() {
    let iso = DateStyle {
        format: DateFormat::Iso,
        order: DateOrder::Mdy,
    };
    let sql = DateStyle {
        format: DateFormat::Sql,
        order: DateOrder::Mdy,
    };
    let sql_dmy = DateStyle {
        format: DateFormat::Sql,
        order: DateOrder::Dmy,
    };
    let german = DateStyle {
        format: DateFormat::German,
        order: DateOrder::Dmy,
    };
    let postgres = DateStyle {
        format: DateFormat::Postgres,
        order: DateOrder::Mdy,
    };
    let postgres_dmy = DateStyle {
        format: DateFormat::Postgres,
        order: DateOrder::Dmy,
    };
    // 44 BC is year -43.
    let ides = CivilDate {
        year: -43,
        month: 3,
        day: 15,
    }
    .to_days();
    for (style, expected) in [
        (iso, "0044-03-15 BC"),
        (sql, "03/15/0044 BC"),
        (sql_dmy, "15/03/0044 BC"),
        (german, "15.03.0044 BC"),
        (postgres, "03-15-0044 BC"),
        (postgres_dmy, "15-03-0044 BC"),
    ] {
        assert_eq!(text(|out| write_date(ides as i32, style, out)), expected);
    }
    assert_eq!(text(|out| write_date(i32::MAX, iso, out)), "infinity");
    let day = CivilDate {
        year: 20000,
        month: 1,
        day: 1,
    }
    .to_days() as i32;
    assert_eq!(text(|out| write_date(day, iso, out)), "20000-01-01");

    let zone = TimeZone::parse("America/Sao_Paulo").unwrap();
    let local = ides * MICROS_PER_DAY + 36_000_500_000;
    let instant = local - i64::from(zone.offset_for_local(local)) * 1_000_000;
    for (style, without_zone, with_zone) in [
        (iso, "0044-03-15 10:00:00.5 BC", "0044-03-15 10:00:00.5-03:06:28 BC"),
        (german, "15.03.0044 10:00:00.5 BC", "15.03.0044 10:00:00.5 LMT BC"),
        (
            postgres_dmy,
            "Fri 15 Mar 10:00:00.5 0044 BC",
            "Fri 15 Mar 10:00:00.5 0044 LMT BC",
        ),
    ] {
        assert_eq!(text(|out| write_timestamp(local, style, out)), without_zone);
        assert_eq!(text(|out| write_timestamptz(instant, style, &zone, out)), with_zone);
    }
    let berlin = TimeZone::parse("Europe/Berlin").unwrap();
    let summer = CivilDate {
        year: 2024,
        month: 7,
        day: 1,
    }
    .to_days()
        * MICROS_PER_DAY;
    for (style, expected) in [
        (iso, "2024-07-01 02:00:00+02"),
        (sql, "07/01/2024 02:00:00 CEST"),
        (postgres, "Mon Jul 01 02:00:00 2024 CEST"),
    ] {
        assert_eq!(text(|out| write_timestamptz(summer, style, &berlin, out)), expected);
    }
    assert_eq!(text(|out| write_timestamp(i64::MIN, iso, out)), "-infinity");
    assert_eq!(text(|out| write_time(86_400_000_000, out)), "24:00:00");
    assert_eq!(text(|out| write_time(1_020, out)), "00:00:00.00102");
}

#[test]
fn intervals() {
    const SECOND: i64 = 1_000_000_000;
    const HOUR: i64 = 3600 * SECOND;
    let cases = [
        (0, 0, 0, ["00:00:00", "@ 0", "0", "PT0S"]),
        (
            14,
            3,
            4 * HOUR + 306_789 * 1_000_000,
            [
                "1 year 2 mons 3 days 04:05:06.789",
                "@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs",
                "+1-2 +3 +4:05:06.789",
                "P1Y2M3DT4H5M6.789S",
            ],
        ),
        (
            -14,
            3,
            -(4 * HOUR + 306 * SECOND),
            [
                "-1 years -2 mons +3 days -04:05:06",
                "@ 1 year 2 mons -3 days 4 hours 5 mins 6 secs ago",
                "-1-2 +3 -4:05:06",
                "P-1Y-2M3DT-4H-5M-6S",
            ],
        ),
        (
            1,
            0,
            -SECOND,
            ["1 mon -00:00:01", "@ 1 mon -1 sec", "+0-1 +0 -0:00:01", "P1MT-1S"],
        ),
        (-1, 0, 0, ["-1 mons", "@ 1 mon ago", "-0-1", "P-1M"]),
        (0, 1, 0, ["1 day", "@ 1 day", "1 0:00:00", "P1D"]),
        (
            0,
            -1,
            HOUR,
            [
                "-1 days +01:00:00",
                "@ 1 day -1 hours ago",
                "+0-0 -1 +1:00:00",
                "P-1DT1H",
            ],
        ),
        (
            0,
            0,
            -SECOND / 2,
            ["-00:00:00.5", "@ 0.5 secs ago", "-0:00:00.5", "PT-0.5S"],
        ),
        (12, 0, 0, ["1 year", "@ 1 year", "1-0", "P1Y"]),
        (0, 0, 100 * HOUR, ["100:00:00", "@ 100 hours", "100:00:00", "PT100H"]),
        (
            0,
            -1,
            -(2 * HOUR + 184 * SECOND),
            [
                "-1 days -02:03:04",
                "@ 1 day 2 hours 3 mins 4 secs ago",
                "-1 2:03:04",
                "P-1DT-2H-3M-4S",
            ],
        ),
        (1, 1, 0, ["1 mon 1 day", "@ 1 mon 1 day", "+0-1 +1 +0:00:00", "P1M1D"]),
        (0, 0, SECOND, ["00:00:01", "@ 1 sec", "0:00:01", "PT1S"]),
        (
            -12,
            0,
            SECOND,
            [
                "-1 years +00:00:01",
                "@ 1 year -1 sec ago",
                "-1-0 +0 +0:00:01",
                "P-1YT1S",
            ],
        ),
    ];
    let styles = [
        IntervalStyle::Postgres,
        IntervalStyle::PostgresVerbose,
        IntervalStyle::SqlStandard,
        IntervalStyle::Iso8601,
    ];
    for (months, days, nanoseconds, expected) in cases {
        for (style, expected) in styles.into_iter().zip(expected) {
            let interval = IntervalMonthDayNano {
                months,
                days,
                nanoseconds,
            };
            let shown = text(|out| write_interval(interval, style, out));
            assert_eq!(shown, expected, "{interval:?}");
        }
    }
}

#[test]
fn bytes() {
    let value = [0, b'a', b'\\', 0xff];
    assert_eq!(text(|out| write_bytea(&value, ByteaOutput::Hex, out)), "\\x00615cff");
    assert_eq!(
        text(|out| write_bytea(&value, ByteaOutput::Escape, out)),
        "\\000a\\\\\\377"
    );
}

fn shown(array: ArrayRef, row: usize) -> String {
    let field = Field::new("c", array.data_type().clone(), true);
    let column = Column::new(&array, &SqlType::from_field(&field)).unwrap();
    text(|out| write_text(&column.values, row, &FormatSettings::default(), out))
}

#[test]
fn arrays() {
    let strings = StringArray::from(vec![
        Some("a"),
        Some("b c"),
        Some("NULL"),
        None,
        Some(""),
        Some("a\"b"),
        Some("a\\b"),
        Some("{x}"),
    ]);
    let field = Arc::new(Field::new("item", DataType::Utf8, true));
    let list = ListArray::new(field, OffsetBuffer::from_lengths([8]), Arc::new(strings), None);
    assert_eq!(
        shown(Arc::new(list), 0),
        r#"{a,"b c","NULL",NULL,"","a\"b","a\\b","{x}"}"#
    );

    let inner =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)]), Some(vec![Some(3), None])]);
    let field = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let nested = ListArray::new(field, OffsetBuffer::from_lengths([2, 0]), Arc::new(inner), None);
    assert_eq!(shown(Arc::new(nested.clone()), 0), "{{1,2},{3,NULL}}");
    assert_eq!(shown(Arc::new(nested), 1), "{}");

    let bytes = BinaryArray::from(vec![&b"\x01"[..]]);
    let field = Arc::new(Field::new("item", DataType::Binary, true));
    let list = ListArray::new(field, OffsetBuffer::from_lengths([1]), Arc::new(bytes), None);
    assert_eq!(shown(Arc::new(list), 0), r#"{"\\x01"}"#);
}

#[test]
fn structs_and_maps_are_json() {
    let structure = StructArray::from(vec![
        (
            Arc::new(Field::new("a", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![1])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("b", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["x\"\n"])) as ArrayRef,
        ),
    ]);
    assert_eq!(shown(Arc::new(structure), 0), r#"{"a":1,"b":"x\"\n"}"#);
    let map = MapArray::new_from_strings(["k"].into_iter(), &Int32Array::from(vec![None]), &[0, 1]).unwrap();
    assert_eq!(shown(Arc::new(map), 0), r#"{"k":null}"#);
}

#[test]
fn other_arrow_types_show_as_their_sql_type() {
    let dictionary: DictionaryArray<Int8Type> = ["x", "y", "x"].into_iter().collect();
    assert_eq!(shown(Arc::new(dictionary), 1), "y");
    assert_eq!(shown(Arc::new(UInt64Array::from(vec![7])), 0), "7");
    assert_eq!(
        shown(Arc::new(TimestampNanosecondArray::from(vec![-1])), 0),
        "1969-12-31 23:59:59.999999"
    );
}
