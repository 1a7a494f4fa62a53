//! Delta tables on object stores: the only module that names object_store and the Delta kernel. It knows which
//! files a table has at a version, reads them, writes them, and commits through one door. Nothing here knows
//! names, roles or policies.

mod action;
mod cache;
mod column_mapping;
mod commit;
mod commit_entry;
mod definition;
mod deletion_vector;
mod delta_source;
mod features;
mod file_index;
mod file_layout;
mod file_statistics;
mod footer_cache;
mod guarded_store;
mod history;
mod hot;
mod local_store;
mod location;
mod lock;
mod log_entry;
mod log_store;
mod mapping_upgrade;
mod optimize;
mod partition_value;
mod pruning;
mod removal;
mod replay;
mod restore;
mod rewrite;
mod row_changes;
mod scan;
mod schema;
mod schema_change;
mod selectivity;
mod snapshot;
mod staged;
mod statistics;
mod stats_json;
mod store;
mod table;
mod table_change;
mod vacuum;
mod warehouse;
mod whole_table;
mod write;
mod z_order;

#[cfg(test)]
mod tests;

pub use cache::CacheStatistics;
pub use commit::{Committed, Operation};
pub use definition::{TableDefinition, TableDraft};
pub use delta_source::DeltaFileSource;
pub use file_layout::FileLayout;
pub use history::{HistoryEntry, TimeTravel};
pub use lock::{Arbiter, LockRequest, PreparedChange, TableLock, Verdict};
pub use log_entry::PutOutcome;
pub use log_store::LogStore;
pub use optimize::{FileCount, Optimization, Rearranged};
pub use removal::Removal;
pub use restore::Restored;
pub use rewrite::RowCheck;
pub use row_changes::RowChanges;
pub use scan::ScanOptions;
pub use schema::ColumnDefinition;
pub use schema_change::SchemaChange;
pub use selectivity::as_number;
pub use snapshot::TableSnapshot;
pub use staged::StagedFiles;
pub use table::{DeltaTable, Freshness};
pub use table_change::TableChange;
pub use vacuum::{LONGEST_TRANSACTION, Vacuumed};
pub use warehouse::{Storage, StorageLimits, TableAddress};
pub use whole_table::RowChange;
