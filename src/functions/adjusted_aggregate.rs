//! An aggregate of DataFusion that does one thing otherwise, and hands everything else on.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    StatisticsArgs,
};

use super::sliding::kept_frame;
use crate::types::SqlType;

/// What is done otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Adjustment {
    /// Window frames that move keep their rows, for a function that cannot forget one.
    KeepsFrame,
    /// The answers over a frame that grows are in no order.
    PromisesNoOrder,
}

pub(super) fn adjusted(inner: Arc<AggregateUDF>, adjustment: Adjustment) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Adjusted::new(inner, adjustment)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Adjusted {
    inner: Arc<AggregateUDF>,
    adjustment: Adjustment,
    /// Of its own: DataFusion's wrapper for other names does not slide.
    aliases: Vec<String>,
}

impl Adjusted {
    fn new(inner: Arc<AggregateUDF>, adjustment: Adjustment) -> Adjusted {
        let every = (inner.name() == "bool_and").then(|| "every".to_string());
        let aliases = every.into_iter().chain(inner.aliases().iter().cloned()).collect();
        Adjusted {
            inner,
            adjustment,
            aliases,
        }
    }

    /// `string_agg` does itself, and says that it needs them ordered: two calls of it could not have orders of their own.
    fn orders_values(&self) -> bool {
        self.inner.name() == "string_agg"
    }
}

impl AggregateUDFImpl for Adjusted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
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
        let field = self.inner.return_field(fields)?;
        // So that what is around a subquery knows the type; the plan compares keys in the values' place (binding/sort_keys).
        let chosen = fields.first().filter(|_| matches!(self.name(), "min" | "max"));
        let chosen = chosen.filter(|chosen| match SqlType::from_field(chosen) {
            SqlType::Spelled(spelled) => !spelled.is_ordered_by_spelling(),
            _ => false,
        });
        Ok(match chosen {
            Some(chosen) => Arc::new(field.as_ref().clone().with_metadata(chosen.metadata().clone())),
            None => field,
        })
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
        match self.adjustment {
            Adjustment::KeepsFrame => Ok(kept_frame(Arc::clone(&self.inner), arguments)),
            Adjustment::PromisesNoOrder => self.inner.create_sliding_accumulator(arguments),
        }
    }

    fn with_beneficial_ordering(self: Arc<Self>, beneficial: bool) -> PlanResult<Option<Arc<dyn AggregateUDFImpl>>> {
        if self.orders_values() {
            return Ok(Some(self));
        }
        let inner = self.inner.as_ref().clone().with_beneficial_ordering(beneficial)?;
        let adjustment = self.adjustment;
        Ok(inner.map(|inner| Arc::new(Adjusted::new(Arc::new(inner), adjustment)) as Arc<dyn AggregateUDFImpl>))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        match self.orders_values() {
            true => AggregateOrderSensitivity::SoftRequirement,
            false => self.inner.order_sensitivity(),
        }
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.inner.simplify()
    }

    /// Another aggregate would forget what is done otherwise, and `array_agg` backwards that its values are distinct.
    fn reverse_expr(&self) -> ReversedUDAF {
        match self.inner.reverse_udf() {
            ReversedUDAF::Reversed(_) => ReversedUDAF::NotSupported,
            other => other,
        }
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

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        match self.adjustment {
            Adjustment::KeepsFrame => self.inner.inner().set_monotonicity(data_type),
            Adjustment::PromisesNoOrder => SetMonotonicity::NotMonotonic,
        }
    }
}
