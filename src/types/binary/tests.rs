//! Expected bytes are what PostgreSQL's send functions answer.

use bytes::BytesMut;
use datafusion::arrow::array::{Array, ArrayRef, Decimal128Array, ListArray, StringArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{Field, Int32Type};
use std::sync::Arc;

use super::*;
use crate::types::SqlType;
use crate::types::values::Column;

fn hex(array: ArrayRef, sql_type: &SqlType) -> String {
    let column = Column::new(&array, sql_type).unwrap();
    let mut out = BytesMut::new();
    write_binary(&column.values, 0, sql_type, &mut out).unwrap();
    out.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn numerics() {
    for (value, scale, expected) in [
        (0, 0, "0000000000000000"),
        (1, 0, "00010000000000000001"),
        (150, 2, "000200000000000200011388"),
        (1, 4, "0001ffff000000040001"),
        (1, 5, "0001fffe0000000503e8"),
        (10000, 0, "00010001000000000001"),
        (123_456_789_123_456_789, 9, "0006000200000009000109291a8504d2162e2328"),
        (-5, 1, "0001ffff400000011388"),
        (100_000_000, 0, "00010002000000000001"),
        (0, 2, "0000000000000002"),
        (
            12_345_678_901_234_567_890_123_456_789_012_345_678,
            0,
            "000a000900000000000c0d801ed204d2162e23340d801ed204d2162e",
        ),
        (100_000_001, 4, "0003000100000004000100000001"),
    ] {
        let array = Decimal128Array::from(vec![value])
            .with_precision_and_scale(38, scale)
            .unwrap();
        assert_eq!(
            hex(Arc::new(array), &SqlType::Numeric(Some((38, scale)))),
            expected,
            "{value} {scale}"
        );
    }
    // As this version stores a numeric without a modifier, and as earlier ones did.
    for (value, scale) in [(15_000_000_000_000_000, 16), (15_000_000_000, 10)] {
        let carried = Decimal128Array::from(vec![value])
            .with_precision_and_scale(38, scale)
            .unwrap();
        assert_eq!(
            hex(Arc::new(carried), &SqlType::Numeric(None)),
            "000200000000000100011388"
        );
    }
}

#[test]
fn arrays() {
    let inner =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)]), Some(vec![Some(3), None])]);
    let field = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let nested: ArrayRef = Arc::new(ListArray::new(
        field,
        OffsetBuffer::from_lengths([2]),
        Arc::new(inner),
        None,
    ));
    let expected = "00000002000000010000001700000002000000010000000200000001\
                    000000040000000100000004000000020000000400000003ffffffff";
    assert_eq!(
        hex(
            nested,
            &SqlType::Array(Box::new(SqlType::Array(Box::new(SqlType::Int4))))
        ),
        expected
    );
    let empty = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(Vec::<Option<i32>>::new())]);
    assert_eq!(
        hex(Arc::new(empty), &SqlType::Array(Box::new(SqlType::Int4))),
        "000000000000000000000017"
    );
}

#[test]
fn texts_with_a_form_of_their_own() {
    let json: ArrayRef = Arc::new(StringArray::from(vec!["{}"]));
    assert_eq!(hex(json, &SqlType::Jsonb), "017b7d");
    let id: ArrayRef = Arc::new(StringArray::from(vec!["A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"]));
    assert_eq!(hex(id, &SqlType::Uuid), "a0eebc999c0b4ef8bb6d6bb9bd380a11");
}

/// Text input, binary output, binary input and text output agree.
#[test]
fn values_survive_the_binary_format() {
    use crate::types::{ColumnEncoder, Format, FormatSettings, parse};
    let settings = FormatSettings::default();
    for (type_name, texts) in [
        ("bool", vec!["t", "f"]),
        ("int2", vec!["-32768", "7"]),
        ("int8", vec!["9223372036854775807"]),
        ("oid", vec!["4294967295"]),
        ("float4", vec!["1.5", "NaN"]),
        ("float8", vec!["-1e+20", "Infinity"]),
        (
            "numeric(38,10)",
            vec!["0.0000000001", "-123456789.1234567890", "10000.0000000000"],
        ),
        ("numeric(10,0)", vec!["0", "10000", "1234567890"]),
        ("text", vec!["", "ä"]),
        ("char(3)", vec!["a  "]),
        ("bytea", vec!["\\x00ff"]),
        ("date", vec!["0044-03-15 BC", "infinity", "2024-02-29"]),
        ("time", vec!["24:00:00", "04:05:06.789"]),
        ("timestamp", vec!["1999-12-31 23:59:59.999999", "-infinity"]),
        ("timestamptz", vec!["2024-07-01 00:00:00+00"]),
        ("interval", vec!["-1 years +2 days -03:04:05.6"]),
        ("uuid", vec!["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
        ("jsonb", vec!["{\"a\": 1}"]),
        ("int4[]", vec!["{1,NULL}", "{}"]),
        ("text[][]", vec!["{{a,\"b c\"},{NULL,\"\"}}"]),
    ] {
        let sql_type: SqlType = type_name.parse().unwrap();
        for text in texts {
            let value = parse::parse_value(&sql_type, text, &settings).unwrap();
            let encode = |format, value: &datafusion::common::ScalarValue| {
                let mut out = BytesMut::new();
                let array = value.to_array().unwrap();
                ColumnEncoder::new(&sql_type, format, &settings)
                    .encode(&array, 0, &mut out)
                    .unwrap();
                out
            };
            let read_back = decode_value(&sql_type, &encode(Format::Binary, &value), &settings).unwrap();
            assert_eq!(read_back, value, "{type_name} {text}");
            assert_eq!(encode(Format::Text, &read_back), text.as_bytes(), "{type_name} {text}");
        }
    }
}
