//! Aggregates over the tuples of one group.

use std::collections::HashSet;

use super::super::analyzer::not_covered;
use super::super::node::{AggregateCall, AggregateFunction};
use super::super::value_type::{FLOAT4, FLOAT8, INT2, INT4, JSONB, NUMERIC, TEXT, Type};
use super::query::{ordered, row_key};
use super::{Executor, Frame, Tuple, compare};
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;

impl Executor<'_> {
    /// The value of an aggregate.
    pub(super) fn aggregate(
        &self,
        call: &AggregateCall,
        tuples: &[Tuple],
        parent: Option<&Frame<'_>>,
    ) -> Result<Datum> {
        let mut inputs: Vec<(Vec<Datum>, Vec<Datum>)> = Vec::with_capacity(tuples.len());
        for tuple in tuples {
            let frame = Frame { tuple, parent };
            if let Some(filter) = &call.filter
                && !self.is_true(filter, &frame)?
            {
                continue;
            }
            let values = call.arguments.iter().map(|node| self.evaluate(node, &frame));
            let values = values.collect::<Result<Vec<_>>>()?;
            let keys = call.order.iter().map(|(node, _, _)| self.evaluate(node, &frame));
            inputs.push((values, keys.collect::<Result<Vec<_>>>()?));
        }
        if !call.order.is_empty() {
            inputs.sort_by(|(_, left), (_, right)| {
                let orders = call.order.iter().zip(left.iter().zip(right));
                let mut orders = orders.map(|((_, descending, nulls_first), (left, right))| {
                    ordered(left, right, *descending, *nulls_first)
                });
                orders.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
            });
        }
        if call.distinct {
            if call.order.is_empty() {
                inputs.sort_by(|(left, _), (right, _)| {
                    let mut orders = left.iter().zip(right).map(|(left, right)| compare(left, right));
                    orders.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
                });
            }
            let mut seen = HashSet::new();
            inputs.retain(|(values, _)| seen.insert(row_key(values)));
        }
        let rows: Vec<Vec<Datum>> = inputs.into_iter().map(|(values, _)| values).collect();
        self.aggregated(call, rows)
    }

    fn aggregated(&self, call: &AggregateCall, rows: Vec<Vec<Datum>>) -> Result<Datum> {
        let first = |row: &Vec<Datum>| row.first().cloned().unwrap_or(Datum::Null);
        let present = || rows.iter().map(first).filter(|value| !value.is_null());
        Ok(match call.function {
            AggregateFunction::Count if call.arguments.is_empty() => (rows.len() as i64).into(),
            AggregateFunction::Count => (present().count() as i64).into(),
            AggregateFunction::Min => present().min_by(compare).into(),
            AggregateFunction::Max => present().max_by(compare).into(),
            AggregateFunction::Sum => sum(present(), call.arguments.first().map(|node| &node.ty))?,
            AggregateFunction::BoolAnd => match present().next() {
                None => Datum::Null,
                Some(_) => present().all(|value| value.as_bool() == Some(true)).into(),
            },
            AggregateFunction::BoolOr => match present().next() {
                None => Datum::Null,
                Some(_) => present().any(|value| value.as_bool() == Some(true)).into(),
            },
            AggregateFunction::StringAgg => {
                let mut text: Option<String> = None;
                for row in rows
                    .iter()
                    .filter(|row| row.first().is_some_and(|value| !value.is_null()))
                {
                    let value = row.first().and_then(Datum::as_text).unwrap_or_default();
                    match &mut text {
                        None => text = Some(value.to_string()),
                        Some(text) => {
                            text.push_str(row.get(1).and_then(Datum::as_text).unwrap_or_default());
                            text.push_str(value);
                        }
                    }
                }
                text.into()
            }
            AggregateFunction::ArrayAgg if rows.is_empty() => Datum::Null,
            AggregateFunction::ArrayAgg => Datum::List(rows.iter().map(first).collect()),
            AggregateFunction::JsonAgg if rows.is_empty() => Datum::Null,
            AggregateFunction::JsonAgg => {
                let ty = call.arguments.first().map_or(Type::of(TEXT), |node| node.ty.clone());
                let mut texts = vec![];
                for row in &rows {
                    texts.push(super::json_of(self, &first(row), &ty, call.result.is(JSONB))?);
                }
                format!("[{}]", texts.join(", ")).into()
            }
            AggregateFunction::JsonObjectAgg => return Err(not_covered("json_object_agg")),
        })
    }
}

fn sum(values: impl Iterator<Item = Datum>, ty: Option<&Type>) -> Result<Datum> {
    let overflow = || Error::new(SqlState::NumericValueOutOfRange, "bigint out of range");
    let mut total: Option<Datum> = None;
    for value in values {
        total = Some(match (total, value) {
            (None, value) => match (ty.map(|ty| ty.oid), value) {
                // Sums of bigint are numeric, of smaller integers bigint.
                (Some(INT2 | INT4), value) => value,
                (Some(FLOAT4 | FLOAT8 | NUMERIC), value) => value,
                (_, Datum::Int(value)) => Datum::Decimal(i128::from(value), 0),
                (_, Datum::Interval(_)) => return Err(not_covered("a sum of intervals")),
                (_, value) => value,
            },
            (Some(Datum::Int(left)), Datum::Int(right)) => Datum::Int(left.checked_add(right).ok_or_else(overflow)?),
            (Some(Datum::Float(left)), Datum::Float(right)) => Datum::Float(left + right),
            (Some(Datum::Decimal(left, scale)), Datum::Int(right)) => {
                let factor = 10_i128.pow(u32::try_from(scale).unwrap_or(0));
                Datum::Decimal(left + i128::from(right) * factor, scale)
            }
            _ => return Err(not_covered("this sum")),
        });
    }
    Ok(total.unwrap_or(Datum::Null))
}
