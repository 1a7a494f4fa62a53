//! Arrays side by side as one array of records: what `SELECT json_each(…)` unnests, where FROM has a column for each.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;
use crate::types::SqlType;

/// `zipped_records(name, array, name, array …)`: the arrays have as many elements as each other.
pub const ZIPPED_RECORDS: &str = "zipped_records";

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(ZippedRecords {
        signature: Signature::variadic_any(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ZippedRecords {
    signature: Signature,
}

impl ScalarUDFImpl for ZippedRecords {
    fn name(&self) -> &str {
        ZIPPED_RECORDS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal("the fields of a record have names").into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let names = arguments.scalar_arguments.iter().step_by(2);
        let arrays = arguments.arg_fields.iter().skip(1).step_by(2);
        let fields = names.zip(arrays).map(|(name, array)| {
            let name = name.and_then(|name| name.try_as_str().flatten());
            match (name, SqlType::from_field(array), array.data_type()) {
                (Some(name), SqlType::Array(element), DataType::List(item)) => {
                    let field = element.to_field(name, true).with_data_type(item.data_type().clone());
                    Ok(Arc::new(field))
                }
                _ => Err(Error::internal(format!("{ZIPPED_RECORDS}() takes names and arrays")).into()),
            }
        });
        let fields: Fields = fields.collect::<PlanResult<Vec<FieldRef>>>()?.into();
        let record = SqlType::Record
            .to_field("item", true)
            .with_data_type(DataType::Struct(fields));
        let records = SqlType::Array(Box::new(SqlType::Record)).to_field(ZIPPED_RECORDS, true);
        Ok(Arc::new(records.with_data_type(DataType::List(Arc::new(record)))))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let arrays = arguments.args.iter().skip(1).step_by(2);
        let arrays = arrays.map(|array| array.to_array(arguments.number_rows));
        let arrays = arrays.collect::<PlanResult<Vec<ArrayRef>>>()?;
        let lists: Option<Vec<&ListArray>> = arrays.iter().map(|array| array.as_list_opt::<i32>()).collect();
        match lists.as_deref() {
            Some(lists @ [_, ..]) => Ok(ColumnarValue::Array(Arc::new(zipped(lists, &arguments.return_field)?))),
            _ => Err(Error::internal(format!("{ZIPPED_RECORDS}() takes names and arrays")).into()),
        }
    }
}

fn zipped(lists: &[&ListArray], field: &Field) -> PlanResult<ListArray> {
    let DataType::List(item) = field.data_type() else {
        return Err(Error::internal("records are in no array").into());
    };
    let DataType::Struct(fields) = item.data_type() else {
        return Err(Error::internal("records have no fields").into());
    };
    let lengths = OffsetBuffer::from_lengths(lists[0].offsets().lengths());
    let elements = lengths.last().map_or(0, |end| *end as usize);
    let columns = lists.iter().map(|list| {
        let start = list.value_offsets().first().map_or(0, |start| *start as usize);
        match list.offsets().lengths().eq(lists[0].offsets().lengths()) {
            true => Ok(list.values().slice(start, elements)),
            false => Err(Error::internal("arrays that become records differ in length").into()),
        }
    });
    let columns = columns.collect::<PlanResult<Vec<ArrayRef>>>()?;
    let records = StructArray::try_new_with_length(fields.clone(), columns, None, elements)?;
    Ok(ListArray::try_new(
        Arc::clone(item),
        lengths,
        Arc::new(records),
        lists[0].nulls().cloned(),
    )?)
}
