//! Aggregates of DataFusion without promises that they do not keep. `min` and `max` say that a frame that only grows has them in
//! order; but their first answers may be NULL, and stand before the others wherever NULLs are to be: a sort by such a column must
//! not be left out. `array_agg` says that it can be read backwards; with DISTINCT its values then come in the other order.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::{array_agg, min_max};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    StatisticsArgs,
};

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    [min_max::min_udaf(), min_max::max_udaf(), array_agg::array_agg_udaf()]
        .into_iter()
        .map(|inner| Arc::new(AggregateUDF::new_from_impl(Cautious { inner })))
        .collect()
}

/// The aggregate without those promises.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cautious {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Cautious {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> PlanResult<FieldRef> {
        self.inner.return_field(fields)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        self.inner.accumulator(arguments)
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        self.inner.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(arguments)
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(arguments)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.inner.simplify()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        unreversed(&self.inner)
    }

    fn with_beneficial_ordering(self: Arc<Self>, beneficial: bool) -> PlanResult<Option<Arc<dyn AggregateUDFImpl>>> {
        let inner = self.inner.as_ref().clone().with_beneficial_ordering(beneficial)?;
        Ok(inner.map(|inner| Arc::new(Cautious { inner: Arc::new(inner) }) as Arc<dyn AggregateUDFImpl>))
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs) -> Option<ScalarValue> {
        self.inner.value_from_stats(statistics)
    }

    fn default_value(&self, data_type: &DataType) -> PlanResult<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn set_monotonicity(&self, _: &DataType) -> SetMonotonicity {
        SetMonotonicity::NotMonotonic
    }
}

/// Whether the aggregate is the same backwards; never another one, which would forget that values are to be distinct.
pub(super) fn unreversed(inner: &AggregateUDF) -> ReversedUDAF {
    match inner.reverse_udf() {
        ReversedUDAF::Reversed(_) => ReversedUDAF::NotSupported,
        other => other,
    }
}
