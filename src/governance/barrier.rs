//! The policy barrier in the logical plan: a leaf. It is a table source whose scan is the governed inside
//! `Projection(masks) ← Filter(row filter) ← scan`; the optimizer sees a table with the masks' columns,
//! without constraints or exact statistics, and can hand it nothing but column numbers, allow-listed
//! filters and a limit. The scan checks the filters again, so that no rule of any version gets more in.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{ColumnStatistics, Result as PlanResult, Statistics};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableScan, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::barrier_exec::{BarrierIdentity, PolicyBarrierExec, blurred};
use super::inside;
use super::policy::subquery_plan;
use super::push_into_barrier::{OpenColumns, filter_may_enter};
use super::repeatable::is_repeatable_expression;
use crate::binding::BoundTable;
use crate::error::Error;

/// A governed table as one principal may see it.
#[derive(Debug, Clone)]
pub struct PolicyBarrier {
    pub(crate) identity: Arc<BarrierIdentity>,
    /// The raw table. Nothing outside this module and `inside` scans it.
    pub(crate) raw: Arc<dyn TableProvider>,
    /// Bound, coerced and simplified, over columns qualified by `policy::subject()`.
    pub(crate) row_filter: Option<Expr>,
    /// One for each column of `raw`, of that column's type; `None`: the column is shown as it is.
    pub(crate) masks: Vec<Option<Expr>>,
    schema: SchemaRef,
    open_columns: Vec<bool>,
}

impl PolicyBarrier {
    /// `masks` has an entry for each column of `raw`. `infallible` says that none of the expressions can fail.
    pub(crate) fn new(
        identity: BarrierIdentity,
        raw: Arc<dyn TableProvider>,
        row_filter: Option<Expr>,
        masks: Vec<Option<Expr>>,
        infallible: bool,
    ) -> Self {
        let schema = Arc::new(visible_schema(&raw.schema(), &masks));
        let open_columns = masks.iter().map(|mask| infallible && mask.is_none()).collect();
        PolicyBarrier {
            identity: Arc::new(identity),
            raw,
            row_filter,
            masks,
            schema,
            open_columns,
        }
    }

    /// Which table and policies this barrier stands for.
    pub fn identity(&self) -> &BarrierIdentity {
        &self.identity
    }

    fn enters(&self, filter: &Expr) -> bool {
        filter_may_enter(
            filter,
            OpenColumns {
                schema: &self.schema,
                open: &self.open_columns,
            },
        )
    }
}

/// Whether two equal scans read the same rows: of one source, or of one table behind equal barriers whose policies
/// give the same answer however often they are asked.
pub fn reads_the_same(left: &TableScan, right: &TableScan) -> bool {
    let (Ok(left), Ok(right)) = (source_as_provider(&left.source), source_as_provider(&right.source)) else {
        return false;
    };
    let is_one = |left: &Arc<dyn TableProvider>, right: &Arc<dyn TableProvider>| {
        std::ptr::addr_eq(Arc::as_ptr(left), Arc::as_ptr(right))
    };
    match (
        left.downcast_ref::<PolicyBarrier>(),
        right.downcast_ref::<PolicyBarrier>(),
    ) {
        (Some(left), Some(right)) => {
            left.identity == right.identity
                && is_one(&left.raw, &right.raw)
                && left.row_filter == right.row_filter
                && left.masks == right.masks
                && left
                    .masks
                    .iter()
                    .flatten()
                    .chain(&left.row_filter)
                    .all(is_constant_policy)
        }
        (None, None) => is_one(&left, &right),
        _ => false,
    }
}

/// The rows of the table that is scanned, of one behind a barrier their order of magnitude; `None` for what is no table, has
/// more files than that, or has rows that nobody counted.
pub fn rows_of_table(scan: &TableScan, most_files: usize) -> Option<usize> {
    let provider = source_as_provider(&scan.source).ok()?;
    let barrier = provider.downcast_ref::<PolicyBarrier>();
    let raw = barrier.map_or(&provider, |barrier| &barrier.raw);
    let snapshot = &raw.downcast_ref::<BoundTable>()?.snapshot;
    if snapshot.file_count() > most_files {
        return None;
    }
    let rows = usize::try_from(snapshot.row_count()?).ok()?;
    match barrier {
        Some(_) => blurred(&Precision::Exact(rows)).get_value().copied(),
        None => Some(rows),
    }
}

fn is_constant_policy(policy: &Expr) -> bool {
    let has_subquery = policy.exists(|part| Ok(subquery_plan(part).is_some()));
    matches!(has_subquery, Ok(false)) && matches!(is_repeatable_expression(policy), Ok(true))
}

/// Masked columns may become NULL whatever the table promises.
fn visible_schema(raw: &Schema, masks: &[Option<Expr>]) -> Schema {
    let visible = |(field, mask): (&Arc<Field>, &Option<Expr>)| match mask {
        Some(_) => Arc::new(field.as_ref().clone().with_nullable(true)),
        None => Arc::clone(field),
    };
    Schema::new(raw.fields().iter().zip(masks).map(visible).collect::<Vec<_>>())
}

#[async_trait]
impl TableProvider for PolicyBarrier {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match self.enters(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        if !filters.iter().all(|filter| self.enters(filter)) {
            return Err(Error::internal("a predicate that is not on the allow-list reached a policy barrier").into());
        }
        let columns = projection.cloned().unwrap_or_else(|| (0..self.masks.len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let open_columns = columns.iter().map(|&column| self.open_columns[column]).collect();
        let input = inside::plan(self, session, &columns, filters, limit).await?;
        Ok(Arc::new(PolicyBarrierExec::new(
            Arc::clone(&self.identity),
            input,
            schema,
            open_columns,
        )))
    }

    fn statistics(&self) -> Option<Statistics> {
        let raw = self.raw.statistics()?;
        let distinct = |index: usize| match (self.masks[index].is_none(), raw.column_statistics.get(index)) {
            (true, Some(column)) => blurred(&column.distinct_count),
            _ => Precision::Absent,
        };
        let column_statistics = (0..self.masks.len())
            .map(|index| ColumnStatistics {
                distinct_count: distinct(index),
                ..ColumnStatistics::new_unknown()
            })
            .collect();
        Some(Statistics {
            num_rows: blurred(&raw.num_rows),
            total_byte_size: Precision::Absent,
            column_statistics,
        })
    }
}
