//! The file source of Delta scans. It reads through DataFusion's Parquet source, but is a type of its own: the
//! stock codec ships a plain Parquet source without the row selections of deletion vectors, and rows would
//! come back from the dead. It also decides for each scan whether filters run inside the decoder.

use std::collections::HashSet;
use std::fmt::Formatter;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::file_stream::FileOpener;
use datafusion_datasource::morsel::Morselizer;
use object_store::ObjectStore;

use super::selectivity::{NumericBounds, kept_part};

/// Filters run inside the decoder where they keep at most this part of the rows …
const FEW_ROWS: f64 = 0.05;
/// … read at most this many columns …
const FEW_FILTER_COLUMNS: usize = 3;
/// … and at least this many further columns wait for the rows that pass.
const WAITING_COLUMNS: usize = 2;

/// Parquet files of a Delta table, with deletion vectors, column mapping and cached footers attached.
#[derive(Debug, Clone)]
pub struct DeltaFileSource {
    parquet: Arc<ParquetSource>,
    bounds: Arc<NumericBounds>,
}

impl DeltaFileSource {
    /// `bounds` are those of the scan's columns, file columns first.
    pub(super) fn new(parquet: ParquetSource, bounds: Arc<NumericBounds>) -> DeltaFileSource {
        DeltaFileSource {
            parquet: Arc::new(parquet),
            bounds,
        }
    }

    /// Takes back a source that the inner one made of itself.
    fn wrap(&self, inner: Arc<dyn FileSource>) -> Result<Arc<dyn FileSource>> {
        match inner.downcast_ref::<ParquetSource>() {
            Some(parquet) => Ok(Arc::new(DeltaFileSource::new(
                parquet.clone(),
                Arc::clone(&self.bounds),
            ))),
            None => datafusion::common::internal_err!("the Parquet source became a source of another type"),
        }
    }

    /// Late materialization pays where few columns keep few rows of many columns.
    fn prefers_decoder_filters(&self, filters: &[Arc<dyn PhysicalExpr>]) -> bool {
        let mut filtered = HashSet::new();
        let mut kept = 1.0;
        for filter in filters {
            // The decoder hands an error on as a text: what can fail is tested above the scan.
            if !cannot_fail(filter) {
                return false;
            }
            // Join and top-k filters arrive without values; what they will cost and save is not known yet.
            if !filter.is::<DynamicFilterPhysicalExpr>() {
                filtered.extend(collect_columns(filter).into_iter().map(|column| column.index()));
                kept *= kept_part(filter.as_ref(), &self.bounds);
            }
        }
        let Some(projection) = self.parquet.projection() else {
            return false;
        };
        let waiting = projection
            .column_indices()
            .into_iter()
            .filter(|column| !filtered.contains(column))
            .count();
        !filtered.is_empty() && kept <= FEW_ROWS && filtered.len() <= FEW_FILTER_COLUMNS && waiting >= WAITING_COLUMNS
    }
}

/// Comparisons of columns with values and what connects them.
fn cannot_fail(filter: &Arc<dyn PhysicalExpr>) -> bool {
    if filter.is::<DynamicFilterPhysicalExpr>() || filter.is::<Column>() || filter.is::<Literal>() {
        return true;
    }
    let is_plain = match filter.downcast_ref::<BinaryExpr>() {
        Some(binary) => binary.op().is_logic_operator() || binary.op().supports_propagation(),
        None => {
            filter.is::<NotExpr>()
                || filter.is::<IsNullExpr>()
                || filter.is::<IsNotNullExpr>()
                || filter.is::<InListExpr>()
        }
    };
    is_plain && filter.children().into_iter().all(cannot_fail)
}

impl FileSource for DeltaFileSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.parquet.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        self.parquet.create_morselizer(store, config, partition)
    }

    fn table_schema(&self) -> &TableSchema {
        self.parquet.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        let inner = self.parquet.with_batch_size(batch_size);
        self.wrap(inner).unwrap_or_else(|_| Arc::new(self.clone()))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.parquet.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.parquet.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.parquet.metrics()
    }

    fn file_type(&self) -> &str {
        "delta"
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut Formatter) -> std::fmt::Result {
        self.parquet.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.parquet.supports_repartitioning()
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let parquet = match self.prefers_decoder_filters(&filters) {
            true => self.parquet.as_ref().clone().with_pushdown_filters(true),
            false => self.parquet.as_ref().clone(),
        };
        let mut outcome = parquet.try_pushdown_filters(filters, config)?;
        outcome.updated_node = outcome.updated_node.map(|inner| self.wrap(inner)).transpose()?;
        Ok(outcome)
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(match self.parquet.try_pushdown_sort(order, properties)? {
            SortOrderPushdownResult::Exact { inner } => SortOrderPushdownResult::Exact {
                inner: self.wrap(inner)?,
            },
            SortOrderPushdownResult::Inexact { inner } => SortOrderPushdownResult::Inexact {
                inner: self.wrap(inner)?,
            },
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.parquet.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        self.parquet
            .try_pushdown_projection(projection)?
            .map(|inner| self.wrap(inner))
            .transpose()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.parquet.apply_expressions(f)
    }
}
