//! The catalog: databases, schemas, tables, views, functions, roles, grants and policies at one version.

pub mod model;

/// The catalog at one version.
#[derive(Debug, Clone, Default)]
pub struct CatalogSnapshot {}
