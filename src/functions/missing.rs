//! What stands for a function that nobody made, until its arguments' types are known and the error can name them.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::overload::{Given, given, undefined_function};

/// A function whose every call is 42883.
pub fn missing_function(name: &str) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Missing {
        name: name.to_string(),
        signature: Signature::one_of(
            vec![TypeSignature::Nullary, TypeSignature::VariadicAny],
            Volatility::Volatile,
        ),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Missing {
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for Missing {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        let given: Vec<Given> = types
            .iter()
            .map(|data_type| Given::Known(crate::types::SqlType::from_arrow(data_type)))
            .collect();
        Err(undefined_function(&self.name, &given).into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let given: Vec<Given> = arguments.arg_fields.iter().map(|field| given(field)).collect();
        Err(undefined_function(&self.name, &given).into())
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Err(undefined_function(&self.name, &[]).into())
    }
}
