//! An aggregation with the filters and projections below it in one operator. It stands for stock operators, shows their
//! properties, and keeps them for what it declines.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode, AggregateMode};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PhysicalExpr, PlanProperties,
};

use super::aggregate_shape::{AggregateShape, Key, shape_of};
use super::aggregate_stream::run;
use super::join_shape::with_codes;

/// Filter, projection and aggregation of a source's rows.
#[derive(Debug, Clone)]
pub struct FusedAggregateExec {
    /// The operator that this one stands for, on its filters and projections, on a source.
    stock: Arc<dyn ExecutionPlan>,
    stock_source: Arc<dyn ExecutionPlan>,
    /// What is read: the stock operators' source, or one with the same columns in compact types.
    source: Arc<dyn ExecutionPlan>,
    shape: Arc<AggregateShape>,
    /// The keys whose strings are emitted as codes.
    coded: Vec<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FusedAggregateExec {
    /// Stands for `stock`, if it is an aggregation that this operator covers.
    pub fn standing_for(stock: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<FusedAggregateExec>> {
        let Some(aggregation) = stock.downcast_ref::<AggregateExec>() else {
            return Ok(None);
        };
        Ok(shape_of(aggregation)?.map(|(shape, source)| FusedAggregateExec {
            stock: Arc::clone(stock),
            stock_source: Arc::clone(&source),
            source,
            shape: Arc::new(shape),
            coded: Vec::new(),
            properties: Arc::clone(stock.properties()),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    /// The operator below.
    pub fn source(&self) -> &Arc<dyn ExecutionPlan> {
        &self.source
    }

    /// The stock operator, which computes the same.
    pub fn stands_for(&self) -> &Arc<dyn ExecutionPlan> {
        &self.stock
    }

    /// The columns of the source that may be compact: decimals in fewer bits, strings as codes.
    pub fn compactable_columns(&self) -> Vec<usize> {
        let columns = self.source.schema().fields().len();
        let others = self.shape.columns_of_stock_expressions();
        (0..columns).filter(|column| !others.contains(column)).collect()
    }

    /// The same reading `source`, which has the same columns, `compactable_columns` in other types perhaps.
    pub fn reading(&self, source: Arc<dyn ExecutionPlan>) -> FusedAggregateExec {
        FusedAggregateExec {
            source,
            metrics: ExecutionPlanMetricsSet::new(),
            ..self.clone()
        }
    }

    /// The same with as many as possible of these columns, which are strings, as codes; `None` where there are none.
    pub fn with_coded_strings(&self, wanted: &[usize]) -> Option<FusedAggregateExec> {
        // What is exchanged between partitions is hashed, and codes of one are not those of another.
        if self.emits_states() || !self.shape.sets.is_empty() {
            return None;
        }
        let schema = self.stock.schema();
        let is_string = |key: &usize| *schema.field(*key).data_type() == DataType::Utf8View;
        let is_numbered = |key: &usize| matches!(self.shape.keys.get(*key), Some(Key::Strings(_)));
        let coded: Vec<usize> = wanted.iter().copied().filter(is_numbered).filter(is_string).collect();
        (!coded.is_empty()).then(|| self.clone().emitting_codes(coded))
    }

    fn emitting_codes(mut self, coded: Vec<usize>) -> FusedAggregateExec {
        if coded.is_empty() {
            return self;
        }
        let stock = self.stock.properties();
        let properties = PlanProperties::new(
            // Nothing is known of codes' order.
            EquivalenceProperties::new(with_codes(&self.stock.schema(), &coded)),
            stock.output_partitioning().clone(),
            stock.emission_type,
            stock.boundedness,
        );
        self.properties = Arc::new(properties.with_scheduling_type(stock.scheduling_type));
        self.coded = coded;
        self
    }

    /// The operators that this one stands for, the highest first.
    fn folded(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        let mut folded = vec![&self.stock];
        while let Some(last) = folded.last()
            && let [input] = last.children().as_slice()
            && !Arc::ptr_eq(input, &self.stock_source)
        {
            folded.push(input);
        }
        folded
    }

    /// The stock operators on another source.
    pub(super) fn stock_on(&self, source: Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut plan = source;
        for operator in self.folded().into_iter().rev() {
            plan = replace_children_if_necessary(Arc::clone(operator), vec![plan])?;
        }
        Ok(plan)
    }

    /// The source's columns as the stock operators read them.
    pub(super) fn stock_schema(&self) -> SchemaRef {
        self.stock_source.schema()
    }

    pub(super) fn shape(&self) -> &Arc<AggregateShape> {
        &self.shape
    }

    pub(super) fn metrics_set(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    /// Whether the output is states of groups, which another operator merges.
    pub(super) fn emits_states(&self) -> bool {
        self.mode() == Some(AggregateMode::Partial)
    }

    fn mode(&self) -> Option<AggregateMode> {
        let aggregation = self.stock.downcast_ref::<AggregateExec>();
        aggregation.map(|aggregation| *aggregation.mode())
    }

    /// Stock operators that yield the states of `rest`, which is more of the input.
    pub(super) fn states_of(&self, rest: Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let merges = self
            .mode()
            .is_some_and(|mode| mode.input_mode() == AggregateInputMode::Partial);
        let stock = if merges {
            None
        } else {
            Some(self.stock_on(Arc::clone(&rest))?)
        };
        match stock.as_ref().and_then(|stock| stock.downcast_ref::<AggregateExec>()) {
            None => Ok(rest),
            Some(single) => Ok(Arc::new(AggregateExec::try_new(
                AggregateMode::Partial,
                single.group_expr().clone(),
                single.aggr_expr().to_vec(),
                single.filter_expr().to_vec(),
                Arc::clone(single.input()),
                single.input_schema(),
            )?)),
        }
    }

    /// Stock operators that merge states into results.
    pub(super) fn results_of(&self, states: Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        match self.stock.downcast_ref::<AggregateExec>() {
            Some(single) if single.mode().input_mode() == AggregateInputMode::Raw => {
                Ok(Arc::new(AggregateExec::try_new(
                    AggregateMode::Final,
                    single.group_expr().as_final(),
                    single.aggr_expr().to_vec(),
                    single.filter_expr().to_vec(),
                    states,
                    single.input_schema(),
                )?))
            }
            _ => self.stock_on(states),
        }
    }
}

impl DisplayAs for FusedAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, formatter: &mut fmt::Formatter) -> fmt::Result {
        if !matches!(format, DisplayFormatType::TreeRender) {
            formatter.write_str("Fused")?;
        }
        self.stock.fmt_as(format, formatter)?;
        for operator in self.folded() {
            if let Some(filter) = operator.downcast_ref::<FilterExec>() {
                write!(formatter, ", predicate={}", filter.predicate())?;
            }
        }
        match self.coded.as_slice() {
            [] => Ok(()),
            coded => write!(formatter, ", coded={coded:?}"),
        }
    }
}

impl ExecutionPlan for FusedAggregateExec {
    fn name(&self) -> &str {
        "FusedAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.stock.input_distribution_requirements()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.source]
    }

    fn apply_expressions(
        &self,
        call: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        for operator in self.folded() {
            if operator.apply_expressions(call)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let source = children.swap_remove(0);
        if source.schema() == self.source.schema() {
            return Ok(Arc::new(self.reading(source)));
        }
        let stock = self.stock_on(source)?;
        Ok(match FusedAggregateExec::standing_for(&stock)? {
            Some(fused) => Arc::new(fused.emitting_codes(self.coded.clone())),
            None => stock,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let input = self.source.execute(partition, Arc::clone(&context))?;
        run(self, input, partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
