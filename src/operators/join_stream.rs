//! Runs one partition of a join: waits for the built side, then looks the keys of each probing batch up and gathers
//! the columns of the pairs that the join's filter leaves.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::{DataFusionError, JoinType, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::{StreamExt, stream};
use parking_lot::Mutex;

use super::handover::{HandoverExec, in_types_of};
use super::join_build::{BuildMetrics, Built, Outcome, build};
use super::join_probe::Probe;
use super::join_shape::JoinShape;
use super::key_join_exec::KeyJoinExec;

/// The built side of a join, or a stock join on it.
enum Ready {
    Table(Built),
    Stock(Arc<dyn ExecutionPlan>),
}

type Building = Shared<BoxFuture<'static, Result<Arc<Ready>, Arc<DataFusionError>>>>;

/// The built side, once one of the partitions that probe it has begun.
#[derive(Default)]
pub struct BuiltSide(Mutex<Option<Building>>);

impl fmt::Debug for BuiltSide {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("BuiltSide")
    }
}

impl BuiltSide {
    fn of(&self, operator: &KeyJoinExec, context: &Arc<TaskContext>) -> PlanResult<Building> {
        let mut side = self.0.lock();
        if let Some(building) = &*side {
            return Ok(building.clone());
        }
        let building = build(
            Arc::clone(operator.shape()),
            Arc::clone(operator.built()),
            operator.filter_in_use()?,
            operator.probing().properties().output_partitioning().partition_count(),
            Arc::clone(context),
            BuildMetrics::new(operator.metrics_set()),
        );
        let stock_on = operator.stock();
        let building = async move {
            Ok(Arc::new(match building.await? {
                Outcome::Table(built) => Ready::Table(built),
                Outcome::Rows { rows, is_short } => {
                    Ready::Stock(stock_on(Arc::new(HandoverExec::new(rows)), is_short)?)
                }
            }))
        };
        let building = building
            .map(|built: PlanResult<_>| built.map_err(Arc::new))
            .boxed()
            .shared();
        *side = Some(building.clone());
        Ok(building)
    }
}

/// The results for one partition of the probing side.
pub fn run(
    operator: &KeyJoinExec,
    side: &BuiltSide,
    partition: usize,
    context: Arc<TaskContext>,
) -> PlanResult<SendableRecordBatchStream> {
    let schema = operator.schema();
    let batch_size = context.session_config().batch_size();
    let joining = Joining {
        phase: Phase::Building(side.of(operator, &context)?),
        shape: Arc::clone(operator.shape()),
        probing: Arc::clone(operator.probing()),
        partition,
        context,
        batch_size,
        // Larger batches pass uncopied.
        joined: BatchCoalescer::new(Arc::clone(&schema), batch_size)
            .with_biggest_coalesce_batch_size(Some(batch_size / 2)),
        metrics: BaselineMetrics::new(operator.metrics_set(), partition),
        input_rows: MetricBuilder::new(operator.metrics_set()).counter("input_rows", partition),
        handed_over: MetricBuilder::new(operator.metrics_set()).counter("handed_over", partition),
    };
    let batches = stream::try_unfold(joining, |mut joining| async move {
        let batch = joining.next().await?;
        Ok(batch.map(|batch| (batch, joining)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

struct Joining {
    phase: Phase,
    shape: Arc<JoinShape>,
    probing: Arc<dyn ExecutionPlan>,
    partition: usize,
    context: Arc<TaskContext>,
    batch_size: usize,
    joined: BatchCoalescer,
    metrics: BaselineMetrics,
    input_rows: Count,
    handed_over: Count,
}

enum Phase {
    Building(Building),
    Probing {
        ready: Arc<Ready>,
        input: SendableRecordBatchStream,
        probe: Box<Probe>,
    },
    /// Emits built rows by whether they were met, from a number on.
    Marked(Arc<Ready>, usize),
    /// The stock join has taken over.
    Stock(SendableRecordBatchStream),
    Ended,
}

impl Joining {
    async fn next(&mut self) -> PlanResult<Option<RecordBatch>> {
        loop {
            // A join that multiplies rows, or whose filter keeps none, works for long without waiting.
            tokio::task::consume_budget().await;
            if let Some(batch) = self.joined.next_completed_batch() {
                self.metrics.record_output(batch.num_rows());
                return Ok(Some(batch));
            }
            match &mut self.phase {
                Phase::Building(building) => {
                    let ready = building.clone().await.map_err(DataFusionError::Shared)?;
                    self.begin(ready)?;
                }
                Phase::Probing { ready, input, probe } => {
                    let Ready::Table(built) = ready.as_ref() else {
                        self.phase = Phase::Ended;
                        continue;
                    };
                    if probe.is_done() {
                        match input.next().await.transpose()? {
                            Some(batch) => {
                                let _timer = self.metrics.elapsed_compute().timer();
                                self.input_rows.add(batch.num_rows());
                                probe.start(batch, built)?;
                            }
                            None => {
                                let ready = Arc::clone(ready);
                                self.end_probing(ready)?;
                            }
                        }
                    } else {
                        let _timer = self.metrics.elapsed_compute().timer();
                        for batch in probe.advance(built)? {
                            self.joined.push_batch(batch)?;
                        }
                    }
                }
                Phase::Marked(ready, next) => {
                    let _timer = self.metrics.elapsed_compute().timer();
                    match ready.as_ref() {
                        Ready::Table(built) if *next < built.rows => {
                            let until = built.rows.min(*next + self.batch_size);
                            let batch = marked_rows(&self.shape, built, *next..until)?;
                            *next = until;
                            self.joined.push_batch(batch)?;
                        }
                        _ => {
                            self.joined.finish_buffered_batch()?;
                            self.phase = Phase::Ended;
                        }
                    }
                }
                Phase::Stock(stream) => {
                    let batch = stream.next().await.transpose()?;
                    if let Some(batch) = &batch {
                        self.metrics.record_output(batch.num_rows());
                    }
                    return batch.map(|batch| in_types_of(&self.shape.schema, &batch)).transpose();
                }
                Phase::Ended => return Ok(None),
            }
        }
    }

    fn begin(&mut self, ready: Arc<Ready>) -> PlanResult<()> {
        let built = match ready.as_ref() {
            Ready::Table(built) => built,
            Ready::Stock(join) => {
                self.handed_over.add(1);
                // What is merged is one partition.
                self.phase = match self.partition < join.output_partitioning().partition_count() {
                    true => Phase::Stock(join.execute(self.partition, Arc::clone(&self.context))?),
                    false => Phase::Ended,
                };
                return Ok(());
            }
        };
        if built.keys == 0 && self.shape.needs_built_rows() {
            // No probing row is asked for.
            return self.end_probing(ready);
        }
        let input = self.probing.execute(self.partition, Arc::clone(&self.context))?;
        let probe = Box::new(Probe::new(Arc::clone(&self.shape), self.batch_size));
        self.phase = Phase::Probing { ready, input, probe };
        Ok(())
    }

    fn end_probing(&mut self, ready: Arc<Ready>) -> PlanResult<()> {
        let is_last = match ready.as_ref() {
            Ready::Table(built) => built.probing.fetch_sub(1, Ordering::AcqRel) == 1,
            Ready::Stock(_) => false,
        };
        if is_last && self.shape.marks_built_rows() {
            self.phase = Phase::Marked(ready, 0);
        } else {
            self.joined.finish_buffered_batch()?;
            self.phase = Phase::Ended;
        }
        Ok(())
    }
}

/// Of these built rows the ones that a join emits after the last probing row: those that were met, or were not.
fn marked_rows(shape: &JoinShape, built: &Built, rows: std::ops::Range<usize>) -> PlanResult<RecordBatch> {
    let wanted = shape.join_type == JoinType::LeftSemi;
    let marked: Vec<u32> = rows
        .filter(|row| built.met[*row].load(Ordering::Relaxed) == wanted)
        .map(|row| row as u32)
        .collect();
    super::join_probe::built_rows(shape, built, marked)
}
