//! Operators: comparison, arithmetic, concatenation, patterns, containment.

use std::cmp::Ordering;

use super::super::analyzer::not_covered;
use super::super::coercion::is_string;
use super::super::evaluate::{Executor, compare};
use super::super::node::{Body, Callable};
use super::super::value_type::{BPCHAR, FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC, OID, Type};
use super::text_at;
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;

/// The body of `left op right` for operands of these types.
pub(in crate::catalog_query) fn binary_operator(name: &str, left: &Type, right: &Type) -> Option<Body> {
    let is_number = |ty: &Type| matches!(ty.oid, INT2 | INT4 | INT8 | FLOAT4 | FLOAT8 | NUMERIC | OID);
    let numbers = is_number(left) && is_number(right);
    let integers = numbers
        && ![left, right]
            .iter()
            .any(|ty| matches!(ty.oid, FLOAT4 | FLOAT8 | NUMERIC));
    let texts = is_string(left.oid) && is_string(right.oid);
    let arrays = left.is_array() && right.is_array();
    // Intervals, JSON, ranges and geometry have an order and operators of their own.
    let comparable = |ty: &Type| !matches!(ty.category(), 'G' | 'I' | 'R') && !matches!(ty.oid, 114 | 3802 | 142);
    Some(match name {
        "=" if comparable(left) && comparable(right) => |_, callable, row| holds(callable, row, Ordering::is_eq),
        "<>" if comparable(left) && comparable(right) => |_, callable, row| holds(callable, row, Ordering::is_ne),
        "<" if comparable(left) && comparable(right) => |_, callable, row| holds(callable, row, Ordering::is_lt),
        "<=" if comparable(left) && comparable(right) => |_, callable, row| holds(callable, row, Ordering::is_le),
        ">" if comparable(left) && comparable(right) => |_, callable, row| holds(callable, row, Ordering::is_gt),
        ">=" if comparable(left) && comparable(right) => |_, callable, row| holds(callable, row, Ordering::is_ge),
        "+" | "-" | "*" | "/" | "%" if integers => integer_arithmetic,
        "+" | "-" | "*" | "/" if numbers => arithmetic,
        "&" | "|" | "#" | "<<" | ">>" if integers => bits,
        "||" if arrays => |_, _, row| {
            Ok(match (&row[0], &row[1]) {
                (Datum::List(left), Datum::List(right)) => Datum::List(left.iter().chain(right).cloned().collect()),
                (Datum::Null, other) | (other, _) => other.clone(),
            })
        },
        "||" if left.is_array() => |_, _, row| Ok(joined(&row[0], std::slice::from_ref(&row[1]), false)),
        "||" if right.is_array() => |_, _, row| Ok(joined(&row[1], std::slice::from_ref(&row[0]), true)),
        "||" if left.is(17) || left.oid == 3802 => return None,
        "||" => |executor, callable, row| {
            let mut text = String::new();
            for (value, ty) in row.iter().zip(&callable.arguments) {
                text.push_str(&executor.output(value, ty)?);
            }
            Ok(text.into())
        },
        "~" if texts => |executor, _, row| matches(executor, row, false, true),
        "~*" if texts => |executor, _, row| matches(executor, row, true, true),
        "!~" if texts => |executor, _, row| matches(executor, row, false, false),
        "!~*" if texts => |executor, _, row| matches(executor, row, true, false),
        "~~" if texts => |_, _, row| Ok(like(row, false)?.into()),
        "~~*" if texts => |_, _, row| Ok(like(row, true)?.into()),
        "!~~" if texts => |_, _, row| Ok((!like(row, false)?).into()),
        "!~~*" if texts => |_, _, row| Ok((!like(row, true)?).into()),
        "^@" if texts => |_, _, row| Ok(text_at(row, 0).starts_with(text_at(row, 1)).into()),
        "@>" if arrays => |_, _, row| Ok(contains(&row[0], &row[1]).into()),
        "<@" if arrays => |_, _, row| Ok(contains(&row[1], &row[0]).into()),
        "&&" if arrays => |_, _, row| Ok(overlaps(&row[0], &row[1]).into()),
        _ => return None,
    })
}

/// The body of a prefix operator.
pub(in crate::catalog_query) fn prefix_operator(name: &str) -> Option<Body> {
    Some(match name {
        "-" => |_, callable, row| match &row[0] {
            Datum::Int(value) => integer_within(value.checked_neg(), &callable.result),
            Datum::Float(value) => Ok(Datum::Float(-value)),
            Datum::Decimal(value, scale) => Ok(Datum::Decimal(-value, *scale)),
            _ => Err(not_covered("this negation")),
        },
        "+" => |_, _, row| Ok(row[0].clone()),
        _ => return None,
    })
}

fn holds(callable: &Callable, row: &[Datum], wanted: fn(Ordering) -> bool) -> Result<Datum> {
    if let (true, Datum::Text(left), Datum::Text(right)) = (callable.arguments[0].is(BPCHAR), &row[0], &row[1]) {
        let order = left.trim_end_matches(' ').cmp(right.trim_end_matches(' '));
        return Ok(wanted(order).into());
    }
    Ok(wanted(compare(&row[0], &row[1])).into())
}

fn integer_arithmetic(_: &Executor<'_>, callable: &Callable, row: &[Datum]) -> Result<Datum> {
    let (Datum::Int(left), Datum::Int(right)) = (&row[0], &row[1]) else {
        return Err(not_covered("this arithmetic"));
    };
    if matches!(callable.name.as_str(), "/" | "%") && *right == 0 {
        return Err(Error::new(SqlState::DivisionByZero, "division by zero"));
    }
    let value = match callable.name.as_str() {
        "+" => left.checked_add(*right),
        "-" => left.checked_sub(*right),
        "*" => left.checked_mul(*right),
        "/" => left.checked_div(*right),
        _ => Some(left.wrapping_rem(*right)),
    };
    integer_within(value, &callable.result)
}

/// An integer of a type; 22003 for one that the type does not hold.
pub(super) fn integer_within(value: Option<i64>, ty: &Type) -> Result<Datum> {
    let fits = |value: &i64| match ty.oid {
        INT2 => i16::try_from(*value).is_ok(),
        INT4 => i32::try_from(*value).is_ok(),
        _ => true,
    };
    value.filter(fits).map(Datum::Int).ok_or_else(|| {
        let message = format!("{} out of range", ty.name());
        Error::new(SqlState::NumericValueOutOfRange, message)
    })
}

fn arithmetic(_: &Executor<'_>, callable: &Callable, row: &[Datum]) -> Result<Datum> {
    match (&row[0], &row[1], callable.name.as_str()) {
        (Datum::Float(_), Datum::Float(right), "/") if *right == 0.0 => {
            Err(Error::new(SqlState::DivisionByZero, "division by zero"))
        }
        (Datum::Float(left), Datum::Float(right), operator) => Ok(Datum::Float(match operator {
            "+" => left + right,
            "-" => left - right,
            "*" => left * right,
            _ => left / right,
        })),
        (Datum::Decimal(left, left_scale), Datum::Decimal(right, right_scale), operator @ ("+" | "-" | "*")) => {
            let overflow = || not_covered("so large a numeric");
            if operator == "*" {
                let product = left.checked_mul(*right).ok_or_else(overflow)?;
                return Ok(Datum::Decimal(product, left_scale + right_scale));
            }
            let scale = *left_scale.max(right_scale);
            let raised = |value: i128, from: i8| {
                let factor = 10_i128.checked_pow(u32::try_from(scale - from).ok()?)?;
                value.checked_mul(factor)
            };
            let left = raised(*left, *left_scale).ok_or_else(overflow)?;
            let right = raised(*right, *right_scale).ok_or_else(overflow)?;
            let result = if operator == "+" {
                left.checked_add(right)
            } else {
                left.checked_sub(right)
            };
            Ok(Datum::Decimal(result.ok_or_else(overflow)?, scale))
        }
        _ => Err(not_covered("this arithmetic")),
    }
}

fn bits(_: &Executor<'_>, callable: &Callable, row: &[Datum]) -> Result<Datum> {
    let (Datum::Int(left), Datum::Int(right)) = (&row[0], &row[1]) else {
        return Err(not_covered("these bits"));
    };
    let shift = u32::try_from(*right & 63).unwrap_or(0);
    Ok(Datum::Int(match callable.name.as_str() {
        "&" => left & right,
        "|" => left | right,
        "#" => left ^ right,
        "<<" if callable.result.is(INT4) => i64::from((*left as i32).wrapping_shl(shift)),
        "<<" => left.wrapping_shl(shift),
        _ if callable.result.is(INT4) => i64::from((*left as i32).wrapping_shr(shift)),
        _ => left.wrapping_shr(shift),
    }))
}

fn joined(list: &Datum, element: &[Datum], before: bool) -> Datum {
    let values: &[Datum] = match list {
        Datum::List(values) => values,
        _ => &[],
    };
    match before {
        true => Datum::List(element.iter().chain(values).cloned().collect()),
        false => Datum::List(values.iter().chain(element).cloned().collect()),
    }
}

fn matches(executor: &Executor<'_>, row: &[Datum], ignores_case: bool, wanted: bool) -> Result<Datum> {
    let pattern = executor.pattern(text_at(row, 1), ignores_case)?;
    Ok((pattern.is_match(text_at(row, 0)) == wanted).into())
}

/// LIKE with the escape character `\`.
fn like(row: &[Datum], ignores_case: bool) -> Result<bool> {
    let fold = |text: &str| match ignores_case {
        true => text.to_lowercase(),
        false => text.to_string(),
    };
    let text: Vec<char> = fold(text_at(row, 0)).chars().collect();
    let pattern: Vec<char> = fold(text_at(row, 1)).chars().collect();
    like_matches(&text, &pattern)
}

fn like_matches(text: &[char], pattern: &[char]) -> Result<bool> {
    let (mut at, mut wanted) = (0, 0);
    // Where to go on when what follows the last % does not match here.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(wanted) {
            Some('%') => {
                retry = Some((at, wanted + 1));
                wanted += 1;
                continue;
            }
            Some('_') => text.get(at).map(|_| 1),
            Some('\\') => match pattern.get(wanted + 1) {
                None => {
                    let message = "LIKE pattern must not end with escape character";
                    return Err(Error::new(SqlState::InvalidEscapeSequence, message));
                }
                Some(escaped) => text.get(at).filter(|found| *found == escaped).map(|_| 2),
            },
            Some(expected) => text.get(at).filter(|found| *found == expected).map(|_| 1),
            None if at == text.len() => return Ok(true),
            None => None,
        };
        match (step, retry) {
            (Some(length), _) => {
                at += 1;
                wanted += length;
            }
            (None, Some((from, after))) if from < text.len() => {
                retry = Some((from + 1, after));
                at = from + 1;
                wanted = after;
            }
            (None, _) => return Ok(false),
        }
    }
}

fn contains(outer: &Datum, inner: &Datum) -> bool {
    let (Datum::List(outer), Datum::List(inner)) = (outer, inner) else {
        return false;
    };
    inner
        .iter()
        .all(|wanted| !wanted.is_null() && outer.iter().any(|value| compare(value, wanted).is_eq()))
}

fn overlaps(left: &Datum, right: &Datum) -> bool {
    let (Datum::List(left), Datum::List(right)) = (left, right) else {
        return false;
    };
    left.iter()
        .any(|value| !value.is_null() && right.iter().any(|other| compare(value, other).is_eq()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_reads_patterns_as_postgres_does() {
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "_b_", true),
            ("abc", "b", false),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("", "%", true),
            ("aab", "%ab", true),
            ("abab", "%ab%ab", true),
            ("pg_class", "pg\\_%", true),
        ] {
            let row = [Datum::text(text), Datum::text(pattern)];
            assert_eq!(like(&row, false).unwrap(), expected, "{text} {pattern}");
        }
        assert!(like(&[Datum::text("a"), Datum::text("\\")], false).is_err());
    }
}
