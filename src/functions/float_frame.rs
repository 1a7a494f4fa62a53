//! sum() of floats over window frames that move: what was added to a float cannot be taken away again, so the values of
//! the frame are kept, and each sum is computed from all of them.

use std::collections::VecDeque;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result as PlanResult, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;

/// The values of a frame.
#[derive(Debug)]
pub(super) struct FloatFrame {
    values: VecDeque<Option<f64>>,
    /// What the sum is shown as.
    shown: DataType,
}

impl FloatFrame {
    pub fn new(shown: &DataType) -> FloatFrame {
        FloatFrame {
            values: VecDeque::new(),
            shown: shown.clone(),
        }
    }
}

impl Accumulator for FloatFrame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let values = cast(&values[0], &DataType::Float64)?;
        self.values.extend(values.as_primitive::<Float64Type>().iter());
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let gone = values[0].len().min(self.values.len());
        self.values.drain(..gone);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> PlanResult<()> {
        internal_err!("a frame has no partial states")
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let sum = self.values.iter().flatten().copied().reduce(|sum, value| sum + value);
        ScalarValue::Float64(sum).cast_to(&self.shown)
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        internal_err!("a frame has no partial states")
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self) + self.values.capacity() * std::mem::size_of::<Option<f64>>()
    }
}
