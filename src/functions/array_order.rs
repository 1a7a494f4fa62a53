//! The order of arrays: element by element, NULL after every value, and the shorter of two that agree so far first. The
//! engine's comparisons put NULL before all values.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, make_comparator};
use datafusion::arrow::compute::{SortOptions, cast, interleave};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::logical_expr::ScalarUDF;

use super::overload::{Arguments, OverloadedFunction, kernel};
use crate::error::Result;

const NULLS_LAST: SortOptions = SortOptions {
    descending: false,
    nulls_first: false,
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let function = OverloadedFunction::immutable;
    vec![
        function("btarraycmp", vec![kernel("(array, array) int4", compare)]),
        function(
            "array_larger",
            vec![kernel("(variadic array) $1", |args| extreme(args, Ordering::Greater))],
        ),
        function(
            "array_smaller",
            vec![kernel("(variadic array) $1", |args| extreme(args, Ordering::Less))],
        ),
    ]
}

fn compare(args: &Arguments<'_>) -> Result<ArrayRef> {
    let left = args.array(0);
    let right = &cast(args.array(1), left.data_type())?;
    let order = make_comparator(left, right, NULLS_LAST)?;
    args.build::<Int32Type>(|row| {
        let (first, second) = (args.row_of(0, row), args.row_of(1, row));
        let is_known = left.is_valid(first) && right.is_valid(second);
        Ok(is_known.then(|| order(first, second) as i32))
    })
}

/// The greatest or least of the arguments that are not NULL.
fn extreme(args: &Arguments<'_>, wanted: Ordering) -> Result<ArrayRef> {
    // Texts come in two layouts.
    let laid_out = (0..args.len()).map(|index| Ok(cast(args.array(index), args.return_type())?));
    let laid_out = laid_out.collect::<Result<Vec<ArrayRef>>>()?;
    let arrays: Vec<&dyn Array> = laid_out.iter().map(AsRef::as_ref).collect();
    let mut chosen: Vec<(usize, usize)> = (0..args.rows()).map(|row| (0, args.row_of(0, row))).collect();
    for index in 1..args.len() {
        for (row, best) in chosen.iter_mut().enumerate() {
            let place = args.row_of(index, row);
            if arrays[index].is_null(place) {
                continue;
            }
            let (value, known) = (arrays[index].slice(place, 1), arrays[best.0].slice(best.1, 1));
            let is_better = known.is_null(0) || make_comparator(&value, &known, NULLS_LAST)?(0, 0) == wanted;
            if is_better {
                *best = (index, place);
            }
        }
    }
    Ok(interleave(&arrays, &chosen)?)
}
