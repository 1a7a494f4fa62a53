//! The built side of a join: collected by all of its partitions at once, then a table by key, and what the keys tell
//! the scans of the probing side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::runtime::JoinSet;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::common::{DataFusionError, Result as PlanResult, exec_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};
use parking_lot::Mutex;

use super::join_shape::JoinShape;
use super::key_codes::{Bounds, KeySpace, NO_CODE};
use super::key_filter;
use super::key_table::{KeyTable, NO_ROW};
use super::lane::{self, Lane};

/// What the built side turned into.
pub enum Outcome {
    Table(Built),
    /// Its rows, if a key is beyond 64-bit integers, or if memory is short.
    Rows {
        rows: SendableRecordBatchStream,
        is_short: bool,
    },
}

/// The built side's rows by key.
pub struct Built {
    pub space: KeySpace,
    pub table: KeyTable,
    /// By position; only those that the join reads.
    pub columns: Vec<Option<ArrayRef>>,
    pub rows: usize,
    /// Rows whose key has no null.
    pub keys: usize,
    /// For each row whether it was met, where the join asks.
    pub met: Vec<AtomicBool>,
    /// Partitions that still probe.
    pub probing: AtomicUsize,
    /// Held as long as this.
    _memory: Arc<Memory>,
}

/// What EXPLAIN ANALYZE shows of the built side.
#[derive(Debug, Clone)]
pub struct BuildMetrics {
    rows: Count,
    time: Time,
    direct_tables: Count,
}

impl BuildMetrics {
    pub fn new(metrics: &ExecutionPlanMetricsSet) -> BuildMetrics {
        BuildMetrics {
            rows: MetricBuilder::new(metrics).counter("build_input_rows", 0),
            time: MetricBuilder::new(metrics).subset_time("build_time", 0),
            direct_tables: MetricBuilder::new(metrics).counter("direct_tables", 0),
        }
    }
}

/// The rows of one partition of the built side.
struct Collected {
    batches: Vec<RecordBatch>,
    /// The key's columns of each batch; `None` once a value did not fit.
    keys: Option<Vec<Vec<Lane>>>,
    bounds: Vec<Bounds>,
    /// What was not read, memory being short.
    rest: Option<SendableRecordBatchStream>,
}

/// Memory of the built side, reserved by all partitions.
struct Memory {
    reserved: Mutex<(MemoryReservation, RecordBatchMemoryCounter)>,
    is_short: AtomicBool,
}

impl Memory {
    fn new(context: &TaskContext) -> Memory {
        let reservation = MemoryConsumer::new("KeyJoinBuild").register(context.memory_pool());
        Memory {
            reserved: Mutex::new((reservation, RecordBatchMemoryCounter::new())),
            is_short: AtomicBool::new(false),
        }
    }

    fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// Whether there is room for the batch, and was for all others.
    fn takes(&self, batch: &RecordBatch) -> bool {
        let (reservation, counter) = &mut *self.reserved.lock();
        self.note(reservation.try_grow(counter.count_batch(batch)).is_ok())
    }

    fn grows(&self, size: usize) -> bool {
        self.note(self.reserved.lock().0.try_grow(size).is_ok())
    }

    fn note(&self, is_granted: bool) -> bool {
        if !is_granted {
            self.is_short.store(true, Ordering::Relaxed);
        }
        !self.is_short()
    }
}

/// Collects the built side and tells `filter` of its keys.
pub async fn build(
    shape: Arc<JoinShape>,
    input: Arc<dyn ExecutionPlan>,
    filter: Option<Arc<DynamicFilterPhysicalExpr>>,
    probing_partitions: usize,
    context: Arc<TaskContext>,
    metrics: BuildMetrics,
) -> PlanResult<Outcome> {
    let memory = Arc::new(Memory::new(&context));
    let collected = collect_all(&shape, &input, &memory, &context).await?;
    let _timer = metrics.time.timer();
    let rows: usize = collected
        .iter()
        .flat_map(|part| &part.batches)
        .map(RecordBatch::num_rows)
        .sum();
    metrics.rows.add(rows);
    let bounds: Vec<Bounds> = (0..shape.built_keys.len())
        .map(|key| {
            let bounds = collected.iter().map(|part| part.bounds[key]);
            bounds.fold(Bounds::NONE, Bounds::with)
        })
        .collect();
    let fits = rows < NO_ROW as usize && collected.iter().all(|part| part.keys.is_some());
    let marks = if shape.marks_built_rows() { rows } else { 0 };
    let codes_size = rows * size_of::<u64>();
    let space = KeySpace::between(&bounds).filter(|_| fits);
    let table_size = space.as_ref().map_or(0, |space| KeyTable::size_for(rows, space.span)) + codes_size + marks;
    let (Some(space), true) = (space, !memory.is_short() && memory.grows(table_size)) else {
        return Ok(Outcome::Rows {
            is_short: memory.is_short(),
            rows: uncollected(collected, shape.built_schema.clone()),
        });
    };
    let lanes = collected.iter().filter_map(|part| part.keys.as_ref()).flatten();
    let mut codes = Vec::with_capacity(rows);
    let mut of_batch = Vec::new();
    for lanes in lanes {
        space.codes(lanes, &mut of_batch);
        codes.extend_from_slice(&of_batch);
    }
    let keys = codes.iter().filter(|code| **code != NO_CODE).count();
    let table = KeyTable::new(&codes, space.span);
    if table.is_direct() {
        metrics.direct_tables.add(1);
    }
    if let Some(filter) = filter {
        let lanes: Vec<&[Lane]> = collected
            .iter()
            .filter_map(|part| part.keys.as_ref())
            .flatten()
            .map(Vec::as_slice)
            .collect();
        filter.update(key_filter::condition(
            &shape.probing_keys,
            &shape.probing_schema,
            &bounds,
            &lanes,
        )?)?;
        filter.mark_complete();
    }
    let batches: Vec<&RecordBatch> = collected.iter().flat_map(|part| &part.batches).collect();
    let mut columns = vec![None; shape.built_schema.fields().len()];
    for column in &shape.kept {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(*column).as_ref()).collect();
        columns[*column] = Some(match parts.as_slice() {
            [] => new_empty_array(shape.built_schema.field(*column).data_type()),
            [_] => Arc::clone(batches[0].column(*column)),
            parts => concat(parts)?,
        });
    }
    drop(batches);
    drop(collected);
    memory.reserved.lock().0.shrink(codes_size);
    Ok(Outcome::Table(Built {
        space,
        table,
        columns,
        rows,
        keys,
        met: (0..marks).map(|_| AtomicBool::new(false)).collect(),
        probing: AtomicUsize::new(probing_partitions),
        _memory: memory,
    }))
}

/// The rows again, those that are not read yet last.
fn uncollected(collected: Vec<Collected>, schema: SchemaRef) -> SendableRecordBatchStream {
    let (mut batches, mut rest) = (Vec::new(), Vec::new());
    for part in collected {
        batches.extend(part.batches.into_iter().map(Ok));
        rest.extend(part.rest);
    }
    let rows = stream::iter(batches).chain(stream::select_all(rest));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

async fn collect_all(
    shape: &Arc<JoinShape>,
    input: &Arc<dyn ExecutionPlan>,
    memory: &Arc<Memory>,
    context: &Arc<TaskContext>,
) -> PlanResult<Vec<Collected>> {
    let partitions = input.properties().output_partitioning().partition_count();
    let mut parts = Vec::with_capacity(partitions);
    if partitions == 1 {
        let rows = input.execute(0, Arc::clone(context))?;
        parts.push((0, collect(Arc::clone(shape), rows, Arc::clone(memory)).await?));
    } else {
        let mut tasks = JoinSet::new();
        for partition in 0..partitions {
            let rows = input.execute(partition, Arc::clone(context))?;
            let collecting = collect(Arc::clone(shape), rows, Arc::clone(memory));
            tasks.spawn(async move { Ok::<_, DataFusionError>((partition, collecting.await?)) });
        }
        while let Some(part) = tasks.join_next().await {
            parts.push(part.map_err(|error| exec_datafusion_err!("a task of a join ended: {error}"))??);
        }
        parts.sort_unstable_by_key(|(partition, _)| *partition);
    }
    Ok(parts.into_iter().map(|(_, part)| part).collect())
}

async fn collect(
    shape: Arc<JoinShape>,
    mut rows: SendableRecordBatchStream,
    memory: Arc<Memory>,
) -> PlanResult<Collected> {
    let mut collected = Collected {
        batches: Vec::new(),
        keys: Some(Vec::new()),
        bounds: vec![Bounds::NONE; shape.built_keys.len()],
        rest: None,
    };
    while let Some(batch) = rows.next().await.transpose()? {
        if batch.num_rows() == 0 {
            continue;
        }
        if !memory.takes(&batch) {
            collected.batches.push(batch);
            collected.keys = None;
            collected.rest = Some(rows);
            break;
        }
        if let Some(keys) = &mut collected.keys {
            let mut lanes = Vec::with_capacity(shape.built_keys.len());
            for key in &shape.built_keys {
                let array = key.evaluate(&batch)?.into_array(batch.num_rows())?;
                lanes.extend(lane::load(array.as_ref(), None));
            }
            if lanes.len() == shape.built_keys.len() {
                for (bounds, lane) in collected.bounds.iter_mut().zip(&lanes) {
                    *bounds = bounds.and(lane);
                }
                keys.push(lanes);
            } else {
                collected.keys = None;
            }
        }
        collected.batches.push(batch);
    }
    Ok(collected)
}
