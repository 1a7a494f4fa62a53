//! What functions and operators do, by name, a file per family. A function that is not here may be one of
//! `crate::functions` that works a row at a time.

mod arrays;
mod catalog;
mod json;
mod numbers;
mod operators;
mod text;

use super::evaluate::Executor;
use super::node::{Body, Callable};
use crate::error::{Error, Result};
use crate::functions::{Datum, call_function, is_callable};

pub(super) use operators::{binary_operator, prefix_operator};

/// The body of a function of pg_proc.
pub(super) fn function(name: &str) -> Option<Body> {
    text::body(name)
        .or_else(|| arrays::body(name))
        .or_else(|| numbers::body(name))
        .or_else(|| json::body(name))
        .or_else(|| catalog::body(name))
        .or_else(|| is_callable(name).then_some(row_function as Body))
}

fn row_function(executor: &Executor<'_>, callable: &Callable, row: &[Datum]) -> Result<Datum> {
    call_function(&callable.name, executor.environment, row)
        .unwrap_or_else(|| Err(Error::internal(format!("no function {}", callable.name))))
}

fn text_at(row: &[Datum], position: usize) -> &str {
    row.get(position).and_then(Datum::as_text).unwrap_or_default()
}

fn int_at(row: &[Datum], position: usize) -> i64 {
    row.get(position).and_then(Datum::as_int).unwrap_or_default()
}

fn list_at(row: &[Datum], position: usize) -> &[Datum] {
    match row.get(position) {
        Some(Datum::List(values)) => values,
        _ => &[],
    }
}
