//! A value under the name of its SQL type, where the engine passed on the value alone.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::types::SqlType;

/// The function's name.
pub const RETYPED: &str = "retyped";

/// The expression, described as `sql_type`; its layout must be the type's already.
pub fn retyped(expression: Expr, sql_type: SqlType) -> Expr {
    let function = Retyped {
        sql_type,
        signature: Signature::any(1, Volatility::Immutable),
    };
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![expression])
}

/// An array's layout with elements that are called records.
fn of_records(layout: &DataType) -> DataType {
    match layout {
        DataType::List(item) if matches!(item.data_type(), DataType::List(_)) => {
            let inner = item.as_ref().clone().with_data_type(of_records(item.data_type()));
            DataType::List(Arc::new(inner))
        }
        DataType::List(item) => {
            let record = SqlType::Record.to_field(item.name(), item.is_nullable());
            DataType::List(Arc::new(record.with_data_type(item.data_type().clone())))
        }
        other => other.clone(),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Retyped {
    sql_type: SqlType,
    signature: Signature,
}

impl ScalarUDFImpl for Retyped {
    fn name(&self) -> &str {
        RETYPED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(self.sql_type.to_arrow())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let field = self.sql_type.to_field(self.name(), true);
        // Only the layout knows the fields of a record.
        let layout = match (&self.sql_type, arguments.arg_fields.first()) {
            (SqlType::Array(element), Some(array)) if *element.innermost() == SqlType::Record => {
                of_records(array.data_type())
            }
            (SqlType::Record, Some(record)) => record.data_type().clone(),
            _ => self.sql_type.to_arrow(),
        };
        Ok(Arc::new(field.with_data_type(layout)))
    }

    fn schema_name(&self, arguments: &[Expr]) -> PlanResult<String> {
        let shown = arguments.first().map(|argument| argument.schema_name().to_string());
        Ok(shown.unwrap_or_default())
    }

    fn evaluate_bounds(&self, _arguments: &[&Interval]) -> PlanResult<Interval> {
        Interval::make_unbounded(&self.sql_type.to_arrow())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        arguments.args[0].cast_to(arguments.return_field.data_type(), None)
    }
}
