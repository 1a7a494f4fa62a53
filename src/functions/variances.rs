//! Variances and standard deviations of whole numbers and numerics, exact to PostgreSQL's digits; floats stay with
//! DataFusion's functions.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal256Type, Field, FieldRef, Int64Type, i256};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::{stddev, variance};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

use super::overload::{Given, undefined_function};
use crate::error::Result;
use crate::types::SqlType;
use crate::types::numeric::{COMPUTED_NUMERIC, Number, overflow};

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

#[derive(Debug, PartialEq, Eq, Hash)]
struct Spread {
    name: &'static str,
    inner: Arc<AggregateUDF>,
    sample: bool,
    root: bool,
    signature: Signature,
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
            _ => {
                let given: Vec<Given> = types
                    .iter()
                    .map(|given| Given::Known(SqlType::from_arrow(given)))
                    .collect();
                Err(undefined_function(self.name, &given).into())
            }
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
            Some(exact) if is_exact(exact) && !arguments.is_distinct => Ok(Box::new(ExactSpread {
                count: 0,
                sum: i256::ZERO,
                squares: i256::ZERO,
                scale: match exact {
                    DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
                    _ => 0,
                },
                sample: self.sample,
                root: self.root,
            })),
            _ => self.inner.accumulator(arguments),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        if !matches!(arguments.return_field.data_type(), DataType::Decimal256(..)) {
            return self.inner.state_fields(arguments);
        }
        Ok(vec![
            Arc::new(Field::new("count", DataType::Int64, true)),
            Arc::new(Field::new("sum", EXACT, true)),
            Arc::new(Field::new("squares", EXACT, true)),
        ])
    }
}

/// Count, sum and sum of squares, of values without their point.
#[derive(Debug)]
struct ExactSpread {
    count: i64,
    sum: i256,
    squares: i256,
    scale: i8,
    sample: bool,
    root: bool,
}

impl ExactSpread {
    fn add(&mut self, values: &ArrayRef, forwards: bool) -> Result<()> {
        let wide = cast(values, &DataType::Decimal256(COMPUTED_NUMERIC.0, self.scale))?;
        let array = wide.as_primitive::<Decimal256Type>();
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            let value = array.value(row);
            let square = value.checked_mul(value).ok_or_else(overflow)?;
            let (sum, squares) = match forwards {
                true => (self.sum.checked_add(value), self.squares.checked_add(square)),
                false => (self.sum.checked_sub(value), self.squares.checked_sub(square)),
            };
            self.sum = sum.ok_or_else(overflow)?;
            self.squares = squares.ok_or_else(overflow)?;
            self.count += if forwards { 1 } else { -1 };
        }
        Ok(())
    }

    /// (N Σx² − (Σx)²) / (N (N − 1)), and its root.
    fn spread(&self) -> Result<Option<Number>> {
        if self.count < 1 || (self.sample && self.count < 2) {
            return Ok(None);
        }
        let scale = i32::from(self.scale);
        let number = |value: i256, scale: i32| Number { value, scale };
        let count = Number::new(i128::from(self.count), 0);
        let square = number(self.sum, scale).multiply(number(self.sum, scale))?;
        let negative = Number {
            value: square.value.wrapping_neg(),
            ..square
        };
        let above = count.multiply(number(self.squares, 2 * scale))?.plus(negative)?;
        if above.value <= i256::ZERO {
            return Ok(Some(Number::new(0, 0)));
        }
        let below = i128::from(self.count) * i128::from(if self.sample { self.count - 1 } else { self.count });
        let variance = above.divide(Number::new(below, 0))?;
        match self.root {
            true => variance.square_root()?.rounded(variance.scale).map(Some),
            false => Ok(Some(variance)),
        }
    }
}

impl Accumulator for ExactSpread {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        Ok(self.add(&values[0], true)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        Ok(self.add(&values[0], false)?)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        let counts = states[0].as_primitive::<Int64Type>();
        let sums = states[1].as_primitive::<Decimal256Type>();
        let squares = states[2].as_primitive::<Decimal256Type>();
        for row in 0..counts.len() {
            self.count += counts.value(row);
            self.sum = self.sum.checked_add(sums.value(row)).ok_or_else(overflow)?;
            self.squares = self.squares.checked_add(squares.value(row)).ok_or_else(overflow)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let carried = self.spread()?.map(Number::to_carried).transpose()?;
        Ok(ScalarValue::Decimal256(carried, COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1))
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Int64(Some(self.count)),
            ScalarValue::Decimal256(Some(self.sum), COMPUTED_NUMERIC.0, 0),
            ScalarValue::Decimal256(Some(self.squares), COMPUTED_NUMERIC.0, 0),
        ])
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self)
    }
}
