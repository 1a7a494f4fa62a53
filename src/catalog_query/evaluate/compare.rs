//! The order and equality of values: text by bytes, NULL decided by the caller.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::functions::{Datum, interval_nanos};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A value as a key of a hash table: equal values have equal keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::catalog_query) enum Key {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// What has no simpler form, as text.
    Other(String),
    List(Vec<Key>),
}

/// The key of a value; NULLs are one group.
pub(in crate::catalog_query) fn key(value: &Datum) -> Key {
    match value {
        Datum::Null => Key::Null,
        Datum::Bool(value) => Key::Bool(*value),
        Datum::Int(value) => Key::Int(*value),
        Datum::Text(value) => Key::Text(value.clone()),
        Datum::Bytes(value) => Key::Bytes(value.clone()),
        Datum::Decimal(value, scale) => {
            let (mut value, mut scale) = (*value, *scale);
            while scale > 0 && value % 10 == 0 {
                value /= 10;
                scale -= 1;
            }
            match (i64::try_from(value), scale) {
                (Ok(value), 0) => Key::Int(value),
                _ => Key::Other(format!("{value}e-{scale}")),
            }
        }
        Datum::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Key::Int(*value as i64),
        Datum::List(values) => Key::List(values.iter().map(key).collect()),
        Datum::Interval(interval) => Key::Other(interval_nanos(*interval).to_string()),
        other => Key::Other(format!("{other:?}")),
    }
}

/// The key of the values that equalities compare; `None` where one is NULL, which equals nothing.
pub(in crate::catalog_query) fn joined_key<'v>(values: impl Iterator<Item = &'v Datum>) -> Option<Key> {
    let mut keys = values
        .map(|value| (!value.is_null()).then(|| key(value)))
        .collect::<Option<Vec<Key>>>()?;
    match keys.len() {
        1 => keys.pop(),
        _ => Some(Key::List(keys)),
    }
}

/// The values of an array that does not change.
#[derive(Debug)]
pub(in crate::catalog_query) struct KnownValues {
    keys: HashSet<Key>,
    has_null: bool,
}

impl KnownValues {
    pub fn of(values: &[Datum]) -> KnownValues {
        let mut known = KnownValues {
            keys: HashSet::new(),
            has_null: false,
        };
        known.add(values);
        known
    }

    fn add(&mut self, values: &[Datum]) {
        for value in values {
            match value {
                Datum::Null => self.has_null = true,
                Datum::List(inner) => self.add(inner),
                other => {
                    self.keys.insert(key(other));
                }
            }
        }
    }

    /// Whether the value is one of these; `None` where that is unknown.
    pub fn contains(&self, value: &Datum) -> Option<bool> {
        match value {
            _ if self.keys.is_empty() && !self.has_null => Some(false),
            Datum::Null => None,
            value if self.keys.contains(&key(value)) => Some(true),
            _ => (!self.has_null).then_some(false),
        }
    }
}

/// How two values of one type compare. NULLs inside lists come last.
pub(in crate::catalog_query) fn compare(left: &Datum, right: &Datum) -> Ordering {
    match (left, right) {
        (Datum::Null, Datum::Null) => Ordering::Equal,
        (Datum::Null, _) => Ordering::Greater,
        (_, Datum::Null) => Ordering::Less,
        (Datum::Bool(left), Datum::Bool(right)) => left.cmp(right),
        (Datum::Int(left), Datum::Int(right)) => left.cmp(right),
        (Datum::Text(left), Datum::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Datum::Bytes(left), Datum::Bytes(right)) => left.cmp(right),
        (Datum::Date(left), Datum::Date(right)) => left.cmp(right),
        (Datum::Micros(left), Datum::Micros(right)) => left.cmp(right),
        (Datum::Date(left), Datum::Micros(right)) => (i64::from(*left) * MICROS_PER_DAY).cmp(right),
        (Datum::Micros(left), Datum::Date(right)) => left.cmp(&(i64::from(*right) * MICROS_PER_DAY)),
        (Datum::Interval(left), Datum::Interval(right)) => interval_nanos(*left).cmp(&interval_nanos(*right)),
        (Datum::List(left), Datum::List(right)) => {
            let parts = left.iter().zip(right).map(|(left, right)| compare(left, right));
            let first = parts.into_iter().find(|order| order.is_ne());
            first.unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        (Datum::Decimal(..) | Datum::Int(_), Datum::Decimal(..) | Datum::Int(_)) => {
            match (aligned(left, right), aligned(right, left)) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => number(left).total_cmp(&number(right)),
            }
        }
        // NaN is the largest number.
        _ => match (number(left), number(right)) {
            (left, right) if left.is_nan() || right.is_nan() => left.is_nan().cmp(&right.is_nan()),
            (left, right) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        },
    }
}

/// The unscaled value at the larger scale of the two.
fn aligned(value: &Datum, other: &Datum) -> Option<i128> {
    let parts = |value: &Datum| match value {
        Datum::Decimal(value, scale) => Some((*value, *scale)),
        Datum::Int(value) => Some((i128::from(*value), 0)),
        _ => None,
    };
    let ((value, scale), (_, other)) = (parts(value)?, parts(other)?);
    value.checked_mul(10_i128.checked_pow(u32::try_from(other.max(scale) - scale).ok()?)?)
}

pub(super) fn number(value: &Datum) -> f64 {
    match value {
        Datum::Int(value) => *value as f64,
        Datum::Float(value) => *value,
        Datum::Decimal(value, scale) => *value as f64 / 10_f64.powi(i32::from(*scale)),
        _ => 0.0,
    }
}
