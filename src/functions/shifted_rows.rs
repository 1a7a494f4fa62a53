//! lag() and lead() by a distance that is computed for each row; the engine's take a constant.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl};

/// The function, lag() or lead(), with distances of any kind.
pub fn shifted(function: &Arc<WindowUDF>) -> Arc<WindowUDF> {
    Arc::new(WindowUDF::new_from_impl(Shifted {
        inner: Arc::clone(function),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shifted {
    inner: Arc<WindowUDF>,
    signature: Signature,
}

impl WindowUDFImpl for Shifted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        let mut coerced = types.to_vec();
        if let [value, distance, others @ ..] = coerced.as_mut_slice() {
            *distance = DataType::Int64;
            others.fill(value.clone());
        }
        Ok(coerced)
    }

    fn field(&self, arguments: WindowUDFFieldArgs) -> PlanResult<FieldRef> {
        let first = &arguments.input_fields()[..arguments.input_fields().len().min(1)];
        self.inner.field(WindowUDFFieldArgs::new(first, arguments.name()))
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs) -> PlanResult<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Shift {
            forward: self.inner.name() == "lead",
        }))
    }
}

#[derive(Debug)]
struct Shift {
    forward: bool,
}

impl PartitionEvaluator for Shift {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> PlanResult<ArrayRef> {
        let [values, distances, default @ ..] = values else {
            return datafusion::common::internal_err!("a shift of rows without a distance");
        };
        let distances = cast(distances, &DataType::Int64)?;
        let distances = distances.as_primitive::<Int64Type>();
        // `None` without a distance, which gives NULL; `Some(None)` where there is no row so far away.
        let source = |row: usize| {
            let distance = distances.is_valid(row).then(|| i128::from(distances.value(row)))?;
            let place = row as i128 + if self.forward { distance } else { -distance };
            Some(usize::try_from(place).ok().filter(|place| *place < rows))
        };
        let places: UInt64Array = (0..rows)
            .map(|row| source(row).flatten().map(|place| place as u64))
            .collect();
        let moved = take(values, &places, None)?;
        let missing: BooleanArray = (0..rows).map(|row| Some(source(row) == Some(None))).collect();
        match default.first() {
            Some(default) if missing.true_count() > 0 => Ok(zip(&missing, default, &moved)?),
            _ => Ok(moved),
        }
    }
}
