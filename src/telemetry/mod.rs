//! What the server tells about itself: logs, metrics, and a record of every statement. Logic never reads
//! any of it. Everything is bounded in memory.

mod http;
mod log;
mod metrics;
mod query_log;
mod query_record;

pub use http::{Readings, serve};
pub use log::init as init_log;
pub use metrics::{CacheReading, MemoryReading, Metrics};
pub use query_log::QueryLog;
#[cfg(test)]
pub(crate) use query_record::identity_for_tests;
pub use query_record::{CacheOutcome, FinishedQuery, QueryIdentity, QueryRecord, Stage};
