//! The catalog: databases, schemas, tables, views, functions, roles, grants and policies at one version,
//! and the log in the warehouse that they live in. Reading is a `CatalogSnapshot`; changing is a `Staged`
//! transaction that becomes one entry of the log.

mod access;
pub mod acl;
pub mod changes;
mod checkpoint;
mod clock;
mod commit;
mod constraint;
mod decision;
mod default_privileges;
mod entry;
mod function;
mod identifiers;
mod log;
pub mod model;
mod names;
mod object;
mod own_numbers;
mod redact;
mod requirement;
mod resolve;
pub mod scram;
mod sequences;
mod snapshot;
mod staged;
pub mod store;
mod system_columns;
mod temporary;
mod user_types;
mod view_options;

pub use access::Access;
pub use commit::Committer;
pub use decision::{Decision, TableActions};
pub use default_privileges::{DefaultPrivileges, DefaultsOf};
pub use entry::{Author, Entry};
pub use function::Parameter;
pub use log::{Catalog, CatalogOptions};
pub use names::Name;
pub use redact::redact;
pub use requirement::Permission;
pub use resolve::{Resolved, Scope};
pub use snapshot::{CatalogSnapshot, Change, UNCOMMITTED, system_schemas};
pub use staged::{Notice, Severity, Staged};
pub use system_columns::{CTID, SYSTEM_COLUMNS, SystemColumn, TABLEOID, XMIN, refuse_system_name, system_column};
pub use temporary::{OnCommit, Temporary};

#[cfg(test)]
mod decision_tests;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod lookup_tests;
#[cfg(test)]
mod convergence_tests;
