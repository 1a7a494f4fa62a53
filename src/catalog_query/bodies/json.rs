//! Functions that build JSON.

use super::super::evaluate::{Executor, json_of, json_text};
use super::super::node::{Body, Callable};
use super::super::value_type::JSONB;
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;

pub(super) fn body(name: &str) -> Option<Body> {
    Some(match name {
        "json_build_object" | "jsonb_build_object" => build_object,
        "json_build_array" | "jsonb_build_array" => |executor, callable, row| {
            let mut parts = vec![];
            for (value, ty) in row.iter().zip(&callable.arguments) {
                parts.push(json_of(executor, value, ty, callable.result.is(JSONB))?);
            }
            Ok(format!("[{}]", parts.join(", ")).into())
        },
        "to_json" | "to_jsonb" | "row_to_json" | "array_to_json" => |executor, callable, row| {
            let is_binary = callable.result.is(JSONB);
            Ok(json_of(executor, &row[0], &callable.arguments[0], is_binary)?.into())
        },
        _ => return None,
    })
}

fn build_object(executor: &Executor<'_>, callable: &Callable, row: &[Datum]) -> Result<Datum> {
    if !row.len().is_multiple_of(2) {
        let message = "argument list must have even number of elements";
        return Err(Error::new(SqlState::InvalidParameterValue, message));
    }
    let is_binary = callable.result.is(JSONB);
    let mut parts = vec![];
    for (pair, types) in row.chunks(2).zip(callable.arguments.chunks(2)) {
        if pair[0].is_null() {
            let message = "argument of json_build_object is a null key";
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        }
        let name = json_text(&executor.output(&pair[0], &types[0])?);
        let value = json_of(executor, &pair[1], &types[1], is_binary)?;
        parts.push(format!("{name}{}{value}", if is_binary { ": " } else { " : " }));
    }
    Ok(format!("{{{}}}", parts.join(", ")).into())
}
