//! Operators of our own, put into physical plans by `planning::rules` where they cover a stock operator's shape. They
//! work on lanes of 64-bit integers and lists of selected rows, decline at run time what they do not cover, and hand
//! the rest of their input to the operators that they stand for.

mod accumulators;
mod aggregate_exec;
mod aggregate_shape;
mod aggregate_stream;
mod group_table;
mod groupings;
mod handover;
mod lane;
mod lane_program;
mod measured;
mod pattern;
mod select_exec;
mod selection;
mod shared_exec;
mod strings;

#[cfg(test)]
mod tests;

pub use aggregate_exec::FusedAggregateExec;
pub use select_exec::SelectExec;
pub use shared_exec::SharedExec;
