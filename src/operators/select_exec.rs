//! A filter that keeps lists of row numbers instead of masks. It stands for DataFusion's where a part of the predicate
//! compares columns with constants, columns with each other, or texts with patterns.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PhysicalExpr, PlanProperties,
};
use futures::{StreamExt, stream};

use super::selection::Predicate;

/// The rows of its input that a predicate keeps.
#[derive(Debug, Clone)]
pub struct SelectExec {
    stock: Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
    projection: Option<Vec<usize>>,
    predicate: Arc<Predicate>,
    metrics: ExecutionPlanMetricsSet,
}

impl SelectExec {
    /// Stands for `stock`, if it is a filter that this operator is better at.
    pub fn standing_for(stock: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<SelectExec>> {
        let Some(filter) = stock.downcast_ref::<FilterExec>() else {
            return Ok(None);
        };
        // Rows without columns are not coalesced.
        let has_columns = !stock.schema().fields().is_empty();
        if filter.fetch().is_some() || is_volatile(filter.predicate()) || !has_columns {
            return Ok(None);
        }
        let mut predicate = Predicate::default();
        predicate.add(filter.predicate(), &filter.input().schema())?;
        Ok(predicate.has_own_conditions().then(|| SelectExec {
            stock: Arc::clone(stock),
            input: Arc::clone(filter.input()),
            projection: filter.projection().as_ref().map(|columns| columns.to_vec()),
            predicate: Arc::new(predicate),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

impl DisplayAs for SelectExec {
    fn fmt_as(&self, format: DisplayFormatType, formatter: &mut fmt::Formatter) -> fmt::Result {
        if !matches!(format, DisplayFormatType::TreeRender) {
            formatter.write_str("SelectExec, as ")?;
        }
        self.stock.fmt_as(format, formatter)
    }
}

impl ExecutionPlan for SelectExec {
    fn name(&self) -> &str {
        "SelectExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.stock.properties()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.stock.input_distribution_requirements()
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
        Ok(match SelectExec::standing_for(&stock)? {
            Some(select) => Arc::new(select),
            None => stock,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let batch_size = context.session_config().batch_size();
        let kept = BatchCoalescer::new(self.schema(), batch_size)
            // Larger batches pass uncopied.
            .with_biggest_coalesce_batch_size(Some(batch_size / 2));
        let selecting = Selecting {
            input: Some(self.input.execute(partition, context)?),
            predicate: Arc::clone(&self.predicate),
            projection: self.projection.clone(),
            kept,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::try_unfold(selecting, |mut selecting| async move {
            let batch = selecting.next().await?;
            Ok(batch.map(|batch| (batch, selecting)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Selecting {
    /// `None` once it has ended.
    input: Option<SendableRecordBatchStream>,
    predicate: Arc<Predicate>,
    projection: Option<Vec<usize>>,
    kept: BatchCoalescer,
    metrics: BaselineMetrics,
}

impl Selecting {
    async fn next(&mut self) -> PlanResult<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.kept.next_completed_batch() {
                self.metrics.record_output(batch.num_rows());
                return Ok(Some(batch));
            }
            let Some(input) = &mut self.input else {
                return Ok(None);
            };
            match input.next().await.transpose()? {
                Some(batch) => self.keep(batch)?,
                None => {
                    self.input = None;
                    self.kept.finish_buffered_batch()?;
                }
            }
        }
    }

    fn keep(&mut self, batch: RecordBatch) -> PlanResult<()> {
        let _timer = self.metrics.elapsed_compute().timer();
        let selection = self.predicate.select(&batch)?;
        let batch = match &self.projection {
            Some(columns) => batch.project(columns)?,
            None => batch,
        };
        match selection {
            None => self.kept.push_batch(batch)?,
            Some(rows) if rows.is_empty() => {}
            Some(rows) => self.kept.push_batch_with_indices(batch, &UInt32Array::from(rows))?,
        }
        Ok(())
    }
}
