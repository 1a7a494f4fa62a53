//! A part of a plan that several others read. It runs once, when the first of them asks for rows; its output is kept,
//! on disk where memory is short, until the last has read it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::common::{DataFusionError, Result as PlanResult, Statistics, internal_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::spill_file::SpillFile;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::UnKnownColumn;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildStats, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr,
    PlanProperties, SpillManager, StatisticsArgs,
};
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryFutureExt};
use parking_lot::Mutex;

/// Yields its input's rows to each of its readers.
#[derive(Debug)]
pub struct SharedExec {
    /// Equal parts of one plan have the same.
    number: u64,
    input: Arc<dyn ExecutionPlan>,
    /// How often each partition will be executed.
    readers: AtomicUsize,
    kept: Mutex<Vec<Kept>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The rows of one partition, once the whole of it has been read.
type Rows = Shared<BoxFuture<'static, Result<Arc<KeptRows>, Arc<DataFusionError>>>>;

struct Kept {
    rows: Option<Rows>,
    readers_left: usize,
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{} readers left", self.readers_left)
    }
}

struct KeptRows {
    batches: Vec<RecordBatch>,
    spilled: Option<(SpillManager, Arc<dyn SpillFile>)>,
    /// Given back with the rows.
    _held: MemoryReservation,
}

impl SharedExec {
    pub fn new(number: u64, input: Arc<dyn ExecutionPlan>) -> SharedExec {
        let properties = PlanProperties::new(
            // Without the input's order: who needs one sorts for itself, and the parts stay equal.
            EquivalenceProperties::new(input.schema()),
            input.output_partitioning().clone(),
            EmissionType::Final,
            input.boundedness(),
        );
        SharedExec {
            number,
            properties: Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative)),
            input,
            readers: AtomicUsize::new(1),
            kept: Mutex::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// To be called for each reader but the first, before anything runs.
    pub fn add_reader(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether this node may stand for the other, which has its number.
    pub fn is_alike(&self, other: &SharedExec) -> bool {
        let partitionings = (&self.properties.partitioning, &other.properties.partitioning);
        self.schema() == other.schema() && are_alike(partitionings)
    }

    /// The partition's rows for one more reader. The first starts all partitions: within the part, one may feed another.
    fn rows(&self, partition: usize, context: &Arc<TaskContext>) -> PlanResult<Rows> {
        let mut kept = self.kept.lock();
        if kept.is_empty() {
            let readers_left = self.readers.load(Ordering::Relaxed);
            for partition in 0..self.properties.output_partitioning().partition_count() {
                let rows = Some(self.start(partition, Arc::clone(context))?);
                kept.push(Kept { rows, readers_left });
            }
        }
        let of_partition = &mut kept[partition];
        of_partition.readers_left = of_partition.readers_left.saturating_sub(1);
        let rows = match of_partition.readers_left {
            0 => of_partition.rows.take(),
            _ => of_partition.rows.clone(),
        };
        rows.ok_or_else(|| internal_datafusion_err!("a shared part of the plan has more readers than were announced"))
    }

    fn start(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<Rows> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let spill = SpillManager::new(
            context.runtime_env(),
            SpillMetrics::new(&self.metrics, partition),
            self.schema(),
        );
        let held = MemoryConsumer::new(format!("Shared[{partition}]"))
            .with_can_spill(true)
            .register(context.memory_pool());
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let task = SpawnedTask::spawn(keep_all(input, spill, held, metrics));
        let rows = async move {
            let rows = task.join_unwind().await;
            let rows = rows.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)));
            rows.flatten().map(Arc::new).map_err(Arc::new)
        };
        Ok(rows.boxed().shared())
    }
}

/// Whether nothing can be expected of one partitioning that does not hold of the other. What is unknown is never equal
/// for DataFusion, such as a key that is no column any more, but nothing is expected of it.
fn are_alike(partitionings: (&Partitioning, &Partitioning)) -> bool {
    let is_unknown = |key: &Arc<dyn PhysicalExpr>| key.is::<UnKnownColumn>();
    match partitionings {
        (Partitioning::UnknownPartitioning(own), Partitioning::UnknownPartitioning(other)) => own == other,
        (Partitioning::Hash(own, count), Partitioning::Hash(other, of_other)) => {
            let mut keys = own.iter().zip(other);
            let are_equal = keys.all(|(own, other)| own == other || (is_unknown(own) && is_unknown(other)));
            count == of_other && own.len() == other.len() && are_equal
        }
        (own, other) => own == other,
    }
}

async fn keep_all(
    mut input: SendableRecordBatchStream,
    spill: SpillManager,
    held: MemoryReservation,
    metrics: BaselineMetrics,
) -> PlanResult<KeptRows> {
    let mut counter = RecordBatchMemoryCounter::new();
    let mut batches = Vec::new();
    let mut file = None;
    while let Some(batch) = input.next().await.transpose()? {
        metrics.record_output(batch.num_rows());
        if batch.num_rows() == 0 {
            continue;
        }
        if file.is_none() {
            if held.try_grow(counter.count_batch(&batch)).is_ok() {
                batches.push(batch);
                continue;
            }
            let mut begun = spill.create_in_progress_file("a shared part of the plan")?;
            for batch in batches.drain(..) {
                begun.append_batch(&batch)?;
            }
            held.free();
            file = Some(begun);
        }
        if let Some(file) = &mut file {
            file.append_batch(&batch)?;
        }
    }
    let spilled = file.map(|mut file| file.finish()).transpose()?.flatten();
    Ok(KeptRows {
        batches,
        spilled: spilled.map(|file| (spill, file)),
        _held: held,
    })
}

/// Batch by batch, without copies of what is in memory.
fn read(rows: Arc<KeptRows>) -> PlanResult<BoxStream<'static, PlanResult<RecordBatch>>> {
    Ok(match &rows.spilled {
        Some((spill, file)) => spill.read_spill_as_stream_unbuffered(Arc::clone(file), None)?.boxed(),
        None => stream::unfold((rows, 0), |(rows, next)| async move {
            let batch = rows.batches.get(next)?.clone();
            Some((Ok(batch), (rows, next + 1)))
        })
        .boxed(),
    })
}

impl DisplayAs for SharedExec {
    fn fmt_as(&self, _format: DisplayFormatType, formatter: &mut fmt::Formatter) -> fmt::Result {
        let readers = self.readers.load(Ordering::Relaxed);
        write!(formatter, "SharedExec: part={}, readers={readers}", self.number)
    }
}

impl ExecutionPlan for SharedExec {
    fn name(&self) -> &str {
        "SharedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _call: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(SharedExec::new(self.number, children.swap_remove(0))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let rows = self.rows(partition, &context)?;
        let batches = rows.map_err(DataFusionError::Shared).map(|rows| rows.and_then(read));
        let batches = RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten_stream());
        Ok(make_cooperative(Box::pin(batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _arguments: &StatisticsArgs,
    ) -> PlanResult<Arc<Statistics>> {
        Ok(Arc::clone(&inputs[0]))
    }
}
