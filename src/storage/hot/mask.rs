//! Evaluates tests on a block: first on its zone maps alone, then on its codes, into a mask of one byte a row,
//! which the compiler turns into vector instructions.

use datafusion::arrow::buffer::NullBuffer;
use datafusion::common::Result;

use super::super::key_set::KeySet;
use super::column::{BLOCK_ROWS, Code, HotColumn, Rows, Values, Zone, with_codes};
use super::filter::{Expression, Test};
use super::rows::{HotRows, Slot};

/// Rows that are passed over together where none is kept.
const CHUNK: usize = 16;
/// Of a chunk's rows, if no more are kept, these are looked at one by one.
const FEW: usize = 4;

/// Whether, by the zone maps, a row of the block may pass.
pub(super) fn may_pass(test: &Test, hot: &HotRows, block: usize) -> bool {
    let zone = |column: &usize| match hot.slot(*column) {
        Ok(Slot::Column(column)) => column.zones.get(block).copied(),
        _ => None,
    };
    match test {
        Test::Always | Test::Other(_) => true,
        Test::Never => false,
        Test::Range {
            column,
            low,
            high,
            inside,
        } => zone(column).is_none_or(|zone| match inside {
            true => zone.min <= *high && zone.max >= *low && zone.min <= zone.max,
            false => zone.min <= zone.max && (zone.min < *low || zone.max > *high),
        }),
        Test::Listed { column, allowed, null } => zone(column).is_none_or(|zone| {
            let present = (zone.min <= zone.max).then(|| allowed.get(zone.min as usize..=zone.max as usize));
            (*null && zone.nulls > 0) || present.is_some_and(|codes| codes.is_none_or(|codes| codes.contains(&1)))
        }),
        Test::Member { column, set, .. } => match hot.slot(*column) {
            Ok(Slot::Column(column)) => match (&column.values, column.zones.get(block)) {
                (Values::Scaled { base, .. }, Some(zone)) => {
                    let value = |code: u64| base.wrapping_add_unsigned(code);
                    zone.min <= zone.max && set.may_meet(value(zone.min), value(zone.max))
                }
                _ => true,
            },
            _ => true,
        },
        Test::Null { column, is_null: true } => zone(column).is_none_or(|zone| zone.nulls > 0),
        Test::Null { column, is_null: false } => zone(column).is_none_or(|zone| zone.min <= zone.max),
        Test::Both(tests) => tests.iter().all(|test| may_pass(test, hot, block)),
        Test::Either(tests) => tests.iter().any(|test| may_pass(test, hot, block)),
    }
}

/// Clears the bytes of the block's rows that do not pass.
pub(super) fn narrow(test: &Test, hot: &HotRows, block: usize, mask: &mut [u8]) -> Result<()> {
    let start = block * BLOCK_ROWS;
    match test {
        Test::Always => {}
        Test::Never => mask.fill(0),
        Test::Range {
            column,
            low,
            high,
            inside,
        } => {
            let (column, zone) = column_of(hot, *column, block)?;
            let (low, high) = (zone.min.max(*low), zone.max.min(*high));
            if low > high {
                if *inside {
                    mask.fill(0);
                }
            } else if let Values::Scaled { codes, .. } | Values::Dictionary { codes, .. } = &column.values
                && (low, high, *inside) != (zone.min, zone.max, true)
            {
                with_codes!(codes, codes => in_range(&codes[start..], low, high, *inside, mask));
            }
            keep_valid(column.nulls.as_ref(), zone, start, mask);
        }
        Test::Listed { column, allowed, null } => {
            let (column, zone) = column_of(hot, *column, block)?;
            let nulls = column.nulls.as_ref().filter(|_| zone.nulls > 0);
            let passes_as_null: Option<Vec<u8>> = match (null, nulls) {
                (true, Some(nulls)) => Some(
                    mask.iter()
                        .enumerate()
                        .map(|(row, kept)| *kept & u8::from(nulls.is_null(start + row)))
                        .collect(),
                ),
                _ => None,
            };
            if let Values::Scaled { codes, .. } | Values::Dictionary { codes, .. } = &column.values {
                with_codes!(codes, codes => in_list(&codes[start..], allowed, mask));
            }
            keep_valid(column.nulls.as_ref(), zone, start, mask);
            if let Some(passes) = passes_as_null {
                unite(mask, &passes);
            }
        }
        Test::Member { column, set, .. } => {
            let (column, zone) = column_of(hot, *column, block)?;
            if let Values::Scaled { base, codes } = &column.values {
                with_codes!(codes, codes => in_set(&codes[start..], *base, set, mask));
            }
            keep_valid(column.nulls.as_ref(), zone, start, mask);
        }
        Test::Null { column, is_null } => {
            let (column, zone) = column_of(hot, *column, block)?;
            match (is_null, &column.nulls) {
                (true, Some(nulls)) if zone.nulls > 0 => mask
                    .iter_mut()
                    .enumerate()
                    .for_each(|(row, kept)| *kept &= u8::from(nulls.is_null(start + row))),
                (true, _) => mask.fill(0),
                (false, nulls) => keep_valid(nulls.as_ref(), zone, start, mask),
            }
        }
        Test::Both(tests) => {
            for test in tests {
                if mask.iter().all(|kept| *kept == 0) {
                    break;
                }
                narrow(test, hot, block, mask)?;
            }
        }
        Test::Either(tests) => {
            let mut any = vec![0; mask.len()];
            for test in tests {
                let mut kept = mask.to_vec();
                narrow(test, hot, block, &mut kept)?;
                unite(&mut any, &kept);
            }
            mask.copy_from_slice(&any);
        }
        Test::Other(expression) => evaluate(expression, hot, start, mask)?,
    }
    Ok(())
}

/// The rows of the block that the mask keeps, as positions in the row group.
pub(super) fn kept_rows(mask: &[u8], start: usize, rows: &mut Vec<u32>) {
    let first = rows.len();
    rows.resize(first + mask.len(), 0);
    let mut end = first;
    for (at, kept) in mask.chunks(CHUNK).enumerate() {
        let row = |place: usize| (start + at * CHUNK + place) as u32;
        match few_of(kept) {
            Some(few) => few.for_each(|place| {
                rows[end] = row(place);
                end += 1;
            }),
            None => {
                for (place, kept) in kept.iter().enumerate() {
                    rows[end] = row(place);
                    end += usize::from(*kept);
                }
            }
        }
    }
    rows.truncate(end);
}

/// How many rows the mask keeps.
pub(super) fn kept_count(mask: &[u8]) -> usize {
    mask.iter().map(|kept| usize::from(*kept)).sum()
}

fn column_of(hot: &HotRows, column: usize, block: usize) -> Result<(&HotColumn, Zone)> {
    match hot.slot(column)? {
        Slot::Column(column) => Ok((column, column.zones[block])),
        Slot::Constant(_) => datafusion::common::internal_err!("a test on a constant was not folded"),
    }
}

fn in_range<C: Code>(codes: &[C], low: u64, high: u64, inside: bool, mask: &mut [u8]) {
    let (low, span) = (C::narrow(low), C::narrow(high - low));
    let outside = u8::from(!inside);
    for (kept, code) in mask.iter_mut().zip(codes) {
        *kept &= u8::from(code.distance(low) <= span) ^ outside;
    }
}

fn in_list<C: Code>(codes: &[C], allowed: &[u8], mask: &mut [u8]) {
    for (kept, code) in mask.iter_mut().zip(codes) {
        *kept &= allowed.get(code.wide() as usize).copied().unwrap_or(0);
    }
}

fn in_set<C: Code>(codes: &[C], base: i64, set: &KeySet, mask: &mut [u8]) {
    let is_member = |code: C| u8::from(set.contains(base.wrapping_add_unsigned(code.wide())));
    for (kept, codes) in mask.chunks_mut(CHUNK).zip(codes.chunks(CHUNK)) {
        match few_of(kept) {
            Some(few) => few.for_each(|place| kept[place] = is_member(codes[place])),
            None => {
                for (kept, code) in kept.iter_mut().zip(codes) {
                    *kept &= is_member(*code);
                }
            }
        }
    }
}

/// Where in a chunk rows are kept, if that is in few places.
fn few_of(chunk: &[u8]) -> Option<impl Iterator<Item = usize> + use<>> {
    // A byte that keeps its row is one bit.
    let mut kept = u128::from_le_bytes(chunk.try_into().ok()?);
    let without_first = |kept: u128| kept & kept.wrapping_sub(1);
    if (0..FEW).fold(kept, |kept, _| without_first(kept)) != 0 {
        return None;
    }
    Some(std::iter::from_fn(move || {
        let place = kept.trailing_zeros() as usize / 8;
        kept = without_first(kept);
        (place < CHUNK).then_some(place)
    }))
}

fn keep_valid(nulls: Option<&NullBuffer>, zone: Zone, start: usize, mask: &mut [u8]) {
    if let Some(nulls) = nulls.filter(|_| zone.nulls > 0) {
        let valid = nulls.inner().slice(start, mask.len());
        let words = valid.bit_chunks();
        for (kept, valid) in mask.chunks_mut(64).zip(words.iter_padded()) {
            // Nulls are few, and those past the end are none.
            let mut missing = !valid;
            while missing != 0 {
                if let Some(kept) = kept.get_mut(missing.trailing_zeros() as usize) {
                    *kept = 0;
                }
                missing &= missing - 1;
            }
        }
    }
}

fn unite(mask: &mut [u8], other: &[u8]) {
    mask.iter_mut().zip(other).for_each(|(kept, other)| *kept |= other);
}

fn evaluate(expression: &Expression, hot: &HotRows, start: usize, mask: &mut [u8]) -> Result<()> {
    if kept_count(mask) == mask.len() {
        let passes = expression.on_rows(hot, &Rows::Range(start..start + mask.len()))?;
        mask.iter_mut()
            .zip(passes.values().iter())
            .for_each(|(kept, passes)| *kept = u8::from(passes));
        return Ok(());
    }
    let mut rows = vec![];
    kept_rows(mask, start, &mut rows);
    let passes = expression.on_rows(hot, &Rows::List(&rows))?;
    for (row, passes) in rows.iter().zip(passes.values().iter()) {
        mask[*row as usize - start] = u8::from(passes);
    }
    Ok(())
}
