//! Values as JSON text: what json_build_object(), to_json() and json_agg() write.

use super::super::value_type::{BOOL, FLOAT4, FLOAT8, INT2, INT4, INT8, JSON, JSONB, NUMERIC, RECORD, TEXT, Type};
use super::Executor;
use crate::error::Result;
use crate::functions::Datum;

/// A value as JSON; jsonb has no blanks before colons.
pub(in crate::catalog_query) fn json_of(
    executor: &Executor<'_>,
    value: &Datum,
    ty: &Type,
    is_binary: bool,
) -> Result<String> {
    Ok(match value {
        Datum::Null => "null".to_string(),
        Datum::Bool(value) if ty.is(BOOL) => value.to_string(),
        Datum::List(fields) if ty.is(RECORD) => {
            let mut parts = vec![];
            for (index, field) in fields.iter().enumerate() {
                let known = ty.fields.as_ref().and_then(|known| known.get(index));
                let name = known.map_or_else(|| format!("f{}", index + 1), |known| known.name.clone());
                let field_type = known.map_or(Type::of(TEXT), |known| known.ty.clone());
                let value = json_of(executor, field, &field_type, is_binary)?;
                let separator = if is_binary { ": " } else { ":" };
                parts.push(format!("{}{separator}{value}", json_text(&name)));
            }
            format!("{{{}}}", parts.join(if is_binary { ", " } else { "," }))
        }
        Datum::List(values) => {
            let element = ty.element().unwrap_or(Type::of(TEXT));
            let mut parts = vec![];
            for value in values {
                let inner = match value {
                    Datum::List(_) if !element.is(RECORD) => ty,
                    _ => &element,
                };
                parts.push(json_of(executor, value, inner, is_binary)?);
            }
            format!("[{}]", parts.join(if is_binary { ", " } else { "," }))
        }
        other => {
            let text = executor.output(other, ty)?;
            match ty.oid {
                INT2 | INT4 | INT8 | FLOAT4 | FLOAT8 | NUMERIC | JSON | JSONB => text,
                _ => json_text(&text),
            }
        }
    })
}

/// A JSON string.
pub(in crate::catalog_query) fn json_text(text: &str) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}
