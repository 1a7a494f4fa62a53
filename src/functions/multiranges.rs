//! Multiranges: their constructors, what their ends are, and what one is to another or to a range.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::overload::{Arguments, Overload, OverloadedFunction, RowBody, rows};
use super::ranges::{end_value, endpoint, for_each};
use crate::error::{Error, Result};
use crate::types::spelled::multirange::Multirange;
use crate::types::spelled::range::{Bound, Range};
use crate::types::{RangeType, Spelled, SqlType};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let constructors = RangeType::ALL.into_iter().map(|range| {
        let (name, range) = (range.multirange_name(), range.name());
        let gathered = rows(&format!("(variadic {range}) {name}"), gathered);
        OverloadedFunction::immutable(name, vec![gathered])
    });
    // What a relation is called between multiranges, and between a range and a multirange on either side.
    let relations: [([&'static str; 3], RowBody); 7] = [
        (
            [
                "multirange_contains_multirange",
                "multirange_contains_range",
                "range_contains_multirange",
            ],
            |args, row| holds(args, row, Multirange::contains),
        ),
        (
            [
                "multirange_contained_by_multirange",
                "multirange_contained_by_range",
                "range_contained_by_multirange",
            ],
            |args, row| holds(args, row, |left, right| right.contains(left)),
        ),
        (
            [
                "multirange_overlaps_multirange",
                "multirange_overlaps_range",
                "range_overlaps_multirange",
            ],
            |args, row| holds(args, row, Multirange::overlaps),
        ),
        (
            [
                "multirange_before_multirange",
                "multirange_before_range",
                "range_before_multirange",
            ],
            |args, row| holds(args, row, Multirange::is_before),
        ),
        (
            [
                "multirange_after_multirange",
                "multirange_after_range",
                "range_after_multirange",
            ],
            |args, row| holds(args, row, |left, right| right.is_before(left)),
        ),
        (
            [
                "multirange_overleft_multirange",
                "multirange_overleft_range",
                "range_overleft_multirange",
            ],
            |args, row| holds(args, row, Multirange::is_over_left),
        ),
        (
            [
                "multirange_overright_multirange",
                "multirange_overright_range",
                "range_overright_multirange",
            ],
            |args, row| holds(args, row, Multirange::is_over_right),
        ),
    ];
    let adjacent: ([&'static str; 3], RowBody) = (
        [
            "multirange_adjacent_multirange",
            "multirange_adjacent_range",
            "range_adjacent_multirange",
        ],
        |args, row| holds(args, row, Multirange::is_adjacent),
    );
    let shapes = [
        "({multirange}, {multirange}) bool",
        "({multirange}, {range}) bool",
        "({range}, {multirange}) bool",
    ];
    let related = relations.into_iter().chain([adjacent]).flat_map(|(names, body)| {
        let named = names.into_iter().zip(shapes);
        named.map(move |(name, signature)| OverloadedFunction::immutable(name, for_each(signature, body)))
    });
    let combining: [(&'static str, RowBody); 3] = [
        ("multirange_union", |args, row| combined(args, row, Multirange::union)),
        ("multirange_intersect", |args, row| {
            combined(args, row, Multirange::intersection)
        }),
        ("multirange_minus", |args, row| {
            combined(args, row, Multirange::difference)
        }),
    ];
    let combined = combining.into_iter().map(|(name, body)| {
        OverloadedFunction::immutable(name, for_each("({multirange}, {multirange}) {multirange}", body))
    });
    let others: [(&'static str, &str, RowBody); 3] = [
        ("multirange", "({range}) {multirange}", gathered),
        (
            "multirange_contains_elem",
            "({multirange}, {element}) bool",
            |args, row| contains_value(args, row, 0),
        ),
        (
            "elem_contained_by_multirange",
            "({element}, {multirange}) bool",
            |args, row| contains_value(args, row, 1),
        ),
    ];
    let others = others
        .into_iter()
        .map(|(name, signature, body)| OverloadedFunction::immutable(name, for_each(signature, body)));
    constructors.chain(related).chain(combined).chain(others).collect()
}

/// lower() of multiranges.
pub(super) fn lower() -> Vec<Overload> {
    for_each("({multirange}) {element}", |args, row| {
        end(args, row, Multirange::lower)
    })
}

/// upper() of multiranges.
pub(super) fn upper() -> Vec<Overload> {
    for_each("({multirange}) {element}", |args, row| {
        end(args, row, Multirange::upper)
    })
}

/// range_merge() of one multirange.
pub(super) fn span() -> Vec<Overload> {
    for_each("({multirange}) {range}", |args, row| {
        let range_type = range_type(args, 0)?;
        Ok(range_type.spelling(&value(args, row, 0)?.span()).into())
    })
}

/// What is asked of a multirange as of a range: isempty() and whether it has and includes its ends.
pub(super) fn question(name: &str) -> Vec<Overload> {
    let body: RowBody = match name {
        "lower_inc" => |args, row| ask(args, row, |value| value.lower().is_some_and(|bound| bound.is_inclusive)),
        "upper_inc" => |args, row| ask(args, row, |value| value.upper().is_some_and(|bound| bound.is_inclusive)),
        "lower_inf" => |args, row| {
            ask(args, row, |value| {
                value.lower().is_some_and(|bound| bound.value.is_none())
            })
        },
        "upper_inf" => |args, row| {
            ask(args, row, |value| {
                value.upper().is_some_and(|bound| bound.value.is_none())
            })
        },
        _ => |args, row| ask(args, row, |value| value.ranges().is_empty()),
    };
    for_each("({multirange}) bool", body)
}

/// The ranges that unnest() makes rows of.
pub(super) fn unnested() -> Vec<Overload> {
    for_each("({multirange}) {range}[]", |args, row| {
        let range_type = range_type(args, 0)?;
        let value = value(args, row, 0)?;
        let ranges = value.ranges().iter().map(|range| range_type.spelling(range).into());
        Ok(Datum::List(ranges.collect()))
    })
}

/// The type of ranges that an argument is, or is made of.
fn range_type(args: &Arguments<'_>, index: usize) -> Result<RangeType> {
    match args.sql_type(index) {
        SqlType::Spelled(Spelled::Range(range) | Spelled::Multirange(range)) => Ok(*range),
        other => Err(Error::internal(format!("{}() got {other} for a multirange", args.name))),
    }
}

/// An argument; a range stands for the multirange of itself.
fn value(args: &Arguments<'_>, row: &[Datum], index: usize) -> Result<Multirange> {
    let spelling = row.get(index).and_then(Datum::as_text).unwrap_or_default();
    range_type(args, index)?.parse_set(spelling)
}

fn gathered(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let range_type = match row.is_empty() {
        true => RangeType::ALL
            .into_iter()
            .find(|range| range.multirange_name() == args.name),
        false => Some(range_type(args, 0)?),
    };
    let range_type = range_type.ok_or_else(|| Error::internal(format!("{}() makes no multirange", args.name)))?;
    let ranges = row
        .iter()
        .filter_map(Datum::as_text)
        .map(|spelling| range_type.parse(spelling));
    let ranges: Vec<Range> = ranges.collect::<Result<_>>()?;
    Ok(range_type.multirange_spelling(&Multirange::of(ranges)).into())
}

fn end(args: &Arguments<'_>, row: &[Datum], choose: fn(&Multirange) -> Option<Bound>) -> Result<Datum> {
    end_value(range_type(args, 0)?, choose(&value(args, row, 0)?))
}

fn ask(args: &Arguments<'_>, row: &[Datum], question: fn(&Multirange) -> bool) -> Result<Datum> {
    Ok(question(&value(args, row, 0)?).into())
}

fn holds(args: &Arguments<'_>, row: &[Datum], relation: fn(&Multirange, &Multirange) -> bool) -> Result<Datum> {
    Ok(relation(&value(args, row, 0)?, &value(args, row, 1)?).into())
}

fn combined(args: &Arguments<'_>, row: &[Datum], combine: fn(&Multirange, &Multirange) -> Multirange) -> Result<Datum> {
    let combined = combine(&value(args, row, 0)?, &value(args, row, 1)?);
    Ok(range_type(args, 0)?.multirange_spelling(&combined).into())
}

fn contains_value(args: &Arguments<'_>, row: &[Datum], place: usize) -> Result<Datum> {
    match row.get(1 - place).map(endpoint).transpose()?.flatten() {
        Some(element) => Ok(value(args, row, place)?.contains_value(element).into()),
        None => Ok(Datum::Null),
    }
}
