//! The catalog: databases, schemas, tables, views, functions, roles, grants and policies at one version.

pub mod model;
mod object;
mod names;
mod snapshot;
mod resolve;
mod access;
pub mod acl;

pub use access::Access;
pub use names::Name;
pub use resolve::{Resolved, Scope};
pub use snapshot::{CatalogSnapshot, Change, UNCOMMITTED, system_schemas};
