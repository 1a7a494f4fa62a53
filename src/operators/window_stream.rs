//! Runs window functions over one sorted partition: each batch is cut where partitions or peers begin, and emitted once
//! the last of its rows' frames has ended.

use std::collections::VecDeque;
use std::iter::repeat_n;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, RecordBatch, UInt64Array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::{concat, partition};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int16Type, Int32Type, Int64Type, SchemaRef, TimestampMicrosecondType,
};
use datafusion::common::{Result as PlanResult, internal_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use super::lane::from_integers;
use super::waiting_batches::WaitingBatches;
use super::window_shape::{Computed, Frame, Window, WindowShape};

/// In the place of a null result: no value that is covered is as small.
const NULL: i128 = i128::MIN;

/// The input's batches with a column for each window.
pub fn run(
    shape: Arc<WindowShape>,
    schema: SchemaRef,
    input: SendableRecordBatchStream,
    metrics: BaselineMetrics,
    reservation: MemoryReservation,
) -> SendableRecordBatchStream {
    let windowing = Windowing {
        running: shape.windows.iter().map(|_| Running::default()).collect(),
        shape,
        schema: Arc::clone(&schema),
        input: Some(input),
        pending: WaitingBatches::new(reservation),
        last: None,
        metrics,
    };
    let batches = stream::try_unfold(windowing, |mut windowing| async move {
        let batch = windowing.next().await?;
        Ok(batch.map(|batch| (batch, windowing)))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

struct Windowing {
    shape: Arc<WindowShape>,
    schema: SchemaRef,
    /// `None` once it has ended.
    input: Option<SendableRecordBatchStream>,
    /// Batches of which some rows' results are not known.
    pending: WaitingBatches,
    running: Vec<Running>,
    /// The keys of the last row so far.
    last: Option<Vec<ArrayRef>>,
    metrics: BaselineMetrics,
}

/// One window as far as rows have come.
#[derive(Default)]
struct Running {
    /// Results of rows that have not been emitted.
    known: VecDeque<i128>,
    /// The last rows, whose frames have not ended.
    waiting: usize,
    /// Rows of the partition before these peers, or with a value.
    rows: i128,
    peers: i128,
    /// Sum or extreme of the values, where there is one.
    value: Option<i128>,
}

/// How rows begin that belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// They belong to those before.
    Continues,
    Peers,
    Partition,
}

impl Windowing {
    async fn next(&mut self) -> PlanResult<Option<RecordBatch>> {
        loop {
            if let Some(first) = self.pending.first() {
                let rows = first.num_rows();
                if self.running.iter().all(|running| running.known.len() >= rows)
                    && let Some(batch) = self.pending.pop()
                {
                    let elapsed = self.metrics.elapsed_compute().clone();
                    let _timer = elapsed.timer();
                    self.metrics.record_output(rows);
                    return self.completed(&batch).map(Some);
                }
            }
            let Some(input) = &mut self.input else {
                return Ok(None);
            };
            match input.next().await.transpose()? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => {
                    let elapsed = self.metrics.elapsed_compute().clone();
                    let _timer = elapsed.timer();
                    self.read(&batch)?;
                    let results = self.running.iter().map(|running| running.known.capacity());
                    self.pending.push(batch, results.sum::<usize>() * size_of::<i128>())?;
                }
                None => {
                    self.input = None;
                    for (window, running) in self.shape.windows.iter().zip(&mut self.running) {
                        running.end_frames(window);
                    }
                }
            }
        }
    }

    fn read(&mut self, batch: &RecordBatch) -> PlanResult<()> {
        let segments = self.segments(batch)?;
        for (window, running) in self.shape.windows.iter().zip(&mut self.running) {
            running.add(window, batch, &segments)?;
        }
        Ok(())
    }

    /// The batch's rows in stretches of one partition, or of peers where these matter.
    fn segments(&mut self, batch: &RecordBatch) -> PlanResult<Vec<(Range<usize>, Start)>> {
        let rows = batch.num_rows();
        let shape = Arc::clone(&self.shape);
        let evaluated = |expression: &Arc<dyn PhysicalExpr>| expression.evaluate(batch)?.into_array(rows);
        let mut keys: Vec<ArrayRef> = shape.partition_by.iter().map(evaluated).collect::<PlanResult<_>>()?;
        if shape.tells_peers() {
            keys.extend(shape.order_by.iter().map(evaluated).collect::<PlanResult<Vec<_>>>()?);
        }
        let (of_partition, all) = (shape.partition_by.len(), keys.len());
        let begins = |count: usize| -> PlanResult<bool> {
            let Some(last) = &self.last else { return Ok(true) };
            let pairs = last.iter().zip(&keys).take(count);
            let pairs = pairs.map(|(last, keys)| concat(&[last.as_ref(), keys.slice(0, 1).as_ref()]));
            Ok(stretches(&pairs.collect::<Result<Vec<_>, _>>()?, 2)?.len() > 1)
        };
        let first = match (begins(of_partition)?, begins(all)?) {
            (true, _) => Start::Partition,
            (false, true) => Start::Peers,
            (false, false) => Start::Continues,
        };
        let mut partitions = stretches(&keys[..of_partition], rows)?.into_iter().peekable();
        let segments = stretches(&keys, rows)?.into_iter().map(|stretch| {
            let is_partition = partitions
                .next_if(|partition| partition.start == stretch.start)
                .is_some();
            let start = match (stretch.start, is_partition) {
                (0, _) => first,
                (_, true) => Start::Partition,
                (_, false) => Start::Peers,
            };
            (stretch, start)
        });
        let segments = segments.collect();
        self.last = Some(keys.iter().map(|keys| keys.slice(rows - 1, 1)).collect());
        Ok(segments)
    }

    fn completed(&mut self, batch: &RecordBatch) -> PlanResult<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        let added = self.schema.fields().iter().skip(columns.len());
        for (field, running) in added.zip(&mut self.running) {
            let values: Vec<i128> = running.known.drain(..batch.num_rows()).collect();
            let column = to_array(field.data_type(), values);
            columns.push(column.ok_or_else(|| internal_datafusion_err!("a window's result does not fit its type"))?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

impl Running {
    fn add(&mut self, window: &Window, batch: &RecordBatch, segments: &[(Range<usize>, Start)]) -> PlanResult<()> {
        let evaluated = |expression: &Arc<dyn PhysicalExpr>| expression.evaluate(batch)?.into_array(batch.num_rows());
        let (values, nulls) = match &window.computed {
            Computed::Sum(value) | Computed::Extreme { value, .. } => wide(&evaluated(value)?)?,
            Computed::Count(value) => (Vec::new(), evaluated(value)?.logical_nulls()),
            _ => (Vec::new(), None),
        };
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        for (rows, start) in segments {
            let ends_frames = match window.frame {
                Frame::Row => false,
                Frame::Peers => *start != Start::Continues,
                Frame::Partition => *start == Start::Partition,
            };
            if ends_frames {
                self.end_frames(window);
            }
            if *start == Start::Partition {
                (self.rows, self.peers, self.value) = (0, 0, None);
            }
            if *start != Start::Continues {
                self.peers += 1;
            }
            match &window.computed {
                Computed::RowNumber => {
                    let first = self.rows + 1;
                    self.known.extend(first..first + rows.len() as i128);
                    self.rows += rows.len() as i128;
                }
                Computed::Rank => {
                    // The rank is that of the first of the peers, which may be in an earlier batch.
                    if *start != Start::Continues {
                        self.value = Some(self.rows + 1);
                    }
                    self.known.extend(repeat_n(self.value.unwrap_or(1), rows.len()));
                    self.rows += rows.len() as i128;
                }
                Computed::DenseRank => self.known.extend(repeat_n(self.peers, rows.len())),
                Computed::Count(_) => {
                    let is_valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                    let add = |running: &mut Running, row| running.rows += i128::from(is_valid(row));
                    self.add_rows(window, rows, add);
                }
                Computed::Sum(_) => match &nulls {
                    None => self.add_rows(window, rows, |running, row| {
                        running.value = Some(running.value.unwrap_or(0) + values[row]);
                    }),
                    Some(nulls) => self.add_rows(window, rows, |running, row| {
                        if nulls.is_valid(row) {
                            running.value = Some(running.value.unwrap_or(0) + values[row]);
                        }
                    }),
                },
                Computed::Extreme { is_max, .. } => {
                    let is_valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                    self.add_rows(window, rows, |running, row| {
                        if is_valid(row) {
                            let other = running.value.unwrap_or(values[row]);
                            running.value = Some(match is_max {
                                true => other.max(values[row]),
                                false => other.min(values[row]),
                            });
                        }
                    });
                }
            }
        }
        Ok(())
    }

    fn add_rows(&mut self, window: &Window, rows: &Range<usize>, add: impl Fn(&mut Running, usize)) {
        if window.frame == Frame::Row {
            for row in rows.clone() {
                add(self, row);
                let result = self.result(window);
                self.known.push_back(result);
            }
        } else {
            rows.clone().for_each(|row| add(self, row));
            self.waiting += rows.len();
        }
    }

    fn result(&self, window: &Window) -> i128 {
        match window.computed {
            Computed::Count(_) => self.rows,
            _ => self.value.unwrap_or(NULL),
        }
    }

    /// The rows that wait have all of their frames.
    fn end_frames(&mut self, window: &Window) {
        let result = self.result(window);
        self.known.extend(repeat_n(result, self.waiting));
        self.waiting = 0;
    }
}

/// Stretches of rows with equal keys; nulls are equal.
fn stretches(keys: &[ArrayRef], rows: usize) -> PlanResult<Vec<Range<usize>>> {
    Ok(match keys {
        [] => vec![Range { start: 0, end: rows }],
        keys => partition(keys)?.ranges(),
    })
}

fn wide(array: &ArrayRef) -> PlanResult<(Vec<i128>, Option<NullBuffer>)> {
    fn widened<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef) -> Vec<i128> {
        let values = array.as_primitive::<T>().values().iter();
        values.map(|value| (*value).into()).collect()
    }
    let values = match array.data_type() {
        DataType::Int16 => widened::<Int16Type>(array),
        DataType::Int32 => widened::<Int32Type>(array),
        DataType::Int64 => widened::<Int64Type>(array),
        DataType::Date32 => widened::<Date32Type>(array),
        DataType::Timestamp(..) => widened::<TimestampMicrosecondType>(array),
        DataType::Decimal128(..) => widened::<Decimal128Type>(array),
        other => return Err(internal_datafusion_err!("a window is of type {other}")),
    };
    Ok((values, array.nulls().cloned()))
}

fn to_array(data_type: &DataType, values: Vec<i128>) -> Option<ArrayRef> {
    let valid = BooleanBuffer::collect_bool(values.len(), |row| values[row] != NULL);
    let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
    let value = |value: i128| if value == NULL { 0 } else { value };
    Some(match data_type {
        DataType::Decimal128(..) => {
            let values: Vec<i128> = values.into_iter().map(value).collect();
            Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(data_type.clone()))
        }
        DataType::UInt64 => {
            let values: Option<Vec<u64>> = values.into_iter().map(|value| u64::try_from(value).ok()).collect();
            Arc::new(UInt64Array::new(values?.into(), nulls))
        }
        _ => {
            let values = values.into_iter().map(|each| i64::try_from(value(each)).ok());
            from_integers(data_type, values.collect::<Option<Vec<i64>>>()?, nulls)?
        }
    })
}
