//! Arrays that `array_agg()` and `ARRAY(SELECT …)` gather become one of a dimension more, so they have to be alike: the engine
//! would make a list of lists of any lengths. What gathers other values has nothing to look at.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, Result, SqlState};

/// What `array_agg()` gathered, if its elements are no arrays, or arrays of the same dimensions.
pub const GATHERED_ARRAYS: &str = "gathered_arrays";

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(GatheredArrays {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct GatheredArrays {
    signature: Signature,
}

impl ScalarUDFImpl for GatheredArrays {
    fn name(&self) -> &str {
        GATHERED_ARRAYS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let field = arguments.arg_fields.first().cloned();
        field.ok_or_else(|| Error::internal("gathered_arrays() takes one argument").into())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let Some(value) = arguments.args.into_iter().next() else {
            return Err(Error::internal("gathered_arrays() takes one argument").into());
        };
        let array = match &value {
            ColumnarValue::Array(array) => Arc::clone(array),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        if let Some(lists) = array.as_list_opt::<i32>() {
            for gathered in lists.iter().flatten() {
                check(&gathered)?;
            }
        }
        Ok(value)
    }
}

/// 2202E or 22004 where one of the gathered values is an array unlike the first.
fn check(gathered: &ArrayRef) -> Result<()> {
    let Some(arrays) = gathered.as_list_opt::<i32>() else {
        return Ok(());
    };
    let mut first: Option<Vec<usize>> = None;
    for array in arrays.iter() {
        let Some(array) = array else {
            let message = "cannot accumulate null arrays";
            return Err(Error::new(SqlState::NullValueNotAllowed, message));
        };
        let lengths = dimensions(&array);
        let message = match &first {
            _ if array.is_empty() => "cannot accumulate empty arrays",
            Some(first) if *first != lengths => "cannot accumulate arrays of different dimensionality",
            _ => {
                first = Some(lengths);
                continue;
            }
        };
        return Err(Error::new(SqlState::ArraySubscriptError, message));
    }
    Ok(())
}

/// How long an array is, and each of those in it, which are alike.
fn dimensions(array: &ArrayRef) -> Vec<usize> {
    let mut lengths = vec![array.len()];
    if let Some(inner) = array.as_list_opt::<i32>()
        && !inner.is_empty()
    {
        lengths.extend(dimensions(&inner.value(0)));
    }
    lengths
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::GenericListArray;
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn arrays_have_to_be_alike() {
        let gathered = |lists: Vec<Option<Vec<Option<i32>>>>| -> ArrayRef {
            Arc::new(GenericListArray::<i32>::from_iter_primitive::<Int32Type, _, _>(lists))
        };
        assert!(check(&gathered(vec![Some(vec![Some(1)]), Some(vec![None])])).is_ok());
        assert!(check(&gathered(vec![])).is_ok());
        for refused in [
            vec![Some(vec![Some(1)]), Some(vec![])],
            vec![Some(vec![Some(1)]), Some(vec![Some(1), Some(2)])],
            vec![None],
        ] {
            assert!(check(&gathered(refused)).is_err());
        }
    }
}
