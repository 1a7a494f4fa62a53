//! Functions on numbers, and clocks.

use super::super::analyzer::not_covered;
use super::super::node::Body;
use super::int_at;
use crate::functions::Datum;

pub(super) fn body(name: &str) -> Option<Body> {
    Some(match name {
        "abs" => |_, callable, row| match &row[0] {
            Datum::Int(value) => super::operators::integer_within(value.checked_abs(), &callable.result),
            Datum::Float(value) => Ok(Datum::Float(value.abs())),
            Datum::Decimal(value, scale) => Ok(Datum::Decimal(value.abs(), *scale)),
            _ => Err(not_covered("abs of this type")),
        },
        "mod" => |_, _, row| match (&row[0], int_at(row, 1)) {
            (Datum::Int(_), 0) => Err(crate::error::Error::new(
                crate::error::SqlState::DivisionByZero,
                "division by zero",
            )),
            (Datum::Int(left), right) => Ok(Datum::Int(left.wrapping_rem(right))),
            _ => Err(not_covered("mod of this type")),
        },
        "now" | "transaction_timestamp" => |executor, _, _| {
            let start = executor.environment.context().transaction_start;
            Ok(Datum::Micros(start.timestamp_micros()))
        },
        // Ages of transactions: nothing here is old.
        "age" => |_, callable, _| match callable.arguments.first() {
            Some(ty) if ty.is(super::super::value_type::XID) => Ok(0.into()),
            _ => Err(not_covered("age of timestamps")),
        },
        _ => return None,
    })
}
