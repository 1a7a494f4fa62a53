//! Dates as timestamps and timestamps with intervals, where some are infinite: the engine's casts and sums overflow there.
//! The optimizer sees casts and sums; these take their places at its end, and do what it does where all are finite.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Datum, TimestampMicrosecondArray};
use datafusion::arrow::compute::kernels::{numeric, zip::zip};
use datafusion::arrow::compute::{cast, nullif};
use datafusion::arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use crate::error::{Error, SqlState};
use crate::types::calendar::{
    DATE_INFINITY, DATE_NEGATIVE_INFINITY, MICROS_PER_DAY, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY,
};

const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// A date as the timestamp that it begins with, of this type: without a time zone or in UTC.
pub fn moment_of_date(date: Expr, data_type: DataType) -> Expr {
    let function = MomentOfDate {
        data_type,
        signature: Signature::any(1, Volatility::Immutable),
    };
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![date])
}

/// A timestamp with an interval added to it or taken from it.
pub fn shifted_moment(moment: Expr, operator: Operator, interval: Expr) -> Expr {
    let function = ShiftedMoment {
        operator,
        signature: Signature::any(2, Volatility::Immutable),
    };
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![moment, interval])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MomentOfDate {
    data_type: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for MomentOfDate {
    fn name(&self) -> &str {
        "moment_of_date"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        match &arguments.args[0] {
            ColumnarValue::Array(dates) => Ok(ColumnarValue::Array(moments(dates, &self.data_type)?)),
            ColumnarValue::Scalar(date) => {
                let moment = moments(&date.to_array()?, &self.data_type)?;
                Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(
                    &moment, 0,
                )?))
            }
        }
    }
}

fn moments(dates: &ArrayRef, data_type: &DataType) -> PlanResult<ArrayRef> {
    let days = dates.as_primitive::<Date32Type>();
    let is_infinite = |day: &i32| matches!(*day, DATE_INFINITY | DATE_NEGATIVE_INFINITY);
    if !days.values().iter().any(is_infinite) {
        return Ok(cast(dates, data_type)?);
    }
    let moment = |day: i32| match day {
        DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
        DATE_NEGATIVE_INFINITY => Ok(TIMESTAMP_NEGATIVE_INFINITY),
        day => i64::from(day)
            .checked_mul(MICROS_PER_DAY)
            .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "date out of range for timestamp")),
    };
    let moments = days.iter().map(|day| day.map(moment).transpose());
    let moments: TimestampMicrosecondArray = moments.collect::<Result<_, Error>>()?;
    Ok(Arc::new(moments.with_data_type(data_type.clone())))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ShiftedMoment {
    operator: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for ShiftedMoment {
    fn name(&self) -> &str {
        match self.operator {
            Operator::Minus => "moment_before",
            _ => "moment_after",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(MOMENT)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let sum = |moments: &dyn Datum, intervals: &dyn Datum| match self.operator {
            Operator::Minus => numeric::sub(moments, intervals),
            _ => numeric::add(moments, intervals),
        };
        if !has_infinite(&arguments.args[0])? {
            return apply(&arguments.args[0], &arguments.args[1], sum);
        }
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [moments, intervals] = arrays.as_slice() else {
            return Err(Error::internal("a moment is moved by one interval").into());
        };
        let shifted = shifted(moments, intervals, sum)?;
        Ok(ColumnarValue::Array(shifted))
    }
}

fn is_infinite(moment: i64) -> bool {
    matches!(moment, TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY)
}

fn has_infinite(moments: &ColumnarValue) -> PlanResult<bool> {
    let array = match moments {
        ColumnarValue::Array(array) => Arc::clone(array),
        ColumnarValue::Scalar(moment) => moment.to_array()?,
    };
    let moments = array.as_primitive::<TimestampMicrosecondType>();
    Ok(moments.values().iter().any(|moment| is_infinite(*moment)))
}

/// Infinite moments stay where they are, unless the interval is NULL.
fn shifted(
    moments: &ArrayRef,
    intervals: &ArrayRef,
    sum: impl Fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    let values = moments.as_primitive::<TimestampMicrosecondType>();
    let infinite: BooleanArray = values
        .iter()
        .map(|moment| Some(moment.is_some_and(is_infinite)))
        .collect();
    let finite = sum(&nullif(moments, &infinite)?, intervals)?;
    let stays = (0..moments.len()).map(|row| Some(infinite.value(row) && intervals.is_valid(row)));
    zip(&stays.collect::<BooleanArray>(), moments, &finite)
}
