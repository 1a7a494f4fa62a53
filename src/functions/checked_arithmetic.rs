//! Arithmetic that PostgreSQL refuses where the machine would wrap or answer infinity: integers that
//! overflow, floats that become infinite or vanish, floats divided by zero. Numerics are checked by Arrow's own kernels.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Datum, PrimitiveArray};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use super::overload::OverloadedFunction;
use crate::error::{Error, SqlState};
use crate::types::SqlType;

/// `left operator right`, checked; `None` where the plain operator is right already.
pub fn checked_arithmetic(
    left: &Expr,
    operator: Operator,
    right: &Expr,
    left_type: &DataType,
    right_type: &DataType,
) -> Option<Expr> {
    let checked = match operator {
        Operator::Plus | Operator::Minus | Operator::Multiply => {
            (is_integer(left_type) && is_integer(right_type)) || (is_float(left_type) && is_float(right_type))
        }
        Operator::Divide => {
            (is_float(left_type) && is_number(right_type)) || (is_number(left_type) && is_float(right_type))
        }
        _ => false,
    };
    let function = || {
        Arc::new(ScalarUDF::new_from_impl(CheckedArithmetic {
            operator,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    };
    checked.then(|| function().call(vec![left.clone(), right.clone()]))
}

/// The operator that a function of `checked_arithmetic` applies.
pub fn checked_operator(function: &ScalarUDF) -> Option<Operator> {
    let checked = function.inner().downcast_ref::<CheckedArithmetic>()?;
    Some(checked.operator)
}

/// Whether the function is the quotient of numerics.
pub fn divides_numerics(function: &ScalarUDF) -> bool {
    function.name() == "numeric_div" && function.inner().is::<OverloadedFunction>()
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int16 | DataType::Int32 | DataType::Int64)
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

fn is_number(data_type: &DataType) -> bool {
    is_integer(data_type) || is_float(data_type) || matches!(data_type, DataType::Decimal128(..) | DataType::UInt64)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedArithmetic {
    operator: Operator,
    signature: Signature,
}

impl CheckedArithmetic {
    fn common_type(&self, types: &[DataType]) -> DataType {
        let is = |wanted: &DataType| types.iter().any(|data_type| data_type == wanted);
        match self.operator {
            _ if types.iter().all(|data_type| *data_type == DataType::Float32) => DataType::Float32,
            _ if self.operator == Operator::Divide || types.iter().any(is_float) => DataType::Float64,
            _ if is(&DataType::Int64) => DataType::Int64,
            _ if is(&DataType::Int32) => DataType::Int32,
            _ => DataType::Int16,
        }
    }
}

impl ScalarUDFImpl for CheckedArithmetic {
    fn name(&self) -> &str {
        match self.operator {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_subtract",
            Operator::Multiply => "checked_multiply",
            _ => "checked_divide",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        Ok(vec![self.common_type(types); types.len()])
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        Ok(self.common_type(types))
    }

    fn display_name(&self, arguments: &[Expr]) -> PlanResult<String> {
        self.schema_name(arguments)
    }

    fn schema_name(&self, arguments: &[Expr]) -> PlanResult<String> {
        let shown: Vec<String> = arguments
            .iter()
            .map(|argument| argument.schema_name().to_string())
            .collect();
        Ok(format!("({})", shown.join(&format!(" {} ", self.operator))))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let compute = |left: &dyn Datum, right: &dyn Datum| {
            let result = match self.operator {
                Operator::Plus => numeric::add(left, right),
                Operator::Minus => numeric::sub(left, right),
                Operator::Multiply => numeric::mul(left, right),
                _ => divide(left, right),
            }?;
            match result.data_type() {
                DataType::Float32 => check_floats::<Float32Type>(self.operator, left, right, &result)?,
                DataType::Float64 => check_floats::<Float64Type>(self.operator, left, right, &result)?,
                _ => {}
            }
            Ok(result)
        };
        let result_type = arguments.return_field.data_type().clone();
        apply(&arguments.args[0], &arguments.args[1], compute).map_err(|error| match error.find_root() {
            datafusion::error::DataFusionError::ArrowError(inner, _)
                if matches!(inner.as_ref(), ArrowError::ArithmeticOverflow(_)) =>
            {
                let name = SqlType::from_arrow(&result_type);
                Error::new(SqlState::NumericValueOutOfRange, format!("{name} out of range")).into()
            }
            _ => error,
        })
    }
}

/// 22003 where two finite numbers have no finite result, or none but zero stands for one that is not.
fn check_floats<T: ArrowPrimitiveType<Native: Into<f64>>>(
    operator: Operator,
    left: &dyn Datum,
    right: &dyn Datum,
    result: &ArrayRef,
) -> Result<(), ArrowError> {
    let result = result.as_primitive::<T>();
    let is_scaled = matches!(operator, Operator::Multiply | Operator::Divide);
    let is_suspect = |value: f64| value.is_infinite() || (is_scaled && value == 0.0);
    if !result.values().iter().any(|value| is_suspect((*value).into())) {
        return Ok(());
    }
    let operand = |datum: &dyn Datum| {
        let (array, is_scalar) = datum.get();
        (array.as_primitive::<T>().clone(), is_scalar)
    };
    let (left, right) = (operand(left), operand(right));
    let at = |(array, is_scalar): &(PrimitiveArray<T>, bool), row: usize| -> f64 {
        array.value(if *is_scalar { 0 } else { row }).into()
    };
    let is_zero = |value: f64| value == 0.0;
    for row in (0..result.len()).filter(|row| result.is_valid(*row) && is_suspect(result.value(*row).into())) {
        let (first, second) = (at(&left, row), at(&right, row));
        let is_overflow = !is_zero(result.value(row).into());
        let is_lost = match is_overflow {
            true => !first.is_infinite() && !second.is_infinite(),
            false if operator == Operator::Divide => !is_zero(first) && !second.is_infinite(),
            false => !is_zero(first) && !is_zero(second),
        };
        if is_lost {
            let what = if is_overflow { "overflow" } else { "underflow" };
            let error = Error::new(SqlState::NumericValueOutOfRange, format!("value out of range: {what}"));
            return Err(ArrowError::from_external_error(Box::new(error)));
        }
    }
    Ok(())
}

/// Zero divides nothing, not even NaN; NULL is divided by it in peace.
fn divide(left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    let quotient = numeric::div(left, right)?;
    let (divisor, scalar) = right.get();
    let is_zero = |row: usize| match divisor.data_type() {
        DataType::Float32 => divisor.is_valid(row) && divisor.as_primitive::<Float32Type>().value(row) == 0.0,
        _ => divisor.is_valid(row) && divisor.as_primitive::<Float64Type>().value(row) == 0.0,
    };
    let divided_by_zero = match scalar {
        true => is_zero(0) && quotient.null_count() < quotient.len(),
        false => (0..divisor.len()).any(|row| is_zero(row) && quotient.is_valid(row)),
    };
    match divided_by_zero {
        true => Err(ArrowError::DivideByZero),
        false => Ok(quotient),
    }
}
