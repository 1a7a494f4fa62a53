//! Drops rows that a condition on their rank would drop after a sort: those that have as many better ones in their
//! partition as may be ranked. What it does not tell apart it keeps.

use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use futures::{StreamExt, stream};

use super::group_table::{GroupTable, NULL_WORD, Words};
use super::lane::{fits_a_lane, load};
use super::strings::{StringNumbers, holds_strings};

/// Scores that are kept of all partitions; with more the rows pass.
const MOST_SCORES: usize = 1 << 20;

/// The rows of its input that may be among the first of their partition.
#[derive(Debug, Clone)]
pub struct LeadingRowsExec {
    input: Arc<dyn ExecutionPlan>,
    partition_by: Vec<Arc<dyn PhysicalExpr>>,
    /// What the rows of a partition are ordered by first.
    order: PhysicalSortExpr,
    limit: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl LeadingRowsExec {
    /// `None` where a key's type is not covered, or the limit is large.
    pub fn new(
        input: Arc<dyn ExecutionPlan>,
        partition_by: Vec<Arc<dyn PhysicalExpr>>,
        order: PhysicalSortExpr,
        limit: usize,
    ) -> PlanResult<Option<LeadingRowsExec>> {
        let schema = input.schema();
        for key in &partition_by {
            let data_type = key.data_type(&schema)?;
            if !(fits_a_lane(&data_type) || holds_strings(&data_type)) || is_volatile(key) {
                return Ok(None);
            }
        }
        let is_covered = fits_a_lane(&order.expr.data_type(&schema)?) && !is_volatile(&order.expr);
        Ok((is_covered && limit < MOST_SCORES / 64).then(|| LeadingRowsExec {
            input,
            partition_by,
            order,
            limit,
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

impl DisplayAs for LeadingRowsExec {
    fn fmt_as(&self, _format: DisplayFormatType, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "LeadingRowsExec: limit={}, partition_by=[", self.limit)?;
        for (place, key) in self.partition_by.iter().enumerate() {
            let separator = if place > 0 { ", " } else { "" };
            write!(formatter, "{separator}{key}")?;
        }
        write!(formatter, "], order_by=[{}]", self.order)
    }
}

impl ExecutionPlan for LeadingRowsExec {
    fn name(&self) -> &str {
        "LeadingRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
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
        for key in self.partition_by.iter().chain([&self.order.expr]) {
            if call(key)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(LeadingRowsExec {
            input: children.swap_remove(0),
            metrics: ExecutionPlanMetricsSet::new(),
            ..self.as_ref().clone()
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let batch_size = context.session_config().batch_size();
        let leading = Leading {
            input: Some(self.input.execute(partition, context)?),
            operator: self.clone(),
            strings: self.partition_by.iter().map(|_| StringNumbers::new()).collect(),
            table: (!self.partition_by.is_empty()).then(|| GroupTable::new(self.partition_by.len())),
            best: Vec::new(),
            kept: BatchCoalescer::new(self.schema(), batch_size)
                // Larger batches pass uncopied.
                .with_biggest_coalesce_batch_size(Some(batch_size / 2)),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::try_unfold(leading, |mut leading| async move {
            let batch = leading.next().await?;
            Ok(batch.map(|batch| (batch, leading)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Leading {
    /// `None` once it has ended.
    input: Option<SendableRecordBatchStream>,
    operator: LeadingRowsExec,
    strings: Vec<StringNumbers>,
    /// `None` where all rows are one partition.
    table: Option<GroupTable>,
    /// The best scores of each partition so far, the worst of them on top; the better, the smaller.
    best: Vec<BinaryHeap<i64>>,
    kept: BatchCoalescer,
    metrics: BaselineMetrics,
}

impl Leading {
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
                Some(batch) => {
                    let elapsed = self.metrics.elapsed_compute().clone();
                    let _timer = elapsed.timer();
                    match self.leading(&batch)? {
                        Some(rows) if rows.len() < batch.num_rows() => {
                            self.kept.push_batch_with_indices(batch, &UInt32Array::from(rows))?;
                        }
                        _ => self.kept.push_batch(batch)?,
                    }
                }
                None => {
                    self.input = None;
                    self.kept.finish_buffered_batch()?;
                }
            }
        }
    }

    /// The rows that may be among the first; `None` where all may.
    fn leading(&mut self, batch: &RecordBatch) -> PlanResult<Option<Vec<u32>>> {
        let rows = batch.num_rows();
        if rows == 0 || self.best.len() * self.operator.limit > MOST_SCORES {
            return Ok(None);
        }
        let (Some(scores), Some(partitions)) = (self.scores(batch)?, self.partitions(batch)?) else {
            return Ok(None);
        };
        let limit = self.operator.limit;
        let count = self.table.as_ref().map_or(1, GroupTable::len);
        self.best.resize_with(count, BinaryHeap::new);
        let best = &mut self.best;
        let leading = (0..rows as u32).filter(|row| {
            let (score, partition) = (scores[*row as usize], partitions[*row as usize]);
            let best = &mut best[partition as usize];
            match best.peek() {
                _ if best.len() < limit => best.push(score),
                Some(worst) if score > *worst => return false,
                Some(worst) if score < *worst => {
                    best.pop();
                    best.push(score);
                }
                _ => {}
            }
            limit > 0
        });
        Ok(Some(leading.collect()))
    }

    /// The first key of the order for each row, the smaller the better; `None` where a value is too large.
    fn scores(&self, batch: &RecordBatch) -> PlanResult<Option<Vec<i64>>> {
        let order = &self.operator.order;
        let keys = order.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        let of_null = if order.options.nulls_first { i64::MIN } else { i64::MAX };
        Ok(load(keys.as_ref(), None).map(|lane| {
            let score = |row: usize| match &lane.nulls {
                Some(nulls) if nulls.is_null(row) => of_null,
                _ if order.options.descending => -lane.values[row],
                _ => lane.values[row],
            };
            (0..batch.num_rows()).map(score).collect()
        }))
    }

    /// The number of each row's partition; `None` where a value is too large.
    fn partitions(&mut self, batch: &RecordBatch) -> PlanResult<Option<Vec<u32>>> {
        let rows = batch.num_rows();
        let Some(table) = &mut self.table else {
            return Ok(Some(vec![0; rows]));
        };
        let mut words = Vec::with_capacity(self.strings.len());
        for (key, strings) in self.operator.partition_by.iter().zip(&mut self.strings) {
            let array = key.evaluate(batch)?.into_array(rows)?;
            let mut of_key = Vec::new();
            if holds_strings(array.data_type()) {
                strings.number(&array, None, &mut of_key)?;
            } else {
                let Some(lane) = load(array.as_ref(), None) else {
                    return Ok(None);
                };
                let is_null = |row: usize| lane.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                of_key.extend((0..rows).map(|row| if is_null(row) { NULL_WORD } else { lane.values[row] }));
            }
            words.push(of_key);
        }
        let columns: Vec<Words> = words.iter().map(|words| Words { words, numbered: None }).collect();
        let mut partitions = Vec::new();
        table.find_or_add(&columns, &mut partitions);
        Ok(Some(partitions))
    }
}
