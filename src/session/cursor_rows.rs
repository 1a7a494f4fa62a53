//! The rows of a cursor and a position among them, with PostgreSQL's rules for moving it. Rows are taken from
//! the query as they are asked for; what lies behind is kept only where the cursor may go back.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::UInt64Array;
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use tokio::sync::Mutex;

use crate::error::{Error, Result, SqlState};
use crate::statement::ast::FetchDirection;

/// What a cursor without SCROLL or NO SCROLL keeps for going back.
const KEPT_UNASKED: usize = 1 << 20;
/// Rows of one chunk of a FETCH.
const CHUNK_ROWS: u64 = 1024;

/// How far a cursor may go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scrolling {
    /// SCROLL: anywhere, within the server's memory.
    Full,
    /// As far as little memory reaches, while it reaches.
    Little,
    /// NO SCROLL.
    None,
}

/// Rows under way and those that are kept.
pub(crate) struct CursorRows {
    schema: SchemaRef,
    /// `None` once it is read to its end.
    stream: Option<SendableRecordBatchStream>,
    scrolling: Scrolling,
    kept: VecDeque<RecordBatch>,
    /// Rows before the first that is kept.
    dropped: u64,
    /// Rows taken from the stream.
    read: u64,
    /// 0 before the first row, `read + 1` after the last.
    position: u64,
    memory: MemoryReservation,
}

/// The rest of a movement: which way, and how many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Movement {
    Forward(u64),
    Backward(u64),
}

impl CursorRows {
    pub fn new(stream: SendableRecordBatchStream, scrolling: Scrolling, pool: &Arc<dyn MemoryPool>) -> CursorRows {
        CursorRows {
            schema: stream.schema(),
            stream: Some(stream),
            scrolling,
            kept: VecDeque::new(),
            dropped: 0,
            read: 0,
            position: 0,
            memory: MemoryConsumer::new("cursor").register(pool),
        }
    }

    /// Moves to where the direction's rows begin and says what is left to do.
    pub async fn begin(&mut self, direction: FetchDirection, is_move: bool) -> Result<Movement> {
        let count = |count: Option<i64>| count.map_or(u64::MAX, i64::unsigned_abs);
        match direction {
            FetchDirection::Forward(Some(0)) | FetchDirection::Backward(Some(0)) | FetchDirection::Relative(0) => {
                self.begin_again(is_move).await
            }
            FetchDirection::Forward(Some(n)) if n < 0 => Ok(Movement::Backward(n.unsigned_abs())),
            FetchDirection::Backward(Some(n)) if n < 0 => Ok(Movement::Forward(n.unsigned_abs())),
            FetchDirection::Forward(n) => Ok(Movement::Forward(count(n))),
            FetchDirection::Backward(n) => Ok(Movement::Backward(count(n))),
            FetchDirection::Relative(n) if n > 0 => {
                self.skip(Movement::Forward(n.unsigned_abs() - 1)).await?;
                Ok(Movement::Forward(1))
            }
            FetchDirection::Relative(n) => {
                self.skip(Movement::Backward(n.unsigned_abs() - 1)).await?;
                Ok(Movement::Backward(1))
            }
            FetchDirection::Absolute(n) if n >= 0 => self.begin_at(n.unsigned_abs()).await,
            FetchDirection::Absolute(n) => {
                self.skip(Movement::Forward(u64::MAX)).await?;
                self.skip(Movement::Backward(n.unsigned_abs() - 1)).await?;
                Ok(Movement::Backward(1))
            }
        }
    }

    /// The current row once more; a MOVE only says whether there is one.
    async fn begin_again(&mut self, is_move: bool) -> Result<Movement> {
        if self.position == 0 || self.is_after_last() {
            return Ok(Movement::Forward(0));
        }
        if is_move && self.scrolling == Scrolling::None {
            return Ok(Movement::Forward(0));
        }
        self.back_to(self.position - 1)?;
        Ok(Movement::Forward(1))
    }

    async fn begin_at(&mut self, row: u64) -> Result<Movement> {
        let before = row.saturating_sub(1);
        if before < self.position {
            self.back_to(before)?;
        } else {
            self.skip(Movement::Forward(before - self.position)).await?;
        }
        Ok(Movement::Forward(row.min(1)))
    }

    fn back_to(&mut self, position: u64) -> Result<()> {
        self.require_scroll(position + 1)?;
        self.position = position;
        Ok(())
    }

    /// Passes rows; answers how many there were.
    pub async fn skip(&mut self, movement: Movement) -> Result<u64> {
        let mut passed = 0;
        let mut rest = movement;
        while let Some(batch) = self.step(&mut rest).await? {
            passed += batch.num_rows() as u64;
        }
        Ok(passed)
    }

    /// The next rows of a movement, which becomes what is left of it.
    pub async fn step(&mut self, movement: &mut Movement) -> Result<Option<RecordBatch>> {
        let batch = match *movement {
            Movement::Forward(0) | Movement::Backward(0) => return Ok(None),
            Movement::Forward(count) => self.forward(count).await?,
            Movement::Backward(count) => self.backward(count)?,
        };
        let rows = batch.as_ref().map_or(u64::MAX, |batch| batch.num_rows() as u64);
        match movement {
            Movement::Forward(count) | Movement::Backward(count) if *count != u64::MAX || rows == u64::MAX => {
                *count = count.saturating_sub(rows);
            }
            Movement::Forward(_) | Movement::Backward(_) => {}
        }
        Ok(batch)
    }

    /// The rows after the position, `count` at most.
    pub async fn forward(&mut self, count: u64) -> Result<Option<RecordBatch>> {
        let next = self.position + 1;
        while self.read < next {
            if !self.read_more().await? {
                self.position = self.read + 1;
                return Ok(None);
            }
        }
        let Some((batch, offset)) = self.find(next) else {
            return Err(Error::internal("a cursor lost a row"));
        };
        let rows = count.min(CHUNK_ROWS).min((batch.num_rows() - offset) as u64) as usize;
        let found = batch.slice(offset, rows);
        self.position += rows as u64;
        Ok(Some(found))
    }

    /// The rows before the position, nearest first.
    fn backward(&mut self, count: u64) -> Result<Option<RecordBatch>> {
        let last = self.position.saturating_sub(1);
        if self.scrolling == Scrolling::None {
            return Err(forward_only());
        }
        self.require_scroll(last.max(1))?;
        if last == 0 {
            self.position = 0;
            return Ok(None);
        }
        let Some((batch, offset)) = self.find(last) else {
            return Err(Error::internal("a cursor lost a row"));
        };
        let rows = count.min(CHUNK_ROWS).min(offset as u64 + 1);
        let end = offset as u64;
        let reversed = UInt64Array::from_iter_values((0..rows).map(|back| end - back));
        let found = take_record_batch(batch, &reversed)?;
        self.position -= rows;
        Ok(Some(found))
    }

    /// The row that the cursor stands on, and its place among all.
    pub fn current(&self) -> Option<(&RecordBatch, usize, u64)> {
        if self.position == 0 || self.is_after_last() {
            return None;
        }
        let (batch, offset) = self.find(self.position)?;
        Some((batch, offset, self.position))
    }

    fn is_after_last(&self) -> bool {
        self.position > self.read
    }

    /// Refuses to go back to a row that is not kept.
    fn require_scroll(&self, row: u64) -> Result<()> {
        // Before its first row a cursor has not moved: that is not going back.
        let stays = self.position == 0 && row <= 1;
        let reachable = stays || self.scrolling != Scrolling::None && row > self.dropped;
        match reachable {
            true => Ok(()),
            false => Err(forward_only()),
        }
    }

    /// Takes another batch from the query; false at its end.
    async fn read_more(&mut self) -> Result<bool> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        match stream.next().await.transpose()? {
            None => {
                self.stream = None;
                Ok(false)
            }
            Some(batch) if batch.num_rows() == 0 => Ok(true),
            Some(batch) => {
                self.forget();
                self.memory.try_grow(batch.get_array_memory_size())?;
                self.read += batch.num_rows() as u64;
                self.kept.push_back(batch);
                Ok(true)
            }
        }
    }

    /// Lets go of rows that nobody can go back to.
    fn forget(&mut self) {
        let limit = match self.scrolling {
            Scrolling::Full => return,
            Scrolling::Little => KEPT_UNASKED,
            Scrolling::None => 0,
        };
        while let Some(first) = self.kept.front() {
            let is_behind = self.dropped + first.num_rows() as u64 <= self.position;
            if self.memory.size() <= limit || !is_behind {
                return;
            }
            self.dropped += first.num_rows() as u64;
            self.memory
                .shrink(first.get_array_memory_size().min(self.memory.size()));
            self.kept.pop_front();
        }
    }

    /// The batch that holds a row, and where in it.
    fn find(&self, row: u64) -> Option<(&RecordBatch, usize)> {
        let mut before = self.dropped;
        for batch in &self.kept {
            let rows = batch.num_rows() as u64;
            if row <= before + rows {
                return row.checked_sub(before + 1).map(|offset| (batch, offset as usize));
            }
            before += rows;
        }
        None
    }
}

fn forward_only() -> Error {
    Error::new(SqlState::ObjectNotInPrerequisiteState, "cursor can only scan forward")
        .with_hint("Declare it with SCROLL option to enable backward scan.")
}

/// The rows of a movement as they are asked for.
pub(crate) async fn stream_of(rows: Arc<Mutex<CursorRows>>, movement: Movement) -> SendableRecordBatchStream {
    let schema = Arc::clone(&rows.lock().await.schema);
    let stream = futures::stream::try_unfold((rows, movement), |(rows, mut movement)| async move {
        let batch = rows.lock().await.step(&mut movement).await?;
        Ok(batch.map(|batch| (batch, (rows, movement))))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, AsArray, Int32Array};
    use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use datafusion::execution::memory_pool::UnboundedMemoryPool;

    use super::*;

    /// A cursor over 1 … 7 in batches of three.
    fn cursor(scrolling: Scrolling) -> CursorRows {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
        let batch = |values: Vec<i32>| {
            let column: ArrayRef = Arc::new(Int32Array::from(values));
            Ok(RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap())
        };
        let batches = vec![batch(vec![1, 2, 3]), batch(vec![4, 5, 6]), batch(vec![7])];
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::iter(batches));
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        CursorRows::new(Box::pin(stream), scrolling, &pool)
    }

    async fn fetch(cursor: &mut CursorRows, direction: FetchDirection) -> Result<Vec<i32>> {
        let mut movement = cursor.begin(direction, false).await?;
        let mut found = vec![];
        while let Some(batch) = cursor.step(&mut movement).await? {
            found.extend(batch.column(0).as_primitive::<Int32Type>().values().iter().copied());
        }
        Ok(found)
    }

    #[tokio::test]
    async fn a_scrolling_cursor_goes_everywhere() {
        use FetchDirection::*;
        let mut rows = cursor(Scrolling::Full);
        let steps: &[(FetchDirection, &[i32])] = &[
            (Backward(Some(1)), &[]),
            (Forward(Some(2)), &[1, 2]),
            (Forward(Some(0)), &[2]),
            (Backward(Some(1)), &[1]),
            (Backward(Some(1)), &[]),
            (Forward(None), &[1, 2, 3, 4, 5, 6, 7]),
            (Forward(Some(1)), &[]),
            (Backward(Some(2)), &[7, 6]),
            (Absolute(3), &[3]),
            (Relative(2), &[5]),
            (Relative(-1), &[4]),
            (Absolute(-2), &[6]),
            (Absolute(99), &[]),
            (Relative(-1), &[7]),
            (Absolute(0), &[]),
            (Forward(Some(-1)), &[]),
            (Forward(Some(1)), &[1]),
            (Absolute(-99), &[]),
            (Backward(None), &[]),
            (Absolute(1), &[1]),
            (Forward(Some(7)), &[2, 3, 4, 5, 6, 7]),
            (Backward(None), &[7, 6, 5, 4, 3, 2, 1]),
        ];
        for (direction, expected) in steps {
            assert_eq!(
                fetch(&mut rows, *direction).await.unwrap(),
                *expected,
                "{direction:?} at {}",
                rows.position
            );
        }
    }

    #[tokio::test]
    async fn a_forward_cursor_keeps_nothing_behind() {
        use FetchDirection::*;
        let mut rows = cursor(Scrolling::None);
        assert_eq!(fetch(&mut rows, Absolute(1)).await.unwrap(), [1]);
        assert_eq!(fetch(&mut rows, Absolute(5)).await.unwrap(), [5]);
        assert_eq!(rows.dropped, 3);
        for back in [Absolute(5), Backward(Some(1)), Forward(Some(0)), Absolute(0)] {
            let error = fetch(&mut rows, back).await.unwrap_err();
            assert_eq!(error.state(), SqlState::ObjectNotInPrerequisiteState, "{back:?}");
        }
        assert_eq!(fetch(&mut rows, Forward(None)).await.unwrap(), [6, 7]);
    }
}
