//! Ranges: their constructors, what their ends are, and what one range is to another.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::multiranges;
use super::overload::{Arguments, Overload, OverloadedFunction, RowBody, rows};
use crate::error::{Error, Result, SqlState};
use crate::types::numeric::{Number, overflow};
use crate::types::spelled::range::{Bound, Endpoint, Range};
use crate::types::{RangeType, Spelled, SqlType, UNCONSTRAINED_NUMERIC};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let constructors = RangeType::ALL
        .into_iter()
        .map(|range| OverloadedFunction::immutable(range.name(), constructors(range)));
    let of_two: [(&'static str, RowBody); 8] = [
        ("range_contains", |args, row| holds(args, row, Range::contains)),
        ("range_contained_by", |args, row| {
            holds(args, row, |left, right| right.contains(left))
        }),
        ("range_overlaps", |args, row| holds(args, row, Range::overlaps)),
        ("range_before", |args, row| holds(args, row, Range::is_before)),
        ("range_after", |args, row| {
            holds(args, row, |left, right| right.is_before(left))
        }),
        ("range_overleft", |args, row| holds(args, row, Range::is_over_left)),
        ("range_overright", |args, row| holds(args, row, Range::is_over_right)),
        ("range_adjacent", |args, row| holds(args, row, Range::is_adjacent)),
    ];
    let mut merge = for_each("({range}, {range}) {range}", |args, row| {
        combined(args, row, |left, right| Ok(left.merge(right)))
    });
    merge.extend(multiranges::span());
    let combining: [(&'static str, RowBody); 3] = [
        ("range_union", |args, row| combined(args, row, Range::union)),
        ("range_intersect", |args, row| {
            combined(args, row, |left, right| Ok(left.intersection(right)))
        }),
        ("range_minus", |args, row| combined(args, row, Range::difference)),
    ];
    let asking: [(&'static str, RowBody); 5] = [
        ("isempty", |args, row| ask(args, row, |range| *range == Range::Empty)),
        ("lower_inc", |args, row| {
            ask(args, row, |range| range.lower().is_some_and(|bound| bound.is_inclusive))
        }),
        ("upper_inc", |args, row| {
            ask(args, row, |range| range.upper().is_some_and(|bound| bound.is_inclusive))
        }),
        ("lower_inf", |args, row| {
            ask(args, row, |range| {
                range.lower().is_some_and(|bound| bound.value.is_none())
            })
        }),
        ("upper_inf", |args, row| {
            ask(args, row, |range| {
                range.upper().is_some_and(|bound| bound.value.is_none())
            })
        }),
    ];
    let contains = |args: &Arguments<'_>, row: &[Datum]| contains_value(args, 0, row);
    let contained = |args: &Arguments<'_>, row: &[Datum]| contains_value(args, 1, row);
    let memberships = [
        OverloadedFunction::immutable("range_contains_elem", for_each("({range}, {element}) bool", contains)),
        OverloadedFunction::immutable(
            "elem_contained_by_range",
            for_each("({element}, {range}) bool", contained),
        ),
    ];
    let declared = |signature: &'static str| {
        move |(name, body): (&'static str, RowBody)| OverloadedFunction::immutable(name, for_each(signature, body))
    };
    constructors
        .chain(of_two.into_iter().map(declared("({range}, {range}) bool")))
        .chain([OverloadedFunction::immutable("range_merge", merge)])
        .chain(combining.into_iter().map(declared("({range}, {range}) {range}")))
        .chain(asking.into_iter().map(|(name, body)| {
            let mut overloads = for_each("({range}) bool", body);
            overloads.extend(multiranges::question(name));
            OverloadedFunction::immutable(name, overloads)
        }))
        .chain(memberships)
        .collect()
}

/// lower() of ranges and multiranges.
pub(super) fn lower() -> Vec<Overload> {
    let mut overloads = for_each("({range}) {element}", |args, row| end(args, row, Range::lower));
    overloads.extend(multiranges::lower());
    overloads
}

/// upper() of ranges and multiranges.
pub(super) fn upper() -> Vec<Overload> {
    let mut overloads = for_each("({range}) {element}", |args, row| end(args, row, Range::upper));
    overloads.extend(multiranges::upper());
    overloads
}

/// One overload for each type of range.
pub(super) fn for_each(signature: &str, body: RowBody) -> Vec<Overload> {
    let overloads = RangeType::ALL.into_iter().map(|range| {
        let element = range.subtype().to_string();
        let signature = signature
            .replace("{range}", range.name())
            .replace("{multirange}", range.multirange_name())
            .replace("{element}", &element);
        rows(&signature, body)
    });
    overloads.collect()
}

fn constructors(range: RangeType) -> Vec<Overload> {
    let (name, element) = (range.name(), range.subtype());
    vec![
        rows(&format!("({element}, {element}) {name}"), constructed).called_on_null(),
        rows(&format!("({element}, {element}, text) {name}"), constructed).called_on_null(),
    ]
}

fn constructed(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let [lower, upper, brackets @ ..] = row else {
        return Ok(Datum::Null);
    };
    let (opening, closing) = match brackets {
        [] => ('[', ')'),
        [Datum::Text(brackets)] => match brackets.as_str() {
            "[)" => ('[', ')'),
            "[]" => ('[', ']'),
            "(]" => ('(', ']'),
            "()" => ('(', ')'),
            _ => {
                return Err(Error::syntax("invalid range bound flags")
                    .with_hint("Valid values are \"[]\", \"[)\", \"(]\", and \"()\"."));
            }
        },
        _ => {
            return Err(Error::new(
                SqlState::DataException,
                "range constructor flags argument must not be null",
            ));
        }
    };
    let range = range_named(args.name)?;
    let end = |place: usize, value: &Datum| -> Result<Option<Endpoint>> {
        Ok(endpoint(value)?.map(|value| match value {
            // The digits that every numeric without a modifier is carried with.
            Endpoint::Number(number) if *args.array(place).data_type() == SqlType::Numeric(None).to_arrow() => {
                Endpoint::Number(number.trimmed())
            }
            value => value,
        }))
    };
    let lower = Bound::new(end(0, lower)?, opening == '[');
    let upper = Bound::new(end(1, upper)?, closing == ']');
    Ok(range.spelling(&range.between(lower, upper)?).into())
}

fn range_named(name: &str) -> Result<RangeType> {
    let range = RangeType::ALL.into_iter().find(|range| range.name() == name);
    range.ok_or_else(|| Error::internal(format!("{name}() makes no range")))
}

/// The type of ranges that an argument has.
fn range_type(args: &Arguments<'_>, index: usize) -> Result<RangeType> {
    match args.sql_type(index) {
        SqlType::Spelled(Spelled::Range(range)) => Ok(*range),
        other => Err(Error::internal(format!("{}() got {other} for a range", args.name))),
    }
}

fn range(args: &Arguments<'_>, row: &[Datum], index: usize) -> Result<(RangeType, Range)> {
    let range_type = range_type(args, index)?;
    let spelling = row.get(index).and_then(Datum::as_text).unwrap_or_default();
    Ok((range_type, range_type.parse(spelling)?))
}

pub(super) fn endpoint(value: &Datum) -> Result<Option<Endpoint>> {
    Ok(Some(match value {
        Datum::Null => return Ok(None),
        Datum::Int(value) | Datum::Micros(value) => Endpoint::Whole(*value),
        Datum::Date(days) => Endpoint::Whole((*days).into()),
        Datum::Decimal(value, scale) => Endpoint::Number(Number::new(*value, i32::from(*scale))),
        other => return Err(Error::internal(format!("{other:?} ends no range"))),
    }))
}

fn end(args: &Arguments<'_>, row: &[Datum], choose: fn(&Range) -> Option<Bound>) -> Result<Datum> {
    let (range_type, range) = range(args, row, 0)?;
    end_value(range_type, choose(&range))
}

/// The value of a bound; NULL where there is none.
pub(super) fn end_value(range_type: RangeType, bound: Option<Bound>) -> Result<Datum> {
    Ok(match bound.and_then(|bound| bound.value) {
        None => Datum::Null,
        Some(Endpoint::Number(number)) => {
            let carried = number.rounded(i32::from(UNCONSTRAINED_NUMERIC.1))?;
            Datum::Decimal(carried.to_i128().ok_or_else(overflow)?, UNCONSTRAINED_NUMERIC.1)
        }
        Some(Endpoint::Whole(value)) => match range_type {
            RangeType::Int4 | RangeType::Int8 | RangeType::Num => Datum::Int(value),
            RangeType::Ts | RangeType::Tstz => Datum::Micros(value),
            RangeType::Date => Datum::Date(value as i32),
        },
    })
}

fn ask(args: &Arguments<'_>, row: &[Datum], question: fn(&Range) -> bool) -> Result<Datum> {
    Ok(question(&range(args, row, 0)?.1).into())
}

fn holds(args: &Arguments<'_>, row: &[Datum], relation: fn(&Range, &Range) -> bool) -> Result<Datum> {
    Ok(relation(&range(args, row, 0)?.1, &range(args, row, 1)?.1).into())
}

fn combined(args: &Arguments<'_>, row: &[Datum], combine: fn(&Range, &Range) -> Result<Range>) -> Result<Datum> {
    let (range_type, left) = range(args, row, 0)?;
    let (_, right) = range(args, row, 1)?;
    Ok(range_type.spelling(&combine(&left, &right)?).into())
}

fn contains_value(args: &Arguments<'_>, place: usize, row: &[Datum]) -> Result<Datum> {
    let (_, range) = range(args, row, place)?;
    match row.get(1 - place).map(endpoint).transpose()?.flatten() {
        Some(value) => Ok(range.contains_value(value).into()),
        None => Ok(Datum::Null),
    }
}
