//! Runs a fused aggregation over one partition. Memory that the pool refuses is given back by emitting the groups as
//! partial states; whatever a batch has that lanes do not hold goes to the stock operators with the rest of the input.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Result as PlanResult, internal_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count as MetricCount, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use super::accumulators::{Count, Extreme, Groups, Sum};
use super::aggregate_exec::FusedAggregateExec;
use super::aggregate_shape::{AggregateShape, Key, Measure};
use super::group_table::{GroupTable, NULL_WORD, Words};
use super::handover::HandoverExec;
use super::lane::{Lane, from_integers, selected_nulls};
use super::lane_program::Lanes;
use super::strings::StringNumbers;

/// Groups at which a partial aggregation that does not reduce its input hands them on.
const MANY_GROUPS: usize = 1 << 17;

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
        state: Groupings::new(operator.shape(), Arc::clone(&schema)),
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
                    None => self.emit_then(Phase::Done),
                },
                Phase::Emitting(next, after) => {
                    let (from, count) = (*next, self.state.count());
                    if from < count {
                        let until = count.min(from + self.batch_size);
                        *next = until;
                        let _timer = self.metrics.elapsed_compute().timer();
                        let batch = self.state.emit(from..until)?;
                        self.metrics.record_output(batch.num_rows());
                        return Ok(Some(batch));
                    }
                    let after = std::mem::replace(after.as_mut(), Phase::Done);
                    self.phase = after;
                    self.state = self.state.emptied();
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
                    return Ok(batch);
                }
                Phase::Done => return Ok(None),
            }
        }
    }

    fn emit_then(&mut self, after: Phase) {
        self.groups.add(self.state.count());
        self.phase = Phase::Emitting(0, Box::new(after));
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
            true if refused || self.state.is_full() => self.emit_then(Phase::Reading),
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
            self.emit_then(Phase::Stock(stock));
            return Ok(());
        }
        let rest = self.operator.states_of(rest)?;
        let schema = rest.schema();
        let rest = rest.execute(0, Arc::clone(&self.context))?;
        let fresh = Groupings::new(self.operator.shape(), Arc::clone(&self.state.schema));
        let mut state = std::mem::replace(&mut self.state, fresh);
        state.schema = Arc::clone(&schema);
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

/// The batch with its compact columns cast to the schema's types.
fn in_types_of(schema: &SchemaRef, batch: &RecordBatch) -> PlanResult<RecordBatch> {
    let fields = schema.fields().iter().zip(batch.columns());
    let columns = fields.map(|(field, column)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => cast(column, field.data_type()),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = columns.collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// The groups so far and their aggregates.
struct Groupings {
    shape: Arc<AggregateShape>,
    /// Of the batches that are emitted.
    schema: SchemaRef,
    /// `None` where all rows are one group.
    table: Option<GroupTable>,
    strings: Vec<Option<StringNumbers>>,
    measures: Vec<Accumulated>,
    /// Rows aggregated so far.
    rows: usize,
    /// Grouping does not pay: each row is a group.
    every_row: bool,
    words: Vec<Vec<i64>>,
    groups: Vec<u32>,
}

enum Accumulated {
    Count(Count),
    Sum(Sum),
    Extreme(Extreme),
}

impl Groupings {
    fn new(shape: &Arc<AggregateShape>, schema: SchemaRef) -> Groupings {
        let measure = |measure: &Measure| match measure {
            Measure::CountRows | Measure::CountLane(_) | Measure::Count(_) | Measure::AddCounts(_) => {
                Accumulated::Count(Count::default())
            }
            Measure::Sum(_) => Accumulated::Sum(Sum::new()),
            Measure::Extreme { is_max, .. } => Accumulated::Extreme(Extreme::new(*is_max)),
        };
        let strings = |key: &Key| matches!(key, Key::Strings(_)).then(StringNumbers::new);
        let mut groupings = Groupings {
            schema,
            table: (!shape.keys.is_empty()).then(|| GroupTable::new(shape.keys.len())),
            strings: shape.keys.iter().map(strings).collect(),
            measures: shape.measures.iter().map(measure).collect(),
            rows: 0,
            every_row: false,
            words: vec![Vec::new(); shape.keys.len()],
            groups: Vec::new(),
            shape: Arc::clone(shape),
        };
        if groupings.table.is_none() {
            groupings.add_no_rows();
        }
        groupings
    }

    /// Without keys there is one group, even of no rows.
    fn add_no_rows(&mut self) {
        let (groups, lane) = (Groups::One(0), Lane::new(Vec::new(), None, 0));
        for measure in &mut self.measures {
            match measure {
                Accumulated::Count(count) => count.update(groups, None, 1),
                Accumulated::Sum(sum) => sum.update(groups, &lane, 1),
                Accumulated::Extreme(extreme) => extreme.update(groups, &lane, 1),
            }
        }
    }

    fn count(&self) -> usize {
        self.table.as_ref().map_or(1, GroupTable::len)
    }

    fn size(&self) -> usize {
        let measure = |measure: &Accumulated| match measure {
            Accumulated::Count(count) => count.size(),
            Accumulated::Sum(sum) => sum.size(),
            Accumulated::Extreme(extreme) => extreme.size(),
        };
        self.table.as_ref().map_or(0, GroupTable::size)
            + self.strings.iter().flatten().map(StringNumbers::size).sum::<usize>()
            + self.measures.iter().map(measure).sum::<usize>()
    }

    /// Whether more rows would only make the groups more.
    fn is_full(&self) -> bool {
        self.every_row || (self.count() >= MANY_GROUPS && self.rows < 2 * self.count())
    }

    /// Without the groups, which have been emitted.
    fn emptied(&self) -> Groupings {
        let mut emptied = Groupings::new(&self.shape, Arc::clone(&self.schema));
        let has_strings = self.strings.iter().any(Option::is_some);
        let reduced_little = self.count() >= MANY_GROUPS && self.rows < self.count() + self.count() / 4;
        emptied.every_row = self.every_row || (reduced_little && !has_strings);
        emptied
    }

    /// Aggregates a batch; false, with nothing changed, where it has values that lanes do not hold.
    fn add(&mut self, batch: &RecordBatch) -> PlanResult<bool> {
        let shape = Arc::clone(&self.shape);
        let selection = shape.predicate.select(batch)?;
        let selection = selection.as_deref();
        let rows = selection.map_or(batch.num_rows(), <[u32]>::len);
        if rows == 0 {
            return Ok(true);
        }
        let Some(lanes) = shape.program.evaluate(batch, selection)? else {
            return Ok(false);
        };
        let mut presence = Vec::with_capacity(shape.measures.len());
        for measure in &shape.measures {
            presence.push(match measure {
                Measure::Count(expression) => {
                    selected_nulls(expression.evaluate(batch, selection)?.logical_nulls().as_ref(), None)
                }
                _ => None,
            });
        }
        self.find_groups(batch, selection, &lanes)?;
        let groups = match &self.table {
            Some(_) => Groups::Each(&self.groups),
            None => Groups::One(rows),
        };
        let count = self.count();
        self.rows += rows;
        for ((measure, accumulated), nulls) in shape.measures.iter().zip(&mut self.measures).zip(&presence) {
            match (measure, accumulated) {
                (Measure::AddCounts(lane), Accumulated::Count(counts)) => counts.merge(groups, &lanes[*lane], count),
                (Measure::CountLane(lane), Accumulated::Count(counts)) => {
                    counts.update(groups, lanes[*lane].nulls.as_ref(), count);
                }
                (_, Accumulated::Count(counts)) => counts.update(groups, nulls.as_ref(), count),
                (Measure::Sum(lane), Accumulated::Sum(sum)) => sum.update(groups, &lanes[*lane], count),
                (Measure::Extreme { lane, .. }, Accumulated::Extreme(extreme)) => {
                    extreme.update(groups, &lanes[*lane], count);
                }
                _ => {}
            }
        }
        Ok(true)
    }

    fn find_groups(&mut self, batch: &RecordBatch, selection: Option<&[u32]>, lanes: &Lanes) -> PlanResult<()> {
        let Some(table) = &mut self.table else {
            return Ok(());
        };
        let keys = self.shape.keys.iter().zip(&mut self.words).zip(&mut self.strings);
        for ((key, words), strings) in keys {
            match (key, strings) {
                (Key::Lane(lane), _) => {
                    if let Some(nulls) = &lanes[*lane].nulls {
                        let word = |(value, valid): (&i64, bool)| if valid { *value } else { NULL_WORD };
                        words.clear();
                        words.extend(lanes[*lane].values.iter().zip(nulls.iter()).map(word));
                    }
                }
                (Key::Strings(expression), Some(strings)) => match expression.column() {
                    Some(column) => strings.number(batch.column(column), selection, words)?,
                    None => strings.number(&expression.evaluate(batch, selection)?, None, words)?,
                },
                _ => {}
            }
        }
        let columns = self.shape.keys.iter().zip(&self.words).zip(&self.strings);
        let columns: Vec<Words> = columns
            .map(|((key, words), strings)| Words {
                words: match key {
                    Key::Lane(lane) if lanes[*lane].nulls.is_none() => &lanes[*lane].values,
                    _ => words,
                },
                numbered: strings.as_ref().map(StringNumbers::count),
            })
            .collect();
        match self.every_row {
            true => table.add_all(&columns, &mut self.groups),
            false => table.find_or_add(&columns, &mut self.groups),
        }
        Ok(())
    }

    /// A range of the groups as rows of the output.
    fn emit(&self, range: Range<usize>) -> PlanResult<RecordBatch> {
        let rows = range.len();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (index, strings) in self.strings.iter().enumerate() {
            let data_type = self.schema.field(index).data_type();
            columns.push(self.key_column(index, strings.as_ref(), data_type, range.clone()));
        }
        for (index, measure) in self.measures.iter().enumerate() {
            let data_type = self.schema.field(self.strings.len() + index).data_type();
            columns.push(match measure {
                Accumulated::Count(count) => Some(count.finish(range.clone())),
                Accumulated::Sum(sum) => sum.finish(range.clone(), data_type),
                Accumulated::Extreme(extreme) => extreme.finish(range.clone(), data_type),
            });
        }
        let columns: Option<Vec<ArrayRef>> = columns.into_iter().collect();
        let columns = columns.ok_or_else(|| internal_datafusion_err!("an aggregate does not fit its type"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }

    fn key_column(
        &self,
        index: usize,
        strings: Option<&StringNumbers>,
        data_type: &DataType,
        range: Range<usize>,
    ) -> Option<ArrayRef> {
        let words = self.table.as_ref()?.words(index, range);
        match strings {
            Some(strings) => strings.to_array(words, data_type),
            None => {
                let words: Vec<i64> = words.collect();
                let valid = BooleanBuffer::collect_bool(words.len(), |row| words[row] != NULL_WORD);
                let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
                from_integers(data_type, words, nulls)
            }
        }
    }
}
