//! Runs a fused aggregation over one partition. Memory that the pool refuses is given back by emitting the groups as
//! partial states; whatever a batch has that lanes do not hold goes to the stock operators with the rest of the input.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result as PlanResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count as MetricCount, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use super::aggregate_exec::FusedAggregateExec;
use super::groupings::Groupings;
use super::handover::{HandoverExec, in_types_of};

/// The results for one partition of the source.
pub fn run(
    operator: &FusedAggregateExec,
    input: SendableRecordBatchStream,
    partition: usize,
    context: Arc<TaskContext>,
) -> PlanResult<SendableRecordBatchStream> {
    let schema = operator.schema();
    let reservation = MemoryConsumer::new(format!("FusedAggregate[{partition}]"))
        .with_can_spill(true)
        .register(context.memory_pool());
    let metrics = operator.metrics_set();
    let aggregation = Aggregation {
        schema: Arc::clone(&schema),
        state: Groupings::new(operator.shape(), Arc::clone(&schema), operator.emits_states())?,
        operator: operator.clone(),
        input,
        phase: Phase::Reading,
        batch_size: context.session_config().batch_size(),
        context,
        reservation: Some(reservation),
        metrics: BaselineMetrics::new(metrics, partition),
        handed_over: MetricBuilder::new(metrics).counter("handed_over", partition),
        groups: MetricBuilder::new(metrics).counter("groups", partition),
    };
    Ok(aggregation.into_stream(schema))
}

struct Aggregation {
    operator: FusedAggregateExec,
    schema: SchemaRef,
    input: SendableRecordBatchStream,
    state: Groupings,
    phase: Phase,
    batch_size: usize,
    context: Arc<TaskContext>,
    /// `None` once the stock operators have taken over, which reserve by themselves.
    reservation: Option<MemoryReservation>,
    metrics: BaselineMetrics,
    handed_over: MetricCount,
    groups: MetricCount,
}

enum Phase {
    Reading,
    /// Emits the groups from a number on; then comes what the second part says.
    Emitting(usize, Box<Phase>),
    /// The stock operators have taken over.
    Stock(SendableRecordBatchStream),
    Done,
}

impl Aggregation {
    fn into_stream(self, schema: SchemaRef) -> SendableRecordBatchStream {
        let batches = stream::try_unfold(self, |mut aggregation| async move {
            let batch = aggregation.next().await?;
            Ok(batch.map(|batch| (batch, aggregation)))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }

    async fn next(&mut self) -> PlanResult<Option<RecordBatch>> {
        loop {
            match &mut self.phase {
                Phase::Reading => match self.input.next().await.transpose()? {
                    Some(batch) => self.read(batch)?,
                    // The stock operator makes the row that a grouping set without keys has of no rows.
                    None if self.groups.value() == 0 && self.state.lacks_a_total() => self.hand_over(None)?,
                    None => self.emit_then(Phase::Done)?,
                },
                Phase::Emitting(next, after) => {
                    let elapsed = self.metrics.elapsed_compute().clone();
                    let _timer = elapsed.timer();
                    let (from, count) = (*next, self.state.count_to_emit());
                    if from < count {
                        let until = count.min(from + self.batch_size);
                        *next = until;
                        let batch = self.state.emit(from..until)?;
                        self.metrics.record_output(batch.num_rows());
                        return Ok(Some(batch));
                    }
                    if self.state.next_set(self.reservation.as_ref())? {
                        *next = 0;
                        continue;
                    }
                    let after = std::mem::replace(after.as_mut(), Phase::Done);
                    self.phase = after;
                    self.state = self.state.emptied()?;
                    if let Some(reservation) = &mut self.reservation {
                        reservation.free();
                    }
                    if let Phase::Stock(_) = self.phase {
                        self.reservation = None;
                    }
                }
                Phase::Stock(stream) => {
                    let batch = stream.next().await.transpose()?;
                    if let Some(batch) = &batch {
                        self.metrics.record_output(batch.num_rows());
                    }
                    return batch.map(|batch| in_types_of(&self.schema, &batch)).transpose();
                }
                Phase::Done => return Ok(None),
            }
        }
    }

    fn emit_then(&mut self, after: Phase) -> PlanResult<()> {
        self.groups.add(self.state.count());
        self.state.close(self.reservation.as_ref())?;
        self.phase = Phase::Emitting(0, Box::new(after));
        Ok(())
    }

    fn read(&mut self, batch: RecordBatch) -> PlanResult<()> {
        let elapsed = self.metrics.elapsed_compute().clone();
        let timer = elapsed.timer();
        let taken = self.state.add(&batch)?;
        drop(timer);
        if !taken {
            return self.hand_over(Some(batch));
        }
        let size = self.state.size();
        let refused = self
            .reservation
            .as_mut()
            .is_some_and(|held| held.try_resize(size).is_err());
        match self.operator.emits_states() {
            true if refused || self.state.is_full() => self.emit_then(Phase::Reading)?,
            false if refused => return self.hand_over(None),
            _ => {}
        }
        Ok(())
    }

    /// Lets the stock operators do the rest, `batch` first. What has been aggregated goes to them as partial states,
    /// or, where states are the result, out before theirs.
    fn hand_over(&mut self, batch: Option<RecordBatch>) -> PlanResult<()> {
        self.handed_over.add(1);
        let empty = Box::pin(RecordBatchStreamAdapter::new(self.input.schema(), stream::empty()));
        let input = std::mem::replace(&mut self.input, empty);
        let schema = self.operator.stock_schema();
        let read = Arc::clone(&schema);
        let rest = stream::iter(batch.map(Ok))
            .chain(input)
            .map(move |batch| in_types_of(&read, &batch?));
        let rest = RecordBatchStreamAdapter::new(schema, rest);
        let rest = Arc::new(HandoverExec::new(Box::pin(rest)));
        if self.operator.emits_states() {
            let stock = self.operator.stock_on(rest)?.execute(0, Arc::clone(&self.context))?;
            return self.emit_then(Phase::Stock(stock));
        }
        let rest = self.operator.states_of(rest)?;
        let schema = rest.schema();
        let rest = rest.execute(0, Arc::clone(&self.context))?;
        let mut state = self.state.emptied()?;
        std::mem::swap(&mut self.state, &mut state);
        state.emit_states(Arc::clone(&schema));
        state.close(None)?;
        let size = self.batch_size;
        // The groups are freed when the last of them is emitted.
        let groups = stream::try_unfold(
            (state, 0, self.reservation.take()),
            move |(state, from, held)| async move {
                let until = state.count().min(from + size);
                match from < until {
                    true => Ok(Some((state.emit(from..until)?, (state, until, held)))),
                    false => Ok(None),
                }
            },
        );
        let all = Box::pin(RecordBatchStreamAdapter::new(schema, groups.chain(rest)));
        let results = self.operator.results_of(Arc::new(HandoverExec::new(all)))?;
        self.phase = Phase::Stock(results.execute(0, Arc::clone(&self.context))?);
        Ok(())
    }
}
