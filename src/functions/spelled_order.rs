//! What values that are carried by their spelling sort by, because the engine compares layouts alone: the value's key in
//! hexadecimal, as the frames of windows and EXPLAIN know no bytes. The type is part of each function, because the engine
//! passes on values alone.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StringViewArray, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, Result};
use crate::types::{Spelled, SqlType};

/// Digits that sort as their values do.
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Behind a key and its value stands where the value begins.
const LENGTH_DIGITS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    /// From values to what they sort by, in arrays too.
    Key,
    /// The same, with the value behind it.
    KeyAndValue,
    /// From those back to values.
    Value,
}

/// What a value, or an array of values, sorts and compares by.
pub fn spelled_key(value: Expr, spelled: Spelled) -> Expr {
    call(Task::Key, value, spelled)
}

/// The same, from which `spelled_of_key` finds the value.
pub fn spelled_key_and_value(value: Expr, spelled: Spelled) -> Expr {
    call(Task::KeyAndValue, value, spelled)
}

/// The value behind a key.
pub fn spelled_of_key(key: Expr, spelled: Spelled) -> Expr {
    call(Task::Value, key, spelled)
}

fn call(task: Task, argument: Expr, spelled: Spelled) -> Expr {
    let function = SpelledOrder {
        task,
        spelled,
        signature: Signature::any(1, Volatility::Immutable),
    };
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![argument])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SpelledOrder {
    task: Task,
    spelled: Spelled,
    signature: Signature,
}

impl SpelledOrder {
    fn keys(&self, values: &ArrayRef) -> Result<ArrayRef> {
        if let DataType::List(_) = values.data_type() {
            let list = values.as_list::<i32>();
            let keys = self.keys(list.values())?;
            let item = Field::new("item", keys.data_type().clone(), true);
            let keys = ListArray::try_new(Arc::new(item), list.offsets().clone(), keys, list.nulls().cloned())?;
            return Ok(Arc::new(keys));
        }
        let values = datafusion::arrow::compute::cast(values, &DataType::Utf8View)?;
        let mut builder = StringViewBuilder::with_capacity(values.len());
        let (mut key, mut text) = (vec![], String::new());
        for value in values.as_string_view() {
            let Some(value) = value else {
                builder.append_null();
                continue;
            };
            key.clear();
            text.clear();
            self.spelled.order_key(value, &mut key)?;
            for byte in &key {
                text.extend([byte >> 4, byte & 0xf].map(|digit| char::from(HEX[usize::from(digit)])));
            }
            if self.task == Task::KeyAndValue {
                let length = text.len();
                text.push_str(value);
                text.push_str(&format!("{length:0LENGTH_DIGITS$}"));
            }
            builder.append_value(&text);
        }
        Ok(Arc::new(builder.finish()))
    }

    fn values(keys: &ArrayRef) -> Result<ArrayRef> {
        let keys = datafusion::arrow::compute::cast(keys, &DataType::Utf8View)?;
        fn value(key: &str) -> Option<&str> {
            let (rest, length) = key.split_at_checked(key.len().checked_sub(LENGTH_DIGITS)?)?;
            rest.get(length.parse().ok()?..)
        }
        let cut = || Error::internal("a key of a value was cut");
        let values = keys
            .as_string_view()
            .iter()
            .map(|key| key.map(|key| value(key).ok_or_else(cut)).transpose());
        Ok(Arc::new(values.collect::<Result<StringViewArray>>()?))
    }
}

impl ScalarUDFImpl for SpelledOrder {
    fn name(&self) -> &str {
        match self.task {
            Task::Key => "spelled_key",
            Task::KeyAndValue => "spelled_key_and_value",
            Task::Value => "spelled_of_key",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        fn keys(values: &DataType) -> DataType {
            match values {
                DataType::List(item) => DataType::List(Arc::new(Field::new("item", keys(item.data_type()), true))),
                _ => DataType::Utf8View,
            }
        }
        Ok(match self.task {
            Task::Value => DataType::Utf8View,
            _ => types.first().map_or(DataType::Utf8View, keys),
        })
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let types: Vec<DataType> = arguments
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        Ok(Arc::new(match self.task {
            Task::Value => SqlType::Spelled(self.spelled).to_field(self.name(), true),
            _ => Field::new(self.name(), self.return_type(&types)?, true),
        }))
    }

    fn evaluate_bounds(&self, _arguments: &[&Interval]) -> PlanResult<Interval> {
        Interval::make_unbounded(&self.return_type(&[])?)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let answer = |array: &ArrayRef| match self.task {
            Task::Value => SpelledOrder::values(array),
            _ => self.keys(array),
        };
        Ok(match &arguments.args[0] {
            ColumnarValue::Array(array) => ColumnarValue::Array(answer(array)?),
            ColumnarValue::Scalar(scalar) => {
                let array = answer(&scalar.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
            }
        })
    }
}
