//! The one enforcement point: a bound plan goes in, a `GovernedPlan` comes out, which is the only thing that
//! planning and execution accept. Every scan of a table with policies lies below a barrier: a leaf of the
//! logical plan, an opaque node of the physical one. `verify` looks for the barriers again in what is about to run.

mod authorize;
mod govern;
mod governed_plan;
mod subject;

mod column_mask;
mod policy;
mod row_filter;

mod barrier;
mod infallible;
mod inside;
mod push_into_barrier;
mod unoptimized_session;

mod barrier_error;
mod barrier_exec;
mod fingerprint;
mod repeatable;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use barrier::{PolicyBarrier, reads_the_same, rows_of_table};
pub use barrier_exec::{BarrierIdentity, PolicyBarrierExec};
pub use fingerprint::PolicyFingerprint;
pub use govern::govern;
pub use governed_plan::GovernedPlan;
pub use verify::verify;
pub use write::check_write;
