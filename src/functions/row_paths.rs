//! The rows that led to a row of a recursive query: an array of records, one more of them, and whether a record is among
//! them. Binding writes these calls for SEARCH and CYCLE; no client names them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{cast, interleave};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;
use crate::types::{SqlType, TYPE_KEY};

/// `row_path(path, record)`: the path with the record behind it; of NULL and a record, that record alone.
pub const ROW_PATH: &str = "row_path";
/// `row_on_path(record, path)`: whether the path has the record.
pub const ROW_ON_PATH: &str = "row_on_path";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let signature = || Signature::any(2, Volatility::Immutable);
    let path = RowPath { signature: signature() };
    let on_path = RowOnPath { signature: signature() };
    vec![
        Arc::new(ScalarUDF::new_from_impl(path)),
        Arc::new(ScalarUDF::new_from_impl(on_path)),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowPath {
    signature: Signature,
}

impl ScalarUDFImpl for RowPath {
    fn name(&self) -> &str {
        ROW_PATH
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        match types {
            [DataType::List(element), _] => Ok(DataType::List(Arc::clone(element))),
            [_, record] => Ok(DataType::List(Arc::new(Field::new_list_field(record.clone(), true)))),
            _ => Err(Error::internal("a path without a record").into()),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let types: Vec<DataType> = arguments
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let records = SqlType::Array(Box::new(SqlType::Record)).to_string();
        let metadata = [(TYPE_KEY.to_string(), records)].into();
        let field = Field::new(ROW_PATH, self.return_type(&types)?, true);
        Ok(Arc::new(field.with_metadata(metadata)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let DataType::List(element) = arguments.return_field.data_type() else {
            return Err(Error::internal("a path is no array").into());
        };
        let (path, records) = (
            arguments.args[0].to_array(arguments.number_rows)?,
            arguments.args[1].to_array(arguments.number_rows)?,
        );
        let records = cast(&records, element.data_type())?;
        let path = path.as_list_opt::<i32>();
        let mut lengths = Vec::with_capacity(records.len());
        let mut places = vec![];
        for row in 0..records.len() {
            let before = path.filter(|path| path.is_valid(row)).map(|path| {
                let offsets = path.value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            });
            let before = before.unwrap_or_default();
            lengths.push(before.len() + 1);
            places.extend(before.map(|place| (0, place)));
            places.push((1, row));
        }
        let values = match path {
            Some(path) => interleave(&[path.values().as_ref(), records.as_ref()], &places)?,
            None => records,
        };
        let lists = ListArray::try_new(Arc::clone(element), OffsetBuffer::from_lengths(lengths), values, None)?;
        Ok(ColumnarValue::Array(Arc::new(lists)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowOnPath {
    signature: Signature,
}

impl ScalarUDFImpl for RowOnPath {
    fn name(&self) -> &str {
        ROW_ON_PATH
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Boolean)
    }

    /// Two NULLs are equal here, as fields of records are.
    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let records = arguments.args[0].to_array(arguments.number_rows)?;
        let path = arguments.args[1].to_array(arguments.number_rows)?;
        let path: &ListArray = path.as_list();
        let element = path.value_type();
        let converter = RowConverter::new(vec![SortField::new(element.clone())])?;
        let records = converter.convert_columns(&[cast(&records, &element)?])?;
        let others = converter.convert_columns(&[Arc::clone(path.values())])?;
        let offsets = path.value_offsets();
        let found = (0..path.len()).map(|row| {
            let mut before = offsets[row] as usize..offsets[row + 1] as usize;
            before.any(|place| others.row(place) == records.row(row))
        });
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from_iter(found.map(Some)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Int32Array, StructArray};
    use datafusion::arrow::datatypes::Fields;
    use datafusion::common::config::ConfigOptions;

    fn records(values: &[Option<i32>]) -> ArrayRef {
        let fields: Fields = vec![Field::new("f1", DataType::Int32, true)].into();
        let column: ArrayRef = Arc::new(Int32Array::from(values.to_vec()));
        Arc::new(StructArray::new(fields, vec![column], None))
    }

    fn call(function: &dyn ScalarUDFImpl, arguments: Vec<ArrayRef>) -> ArrayRef {
        let arg_fields: Vec<FieldRef> = arguments
            .iter()
            .map(|array| Arc::new(Field::new("a", array.data_type().clone(), true)))
            .collect();
        let scalar_arguments = vec![None; arguments.len()];
        let return_field = function
            .return_field_from_args(ReturnFieldArgs {
                arg_fields: &arg_fields,
                scalar_arguments: &scalar_arguments,
            })
            .unwrap();
        let number_rows = arguments[0].len();
        let arguments = ScalarFunctionArgs {
            args: arguments.into_iter().map(ColumnarValue::Array).collect(),
            arg_fields,
            number_rows,
            return_field,
            config_options: Arc::new(ConfigOptions::default()),
        };
        function
            .invoke_with_args(arguments)
            .unwrap()
            .to_array(number_rows)
            .unwrap()
    }

    #[test]
    fn paths_grow_and_know_their_records() {
        let signature = Signature::any(2, Volatility::Immutable);
        let path = RowPath {
            signature: signature.clone(),
        };
        let nothing = datafusion::arrow::array::new_null_array(&DataType::Null, 3);
        let first = call(&path, vec![nothing, records(&[Some(1), None, Some(3)])]);
        let second = call(&path, vec![first, records(&[Some(2), Some(2), Some(3)])]);
        let lengths: Vec<usize> = (0..3).map(|row| second.as_list::<i32>().value(row).len()).collect();
        assert_eq!(lengths, [2, 2, 2]);
        let on_path = RowOnPath { signature };
        let found = call(&on_path, vec![records(&[Some(1), None, Some(4)]), second]);
        let found: Vec<Option<bool>> = found.as_boolean().iter().collect();
        assert_eq!(found, [Some(true), Some(true), Some(false)]);
    }
}
