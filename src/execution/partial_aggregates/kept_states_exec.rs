//! The operator in the place of an aggregation to states: it hands on the kept states of some files, lets the aggregation
//! compute those of the others, and keeps them once a file is done.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::concat_batches;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as PlanResult, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;

use crate::result_cache::{PartialAggregates, StateKey, States};

/// States of an aggregation's groups: kept ones of some files, and those that the input computes of the others.
#[derive(Debug)]
pub(super) struct KeptStatesExec {
    /// What it shows to the operators above: the properties of the aggregation over all files.
    properties: Arc<PlanProperties>,
    work: Arc<Work>,
    metrics: ExecutionPlanMetricsSet,
}

/// A file whose states are not kept, in so many parts.
#[derive(Debug, Clone)]
pub(super) struct MissingFile {
    pub(super) key: StateKey,
    pub(super) parts: usize,
}

/// What the partitions share.
#[derive(Debug)]
struct Work {
    /// The aggregation over the missing files; a partition for each part of each.
    input: Arc<dyn ExecutionPlan>,
    kept: Vec<States>,
    files: Vec<MissingFile>,
    cache: Arc<PartialAggregates>,
    next_kept: AtomicUsize,
    next_part: AtomicUsize,
    /// Bytes of states that are collected and not yet kept.
    collected: AtomicUsize,
    /// How much of each file is done.
    done: Mutex<Vec<Progress>>,
}

/// A file's finished parts and their states; `None` once these are too many to be kept.
#[derive(Debug, Clone)]
struct Progress {
    parts: usize,
    states: Option<Vec<RecordBatch>>,
}

impl Work {
    fn new(
        input: Arc<dyn ExecutionPlan>,
        kept: Vec<States>,
        files: Vec<MissingFile>,
        cache: Arc<PartialAggregates>,
    ) -> Work {
        let untouched = Progress {
            parts: 0,
            states: Some(vec![]),
        };
        Work {
            input,
            kept,
            done: Mutex::new(vec![untouched; files.len()]),
            files,
            cache,
            next_kept: AtomicUsize::new(0),
            next_part: AtomicUsize::new(0),
            collected: AtomicUsize::new(0),
        }
    }

    /// The file that a part of the input belongs to.
    fn file_of(&self, part: usize) -> Option<usize> {
        let mut before = 0;
        self.files.iter().position(|file| {
            before += file.parts;
            part < before
        })
    }

    /// A part has yielded all its states; those of a whole file are kept.
    fn finished(&self, file: usize, states: Option<Vec<RecordBatch>>) -> PlanResult<()> {
        let complete = {
            let mut done = self.done.lock();
            let progress = &mut done[file];
            progress.parts += 1;
            match (&mut progress.states, states) {
                (Some(all), Some(states)) => all.extend(states),
                (all, _) => *all = None,
            }
            match progress.parts == self.files[file].parts {
                true => progress.states.take(),
                false => None,
            }
        };
        if let Some(states) = complete {
            let whole = compacted(concat_batches(&self.input.schema(), &states)?)?;
            self.cache.insert(self.files[file].key, vec![whole]);
        }
        Ok(())
    }
}

impl KeptStatesExec {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        properties: Arc<PlanProperties>,
        kept: Vec<States>,
        files: Vec<MissingFile>,
        cache: Arc<PartialAggregates>,
    ) -> KeptStatesExec {
        KeptStatesExec {
            properties,
            work: Arc::new(Work::new(input, kept, files, cache)),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn on(&self, input: Arc<dyn ExecutionPlan>) -> KeptStatesExec {
        let Work { kept, files, cache, .. } = self.work.as_ref();
        let properties = Arc::clone(&self.properties);
        KeptStatesExec::new(input, properties, kept.clone(), files.clone(), Arc::clone(cache))
    }
}

/// Bytes of the batch's own rows: batches that are cut from one share their buffers.
fn sliced_bytes(batch: &RecordBatch) -> usize {
    let bytes = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
    batch.columns().iter().map(bytes).sum()
}

/// The rows without the buffers that only others need.
fn compacted(batch: RecordBatch) -> PlanResult<RecordBatch> {
    let own = |column: &ArrayRef| match column.as_string_view_opt() {
        Some(strings) => Arc::new(strings.gc()) as ArrayRef,
        None => Arc::clone(column),
    };
    let columns = batch.columns().iter().map(own).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

/// The states that one partition yields: kept ones, then parts of the input, until none is left.
struct Taking {
    work: Arc<Work>,
    context: Arc<TaskContext>,
    running: Option<Part>,
    ready: Vec<RecordBatch>,
    rows: Count,
}

/// A part of a file under way.
struct Part {
    file: usize,
    stream: SendableRecordBatchStream,
    states: Option<Vec<RecordBatch>>,
}

impl Taking {
    async fn next(&mut self) -> PlanResult<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop() {
                self.rows.add(batch.num_rows());
                return Ok(Some(batch));
            }
            if let Some(part) = &mut self.running {
                match part.stream.try_next().await? {
                    Some(batch) => {
                        let bytes = sliced_bytes(&batch);
                        let before = self.work.collected.fetch_add(bytes, Ordering::Relaxed);
                        if before + bytes > self.work.cache.collected_bytes() {
                            part.states = None;
                        }
                        part.states.iter_mut().for_each(|states| states.push(batch.clone()));
                        self.ready.push(batch);
                    }
                    None => {
                        let states = part.states.take();
                        self.work.finished(part.file, states)?;
                        self.running = None;
                    }
                }
                continue;
            }
            let kept = self.work.next_kept.fetch_add(1, Ordering::Relaxed);
            if let Some(kept) = self.work.kept.get(kept) {
                self.ready
                    .extend(kept.iter().filter(|batch| batch.num_rows() > 0).cloned());
                continue;
            }
            let part = self.work.next_part.fetch_add(1, Ordering::Relaxed);
            let Some(file) = self.work.file_of(part) else {
                return Ok(None);
            };
            self.running = Some(Part {
                file,
                stream: self.work.input.execute(part, Arc::clone(&self.context))?,
                states: Some(vec![]),
            });
        }
    }
}

impl DisplayAs for KeptStatesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, read) = (self.work.kept.len(), self.work.files.len());
        write!(f, "KeptStatesExec: files_kept={kept}, files_read={read}")
    }
}

impl ExecutionPlan for KeptStatesExec {
    fn name(&self) -> &str {
        "KeptStatesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.work.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(self.on(input))),
            _ => internal_err!("KeptStatesExec got the wrong number of children"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let taking = Taking {
            work: Arc::clone(&self.work),
            context,
            running: None,
            ready: vec![],
            rows: MetricBuilder::new(&self.metrics).output_rows(partition),
        };
        let states = futures::stream::try_unfold(taking, |mut taking| async move {
            Ok(taking.next().await?.map(|batch| (batch, taking)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), states.boxed())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
