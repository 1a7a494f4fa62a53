//! The memory of all queries. Each operator that can spill has a fair share; but most of those that are there use little
//! of theirs, so one may have more while much is free: otherwise many small queries would leave none enough for a batch.

use std::fmt;

use datafusion::common::Result as PlanResult;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use parking_lot::Mutex;

/// Beyond their shares operators have this part of all memory at most, and each no more than it leaves to others.
const LENT: usize = 2;

/// Fair shares, and what nobody uses.
#[derive(Debug)]
pub struct QueryMemory {
    limit: usize,
    shares: FairSpillPool,
    /// Held from the look at what is free until it is taken.
    beyond_shares: Mutex<()>,
}

impl QueryMemory {
    /// `limit` bytes.
    pub fn new(limit: usize) -> QueryMemory {
        QueryMemory {
            limit,
            shares: FairSpillPool::new(limit),
            beyond_shares: Mutex::new(()),
        }
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.shares.fmt(formatter)
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query_memory"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.shares.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.shares.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.shares.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.shares.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> PlanResult<()> {
        let refused = match self.shares.try_grow(reservation, additional) {
            Err(refused) if reservation.consumer().can_spill() => refused,
            answer => return answer,
        };
        let _looking = self.beyond_shares.lock();
        let free = (self.limit / LENT).saturating_sub(self.shares.reserved());
        if reservation.size().saturating_add(additional) > free {
            return Err(refused);
        }
        self.shares.grow(reservation, additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.shares.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_idle_operators_leave_is_for_those_that_work() {
        let pool: Arc<dyn MemoryPool> = Arc::new(QueryMemory::new(1200));
        let spilling = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let idle: Vec<MemoryReservation> = (0..58).map(|_| spilling("idle")).collect();
        let (sorter, other) = (spilling("sorter"), spilling("other"));
        // The share of each is 20.
        assert!(sorter.try_grow(300).is_ok());
        assert!(sorter.try_grow(1).is_err());
        assert!(other.try_grow(301).is_err());
        assert!(other.try_grow(300).is_ok());
        assert!(idle[0].try_grow(21).is_err());
        assert!(idle.iter().all(|idle| idle.try_grow(20).is_ok()));
        drop((idle, sorter, other));
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn who_cannot_spill_gets_what_is_free() {
        let pool: Arc<dyn MemoryPool> = Arc::new(QueryMemory::new(100));
        let table = MemoryConsumer::new("table").register(&pool);
        assert!(table.try_grow(101).is_err());
        assert!(table.try_grow(100).is_ok());
        let sorter = MemoryConsumer::new("sorter").with_can_spill(true).register(&pool);
        assert!(sorter.try_grow(1).is_err());
    }
}
