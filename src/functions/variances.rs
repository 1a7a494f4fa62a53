//! Variances and standard deviations of whole numbers and numerics, exact to PostgreSQL's digits; `float_moments` has
//! those of floats, and DataFusion's functions those of distinct ones.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal256Array, Int64Array, PrimitiveArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Int64Type, i256};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::{stddev, variance};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::float_moments::{spread_accumulator, spread_groups, spread_state};
use super::float_sums;
use super::overload::undefined_for;
use super::sliding::kept_frame;
use crate::error::Result;
use crate::types::numeric::{COMPUTED_NUMERIC, MAX_SCALE, Number, overflow};

/// Digits behind the point to which computed numerics are squared, so that squares and sums of them fit.
const COMPUTED_SCALE: i8 = 20;

/// The carrier of exact sums.
const EXACT: DataType = DataType::Decimal256(COMPUTED_NUMERIC.0, 0);

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let function = |name, inner: Arc<AggregateUDF>, sample, root| {
        Arc::new(AggregateUDF::new_from_impl(Spread {
            name,
            inner,
            sample,
            root,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    };
    vec![
        function("var_samp", variance::var_samp_udaf(), true, false),
        function("variance", variance::var_samp_udaf(), true, false),
        function("var_pop", variance::var_pop_udaf(), false, false),
        function("stddev_samp", stddev::stddev_udaf(), true, true),
        function("stddev", stddev::stddev_udaf(), true, true),
        function("stddev_pop", stddev::stddev_pop_udaf(), false, true),
    ]
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Spread {
    name: &'static str,
    inner: Arc<AggregateUDF>,
    sample: bool,
    root: bool,
    signature: Signature,
}

impl Spread {
    fn of_floats(&self) -> float_sums::Spread {
        float_sums::Spread {
            sample: self.sample,
            root: self.root,
        }
    }
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_decimal()
}

impl AggregateUDFImpl for Spread {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        match types {
            [exact] if is_exact(exact) => Ok(vec![exact.clone()]),
            [DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null] => Ok(vec![DataType::Float64]),
            _ => Err(undefined_for(self.name, types).into()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        match types {
            [exact] if is_exact(exact) => Ok(DataType::Decimal256(COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1)),
            _ => Ok(DataType::Float64),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        match arguments.expr_fields.first().map(|field| field.data_type()) {
            Some(exact) if is_exact(exact) && !arguments.is_distinct => {
                Ok(Box::new(ExactSpread::new(exact, self.sample, self.root)))
            }
            _ if arguments.is_distinct => self.inner.accumulator(arguments),
            _ => Ok(spread_accumulator(self.of_floats())),
        }
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !arguments.is_distinct
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn GroupsAccumulator>> {
        match arguments.expr_fields.first().map(|field| field.data_type()) {
            Some(exact) if is_exact(exact) => Ok(Box::new(ExactSpreads {
                groups: Vec::new(),
                shape: ExactSpread::new(exact, self.sample, self.root),
            })),
            _ => Ok(spread_groups(self.of_floats())),
        }
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        match arguments.return_field.data_type() {
            DataType::Decimal256(..) => self.accumulator(arguments),
            _ => Ok(kept_frame(
                Arc::new(AggregateUDF::new_from_impl(self.clone())),
                arguments,
            )),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        if !matches!(arguments.return_field.data_type(), DataType::Decimal256(..)) {
            return match arguments.is_distinct {
                true => self.inner.state_fields(arguments),
                false => Ok(spread_state()),
            };
        }
        Ok(vec![
            Arc::new(Field::new("count", DataType::Int64, true)),
            Arc::new(Field::new("sum", EXACT, true)),
            Arc::new(Field::new("squares", EXACT, true)),
        ])
    }
}

/// Count, sum and sum of squares, of values without their point.
#[derive(Debug, Default, Clone, Copy)]
struct Moments {
    count: i64,
    sum: i256,
    squares: i256,
}

impl Moments {
    fn add(&mut self, value: i256) -> Result<()> {
        let square = match value.to_i128().and_then(|value| value.checked_mul(value)) {
            Some(square) => i256::from_i128(square),
            None => value.checked_mul(value).ok_or_else(overflow)?,
        };
        self.merge(&Moments {
            count: 1,
            sum: value,
            squares: square,
        })
    }

    /// N Σx² − (Σx)², if 128 bits hold it.
    fn narrow_difference(&self) -> Option<i128> {
        let (sum, squares) = (self.sum.to_i128()?, self.squares.to_i128()?);
        let above = squares.checked_mul(self.count.into())?;
        above.checked_sub(sum.checked_mul(sum)?)
    }

    /// The same of values with this scale.
    fn difference(&self, scale: i32) -> Result<Number> {
        let number = |value: i256, scale: i32| Number { value, scale };
        let square = number(self.sum, scale).multiply(number(self.sum, scale))?;
        let negative = Number {
            value: square.value.wrapping_neg(),
            ..square
        };
        let count = Number::new(self.count.into(), 0);
        count.multiply(number(self.squares, 2 * scale))?.plus(negative)
    }

    fn remove(&mut self, value: i256) -> Result<()> {
        let square = value.checked_mul(value).ok_or_else(overflow)?;
        self.sum = self.sum.checked_sub(value).ok_or_else(overflow)?;
        self.squares = self.squares.checked_sub(square).ok_or_else(overflow)?;
        self.count -= 1;
        Ok(())
    }

    fn merge(&mut self, other: &Moments) -> Result<()> {
        self.sum = self.sum.checked_add(other.sum).ok_or_else(overflow)?;
        self.squares = self.squares.checked_add(other.squares).ok_or_else(overflow)?;
        self.count += other.count;
        Ok(())
    }
}

/// One group's spread.
#[derive(Debug, Clone, Copy)]
struct ExactSpread {
    moments: Moments,
    scale: i8,
    sample: bool,
    root: bool,
}

impl ExactSpread {
    fn new(exact: &DataType, sample: bool, root: bool) -> ExactSpread {
        ExactSpread {
            moments: Moments::default(),
            scale: match exact {
                DataType::Decimal128(_, scale) => *scale,
                DataType::Decimal256(_, scale) => (*scale).min(COMPUTED_SCALE),
                _ => 0,
            },
            sample,
            root,
        }
    }

    /// Calls with the number of each row that has a value, and the value without its point.
    fn for_each(&self, values: &ArrayRef, call: impl FnMut(usize, i256) -> Result<()>) -> PlanResult<()> {
        match values.data_type() {
            integer if integer.is_signed_integer() => {
                let wide = cast(values, &DataType::Int64)?;
                let whole = |value: i64| i256::from_i128(value.into());
                for_each_value(wide.as_primitive::<Int64Type>(), whole, call)
            }
            DataType::Decimal128(_, scale) if *scale == self.scale => {
                for_each_value(values.as_primitive::<Decimal128Type>(), i256::from_i128, call)
            }
            _ => {
                let wide = cast(values, &DataType::Decimal256(COMPUTED_NUMERIC.0, self.scale))?;
                for_each_value(wide.as_primitive::<Decimal256Type>(), |value| value, call)
            }
        }
    }

    /// (N Σx² − (Σx)²) / (N (N − 1)), and its root.
    fn spread(&self, moments: &Moments) -> Result<Option<Number>> {
        if moments.count < 1 || (self.sample && moments.count < 2) {
            return Ok(None);
        }
        let scale = i32::from(self.scale);
        let above = match moments.narrow_difference().filter(|_| 2 * scale <= MAX_SCALE) {
            Some(difference) => Number::new(difference, 2 * scale),
            None => moments.difference(scale)?,
        };
        if above.value <= i256::ZERO {
            return Ok(Some(Number::new(0, 0)));
        }
        let count = i128::from(moments.count);
        let below = count * if self.sample { count - 1 } else { count };
        let variance = above.divide(Number::new(below, 0))?;
        match self.root {
            true => variance.square_root_to(variance.scale).map(Some),
            false => Ok(Some(variance)),
        }
    }
}

fn for_each_value<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    wide: impl Fn(T::Native) -> i256,
    mut call: impl FnMut(usize, i256) -> Result<()>,
) -> PlanResult<()> {
    let valid = values.nulls().filter(|nulls| nulls.null_count() > 0);
    for (row, value) in values.values().iter().enumerate() {
        if valid.is_none_or(|valid| valid.is_valid(row)) {
            call(row, wide(*value))?;
        }
    }
    Ok(())
}

/// The moments of partial states.
fn moments(states: &[ArrayRef]) -> impl Iterator<Item = Moments> {
    let counts = states[0].as_primitive::<Int64Type>();
    let sums = states[1].as_primitive::<Decimal256Type>();
    let squares = states[2].as_primitive::<Decimal256Type>();
    (0..counts.len()).map(|row| Moments {
        count: counts.value(row),
        sum: sums.value(row),
        squares: squares.value(row),
    })
}

fn states(moments: &[Moments]) -> Vec<ArrayRef> {
    let sums = moments.iter().map(|moments| moments.sum);
    let squares = moments.iter().map(|moments| moments.squares);
    let sums = Decimal256Array::from_iter_values(sums).with_data_type(EXACT);
    let squares = Decimal256Array::from_iter_values(squares).with_data_type(EXACT);
    let counts = Int64Array::from_iter_values(moments.iter().map(|moments| moments.count));
    vec![Arc::new(counts), Arc::new(sums), Arc::new(squares)]
}

impl Accumulator for ExactSpread {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let mut moments = self.moments;
        self.for_each(&values[0], |_, value| moments.add(value))?;
        self.moments = moments;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let mut moments = self.moments;
        self.for_each(&values[0], |_, value| moments.remove(value))?;
        self.moments = moments;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        Ok(moments(states).try_for_each(|moments| self.moments.merge(&moments))?)
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let carried = self.spread(&self.moments)?.map(Number::to_carried).transpose()?;
        Ok(ScalarValue::Decimal256(carried, COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1))
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        let Moments { count, sum, squares } = self.moments;
        Ok(vec![
            ScalarValue::Int64(Some(count)),
            ScalarValue::Decimal256(Some(sum), COMPUTED_NUMERIC.0, 0),
            ScalarValue::Decimal256(Some(squares), COMPUTED_NUMERIC.0, 0),
        ])
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self)
    }
}

/// The spreads of all groups at once.
#[derive(Debug)]
struct ExactSpreads {
    groups: Vec<Moments>,
    /// What all have in common; its own moments are unused.
    shape: ExactSpread,
}

impl GroupsAccumulator for ExactSpreads {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> PlanResult<()> {
        self.groups.resize(group_count, Moments::default());
        let passes = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        let groups = &mut self.groups;
        self.shape.for_each(&values[0], |row, value| match passes(row) {
            true => groups[group_indices[row]].add(value),
            false => Ok(()),
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], group_count: usize) -> PlanResult<()> {
        self.groups.resize(group_count, Moments::default());
        let mut merging = moments(states).zip(group_indices);
        Ok(merging.try_for_each(|(moments, group)| self.groups[*group].merge(&moments))?)
    }

    fn evaluate(&mut self, emit: EmitTo) -> PlanResult<ArrayRef> {
        let groups = emit.take_needed(&mut self.groups);
        let spreads = groups.iter().map(|moments| {
            let spread = self.shape.spread(moments)?;
            spread.map(Number::to_carried).transpose()
        });
        let spreads: Decimal256Array = spreads.collect::<Result<_>>()?;
        let (precision, scale) = COMPUTED_NUMERIC;
        Ok(Arc::new(spreads.with_precision_and_scale(precision, scale)?))
    }

    fn state(&mut self, emit: EmitTo) -> PlanResult<Vec<ArrayRef>> {
        Ok(states(&emit.take_needed(&mut self.groups)))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> PlanResult<Vec<ArrayRef>> {
        let rows = values[0].len();
        let mut each = ExactSpreads {
            groups: Vec::new(),
            shape: self.shape,
        };
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        Ok(states(&each.groups))
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Moments>()
    }
}
