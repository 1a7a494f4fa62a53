//! The policy barrier at run time: hands on its input's batches untouched and lets nothing else through.
//! To the physical optimizer it is opaque (no statistics that answer, no orderings, no constants) except
//! for filters on the allow-list. Once `seal`ed it has no children: plan displays, metrics and rewrites
//! end here. Run-time filters that entered are applied again to the rows that leave: below, they may skip whole
//! blocks by bounds that hidden rows move, and what came out would tell.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as PlanResult, ScalarValue, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, ReplaceChildrenOptions, apply_expression_roots,
};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::StreamExt;

use super::barrier_error::scrub;
use super::fingerprint::PolicyFingerprint;
use super::push_into_barrier::physical_filter_may_enter;
use crate::catalog::model::Oid;

/// What a barrier guards: named in plans and errors, compared by `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarrierIdentity {
    pub table: Oid,
    pub table_name: String,
    pub fingerprint: PolicyFingerprint,
}

/// The physical node that every row of a governed table passes.
#[derive(Debug, Clone)]
pub struct PolicyBarrierExec {
    identity: Arc<BarrierIdentity>,
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    /// For each output column: whether filters on it may go below the barrier.
    open_columns: Arc<[bool]>,
    /// Of joins and others above, over the output's columns.
    runtime_filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Flipped in place: a rewrite of the tree would cut the wires of its dynamic filters.
    sealed: Arc<AtomicBool>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PolicyBarrierExec {
    /// `input` yields the columns of `schema` by name, order and type; nullability and metadata are the schema's.
    pub(crate) fn new(
        identity: Arc<BarrierIdentity>,
        input: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        open_columns: Arc<[bool]>,
    ) -> Self {
        let properties = Arc::new(opaque_properties(&input, &schema));
        let metrics = ExecutionPlanMetricsSet::new();
        PolicyBarrierExec {
            identity,
            input,
            schema,
            open_columns,
            runtime_filters: Vec::new(),
            sealed: Arc::default(),
            properties,
            metrics,
        }
    }

    /// Which table and policies this barrier stands for.
    pub fn identity(&self) -> &BarrierIdentity {
        &self.identity
    }

    /// Whether a run-time filter reads this column of the output.
    pub(crate) fn filters_at_run_time(&self, column: usize) -> bool {
        let mut filters = self.runtime_filters.iter();
        filters.any(|filter| collect_columns(filter).iter().any(|read| read.index() == column))
    }

    /// What lies inside, for `verify` and the physical rules, and for the eyes of monitors only.
    pub(crate) fn inside(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    /// Hides the children for good: the last step before execution.
    pub(crate) fn seal(&self) {
        self.sealed.store(true, Ordering::Relaxed);
    }

    fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Relaxed)
    }

    /// The same over `input`, which yields the same columns, perhaps in narrower types.
    pub(crate) fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Self {
        let given = input.schema();
        let fields = self.schema.fields().iter().zip(given.fields());
        let fields = fields.map(|(own, given)| own.as_ref().clone().with_data_type(given.data_type().clone()));
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), self.schema.metadata().clone());
        let (identity, open_columns) = (Arc::clone(&self.identity), Arc::clone(&self.open_columns));
        PolicyBarrierExec {
            runtime_filters: self.runtime_filters.clone(),
            ..PolicyBarrierExec::new(identity, input, Arc::new(schema), open_columns)
        }
    }

    /// The same rows, asked for anew: those above forget their filters too.
    fn reset_with(&self, input: Arc<dyn ExecutionPlan>) -> Self {
        PolicyBarrierExec {
            runtime_filters: Vec::new(),
            ..self.with_input(input)
        }
    }
}

/// Nothing of the inside's orderings, constants or partitioning keys is known above.
fn opaque_properties(input: &Arc<dyn ExecutionPlan>, schema: &SchemaRef) -> PlanProperties {
    let below = input.properties();
    PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(schema)),
        Partitioning::UnknownPartitioning(below.partitioning.partition_count()),
        below.emission_type,
        below.boundedness,
    )
    .with_evaluation_type(below.evaluation_type)
    .with_scheduling_type(below.scheduling_type)
}

impl DisplayAs for PolicyBarrierExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyBarrierExec: table={}", self.identity.table_name)
    }
}

impl ExecutionPlan for PolicyBarrierExec {
    fn name(&self) -> &str {
        "PolicyBarrierExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        // Rows do keep their order, but a sort moved below would bring an order that nobody above can see.
        vec![false; self.children().len()]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.children().len()]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        if self.is_sealed() { vec![] } else { vec![&self.input] }
    }

    fn apply_expressions(
        &self,
        call: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        // Joins look here for a reader of their filters; what else is inside stays there.
        apply_expression_roots(&self.runtime_filters, call)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        match (children.len(), self.is_sealed()) {
            (0, true) => Ok(self),
            (1, false) => Ok(Arc::new(self.with_input(children.swap_remove(0)))),
            _ => internal_err!("PolicyBarrierExec got the wrong number of children"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn reset_state(self: Arc<Self>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        // A walk that resets the nodes one by one does not see below a sealed barrier.
        if !self.is_sealed() {
            return Ok(Arc::new(self.reset_with(Arc::clone(&self.input))));
        }
        let fresh = self.reset_with(reset_deep(Arc::clone(&self.input))?);
        fresh.seal();
        Ok(Arc::new(fresh))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let identity = Arc::clone(&self.identity);
        let schema = Arc::clone(&self.schema);
        let rows = BaselineMetrics::new(&self.metrics, partition);
        let stream = self
            .input
            .execute(partition, context)
            .map_err(|error| scrub(error, &identity))?;
        let filters = self.runtime_filters.clone();
        let batches = stream.map(move |batch| match batch {
            Ok(batch) => {
                let batch = passing(&filters, restamp(batch, &schema)?)?;
                rows.record_output(batch.num_rows());
                Ok(batch)
            }
            Err(error) => Err(scrub(error, &identity)),
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.children().iter().map(|_| ChildStats::At(partition)).collect()
    }

    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> PlanResult<Arc<Statistics>> {
        let mut unknown = Statistics::new_unknown(&self.schema);
        if let Some(input) = input_stats.first() {
            unknown.num_rows = blurred(&input.num_rows);
        }
        Ok(Arc::new(unknown))
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> PlanResult<FilterDescription> {
        if self.is_sealed() {
            return Ok(FilterDescription::new());
        }
        // Answers are matched by position, so a refused filter is replaced by one on a column that no
        // child has: DataFusion's own check then refuses it in its place.
        let nowhere: Arc<dyn PhysicalExpr> = Arc::new(Column::new("", usize::MAX));
        let candidates: Vec<_> = parent_filters
            .into_iter()
            .map(|filter| match physical_filter_may_enter(&filter, &self.open_columns) {
                true => filter,
                false => Arc::clone(&nowhere),
            })
            .collect();
        let description = ChildFilterDescription::from_child(&candidates, &self.input)?;
        Ok(FilterDescription::new().with_child(description))
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        results: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> PlanResult<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let entered = results.parent_filters.iter().map(|result| &result.filter);
        let entered = entered.filter(|filter| {
            filter.is::<DynamicFilterPhysicalExpr>() && physical_filter_may_enter(filter, &self.open_columns)
        });
        let runtime_filters: Vec<_> = self.runtime_filters.iter().chain(entered).cloned().collect();
        let answers = FilterPushdownPropagation::if_all(results);
        if runtime_filters.len() == self.runtime_filters.len() {
            return Ok(answers);
        }
        Ok(answers.with_updated_node(Arc::new(PolicyBarrierExec {
            runtime_filters,
            ..self.clone()
        })))
    }
}

/// The rows of a batch that all of the filters keep.
fn passing(filters: &[Arc<dyn PhysicalExpr>], batch: RecordBatch) -> PlanResult<RecordBatch> {
    let mut batch = batch;
    for filter in filters {
        let rows = batch.num_rows();
        let kept = match filter.evaluate(&batch)? {
            ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))) => continue,
            kept => kept.into_array(rows)?,
        };
        let kept = as_boolean_array(&kept)?;
        if kept.true_count() < rows {
            batch = filter_record_batch(&batch, kept)?;
        }
    }
    Ok(batch)
}

/// A count's order of magnitude, enough for a join order and too little to count hidden rows by.
pub(crate) fn blurred(count: &Precision<usize>) -> Precision<usize> {
    match count.get_value() {
        Some(0) => Precision::Inexact(1),
        Some(&exact) => Precision::Inexact(power_of_four_above(exact)),
        None => Precision::Absent,
    }
}

fn power_of_four_above(count: usize) -> usize {
    let mut power: usize = 1;
    while power < count {
        match power.checked_mul(4) {
            Some(next) => power = next,
            None => return usize::MAX,
        }
    }
    power
}

fn restamp(batch: RecordBatch, schema: &SchemaRef) -> PlanResult<RecordBatch> {
    if Arc::ptr_eq(batch.schema_ref(), schema) {
        return Ok(batch);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        batch.columns().to_vec(),
        &options,
    )?)
}

fn reset_deep(plan: Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let children: Vec<_> = plan
        .children()
        .into_iter()
        .map(|child| reset_deep(Arc::clone(child)))
        .collect::<PlanResult<_>>()?;
    let plan = plan.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))?;
    plan.reset_state()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_counts_are_known_to_a_power_of_four_only() {
        for (exact, seen) in [(0, 1), (1, 1), (2, 4), (4, 4), (5, 16), (1000, 1024), (1025, 4096)] {
            assert_eq!(blurred(&Precision::Exact(exact)), Precision::Inexact(seen), "{exact}");
        }
        assert_eq!(blurred(&Precision::Absent), Precision::Absent);
    }
}
