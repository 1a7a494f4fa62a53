//! Running what was planned: commands, one file a statement; transactions; admission; what EXPLAIN prints.

pub mod admission;
pub mod commands;
mod enforced_keys;
pub mod explain;
mod foreign_keys;
pub mod memory;
pub mod outcome;
pub mod partial_aggregates;
pub mod services;
mod temporary;
pub mod transaction;
pub mod upkeep;
