//! A cast that Arrow's kernels make differently than PostgreSQL: texts read and written by PostgreSQL's
//! rules, numbers rounded rather than cut, lengths kept to. The types are part of the function, so that a
//! plan shows and compares them; the settings too, because a cached plan belongs to its settings.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, new_null_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::environment::environment;
use crate::error::Result;
use crate::types::SqlType;
use crate::types::cast::{CastContext, cast_array};
use crate::types::format::FormatSettings;
use crate::types::parse::reading_at;

/// The explicit cast of an expression of type `source`. `volatility` is `Stable` for a text that names
/// the time it is read at.
pub fn postgres_cast(
    expression: Expr,
    source: SqlType,
    target: SqlType,
    settings: &FormatSettings,
    volatility: Volatility,
) -> Expr {
    call(expression, source, target, CastContext::Explicit, settings, volatility)
}

/// TRY_CAST: NULL where the cast fails.
pub fn attempted_cast(expression: Expr, source: SqlType, target: SqlType, settings: &FormatSettings) -> Expr {
    let context = CastContext::Attempt;
    call(expression, source, target, context, settings, Volatility::Stable)
}

/// The cast of a value that is assigned to a column of type `target`.
pub fn assignment_cast(expression: Expr, source: SqlType, target: SqlType, settings: &FormatSettings) -> Expr {
    let context = CastContext::Assignment;
    call(expression, source, target, context, settings, Volatility::Stable)
}

fn call(
    expression: Expr,
    source: SqlType,
    target: SqlType,
    context: CastContext,
    settings: &FormatSettings,
    volatility: Volatility,
) -> Expr {
    let function = PostgresCast {
        source,
        target,
        context,
        settings: settings.clone(),
        signature: Signature::any(1, volatility),
    };
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![expression])
}

/// The longest text that a cast pads a value to and is still taken for one that cannot fail.
const LONGEST_PADDING: u32 = 10_000;

/// Whether the function is a cast of one character type to another that has an answer for every text: to a type without
/// a length, or one that cuts to its length.
pub fn is_total_text_cast(function: &ScalarUDF) -> bool {
    let Some(cast) = function.inner().downcast_ref::<PostgresCast>() else {
        return false;
    };
    let from_text = matches!(cast.source, SqlType::Text | SqlType::Varchar(_) | SqlType::Bpchar(_));
    from_text
        && match &cast.target {
            SqlType::Text | SqlType::Varchar(None) | SqlType::Bpchar(None) => true,
            SqlType::Varchar(Some(length)) | SqlType::Bpchar(Some(length)) => {
                cast.context == CastContext::Explicit && *length <= LONGEST_PADDING
            }
            _ => false,
        }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PostgresCast {
    source: SqlType,
    target: SqlType,
    context: CastContext,
    settings: FormatSettings,
    signature: Signature,
}

impl PostgresCast {
    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let layout = self.source.to_arrow();
        // A numeric shows its own digits, whatever carries it.
        let fits = array.data_type() == &layout
            || array.data_type() == &DataType::Null
            // Only the layout knows the fields of a record.
            || *self.source.innermost() == SqlType::Record
            || (matches!(self.source, SqlType::Numeric(_)) && array.data_type().is_decimal());
        let laid_out = match fits {
            true => Arc::clone(array),
            false => datafusion::arrow::compute::cast(array, &layout)?,
        };
        let cast = |array: &ArrayRef| cast_array(array, &self.source, &self.target, self.context, &self.settings);
        match cast(&laid_out) {
            Err(_) if self.context == CastContext::Attempt => {
                let layout = self.target.to_arrow();
                let values = (0..laid_out.len()).map(|row| {
                    let value = cast(&laid_out.slice(row, 1));
                    value.unwrap_or_else(|_| new_null_array(&layout, 1))
                });
                let values: Vec<ArrayRef> = values.collect();
                let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
                Ok(concat(&values)?)
            }
            cast => cast,
        }
    }
}

impl ScalarUDFImpl for PostgresCast {
    fn name(&self) -> &str {
        "postgres_cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(self.target.to_arrow())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(self.target.to_field(self.name(), nullable)))
    }

    fn display_name(&self, arguments: &[Expr]) -> PlanResult<String> {
        self.schema_name(arguments)
    }

    fn schema_name(&self, arguments: &[Expr]) -> PlanResult<String> {
        let shown = arguments.first().map(|argument| argument.schema_name().to_string());
        Ok(format!("CAST({} AS {})", shown.unwrap_or_default(), self.target))
    }

    fn evaluate_bounds(&self, _arguments: &[&Interval]) -> PlanResult<Interval> {
        Interval::make_unbounded(&self.target.to_arrow())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let cast = |array: &ArrayRef| match environment(&arguments.config_options) {
            Some(environment) => {
                let start = environment.context().transaction_start.timestamp_micros();
                reading_at(start, || self.cast(array))
            }
            None => self.cast(array),
        };
        Ok(match &arguments.args[0] {
            ColumnarValue::Array(array) => ColumnarValue::Array(cast(array)?),
            ColumnarValue::Scalar(value) => {
                let array = cast(&value.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
            }
        })
    }
}
