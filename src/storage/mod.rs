//! Delta tables on object stores: the only module that names object_store and the Delta kernel. It knows which
//! files a table has at a version, reads them, writes them, and commits through one door. Nothing here knows
//! names, roles or policies.

// The writers that use the rest are the next slice.
#![allow(dead_code)]

mod action;
mod cache;
mod column_mapping;
mod deletion_vector;
mod delta_source;
mod features;
mod file_index;
mod footer_cache;
mod guarded_store;
mod history;
mod local_store;
mod location;
mod log_entry;
mod log_store;
mod pruning;
mod replay;
mod scan;
mod schema;
mod snapshot;
mod statistics;
mod stats_json;
mod store;
mod table;
mod warehouse;

pub use cache::CacheStatistics;
pub use history::{HistoryEntry, TimeTravel};
pub use log_entry::PutOutcome;
pub use log_store::LogStore;
pub use schema::ColumnDefinition;
pub use snapshot::TableSnapshot;
pub use table::{DeltaTable, Freshness};
pub use warehouse::{Storage, StorageLimits, TableAddress};
