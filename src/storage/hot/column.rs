//! One column of one row group, decoded and narrow: what the cache keeps. Integers, dates, timestamps and decimals
//! are offsets from the least value at the least width, strings are codes into a sorted dictionary where that
//! pays, everything else is plain Arrow in blocks. A null's code means nothing.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, PrimitiveArray, UInt32Array};
use datafusion::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, internal_err};

use super::dictionary;

/// Rows of a block: zone maps are kept, and plain values stored, for each.
pub(super) const BLOCK_ROWS: usize = 8192;

/// Of a block's strings fewer than this part are copied; of more, the views share the block's buffers.
const FEW_ROWS: usize = 4;

/// A column of a row group.
#[derive(Debug)]
pub(in crate::storage) struct HotColumn {
    pub(super) data_type: DataType,
    pub(super) nulls: Option<NullBuffer>,
    pub(super) values: Values,
    pub(super) zones: Vec<Zone>,
}

#[derive(Debug)]
pub(super) enum Values {
    /// `base` plus code is the value (of a decimal: its unscaled integer).
    Scaled { base: i64, codes: Codes },
    /// Codes into ascending strings.
    Dictionary { codes: Codes, values: ArrayRef },
    /// One array a block.
    Plain(Vec<ArrayRef>),
}

/// Least and greatest code of a block (least above greatest where there is none), and its nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zone {
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) nulls: usize,
}

/// Unsigned numbers at the least width.
#[derive(Debug)]
pub(super) enum Codes {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

/// Runs `$body` for the codes at their width.
macro_rules! with_codes {
    ($codes:expr, $slice:ident => $body:expr) => {
        match $codes {
            $crate::storage::hot::column::Codes::U8($slice) => $body,
            $crate::storage::hot::column::Codes::U16($slice) => $body,
            $crate::storage::hot::column::Codes::U32($slice) => $body,
            $crate::storage::hot::column::Codes::U64($slice) => $body,
        }
    };
}
pub(super) use with_codes;

/// Rows of a row group: a stretch, or ascending positions.
#[derive(Debug, Clone)]
pub(super) enum Rows<'a> {
    Range(Range<usize>),
    List(&'a [u32]),
}

impl Rows<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Rows::Range(range) => range.len(),
            Rows::List(list) => list.len(),
        }
    }
}

/// A code's width.
pub(super) trait Code: Copy + Ord {
    fn wide(self) -> u64;
    /// The low bits.
    fn narrow(wide: u64) -> Self;
    /// What is to be added to `low`, round the end of the width.
    fn distance(self, low: Self) -> Self;
}

/// An Arrow value's width.
trait Lane {
    fn from_scaled(value: i64) -> Self;
}

macro_rules! widths {
    ($($code:ty)*; $($lane:ty)*) => {
        $(impl Code for $code {
            #[inline]
            fn wide(self) -> u64 {
                self as u64
            }
            #[inline]
            fn narrow(wide: u64) -> Self {
                wide as $code
            }
            #[inline]
            fn distance(self, low: Self) -> Self {
                self.wrapping_sub(low)
            }
        })*
        $(impl Lane for $lane {
            #[inline]
            fn from_scaled(value: i64) -> Self {
                value as $lane
            }
        })*
    };
}
widths!(u8 u16 u32 u64; i8 i16 i32 i64 i128);

impl Codes {
    pub(super) fn bytes(&self) -> usize {
        with_codes!(self, codes => size_of_val(codes.as_slice()))
    }
}

impl HotColumn {
    pub(super) fn memory_size(&self) -> usize {
        let values = match &self.values {
            Values::Scaled { codes, .. } => codes.bytes(),
            Values::Dictionary { codes, values } => codes.bytes() + values.get_array_memory_size(),
            Values::Plain(blocks) => blocks.iter().map(|block| block.get_array_memory_size()).sum(),
        };
        let nulls = self.nulls.as_ref().map_or(0, |nulls| nulls.buffer().len());
        values + nulls + self.zones.len() * size_of::<Zone>() + 256
    }

    /// The rows as an array of `data_type`: the column's own, or its compact type. A range lies in one block.
    pub(super) fn read(&self, rows: &Rows<'_>, data_type: &DataType) -> Result<ArrayRef> {
        match &self.values {
            Values::Scaled { base, codes } => {
                let nulls = self.nulls_of(rows);
                with_codes!(codes, codes => scaled(codes, *base, rows, nulls, data_type))
            }
            Values::Dictionary { codes, values } => {
                let nulls = self.nulls_of(rows);
                with_codes!(codes, codes => dictionary::read(codes, values, rows, nulls, data_type))
            }
            Values::Plain(blocks) => dictionary::fit(plain(blocks, rows)?, data_type),
        }
    }

    /// Copied: a slice would count for the whole row group's bits wherever memory is counted.
    fn nulls_of(&self, rows: &Rows<'_>) -> Option<NullBuffer> {
        let nulls = self.nulls.as_ref()?;
        let bits = match rows {
            Rows::Range(range) => {
                let slice = nulls.inner().slice(range.start, range.len()).sliced();
                BooleanBuffer::new(Buffer::from(slice.as_slice()), 0, range.len())
            }
            Rows::List(list) => BooleanBuffer::collect_bool(list.len(), |at| nulls.is_valid(list[at] as usize)),
        };
        Some(NullBuffer::new(bits)).filter(|nulls| nulls.null_count() > 0)
    }
}

/// The codes of the rows, each through `value`.
pub(super) fn gather<C: Copy, N>(codes: &[C], rows: &Rows<'_>, value: impl Fn(C) -> N) -> Vec<N> {
    match rows {
        Rows::Range(range) => codes[range.clone()].iter().map(|code| value(*code)).collect(),
        Rows::List(list) => list.iter().map(|row| value(codes[*row as usize])).collect(),
    }
}

fn scaled<C: Code>(
    codes: &[C],
    base: i64,
    rows: &Rows<'_>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    macro_rules! array {
        ($type:ty) => {{
            let values = gather(codes, rows, |code| {
                <$type as ArrowPrimitiveType>::Native::from_scaled(base.wrapping_add(code.wide() as i64))
            });
            let array = PrimitiveArray::<$type>::try_new(ScalarBuffer::from(values), nulls)?;
            Ok(Arc::new(array.with_data_type(data_type.clone())))
        }};
    }
    match data_type {
        DataType::Int8 => array!(Int8Type),
        DataType::Int16 => array!(Int16Type),
        DataType::Int32 => array!(Int32Type),
        DataType::Int64 => array!(Int64Type),
        DataType::Date32 => array!(Date32Type),
        DataType::Time64(TimeUnit::Microsecond) => array!(Time64MicrosecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => array!(TimestampMicrosecondType),
        DataType::Decimal32(_, _) => array!(Decimal32Type),
        DataType::Decimal64(_, _) => array!(Decimal64Type),
        DataType::Decimal128(_, _) => array!(Decimal128Type),
        other => internal_err!("a hot column of scaled values has no form as {other}"),
    }
}

fn plain(blocks: &[ArrayRef], rows: &Rows<'_>) -> Result<ArrayRef> {
    let list = match rows {
        Rows::Range(range) => {
            let (block, start) = (range.start / BLOCK_ROWS, range.start % BLOCK_ROWS);
            let found = &blocks[block];
            return Ok(match start == 0 && range.len() == found.len() {
                true => Arc::clone(found),
                false => found.slice(start, range.len()),
            });
        }
        Rows::List(list) => list,
    };
    let (Some(first), Some(last)) = (list.first(), list.last()) else {
        return Ok(blocks[0].slice(0, 0));
    };
    let first = *first as usize / BLOCK_ROWS;
    let blocks = &blocks[first..=*last as usize / BLOCK_ROWS];
    if let [block] = blocks
        && list.len() * FEW_ROWS >= block.len()
    {
        let start = (first * BLOCK_ROWS) as u32;
        let places: UInt32Array = list.iter().map(|row| row - start).collect();
        return Ok(take(block, &places, None)?);
    }
    let places: Vec<(usize, usize)> = list
        .iter()
        .map(|row| (*row as usize / BLOCK_ROWS - first, *row as usize % BLOCK_ROWS))
        .collect();
    if let Some(strings) = dictionary::copy_strings(blocks, &places) {
        return Ok(strings);
    }
    let blocks: Vec<&dyn Array> = blocks.iter().map(AsRef::as_ref).collect();
    Ok(interleave(&blocks, &places)?)
}
