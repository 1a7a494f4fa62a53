//! Operators of our own, put into physical plans by `planning::rules` where they cover a stock operator's shape. They
//! work on lanes of 64-bit integers and lists of selected rows, decline at run time what they do not cover, and hand
//! the rest of their input to the operators that they stand for.

mod accumulators;
mod aggregate_exec;
mod aggregate_shape;
mod aggregate_stream;
mod combinations;
mod computed_strings;
mod conditional;
mod group_table;
mod groupings;
mod handover;
mod hash_index;
mod join_build;
mod join_probe;
mod join_shape;
mod join_spill;
mod join_stream;
mod key_codes;
mod key_filter;
mod key_join_exec;
mod key_table;
mod lane;
mod lane_program;
mod leading_rows;
mod linear_sum;
mod measured;
mod pattern;
mod rows_by_group;
mod select_exec;
mod selection;
mod shared_exec;
mod strings;
mod text_rows;
mod trial;
mod waiting_batches;
mod window_exec;
mod window_shape;
mod window_stream;

#[cfg(test)]
mod coded_tests;
#[cfg(test)]
mod join_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;

pub use aggregate_exec::FusedAggregateExec;
pub use key_join_exec::{KeyJoinExec, coded_input};
pub use leading_rows::LeadingRowsExec;
pub use select_exec::SelectExec;
pub use shared_exec::SharedExec;
pub use window_exec::FrameWindowExec;
