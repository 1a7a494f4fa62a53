//! Strings of hot columns on their way out: codes gathered into views, or handed on as a dictionary that all
//! batches of the row group share.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, PrimitiveArray, StringViewBuilder, UInt32Array,
};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, UInt16Type};
use datafusion::common::Result;

use super::coded::coded;
use super::column::{Code, Rows, gather};

/// Most strings of a dictionary: codes have to fit the compact type's 16 bits.
pub(super) const MOST_VALUES: usize = u16::MAX as usize;

/// The strings of these rows as views, or as codes where `data_type` is a dictionary.
pub(super) fn read<C: Code>(
    codes: &[C],
    values: &ArrayRef,
    rows: &Rows<'_>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    if let DataType::Dictionary(_, _) = data_type {
        let keys = ScalarBuffer::from(gather(codes, rows, |code| code.wide() as u16));
        let keys = PrimitiveArray::<UInt16Type>::try_new(keys, nulls)?;
        return Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(values))?));
    }
    let places = ScalarBuffer::from(gather(codes, rows, |code| code.wide() as u32));
    fit(take(values, &UInt32Array::try_new(places, nulls)?, None)?, data_type)
}

/// The array under the type that the scan promised.
pub(super) fn fit(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    match data_type {
        _ if array.data_type() == data_type => Ok(array),
        DataType::Dictionary(..) => coded(array),
        _ => Ok(cast(&array, data_type)?),
    }
}

/// The strings at these places (block, row in it) in an array of their own; `None` for other types. A few
/// strings of many blocks would otherwise hold on to all of the blocks' buffers.
pub(super) fn copy_strings(blocks: &[ArrayRef], places: &[(usize, usize)]) -> Option<ArrayRef> {
    let blocks: Vec<_> = blocks
        .iter()
        .map(|block| block.as_string_view_opt())
        .collect::<Option<_>>()?;
    let mut strings = StringViewBuilder::with_capacity(places.len());
    for (block, row) in places {
        match blocks[*block].is_null(*row) {
            true => strings.append_null(),
            false => strings.append_value(blocks[*block].value(*row)),
        }
    }
    Some(Arc::new(strings.finish()))
}
