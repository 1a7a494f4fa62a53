//! `ARRAY(SELECT …)` of no rows is an empty array, where the aggregate behind it gives NULL.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, GenericListArray, UInt64Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(ArrayOrEmpty {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayOrEmpty {
    signature: Signature,
}

impl ScalarUDFImpl for ArrayOrEmpty {
    fn name(&self) -> &str {
        "array_or_empty"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DataFusionResult<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        match arguments.arg_fields.first() {
            Some(field) => Ok(Arc::new(field.as_ref().clone().with_name("array").with_nullable(true))),
            None => Err(Error::internal("array_or_empty() takes one argument").into()),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        match arguments.args.into_iter().next() {
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(without_nulls(&array)?)),
            Some(ColumnarValue::Scalar(scalar)) => {
                let array = without_nulls(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            None => Err(Error::internal("array_or_empty() takes one argument").into()),
        }
    }
}

/// The same lists, with the NULL ones empty.
fn without_nulls(array: &ArrayRef) -> DataFusionResult<ArrayRef> {
    let Some(list) = array.as_list_opt::<i32>().filter(|list| list.null_count() > 0) else {
        return Ok(Arc::clone(array));
    };
    // Values may lie below a NULL: only those of the others are kept.
    let visible = |row: usize| if list.is_null(row) { 0 } else { list.value_length(row) };
    let offsets = list.value_offsets();
    let positions = (0..list.len()).flat_map(|row| (0..visible(row)).map(move |index| (offsets[row] + index) as u64));
    let positions = UInt64Array::from_iter_values(positions);
    let values = take(list.values(), &positions, None)?;
    let lengths = OffsetBuffer::from_lengths((0..list.len()).map(|row| visible(row) as usize));
    let DataType::List(field) = list.data_type() else {
        return Ok(Arc::clone(array));
    };
    Ok(Arc::new(GenericListArray::<i32>::try_new(
        Arc::clone(field),
        lengths,
        values,
        None,
    )?))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn null_lists_become_empty_ones() {
        let lists = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(3)])];
        let array: ArrayRef = Arc::new(GenericListArray::<i32>::from_iter_primitive::<Int32Type, _, _>(lists));
        let result = without_nulls(&array).unwrap();
        let lengths: Vec<_> = (0..4).map(|row| result.as_list::<i32>().value(row).len()).collect();
        assert_eq!((result.null_count(), lengths), (0, vec![2, 0, 0, 1]));
    }
}
