//! Expressions over a frame.

use super::super::node::{Callable, Kind, Node, Query, SubqueryUse};
use super::super::value_type::{RECORD, Type};
use super::{Executor, Frame, compare};
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;

impl Executor<'_> {
    pub fn evaluate(&self, node: &Node, frame: &Frame<'_>) -> Result<Datum> {
        Ok(match &node.kind {
            Kind::Constant(value) => value.clone(),
            Kind::Parameter(index) => {
                let value = self.parameters.get(*index).cloned().unwrap_or(Datum::Null);
                self.cast(value, &node.ty, &node.ty, false)?
            }
            Kind::Column { depth, item, column } => column_of(frame, *depth, *item, *column),
            Kind::WholeRow { depth, item, width } => match at(frame, *depth).and_then(|frame| frame.tuple.get(*item)) {
                Some(Some(row)) => Datum::List(row.iter().take(*width).cloned().collect()),
                _ => Datum::Null,
            },
            Kind::Call(callable, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.evaluate(argument, frame)?);
                }
                self.call(callable, &values)?
            }
            Kind::Cast { argument, explicit } => {
                let value = self.evaluate(argument, frame)?;
                self.cast(value, &argument.ty, &node.ty, *explicit)?
            }
            Kind::And(parts) => self.connected(parts, frame, false)?,
            Kind::Or(parts) => self.connected(parts, frame, true)?,
            Kind::Not(inner) => match self.evaluate(inner, frame)? {
                Datum::Bool(value) => (!value).into(),
                _ => Datum::Null,
            },
            Kind::IsNull { argument, negated } => {
                let value = self.evaluate(argument, frame)?;
                match (&value, argument.ty.is(RECORD)) {
                    // A row is null when all its fields are, and not null when none is.
                    (Datum::List(fields), true) => match negated {
                        false => fields.iter().all(Datum::is_null),
                        true => !fields.iter().any(Datum::is_null),
                    },
                    _ => value.is_null() != *negated,
                }
                .into()
            }
            Kind::IsTruth {
                argument,
                wanted,
                negated,
            } => (self.evaluate(argument, frame)?.as_bool() == *wanted)
                .ne(negated)
                .into(),
            Kind::IsDistinct {
                equal,
                left,
                right,
                negated,
            } => {
                let (left, right) = (self.evaluate(left, frame)?, self.evaluate(right, frame)?);
                let distinct = match (left.is_null(), right.is_null()) {
                    (true, true) => false,
                    (false, false) => self.call(equal, &[left, right])?.as_bool() != Some(true),
                    _ => true,
                };
                distinct.ne(negated).into()
            }
            Kind::Case { branches, otherwise } => {
                for (test, result) in branches {
                    if self.is_true(test, frame)? {
                        return self.evaluate(result, frame);
                    }
                }
                match otherwise {
                    Some(otherwise) => self.evaluate(otherwise, frame)?,
                    None => Datum::Null,
                }
            }
            Kind::Coalesce(nodes) => {
                for inner in nodes {
                    let value = self.evaluate(inner, frame)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Datum::Null
            }
            Kind::Extreme { arguments, greatest } => self.extreme(arguments, *greatest, frame)?,
            Kind::NullIf { equal, left, right } => {
                let (left, right) = (self.evaluate(left, frame)?, self.evaluate(right, frame)?);
                match self.call(equal, &[left.clone(), right])?.as_bool() {
                    Some(true) => Datum::Null,
                    _ => left,
                }
            }
            Kind::Array(nodes) | Kind::Row(nodes) => {
                let values = nodes.iter().map(|inner| self.evaluate(inner, frame));
                Datum::List(values.collect::<Result<_>>()?)
            }
            Kind::FieldOf { record, index } => match self.evaluate(record, frame)? {
                Datum::List(mut fields) if *index < fields.len() => fields.swap_remove(*index),
                _ => Datum::Null,
            },
            Kind::Element { array, indexes } => self.element(array, indexes, frame)?,
            Kind::Slice { array, lower, upper } => self.slice(array, lower.as_deref(), upper.as_deref(), frame)?,
            Kind::Quantified {
                operator,
                left,
                array,
                known,
                all,
            } => {
                let left = self.evaluate(left, frame)?;
                if let Some(known) = known {
                    return Ok(known.contains(&left).map(|contains| contains != *all).into());
                }
                match self.evaluate(array, frame)? {
                    Datum::List(values) => {
                        let mut flat = vec![];
                        flatten(values, &mut flat);
                        self.any_or_all(operator, &left, flat.into_iter(), *all)?
                    }
                    _ => Datum::Null,
                }
            }
            Kind::Subquery { query, how } => self.subquery(query, how, &node.ty, frame)?,
        })
    }

    /// Whether a condition holds; NULL does not.
    pub fn is_true(&self, node: &Node, frame: &Frame<'_>) -> Result<bool> {
        Ok(self.evaluate(node, frame)?.as_bool() == Some(true))
    }

    /// AND and OR with three truth values: `deciding` ends the search.
    fn connected(&self, parts: &[Node], frame: &Frame<'_>, deciding: bool) -> Result<Datum> {
        let mut unknown = false;
        for part in parts {
            match self.evaluate(part, frame)?.as_bool() {
                Some(value) if value == deciding => return Ok(deciding.into()),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(match unknown {
            true => Datum::Null,
            false => (!deciding).into(),
        })
    }

    fn extreme(&self, arguments: &[Node], greatest: bool, frame: &Frame<'_>) -> Result<Datum> {
        let mut best = Datum::Null;
        for argument in arguments {
            let value = self.evaluate(argument, frame)?;
            if value.is_null() {
                continue;
            }
            let wins = best.is_null() || (compare(&value, &best).is_gt() == greatest && compare(&value, &best).is_ne());
            if wins {
                best = value;
            }
        }
        Ok(best)
    }

    fn any_or_all(
        &self,
        operator: &Callable,
        left: &Datum,
        values: impl Iterator<Item = Datum>,
        all: bool,
    ) -> Result<Datum> {
        let mut unknown = false;
        for value in values {
            match self.call(operator, &[left.clone(), value])?.as_bool() {
                Some(holds) if holds != all => return Ok(holds.into()),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(match unknown {
            true => Datum::Null,
            false => all.into(),
        })
    }

    fn element(&self, array: &Node, indexes: &[Node], frame: &Frame<'_>) -> Result<Datum> {
        let lower = array.ty.lower_bound();
        let mut value = self.evaluate(array, frame)?;
        for index in indexes {
            let Some(index) = self.evaluate(index, frame)?.as_int() else {
                return Ok(Datum::Null);
            };
            let position = usize::try_from(index - lower).ok();
            value = match (value, position) {
                (Datum::List(mut values), Some(position)) if position < values.len() => values.swap_remove(position),
                (Datum::Text(name), Some(position)) => match name.chars().nth(position) {
                    Some(character) => character.to_string().into(),
                    None => Datum::Null,
                },
                _ => return Ok(Datum::Null),
            };
        }
        // Fewer subscripts than dimensions name no element.
        Ok(match (&value, array.ty.element()) {
            (Datum::List(_), Some(element)) if !element.is(RECORD) => Datum::Null,
            _ => value,
        })
    }

    fn slice(&self, array: &Node, lower: Option<&Node>, upper: Option<&Node>, frame: &Frame<'_>) -> Result<Datum> {
        let first = array.ty.lower_bound();
        let Datum::List(values) = self.evaluate(array, frame)? else {
            return Ok(Datum::Null);
        };
        let bound = |bound: Option<&Node>, default: i64| match bound {
            None => Ok(Some(default)),
            Some(node) => self.evaluate(node, frame).map(|value| value.as_int()),
        };
        let last = first + values.len() as i64 - 1;
        let (Some(lower), Some(upper)) = (bound(lower, first)?, bound(upper, last)?) else {
            return Ok(Datum::Null);
        };
        let kept =
            (lower.max(first)..=upper.min(last)).filter_map(|index| values.get(usize::try_from(index - first).ok()?));
        Ok(Datum::List(kept.cloned().collect()))
    }

    fn subquery(&self, query: &Query, how: &SubqueryUse, ty: &Type, frame: &Frame<'_>) -> Result<Datum> {
        let rows = self.query(query, Some(frame))?;
        let first = |row: &super::Row| row.first().cloned().unwrap_or(Datum::Null);
        match how {
            SubqueryUse::Exists => Ok((!rows.is_empty()).into()),
            SubqueryUse::Scalar => match rows.as_slice() {
                [] => Ok(Datum::Null),
                [row] => Ok(first(row)),
                _ => Err(Error::new(
                    SqlState::CardinalityViolation,
                    "more than one row returned by a subquery used as an expression",
                )),
            },
            SubqueryUse::Array => {
                debug_assert!(ty.oid != 0);
                Ok(Datum::List(rows.iter().map(first).collect()))
            }
            SubqueryUse::Quantified { left, operators, all } => {
                let left = left
                    .iter()
                    .map(|node| self.evaluate(node, frame))
                    .collect::<Result<Vec<_>>>()?;
                if let ([left], [operator]) = (left.as_slice(), operators.as_slice()) {
                    return self.any_or_all(operator, left, rows.iter().map(first), *all);
                }
                let mut unknown = false;
                for row in rows.iter() {
                    let mut holds = Some(true);
                    for ((left, operator), right) in left.iter().zip(operators).zip(row.iter()) {
                        match self.call(operator, &[left.clone(), right.clone()])?.as_bool() {
                            Some(true) => {}
                            Some(false) => holds = Some(false),
                            None if holds == Some(true) => holds = None,
                            None => {}
                        }
                    }
                    match holds {
                        Some(holds) if holds != *all => return Ok(holds.into()),
                        Some(_) => {}
                        None => unknown = true,
                    }
                }
                Ok(match unknown {
                    true => Datum::Null,
                    false => (*all).into(),
                })
            }
        }
    }
}

fn flatten(values: Vec<Datum>, out: &mut Vec<Datum>) {
    for value in values {
        match value {
            Datum::List(inner) => flatten(inner, out),
            other => out.push(other),
        }
    }
}

fn at<'f>(frame: &'f Frame<'f>, depth: usize) -> Option<&'f Frame<'f>> {
    let mut frame = frame;
    for _ in 0..depth {
        frame = frame.parent?;
    }
    Some(frame)
}

/// The value of a column, or of one that every relation has: rows of relations end with their relation's OID.
fn column_of(frame: &Frame<'_>, depth: usize, item: usize, column: usize) -> Datum {
    /// The transaction that made all rows of the catalogs, as after initdb.
    const FROZEN: i64 = 2;
    let Some(Some(row)) = at(frame, depth).and_then(|frame| frame.tuple.get(item)) else {
        return Datum::Null;
    };
    match row.get(column) {
        Some(value) => value.clone(),
        None => match column - row.len() {
            0 => FROZEN.into(),
            2 => "(0,1)".into(),
            _ => 0.into(),
        },
    }
}
