//! sum() with PostgreSQL's types: bigints add up to a numeric, so that no sum wraps; intervals and money add up too.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

use super::float_frame::FloatFrame;
use super::money::MoneySum;
use super::overload::{given, undefined_for, undefined_function};
use crate::error::{Error, Result, SqlState};
use crate::types::{Spelled, SqlType};

/// Digits of a bigint.
const BIGINT_DIGITS: u8 = 19;
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

pub(super) fn sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Sum {
        inner: sum_udaf(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

/// DataFusion's sum behind PostgreSQL's types.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

/// The layout that values are added up in.
fn summed_as(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int64 | DataType::UInt64 => DataType::Decimal128(BIGINT_DIGITS + 1, 0),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        integer if integer.is_integer() => DataType::Int64,
        DataType::Interval(_) => INTERVAL,
        decimal if decimal.is_decimal() => decimal.clone(),
        _ => return None,
    })
}

/// The sum of values that the engine's own cannot add up.
fn by_itself(returned: &DataType) -> Option<Box<dyn Accumulator>> {
    match returned {
        DataType::Interval(_) => Some(Box::<IntervalSum>::default()),
        DataType::Utf8View => Some(Box::<MoneySum>::default()),
        _ => None,
    }
}

impl Sum {
    /// The inner function's arguments, as if its input had been cast.
    fn inside<'a>(&self, arguments: AccumulatorArgs<'a>) -> PlanResult<(AccumulatorArgs<'a>, Option<Layouts>)> {
        let Some(input) = arguments.expr_fields.first() else {
            return Ok((arguments, None));
        };
        let summed = summed_as(input.data_type()).unwrap_or_else(|| input.data_type().clone());
        let inner = self.inner.return_type(std::slice::from_ref(&summed))?;
        let outer = arguments.return_field.data_type().clone();
        let layouts = (summed != *input.data_type() || inner != outer).then_some(Layouts { summed, outer });
        let return_field = Arc::new(arguments.return_field.as_ref().clone().with_data_type(inner));
        Ok((
            AccumulatorArgs {
                return_field,
                ..arguments
            },
            layouts,
        ))
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        match types {
            [DataType::Null] => Ok(vec![DataType::Int32]),
            [summed] if summed_as(summed).is_some() => Ok(vec![summed.clone()]),
            // Which texts are amounts their fields tell.
            [DataType::Utf8View] => Ok(types.to_vec()),
            _ => Err(undefined_for("sum", types).into()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        match types {
            [DataType::Interval(_)] => Ok(INTERVAL),
            [DataType::Utf8View] => Ok(DataType::Utf8View),
            [DataType::Float32] => Ok(DataType::Float32),
            [input] => self
                .inner
                .return_type(&[summed_as(input).unwrap_or_else(|| input.clone())]),
            types => self.inner.return_type(types),
        }
    }

    fn return_field(&self, fields: &[FieldRef]) -> PlanResult<FieldRef> {
        let types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        let data_type = self.return_type(&types)?;
        if data_type != DataType::Utf8View {
            return Ok(Arc::new(Field::new(self.name(), data_type, true)));
        }
        match fields.first().map(|field| SqlType::from_field(field)) {
            Some(money @ SqlType::Spelled(Spelled::Money)) => Ok(Arc::new(money.to_field(self.name(), true))),
            _ => {
                let arguments: Vec<_> = fields.iter().map(|field| given(field)).collect();
                Err(undefined_function(self.name(), &arguments).into())
            }
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        if let Some(sum) = by_itself(arguments.return_field.data_type()) {
            return Ok(sum);
        }
        let (arguments, layouts) = self.inside(arguments)?;
        let inner = self.inner.accumulator(arguments)?;
        Ok(match layouts {
            Some(layouts) => Box::new(CastSum { inner, layouts }),
            None => inner,
        })
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        if arguments.return_field.data_type() == &DataType::Utf8View {
            return Ok(vec![Arc::new(Field::new("sum", DataType::Utf8View, true))]);
        }
        let inner = match arguments.return_field.data_type() {
            DataType::Float32 => DataType::Float64,
            other => other.clone(),
        };
        let return_field = Arc::new(arguments.return_field.as_ref().clone().with_data_type(inner));
        self.inner.state_fields(StateFieldsArgs {
            return_field,
            ..arguments
        })
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        by_itself(arguments.return_field.data_type()).is_none()
            && self
                .inside(arguments)
                .is_ok_and(|(arguments, _)| self.inner.groups_accumulator_supported(arguments))
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn GroupsAccumulator>> {
        let (arguments, layouts) = self.inside(arguments)?;
        let inner = self.inner.create_groups_accumulator(arguments)?;
        Ok(match layouts {
            Some(layouts) => Box::new(CastGroupSums { inner, layouts }),
            None => inner,
        })
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        if let Some(sum) = by_itself(arguments.return_field.data_type()) {
            return Ok(sum);
        }
        if arguments.return_field.data_type().is_floating() {
            return Ok(Box::new(FloatFrame::new(arguments.return_field.data_type())));
        }
        let (arguments, layouts) = self.inside(arguments)?;
        let inner = self.inner.create_sliding_accumulator(arguments)?;
        Ok(match layouts {
            Some(layouts) => Box::new(CastSum { inner, layouts }),
            None => inner,
        })
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// What the inner accumulator takes, and what the sum is shown as.
#[derive(Debug, Clone)]
struct Layouts {
    summed: DataType,
    outer: DataType,
}

impl Layouts {
    fn input(&self, values: &[ArrayRef]) -> PlanResult<Vec<ArrayRef>> {
        values.iter().map(|array| Ok(cast(array, &self.summed)?)).collect()
    }
}

/// A sum over values that are cast first.
#[derive(Debug)]
struct CastSum {
    inner: Box<dyn Accumulator>,
    layouts: Layouts,
}

impl Accumulator for CastSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        self.inner.update_batch(&self.layouts.input(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        self.inner.retract_batch(&self.layouts.input(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        self.inner.merge_batch(states)
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        self.inner.evaluate()?.cast_to(&self.layouts.outer)
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self) + self.inner.size()
    }
}

/// The same for all groups at once.
struct CastGroupSums {
    inner: Box<dyn GroupsAccumulator>,
    layouts: Layouts,
}

impl GroupsAccumulator for CastGroupSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> PlanResult<()> {
        let values = self.layouts.input(values)?;
        self.inner.update_batch(&values, group_indices, filter, group_count)
    }

    fn evaluate(&mut self, emit: EmitTo) -> PlanResult<ArrayRef> {
        let sums = self.inner.evaluate(emit)?;
        Ok(cast(&sums, &self.layouts.outer)?)
    }

    fn state(&mut self, emit: EmitTo) -> PlanResult<Vec<ArrayRef>> {
        self.inner.state(emit)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], group_count: usize) -> PlanResult<()> {
        self.inner.merge_batch(states, group_indices, group_count)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> PlanResult<Vec<ArrayRef>> {
        self.inner.convert_to_state(&self.layouts.input(values)?, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// The sum of intervals, part by part.
#[derive(Debug, Default)]
struct IntervalSum {
    sum: IntervalMonthDayNano,
    /// How many it is of: that of none is NULL.
    count: i64,
}

impl IntervalSum {
    fn add(&mut self, values: &ArrayRef, sign: i64) -> Result<()> {
        let overflow = || Error::new(SqlState::DatetimeFieldOverflow, "interval out of range");
        for value in values.as_primitive::<IntervalMonthDayNanoType>().iter().flatten() {
            let part = |sum: i32, value: i32| i32::try_from(i64::from(sum) + sign * i64::from(value)).ok();
            self.sum = IntervalMonthDayNano::new(
                part(self.sum.months, value.months).ok_or_else(overflow)?,
                part(self.sum.days, value.days).ok_or_else(overflow)?,
                self.sum
                    .nanoseconds
                    .checked_add(sign * value.nanoseconds)
                    .ok_or_else(overflow)?,
            );
            self.count += sign;
        }
        Ok(())
    }
}

impl Accumulator for IntervalSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        Ok(self.add(&values[0], 1)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        Ok(self.add(&values[0], -1)?)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        Ok(self.add(&states[0], 1)?)
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let sum = (self.count != 0).then_some(self.sum);
        Ok(ScalarValue::IntervalMonthDayNano(sum))
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self)
    }
}
