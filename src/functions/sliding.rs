//! Aggregates of DataFusion that cannot forget a row, over window frames that move: the rows of the frame are kept, and
//! each answer is computed from all of them.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::{bool_and_or, string_agg};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::adjusted_aggregate::{Adjustment, adjusted};
use super::{bit_aggregates, float_moments, range_aggregates};

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let kept = |inner| adjusted(inner, Adjustment::KeepsFrame);
    vec![
        kept(bool_and_or::bool_and_udaf()),
        kept(bool_and_or::bool_or_udaf()),
        kept(string_agg::string_agg_udaf()),
    ]
    .into_iter()
    .chain(bit_aggregates::functions().into_iter().map(kept))
    .chain(range_aggregates::functions().into_iter().map(kept))
    .chain(float_moments::functions().into_iter().map(kept))
    .collect()
}

/// An accumulator that keeps the rows of its frame for a function that forgets none.
pub(super) fn kept_frame(inner: Arc<AggregateUDF>, arguments: AccumulatorArgs) -> Box<dyn Accumulator> {
    Box::new(Frame {
        inner,
        return_field: Arc::clone(&arguments.return_field),
        schema: arguments.schema.clone(),
        ignores_nulls: arguments.ignore_nulls,
        order: arguments.order_bys.to_vec(),
        is_reversed: arguments.is_reversed,
        name: arguments.name.to_string(),
        is_distinct: arguments.is_distinct,
        expressions: arguments.exprs.to_vec(),
        fields: arguments.expr_fields.to_vec(),
        rows: VecDeque::new(),
    })
}

/// The rows of a frame, and what a new accumulator is made of.
#[derive(Debug)]
struct Frame {
    inner: Arc<AggregateUDF>,
    return_field: FieldRef,
    schema: Schema,
    ignores_nulls: bool,
    order: Vec<PhysicalSortExpr>,
    is_reversed: bool,
    name: String,
    is_distinct: bool,
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    fields: Vec<FieldRef>,
    rows: VecDeque<Vec<ArrayRef>>,
}

impl Frame {
    fn computed(&self) -> PlanResult<Box<dyn Accumulator>> {
        let mut accumulator = self.inner.accumulator(AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: self.ignores_nulls,
            order_bys: &self.order,
            is_reversed: self.is_reversed,
            name: &self.name,
            is_distinct: self.is_distinct,
            exprs: &self.expressions,
            expr_fields: &self.fields,
        })?;
        for rows in &self.rows {
            accumulator.update_batch(rows)?;
        }
        Ok(accumulator)
    }
}

impl Accumulator for Frame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        self.rows.push_back(values.to_vec());
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let mut gone = values.first().map_or(0, |array| array.len());
        while gone > 0 {
            let Some(rows) = self.rows.pop_front() else { break };
            let count = rows.first().map_or(0, |array| array.len());
            if count > gone {
                let rest = rows.iter().map(|array| array.slice(gone, count - gone));
                self.rows.push_front(rest.collect());
            }
            gone = gone.saturating_sub(count);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> PlanResult<()> {
        datafusion::common::internal_err!("a frame has no partial states")
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        self.computed()?.evaluate()
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        self.computed()?.state()
    }

    fn size(&self) -> usize {
        let rows = self.rows.iter().flatten();
        std::mem::size_of_val(self) + rows.map(|array| array.get_array_memory_size()).sum::<usize>()
    }
}
