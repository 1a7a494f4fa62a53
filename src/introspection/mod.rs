//! Virtual tables: pg_catalog, information_schema and system, filled from the catalog as the statement's
//! principal may see it. What columns they have is declared with the builtin relations; here is what their
//! rows are, a file per table. A relation without a file is one that is always empty here.

mod information_schema;
mod monitoring;
mod pg_catalog;
mod provider;
mod rows;
mod system;

use std::sync::Arc;

use datafusion::catalog::TableProvider;

use crate::context::SystemTables;
use crate::error::Result;
use crate::functions::builtin::{BuiltinRelation, builtin_relation_named};
use crate::functions::{FunctionEnvironment, Lookup};

pub use monitoring::{CacheStatus, Monitoring, NoMonitoring, QueryRecord, SessionStatus, Setting};
pub(crate) use rows::Rows;
pub use rows::SharedRow;

/// What a table's rows are made from.
pub(crate) struct Introspection<'a> {
    pub environment: &'a dyn FunctionEnvironment,
    pub lookup: Lookup<'a>,
    pub monitoring: &'a dyn Monitoring,
}

/// Adds the rows of one table.
pub(crate) type Generator = fn(&Introspection<'_>, &mut Rows) -> Result<()>;

/// Gives one generator for each table that has rows.
fn generator(relation: &BuiltinRelation) -> Option<Generator> {
    match relation.schema {
        "pg_catalog" => pg_catalog::generator(relation.name),
        "information_schema" => information_schema::generator(relation.name),
        "system" => system::generator(relation.name),
        _ => None,
    }
}

/// The rows of a system relation as the principal of the environment may see them, each with the relation's OID
/// after its columns.
pub fn relation_rows(
    relation: &'static BuiltinRelation,
    environment: &dyn FunctionEnvironment,
    monitoring: &dyn Monitoring,
) -> Result<Vec<SharedRow>> {
    provider::generate(relation, generator(relation), environment, monitoring).map(Rows::into_shared)
}

/// The system schemas' tables. They hold nobody's identity: a scan takes it from the statement's options,
/// where `functions::install_environment` put it.
#[derive(Clone)]
pub struct VirtualTables {
    monitoring: Arc<dyn Monitoring>,
}

impl VirtualTables {
    /// What the running server tells about itself.
    pub fn monitoring(&self) -> &dyn Monitoring {
        self.monitoring.as_ref()
    }

    pub fn new(monitoring: Arc<dyn Monitoring>) -> VirtualTables {
        VirtualTables { monitoring }
    }
}

impl SystemTables for VirtualTables {
    fn table(&self, schema: &str, name: &str) -> Option<Arc<dyn TableProvider>> {
        let relation = builtin_relation_named(schema, name)?;
        let table = provider::VirtualTable::new(relation, generator(relation), Arc::clone(&self.monitoring));
        Some(Arc::new(table))
    }
}
