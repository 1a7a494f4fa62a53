//! percentile_cont() with PostgreSQL's types: numbers of every kind as double precision, by DataFusion's function, and
//! intervals, between which it interpolates part by part.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use super::intervals::{interval_nanos, scaled};
use super::overload::{Given, undefined_function};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

pub(super) fn percentile_cont() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(PercentileCont {
        inner: percentile_cont_udaf(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PercentileCont {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for PercentileCont {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        match types {
            [DataType::Interval(_), _] => Ok(vec![INTERVAL, DataType::Float64]),
            [value, _] if value.is_numeric() || value.is_null() => Ok(vec![DataType::Float64; 2]),
            _ => {
                let mut given: Vec<Given> = types
                    .iter()
                    .map(|given| Given::Known(SqlType::from_arrow(given)))
                    .collect();
                // The fraction is written first.
                given.reverse();
                Err(undefined_function(self.name(), &given).into())
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        Ok(match types.first() {
            Some(DataType::Interval(_)) => INTERVAL,
            _ => DataType::Float64,
        })
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        match arguments.return_field.data_type() {
            DataType::Interval(_) => Ok(vec![Arc::new(Field::new_list(
                "intervals",
                Field::new_list_field(INTERVAL, true),
                true,
            ))]),
            _ => self.inner.state_fields(arguments),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        if !matches!(arguments.return_field.data_type(), DataType::Interval(_)) {
            return self.inner.accumulator(arguments);
        }
        let literal = arguments
            .exprs
            .get(1)
            .and_then(|expression| expression.downcast_ref::<Literal>());
        let Some(ScalarValue::Float64(Some(fraction))) = literal.map(Literal::value) else {
            return Err(Error::unsupported("a percentile that is no constant").into());
        };
        if !(0.0..=1.0).contains(fraction) {
            let message = format!("percentile value {fraction} is not between 0 and 1");
            return Err(Error::new(SqlState::NumericValueOutOfRange, message).into());
        }
        let is_descending = arguments.order_bys.first().is_some_and(|key| key.options.descending);
        Ok(Box::new(IntervalPercentile {
            fraction: if is_descending { 1.0 - fraction } else { *fraction },
            values: vec![],
        }))
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !matches!(arguments.return_field.data_type(), DataType::Interval(_))
            && self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(arguments)
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct IntervalPercentile {
    fraction: f64,
    values: Vec<IntervalMonthDayNano>,
}

impl IntervalPercentile {
    fn percentile(&mut self) -> Result<Option<IntervalMonthDayNano>> {
        self.values.sort_by_key(|value| interval_nanos(*value));
        let Some(last) = self.values.len().checked_sub(1) else {
            return Ok(None);
        };
        let place = self.fraction * last as f64;
        let (low, high) = (self.values[place.floor() as usize], self.values[place.ceil() as usize]);
        let distance = IntervalMonthDayNano::new(
            high.months.wrapping_sub(low.months),
            high.days.wrapping_sub(low.days),
            high.nanoseconds.wrapping_sub(low.nanoseconds),
        );
        let part = scaled(distance, |whole| whole * place.fract())?;
        Ok(Some(IntervalMonthDayNano::new(
            low.months.wrapping_add(part.months),
            low.days.wrapping_add(part.days),
            low.nanoseconds.wrapping_add(part.nanoseconds),
        )))
    }
}

impl Accumulator for IntervalPercentile {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let intervals = values[0].as_primitive::<IntervalMonthDayNanoType>();
        self.values.extend(intervals.iter().flatten());
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        Ok(ScalarValue::IntervalMonthDayNano(self.percentile()?))
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        let values = self
            .values
            .iter()
            .map(|value| ScalarValue::IntervalMonthDayNano(Some(*value)));
        let values: Vec<ScalarValue> = values.collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(
            &values, &INTERVAL,
        ))])
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self) + self.values.capacity() * std::mem::size_of::<IntervalMonthDayNano>()
    }
}
