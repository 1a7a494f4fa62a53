//! Makes a hot column out of a row group's decoded blocks: chooses the encoding and computes the zone maps.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanBufferBuilder, PrimitiveArray, StringViewArray, StringViewBuilder,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{HashMap, Result, internal_err};

use super::column::{BLOCK_ROWS, Code, Codes, HotColumn, Values, Zone, with_codes};
use super::dictionary::MOST_VALUES;

/// A dictionary's strings that are too long for a view may take this many bytes: each batch that shares them
/// counts them wherever memory is counted.
const LONG_STRINGS: usize = 256 * 1024;
/// Decimals of at most this many digits fit 64 bits.
pub(super) const NARROW_DECIMAL: u8 = 18;

/// The column of these blocks, each but the last of `BLOCK_ROWS` rows.
pub(super) fn encode(data_type: &DataType, blocks: Vec<ArrayRef>) -> Result<HotColumn> {
    let misplaced = |(at, block): (usize, &ArrayRef)| {
        block.len() > BLOCK_ROWS || (block.len() < BLOCK_ROWS && at + 1 < blocks.len())
    };
    if blocks.is_empty() || blocks.iter().enumerate().any(misplaced) {
        return internal_err!("the Parquet reader gave blocks of other sizes than asked for");
    }
    let nulls = nulls_of(&blocks);
    let values = match data_type {
        DataType::Utf8View => match to_dictionary(&blocks) {
            Some((codes, values)) => Values::Dictionary {
                codes: pack(&codes, 0, values.len() as u64),
                values,
            },
            None => to_plain(blocks),
        },
        _ => match to_integers(data_type, &blocks) {
            Some(integers) => to_scaled(&integers, nulls.as_ref()),
            None => to_plain(blocks),
        },
    };
    let zones = match &values {
        Values::Scaled { codes, .. } | Values::Dictionary { codes, .. } => {
            with_codes!(codes, codes => zones_of(codes, nulls.as_ref()))
        }
        Values::Plain(blocks) => blocks
            .iter()
            .map(|block| {
                let has_values = block.null_count() < block.len();
                Zone {
                    min: u64::from(!has_values),
                    max: if has_values { u64::MAX } else { 0 },
                    nulls: block.null_count(),
                }
            })
            .collect(),
    };
    Ok(HotColumn {
        data_type: data_type.clone(),
        nulls,
        values,
        zones,
    })
}

fn nulls_of(blocks: &[ArrayRef]) -> Option<NullBuffer> {
    if blocks.iter().all(|block| block.null_count() == 0) {
        return None;
    }
    let mut bits = BooleanBufferBuilder::new(blocks.iter().map(Array::len).sum());
    for block in blocks {
        match block.nulls() {
            Some(nulls) => bits.append_buffer(nulls.inner()),
            None => bits.append_n(block.len(), true),
        }
    }
    Some(NullBuffer::new(bits.finish()))
}

/// The values as 64-bit integers, where the type has that form.
fn to_integers(data_type: &DataType, blocks: &[ArrayRef]) -> Option<Vec<i64>> {
    fn extend<T: ArrowPrimitiveType>(blocks: &[ArrayRef], to_i64: impl Fn(T::Native) -> i64) -> Option<Vec<i64>> {
        let mut integers = Vec::with_capacity(blocks.iter().map(Array::len).sum());
        for block in blocks {
            let block: &PrimitiveArray<T> = block.as_primitive_opt()?;
            integers.extend(block.values().iter().map(|value| to_i64(*value)));
        }
        Some(integers)
    }
    match data_type {
        DataType::Int8 => extend::<Int8Type>(blocks, i64::from),
        DataType::Int16 => extend::<Int16Type>(blocks, i64::from),
        DataType::Int32 => extend::<Int32Type>(blocks, i64::from),
        DataType::Int64 => extend::<Int64Type>(blocks, |value| value),
        DataType::Date32 => extend::<Date32Type>(blocks, i64::from),
        DataType::Time64(TimeUnit::Microsecond) => extend::<Time64MicrosecondType>(blocks, |value| value),
        DataType::Timestamp(TimeUnit::Microsecond, _) => extend::<TimestampMicrosecondType>(blocks, |value| value),
        DataType::Decimal128(precision, _) if *precision <= NARROW_DECIMAL => {
            // A damaged file may hold more digits than its type: such a column stays plain.
            let wide = blocks.iter().any(|block| {
                block
                    .as_primitive_opt::<Decimal128Type>()
                    .is_none_or(|block| block.iter().flatten().any(|value| i64::try_from(value).is_err()))
            });
            (!wide).then(|| extend::<Decimal128Type>(blocks, |value| value as i64))?
        }
        _ => None,
    }
}

fn to_scaled(integers: &[i64], nulls: Option<&NullBuffer>) -> Values {
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    let mut see = |value: i64| {
        least = least.min(value);
        greatest = greatest.max(value);
    };
    match nulls {
        None => integers.iter().for_each(|value| see(*value)),
        Some(nulls) => nulls.valid_indices().for_each(|row| see(integers[row])),
    }
    if least > greatest {
        (least, greatest) = (0, 0);
    }
    Values::Scaled {
        base: least,
        codes: pack(integers, least, greatest.wrapping_sub(least) as u64),
    }
}

/// The distances from `base` at the width that `range` needs. What is further away (below a null) loses bits.
fn pack(integers: &[i64], base: i64, range: u64) -> Codes {
    fn narrow<C: Code>(integers: &[i64], base: i64) -> Vec<C> {
        integers
            .iter()
            .map(|value| C::narrow(value.wrapping_sub(base) as u64))
            .collect()
    }
    if range <= u64::from(u8::MAX) {
        Codes::U8(narrow(integers, base))
    } else if range <= u64::from(u16::MAX) {
        Codes::U16(narrow(integers, base))
    } else if range <= u64::from(u32::MAX) {
        Codes::U32(narrow(integers, base))
    } else {
        Codes::U64(narrow(integers, base))
    }
}

fn zones_of<C: Code>(codes: &[C], nulls: Option<&NullBuffer>) -> Vec<Zone> {
    let zone = |(block, codes): (usize, &[C])| {
        let start = block * BLOCK_ROWS;
        let valid = |row: &usize| nulls.is_none_or(|nulls| nulls.is_valid(start + row));
        let null_count = nulls.map_or(0, |nulls| nulls.slice(start, codes.len()).null_count());
        let (min, max) = match null_count {
            0 => (codes.iter().min().copied(), codes.iter().max().copied()),
            _ => {
                let present = || (0..codes.len()).filter(valid).map(|row| codes[row]);
                (present().min(), present().max())
            }
        };
        Zone {
            min: min.map_or(1, Code::wide),
            max: max.map_or(0, Code::wide),
            nulls: null_count,
        }
    };
    codes.chunks(BLOCK_ROWS).enumerate().map(zone).collect()
}

/// Codes and ascending strings, where there are few enough of them; nulls have code 0.
fn to_dictionary(blocks: &[ArrayRef]) -> Option<(Vec<i64>, ArrayRef)> {
    let strings: Vec<&StringViewArray> = blocks
        .iter()
        .map(|block| block.as_string_view_opt())
        .collect::<Option<_>>()?;
    // A string of at most 12 bytes is its view.
    let mut short: HashMap<u128, i64> = HashMap::new();
    let mut long: HashMap<&str, i64> = HashMap::new();
    let mut found: Vec<&str> = vec![];
    let mut codes: Vec<i64> = Vec::with_capacity(strings.iter().map(|block| block.len()).sum());
    let mut long_bytes = 0;
    for block in &strings {
        for (row, view) in block.views().iter().enumerate() {
            if block.is_null(row) {
                codes.push(0);
                continue;
            }
            let next = found.len() as i64;
            let code = if *view as u32 <= 12 {
                *short.entry(*view).or_insert(next)
            } else {
                *long.entry(block.value(row)).or_insert(next)
            };
            if code == next {
                let text = block.value(row);
                found.push(text);
                long_bytes += if text.len() > 12 { text.len() } else { 0 };
            }
            codes.push(code);
        }
        if found.len() > MOST_VALUES || found.len() * 2 > codes.len() || long_bytes > LONG_STRINGS {
            return None;
        }
    }
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_unstable_by_key(|code| found[*code]);
    let mut ranks = vec![0_i64; found.len().max(1)];
    let mut values = StringViewBuilder::with_capacity(found.len());
    for (rank, code) in order.into_iter().enumerate() {
        ranks[code] = rank as i64;
        values.append_value(found[code]);
    }
    codes.iter_mut().for_each(|code| *code = ranks[*code as usize]);
    if found.is_empty() {
        // Codes point somewhere, even those of nulls.
        values.append_value("");
    }
    Some((codes, Arc::new(values.finish())))
}

/// Blocks that hold on to no more than their own values.
fn to_plain(blocks: Vec<ArrayRef>) -> Values {
    let own = |block: ArrayRef| -> ArrayRef {
        match block.data_type() {
            DataType::Utf8View => Arc::new(block.as_string_view().gc()),
            DataType::BinaryView => Arc::new(block.as_binary_view().gc()),
            _ => block,
        }
    };
    Values::Plain(blocks.into_iter().map(own).collect())
}
