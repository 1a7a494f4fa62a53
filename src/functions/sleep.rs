//! pg_sleep(): waits without holding a thread, and stops when the statement is cancelled.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::environment::environment;
use crate::context::canceled;
use crate::error::Error;
use crate::types::SqlType;

pub(super) fn function() -> Arc<ScalarUDF> {
    let sleep = Sleep {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Volatile),
    };
    Arc::new(AsyncScalarUDF::new(Arc::new(sleep)).into_scalar_udf())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sleep {
    signature: Signature,
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &str {
        "pg_sleep"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        let field = SqlType::Void.to_field("pg_sleep", true);
        Ok(Arc::new(field.with_data_type(DataType::Utf8View)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        Err(Error::internal("pg_sleep() was called outside a plan").into())
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    async fn invoke_async_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let cancel = environment(&arguments.config_options).map(|session| session.context().cancel.clone());
        let rows = arguments.number_rows;
        for row in 0..rows {
            let seconds = match arguments.args.first() {
                Some(ColumnarValue::Scalar(scalar)) => scalar.clone(),
                Some(ColumnarValue::Array(array)) => ScalarValue::try_from_array(array, row)?,
                None => ScalarValue::Float64(None),
            };
            let ScalarValue::Float64(Some(seconds)) = seconds else {
                continue;
            };
            let wait = tokio::time::sleep(Duration::try_from_secs_f64(seconds.clamp(0.0, 1e9)).unwrap_or_default());
            match &cancel {
                Some(cancel) => tokio::select! {
                    () = wait => {}
                    () = cancel.cancelled() => return Err(canceled().into()),
                },
                None => wait.await,
            }
        }
        // void prints as an empty text.
        ColumnarValue::Scalar(ScalarValue::Utf8View(Some(String::new())))
            .into_array(rows)
            .map(ColumnarValue::Array)
    }
}
