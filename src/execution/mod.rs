//! Running what was planned: commands, one file a statement; transactions; what EXPLAIN prints.

pub mod commands;
pub mod explain;
pub mod outcome;
pub mod services;
pub mod transaction;
