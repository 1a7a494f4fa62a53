//! The raw rows of a table's files as a relation: nothing that a policy hides is hidden here, and nothing of it leaves but
//! that a key exists.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::storage::TableSnapshot;

#[derive(Debug)]
pub(in crate::execution) struct StoredRows {
    snapshot: Arc<TableSnapshot>,
    schema: SchemaRef,
}

impl StoredRows {
    /// With `is_located`, the last two columns tell where a row is.
    pub(in crate::execution) fn new(snapshot: &Arc<TableSnapshot>, is_located: bool) -> StoredRows {
        StoredRows {
            schema: match is_located {
                true => snapshot.located_schema(),
                false => snapshot.schema(),
            },
            snapshot: Arc::clone(snapshot),
        }
    }
}

#[async_trait]
impl TableProvider for StoredRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        Ok(self.snapshot.scan(session, Some(projection), filters, limit).await?)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(|_| TableProviderFilterPushDown::Inexact).collect())
    }
}
