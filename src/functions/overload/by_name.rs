//! Calls of overloaded functions with single values, for whoever evaluates outside the engine's plans.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};

use super::super::datum::{Datum, to_array};
use crate::error::Result;
use crate::types::SqlType;

static BY_NAME: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let functions = super::super::overloaded_functions();
    functions
        .map(|function| (function.name().to_string(), function))
        .collect()
});

/// Whether a function of this name is declared by signatures.
pub(crate) fn is_overloaded(name: &str) -> bool {
    BY_NAME.contains_key(name)
}

/// The function's answer for these values; texts are of whatever type the signature wants.
pub(crate) fn call_overloaded(name: &str, arguments: &[Datum]) -> Option<Result<Datum>> {
    BY_NAME.get(name).map(|function| called(function, arguments))
}

fn called(function: &Arc<ScalarUDF>, arguments: &[Datum]) -> Result<Datum> {
    let mut values = vec![];
    let mut fields: Vec<FieldRef> = vec![];
    for argument in arguments {
        let data_type = layout(argument);
        let array = to_array(&data_type, std::slice::from_ref(argument))?;
        values.push(ScalarValue::try_from_array(&array, 0)?);
        fields.push(Arc::new(Field::new("argument", data_type, true)));
    }
    let literals: Vec<Option<&ScalarValue>> = values.iter().map(Some).collect();
    let return_field = function.return_field_from_args(ReturnFieldArgs {
        arg_fields: &fields,
        scalar_arguments: &literals,
    })?;
    let result = function.invoke_with_args(ScalarFunctionArgs {
        args: values.into_iter().map(ColumnarValue::Scalar).collect(),
        arg_fields: fields,
        number_rows: 1,
        return_field,
        config_options: Arc::new(ConfigOptions::default()),
    })?;
    let array: ArrayRef = result.into_array(1)?;
    Datum::from_array(&array, 0)
}

/// The layout of a value by itself: a text may be anything, as a literal may.
fn layout(value: &Datum) -> DataType {
    match value {
        Datum::Null => DataType::Null,
        Datum::Bool(_) => DataType::Boolean,
        Datum::Int(number) if i32::try_from(*number).is_ok() => DataType::Int32,
        Datum::Int(_) => DataType::Int64,
        Datum::Float(_) => DataType::Float64,
        Datum::Text(_) => DataType::Utf8,
        Datum::Bytes(_) => DataType::Binary,
        Datum::Date(_) => DataType::Date32,
        Datum::Micros(_) => SqlType::Timestamp(None).to_arrow(),
        Datum::Interval(_) => SqlType::Interval(None).to_arrow(),
        Datum::Decimal(_, scale) => DataType::Decimal128(37, *scale),
        Datum::List(elements) => {
            let element = elements
                .iter()
                .find(|element| !element.is_null())
                .map_or(DataType::Utf8View, layout);
            let element = if element == DataType::Utf8 {
                DataType::Utf8View
            } else {
                element
            };
            DataType::List(Arc::new(Field::new("item", element, true)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_and_given() {
        let call = |name: &str, arguments: &[Datum]| call_overloaded(name, arguments).unwrap().unwrap();
        assert_eq!(call("upper", &[Datum::text("a")]), Datum::text("A"));
        assert_eq!(
            call("array_upper", &[Datum::from(vec![1_i64, 2]), Datum::Int(1)]),
            Datum::Int(2)
        );
        assert_eq!(call("mod", &[Datum::Int(7), Datum::Int(4)]), Datum::Int(3));
        assert_eq!(call("upper", &[Datum::Null]), Datum::Null);
        assert!(call_overloaded("nosuch", &[]).is_none());
    }
}
