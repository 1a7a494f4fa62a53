//! percentile_cont() with PostgreSQL's types and digits: numbers of every kind as double precision, and intervals,
//! between which it interpolates part by part.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use super::intervals::{interval_nanos, scaled};
use super::overload::undefined_for;
use crate::error::{Error, Result, SqlState};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

pub(super) fn percentile_cont() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(PercentileCont {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PercentileCont {
    signature: Signature,
}

impl AggregateUDFImpl for PercentileCont {
    fn name(&self) -> &str {
        "percentile_cont"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        match types {
            [DataType::Interval(_), _] => Ok(vec![INTERVAL, DataType::Float64]),
            [value, _] if value.is_numeric() || value.is_null() => Ok(vec![DataType::Float64; 2]),
            // The fraction is written first.
            _ => Err(undefined_for(self.name(), types.iter().rev()).into()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        Ok(match types.first() {
            Some(DataType::Interval(_)) => INTERVAL,
            _ => DataType::Float64,
        })
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        let element = Field::new_list_field(arguments.return_field.data_type().clone(), true);
        Ok(vec![Arc::new(Field::new_list("values", element, true))])
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        let literal = arguments
            .exprs
            .get(1)
            .and_then(|expression| expression.downcast_ref::<Literal>());
        let fraction = match literal.map(Literal::value) {
            Some(ScalarValue::Float64(fraction)) => *fraction,
            _ => return Err(Error::unsupported("a percentile that is no constant").into()),
        };
        if let Some(outside) = fraction.filter(|fraction| !(0.0..=1.0).contains(fraction)) {
            let message = format!("percentile value {outside} is not between 0 and 1");
            return Err(Error::new(SqlState::NumericValueOutOfRange, message).into());
        }
        let is_descending = arguments.order_bys.first().is_some_and(|key| key.options.descending);
        Ok(match arguments.return_field.data_type() {
            DataType::Interval(_) => Box::new(Percentile::<IntervalMonthDayNanoType>::new(fraction, is_descending)),
            _ => Box::new(Percentile::<Float64Type>::new(fraction, is_descending)),
        })
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }
}

/// Values between which one can interpolate.
trait Interpolated: ArrowPrimitiveType + std::fmt::Debug {
    fn order(left: Self::Native, right: Self::Native) -> Ordering;
    /// The value that lies `part` of the way from `low` to `high`.
    fn between(low: Self::Native, high: Self::Native, part: f64) -> Result<Self::Native>;
}

impl Interpolated for Float64Type {
    fn order(left: f64, right: f64) -> Ordering {
        left.partial_cmp(&right)
            .unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
    }

    fn between(low: f64, high: f64, part: f64) -> Result<f64> {
        Ok(low + part * (high - low))
    }
}

impl Interpolated for IntervalMonthDayNanoType {
    fn order(left: IntervalMonthDayNano, right: IntervalMonthDayNano) -> Ordering {
        interval_nanos(left).cmp(&interval_nanos(right))
    }

    fn between(low: IntervalMonthDayNano, high: IntervalMonthDayNano, part: f64) -> Result<IntervalMonthDayNano> {
        let distance = IntervalMonthDayNano::new(
            high.months.wrapping_sub(low.months),
            high.days.wrapping_sub(low.days),
            high.nanoseconds.wrapping_sub(low.nanoseconds),
        );
        let part = scaled(distance, |whole| whole * part)?;
        Ok(IntervalMonthDayNano::new(
            low.months.wrapping_add(part.months),
            low.days.wrapping_add(part.days),
            low.nanoseconds.wrapping_add(part.nanoseconds),
        ))
    }
}

#[derive(Debug)]
struct Percentile<T: Interpolated> {
    fraction: Option<f64>,
    is_descending: bool,
    values: Vec<T::Native>,
}

impl<T: Interpolated> Percentile<T> {
    fn new(fraction: Option<f64>, is_descending: bool) -> Percentile<T> {
        Percentile {
            fraction,
            is_descending,
            values: vec![],
        }
    }

    /// The values need not be sorted for it, only parted at its place.
    fn percentile(&mut self) -> Result<Option<T::Native>> {
        let (Some(last), Some(fraction)) = (self.values.len().checked_sub(1), self.fraction) else {
            return Ok(None);
        };
        let is_descending = self.is_descending;
        let order = |left: &T::Native, right: &T::Native| match is_descending {
            true => T::order(*right, *left),
            false => T::order(*left, *right),
        };
        let place = fraction * last as f64;
        let (_, low, above) = self.values.select_nth_unstable_by(place.floor() as usize, order);
        let part = place.fract();
        let high = (part > 0.0).then(|| above.iter().copied().min_by(order)).flatten();
        match high {
            Some(high) => T::between(*low, high, part).map(Some),
            None => Ok(Some(*low)),
        }
    }
}

impl<T: Interpolated> Accumulator for Percentile<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let values = values[0].as_primitive::<T>();
        match values.null_count() {
            0 => self.values.extend_from_slice(values.values()),
            _ => self.values.extend(values.iter().flatten()),
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let value = PrimitiveArray::<T>::from_iter([self.percentile()?]);
        ScalarValue::try_from_array(&value, 0)
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        let values = PrimitiveArray::<T>::from_iter_values(self.values.iter().copied());
        let list = SingleRowListArrayBuilder::new(Arc::new(values)).build_list_scalar();
        Ok(vec![list])
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self) + self.values.capacity() * std::mem::size_of::<T::Native>()
    }
}
