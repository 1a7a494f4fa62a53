//! row_number(), rank() and dense_rank() as PostgreSQL types them: bigint. The engine's are unsigned, and what is computed of
//! an unsigned number beside a bigint is a decimal: `row_number() OVER () / 2` would have a fraction.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::{SortOptions, cast};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_window::{rank, row_number};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{LimitEffect, PartitionEvaluator, Signature, WindowUDF, WindowUDFImpl};
use datafusion::physical_expr::PhysicalExpr;

pub(super) fn functions() -> Vec<Arc<WindowUDF>> {
    let counted = [
        row_number::row_number_udwf(),
        rank::rank_udwf(),
        rank::dense_rank_udwf(),
    ];
    let signed = |inner| Arc::new(WindowUDF::new_from_impl(Signed { inner }));
    counted.into_iter().map(signed).collect()
}

/// A function of the engine's that counts rows.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Signed {
    inner: Arc<WindowUDF>,
}

impl WindowUDFImpl for Signed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn field(&self, arguments: WindowUDFFieldArgs) -> PlanResult<FieldRef> {
        let field = self.inner.field(arguments)?;
        Ok(Arc::new(field.as_ref().clone().with_data_type(DataType::Int64)))
    }

    fn partition_evaluator(&self, arguments: PartitionEvaluatorArgs) -> PlanResult<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(SignedRanks(
            self.inner.partition_evaluator_factory(arguments)?,
        )))
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.inner.sort_options()
    }

    fn limit_effect(&self, arguments: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        self.inner.inner().limit_effect(arguments)
    }
}

#[derive(Debug)]
struct SignedRanks(Box<dyn PartitionEvaluator>);

impl PartitionEvaluator for SignedRanks {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> PlanResult<ArrayRef> {
        Ok(cast(&self.0.evaluate_all(values, rows)?, &DataType::Int64)?)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> PlanResult<ScalarValue> {
        self.0.evaluate(values, range)?.cast_to(&DataType::Int64)
    }

    fn evaluate_all_with_rank(&self, rows: usize, ranks: &[Range<usize>]) -> PlanResult<ArrayRef> {
        Ok(cast(&self.0.evaluate_all_with_rank(rows, ranks)?, &DataType::Int64)?)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.0.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.0.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.0.include_rank()
    }

    fn is_causal(&self) -> bool {
        self.0.is_causal()
    }
}
