//! Dates as timestamps and timestamps with intervals, where some are infinite or leave the calendar: the engine's casts and
//! sums overflow there.
//! The optimizer sees casts and sums; these take their places at its end, and do what it does where all are finite.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Datum, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use super::moments::{negative, shift};
use crate::error::{Error, SqlState};
use crate::types::TimeZone;
use crate::types::calendar::{
    DATE_INFINITY, DATE_NEGATIVE_INFINITY, END_MICRO, FIRST_DAY, FIRST_MICRO, MICROS_PER_DAY, TIMESTAMP_INFINITY,
    TIMESTAMP_NEGATIVE_INFINITY,
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
    // The engine's cast overflows silently.
    let is_moment = |day: &i32| (FIRST_DAY..END_MICRO / MICROS_PER_DAY).contains(&i64::from(*day));
    if days.values().iter().all(is_moment) {
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
        if !all(&arguments.args[0], |moment| !is_infinite(moment))? {
            return self.one_by_one(&arguments);
        }
        match apply(&arguments.args[0], &arguments.args[1], sum) {
            Ok(moved) if all(&moved, |moment| (FIRST_MICRO..END_MICRO).contains(&moment))? => Ok(moved),
            _ => self.one_by_one(&arguments),
        }
    }
}

impl ShiftedMoment {
    /// Infinite moments stay where they are; 22008 for what is out of range.
    fn one_by_one(&self, arguments: &ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [moments, intervals] = arrays.as_slice() else {
            return Err(Error::internal("a moment is moved by one interval").into());
        };
        let intervals = cast(intervals, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
        let moments = moments.as_primitive::<TimestampMicrosecondType>();
        let pairs = moments.iter().zip(intervals.iter());
        let moved = pairs.map(|pair| match pair {
            (Some(moment), Some(interval)) => {
                let interval = match self.operator {
                    Operator::Minus => negative(interval)?,
                    _ => interval,
                };
                shift(moment, interval, &TimeZone::UTC).map(Some)
            }
            _ => Ok(None),
        });
        let moved: TimestampMicrosecondArray = moved.collect::<Result<_, Error>>()?;
        Ok(ColumnarValue::Array(Arc::new(moved)))
    }
}

fn is_infinite(moment: i64) -> bool {
    matches!(moment, TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY)
}

/// Whether all moments are such; those that are NULL have values too.
fn all(moments: &ColumnarValue, are: impl Fn(i64) -> bool) -> PlanResult<bool> {
    let array = match moments {
        ColumnarValue::Array(array) => Arc::clone(array),
        ColumnarValue::Scalar(moment) => moment.to_array()?,
    };
    let moments = array.as_primitive::<TimestampMicrosecondType>();
    Ok(moments.values().iter().all(|moment| are(*moment)))
}
