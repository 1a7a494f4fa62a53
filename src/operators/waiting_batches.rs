//! Batches that an operator holds until it can complete them, reserved from the memory pool: each buffer once, however
//! many batches were cut from it. What the pool refuses fails the query.

use std::collections::VecDeque;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result as PlanResult;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::execution::memory_pool::MemoryReservation;

/// First in, first out.
pub struct WaitingBatches {
    batches: VecDeque<RecordBatch>,
    reservation: MemoryReservation,
    counter: RecordBatchMemoryCounter,
    /// How many batches the counter has seen, some of which may be gone.
    counted: usize,
}

impl WaitingBatches {
    pub fn new(reservation: MemoryReservation) -> WaitingBatches {
        WaitingBatches {
            batches: VecDeque::new(),
            reservation,
            counter: RecordBatchMemoryCounter::new(),
            counted: 0,
        }
    }

    pub fn first(&self) -> Option<&RecordBatch> {
        self.batches.front()
    }

    /// Holds a batch; `beside` are the bytes that the operator has for all of them.
    pub fn push(&mut self, batch: RecordBatch, beside: usize) -> PlanResult<()> {
        self.counter.count_batch(&batch);
        self.batches.push_back(batch);
        self.counted += 1;
        // To count all that wait for every batch would take time by the square of their number.
        if self.counted > 2 * self.batches.len() {
            self.counter = RecordBatchMemoryCounter::new();
            self.counted = self.batches.len();
            for batch in &self.batches {
                self.counter.count_batch(batch);
            }
        }
        self.reservation.try_resize(self.counter.memory_usage() + beside)
    }

    pub fn pop(&mut self) -> Option<RecordBatch> {
        let first = self.batches.pop_front();
        if self.batches.is_empty() {
            self.reservation.free();
        }
        first
    }
}
