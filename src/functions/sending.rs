//! Values in their binary formats: float8send(), int4send(), textsend() and the like.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{ArrayRef, BinaryBuilder};
use datafusion::logical_expr::ScalarUDF;

use super::overload::{Arguments, OverloadedFunction, kernel};
use crate::error::Result;
use crate::types::binary::write_binary;
use crate::types::values::Column;

/// The functions, and what each takes.
const SENDING: [(&str, &str); 20] = [
    ("boolsend", "bool"),
    ("byteasend", "bytea"),
    ("date_send", "date"),
    ("float4send", "float4"),
    ("float8send", "float8"),
    ("inet_send", "inet"),
    ("int2send", "int2"),
    ("int4send", "int4"),
    ("int8send", "int8"),
    ("interval_send", "interval"),
    ("json_send", "json"),
    ("jsonb_send", "jsonb"),
    ("numeric_send", "numeric"),
    ("textsend", "text"),
    ("time_send", "time"),
    ("timestamp_send", "timestamp"),
    ("timestamptz_send", "timestamptz"),
    ("timetz_send", "timetz"),
    ("uuid_send", "uuid"),
    ("varbit_send", "varbit"),
];

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let declared = SENDING.into_iter().map(|(name, argument)| {
        let overload = kernel(&format!("({argument}) bytea"), sent);
        OverloadedFunction::immutable(name, vec![overload])
    });
    declared.collect()
}

fn sent(args: &Arguments<'_>) -> Result<ArrayRef> {
    let sql_type = args.sql_type(0);
    let column = Column::new(args.array(0), sql_type)?;
    let mut builder = BinaryBuilder::new();
    let mut value = BytesMut::new();
    for row in 0..args.rows() {
        let row = args.row_of(0, row);
        if column.is_null(row) {
            builder.append_null();
            continue;
        }
        value.clear();
        write_binary(&column.values, row, sql_type, &mut value)?;
        builder.append_value(&value);
    }
    Ok(Arc::new(builder.finish()))
}
