//! Window functions over sorted rows, computed for a batch at a time. It stands for DataFusion's, which evaluates each
//! row's frame by itself.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::OrderingRequirements;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PhysicalExpr, PlanProperties,
};

use super::window_shape::{WindowShape, shape_of};
use super::window_stream::run;

/// Its input with a column for each window.
#[derive(Debug, Clone)]
pub struct FrameWindowExec {
    stock: Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
    shape: Arc<WindowShape>,
    metrics: ExecutionPlanMetricsSet,
}

impl FrameWindowExec {
    /// Stands for `stock`, if all of its windows are covered.
    pub fn standing_for(stock: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<FrameWindowExec>> {
        Ok(shape_of(stock)?.map(|(shape, input)| FrameWindowExec {
            stock: Arc::clone(stock),
            input,
            shape: Arc::new(shape),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

impl DisplayAs for FrameWindowExec {
    fn fmt_as(&self, format: DisplayFormatType, formatter: &mut fmt::Formatter) -> fmt::Result {
        if !matches!(format, DisplayFormatType::TreeRender) {
            formatter.write_str("FrameWindowExec, as ")?;
        }
        self.stock.fmt_as(format, formatter)
    }
}

impl ExecutionPlan for FrameWindowExec {
    fn name(&self) -> &str {
        "FrameWindowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.stock.properties()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.stock.input_distribution_requirements()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.stock.required_input_ordering()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        call: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        self.stock.apply_expressions(call)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let stock = replace_children_if_necessary(Arc::clone(&self.stock), children)?;
        Ok(match FrameWindowExec::standing_for(&stock)? {
            Some(window) => Arc::new(window),
            None => stock,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let reservation = MemoryConsumer::new(format!("FrameWindow[{partition}]")).register(context.memory_pool());
        let input = self.input.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        Ok(run(Arc::clone(&self.shape), self.schema(), input, metrics, reservation))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
