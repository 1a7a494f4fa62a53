//! What is read through Parquet: the stock morsels give plain columns, which are filtered and projected here as
//! they are where they come from memory.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{Result, exec_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::Projector;
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::BoxStream;

/// Filter and projection over the columns that the inner source is asked for.
#[derive(Debug)]
pub(super) struct Finish {
    pub(super) filter: Arc<dyn PhysicalExpr>,
    pub(super) projector: Projector,
    pub(super) input: SchemaRef,
    pub(super) batch_size: usize,
}

/// Finishes what the inner morselizer's morsels produce.
#[derive(Debug)]
pub(super) struct ColdMorselizer {
    pub(super) inner: Box<dyn Morselizer>,
    pub(super) finish: Arc<Finish>,
}

#[derive(Debug)]
struct ColdPlanner {
    inner: Box<dyn MorselPlanner>,
    finish: Arc<Finish>,
}

#[derive(Debug)]
struct ColdMorsel {
    inner: Box<dyn Morsel>,
    finish: Arc<Finish>,
}

impl Morselizer for ColdMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        Ok(wrap(self.inner.plan_file(file)?, &self.finish))
    }
}

fn wrap(inner: Box<dyn MorselPlanner>, finish: &Arc<Finish>) -> Box<dyn MorselPlanner> {
    let finish = Arc::clone(finish);
    Box::new(ColdPlanner { inner, finish })
}

impl MorselPlanner for ColdPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let ColdPlanner { inner, finish } = *self;
        let Some(mut plan) = inner.plan()? else {
            return Ok(None);
        };
        let morsels = plan.take_morsels().into_iter().map(|inner| {
            let finish = Arc::clone(&finish);
            Box::new(ColdMorsel { inner, finish }) as _
        });
        let planners = plan.take_ready_planners().into_iter();
        let mut wrapped = MorselPlan::new()
            .with_morsels(morsels.collect())
            .with_planners(planners.map(|inner| wrap(inner, &finish)).collect());
        if let Some(pending) = plan.take_pending_planner() {
            wrapped.set_pending_planner(async move { Ok(wrap(pending.await?, &finish)) });
        }
        Ok(Some(wrapped))
    }
}

impl Morsel for ColdMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let ColdMorsel { inner, finish } = *self;
        let buffered = BatchCoalescer::new(Arc::clone(&finish.input), finish.batch_size)
            .with_biggest_coalesce_batch_size(Some(finish.batch_size / 2));
        let state = (inner.into_stream(), buffered, false);
        futures::stream::try_unfold(state, move |(mut input, mut buffered, mut ended)| {
            let finish = Arc::clone(&finish);
            async move {
                loop {
                    if let Some(batch) = buffered.next_completed_batch() {
                        return Ok(Some((
                            finish.projector.project_batch(&batch)?,
                            (input, buffered, ended),
                        )));
                    }
                    if ended {
                        return Ok(None);
                    }
                    match input.next().await {
                        Some(batch) => {
                            let batch = batch?;
                            let kept = finish.filter.evaluate(&batch)?.into_array(batch.num_rows())?;
                            let Some(kept) = kept.as_boolean_opt() else {
                                return exec_err!("a filter is no condition");
                            };
                            buffered.push_batch_with_filter(batch, kept)?;
                        }
                        None => {
                            ended = true;
                            buffered.finish_buffered_batch()?;
                        }
                    }
                }
            }
        })
        .boxed()
    }
}
