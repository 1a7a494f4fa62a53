//! The catalog: databases, schemas, tables, views, functions, roles, grants and policies at one version.

pub mod model;
