//! A virtual table to DataFusion. Its rows are made when a statement plans its scan, for that statement's
//! principal and catalog version.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DataFusionResult;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::monitoring::Monitoring;
use super::rows::{Rows, schema};
use super::{Generator, Introspection};
use crate::error::{Error, Result};
use crate::functions::builtin::BuiltinRelation;
use crate::functions::{FunctionEnvironment, Lookup, environment};

pub(super) struct VirtualTable {
    relation: &'static BuiltinRelation,
    /// `None`: a relation that is always empty here.
    generator: Option<Generator>,
    monitoring: Arc<dyn Monitoring>,
    schema: SchemaRef,
}

impl VirtualTable {
    pub fn new(
        relation: &'static BuiltinRelation,
        generator: Option<Generator>,
        monitoring: Arc<dyn Monitoring>,
    ) -> VirtualTable {
        VirtualTable {
            relation,
            generator,
            monitoring,
            schema: schema(relation),
        }
    }

    fn rows(&self, session: &dyn Session) -> Result<Rows> {
        if self.generator.is_none() {
            return Ok(Rows::new(self.relation));
        }
        let environment = environment(session.config_options())
            .ok_or_else(|| Error::internal(format!("{} was read outside a session", self.relation.name)))?;
        generate(self.relation, self.generator, environment, self.monitoring.as_ref())
    }
}

/// The rows of a relation as the principal of the environment may see them.
pub(super) fn generate(
    relation: &'static BuiltinRelation,
    generator: Option<Generator>,
    environment: &dyn FunctionEnvironment,
    monitoring: &dyn Monitoring,
) -> Result<Rows> {
    let mut rows = Rows::new(relation);
    if let Some(generator) = generator {
        let lookup = Lookup::new(environment.context());
        let introspection = Introspection {
            environment,
            lookup,
            monitoring,
        };
        generator(&introspection, &mut rows)?;
    }
    Ok(rows)
}

impl std::fmt::Debug for VirtualTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VirtualTable({}.{})", self.relation.schema, self.relation.name)
    }
}

#[async_trait]
impl TableProvider for VirtualTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let batch = self.rows(session)?.into_batch(projection)?;
        let schema = batch.schema();
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?)
    }
}
