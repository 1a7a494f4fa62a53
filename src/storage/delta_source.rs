//! The file source of Delta scans. It reads through DataFusion's Parquet source, but is a type of its own: the
//! stock codec ships a plain Parquet source without the row selections of deletion vectors, and rows would
//! come back from the dead. It also decides for each scan whether filters run inside the decoder.

use std::collections::HashSet;
use std::fmt::Formatter;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::can_expr_be_pushed_down_with_schemas;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, SortOrderPushdownResult};
use datafusion_datasource::file_stream::FileOpener;
use datafusion_datasource::morsel::Morselizer;
use object_store::ObjectStore;

use super::hot::{self, HotScan, Reading, compact_projection, compact_type};
use super::not_a_number::without_bounds;
use super::selectivity::{NumericBounds, kept_part};

/// Filters run inside the decoder where they keep at most this part of the rows …
const FEW_ROWS: f64 = 0.05;
/// … read at most this many columns …
const FEW_FILTER_COLUMNS: usize = 3;
/// … and at least this many further columns wait for the rows that pass.
const WAITING_COLUMNS: usize = 2;

/// Rows that are worth a turn of their own …
const TURN_ROWS: u64 = 1 << 16;
/// … and how many turns a partition's part of a file is cut into at most: each opens the file anew.
const TURNS: u64 = 4;

/// Parquet files of a Delta table, with deletion vectors, column mapping, cached footers and hot columns attached.
#[derive(Debug, Clone)]
pub struct DeltaFileSource {
    parquet: Arc<ParquetSource>,
    /// The same without a projection.
    whole: Arc<ParquetSource>,
    bounds: Arc<NumericBounds>,
    /// Filters that the scan has answered for: no operator above tests them again.
    answered: Vec<Arc<dyn PhysicalExpr>>,
    /// The decoder applies them to what is read through Parquet.
    in_decoder: bool,
    hot: Option<HotScan>,
    batch_size: usize,
}

impl DeltaFileSource {
    /// `bounds` are those of the scan's columns, file columns first. With `hot`, files may be served from memory.
    pub(super) fn new(parquet: ParquetSource, bounds: Arc<NumericBounds>, hot: Option<HotScan>) -> DeltaFileSource {
        let parquet = Arc::new(parquet);
        DeltaFileSource {
            whole: Arc::clone(&parquet),
            parquet,
            bounds,
            answered: vec![],
            in_decoder: false,
            hot,
            batch_size: 0,
        }
    }

    /// The scan and its source, where the operator reads a Delta table.
    pub fn of(operator: &dyn ExecutionPlan) -> Option<(&FileScanConfig, &DeltaFileSource)> {
        let scan = operator.downcast_ref::<DataSourceExec>()?.data_source();
        let scan = scan.downcast_ref::<FileScanConfig>()?;
        Some((scan, scan.file_source().downcast_ref::<DeltaFileSource>()?))
    }

    /// Whether the scan gives fewer rows than its files hold: those that its filters accept.
    pub fn is_filtered(&self) -> bool {
        !self.answered.is_empty()
    }

    /// The compact type of a column of the scan's schema (`table_schema`): a decimal in 32 or 64 bits, a string as
    /// 16-bit codes into a dictionary; other types stay.
    pub fn compact_type(&self, column: usize) -> DataType {
        compact_type(self.parquet.table_schema().table_schema().field(column).data_type())
    }

    /// A scan with the same files and filters whose output is these columns of the scan's schema, each in its own
    /// or its compact type. From hot columns compact types cost less than the stock ones, and a row group's
    /// batches share one dictionary, where it has one; what is read through Parquet is cast, and strings are codes of
    /// their own rows.
    pub fn with_compact_output(&self, columns: &[(usize, DataType)]) -> Result<Arc<dyn FileSource>> {
        let projection = compact_projection(columns, self.whole.table_schema().table_schema());
        match self.whole.try_pushdown_projection(&projection)? {
            Some(parquet) => Ok(Arc::new(DeltaFileSource {
                parquet: unwrap(&parquet)?,
                // `whole` knows the filters for pruning only.
                in_decoder: false,
                ..self.clone()
            })),
            None => datafusion::common::internal_err!("the Parquet source refused its projection"),
        }
    }

    /// Takes back the sources that the inner ones made of themselves.
    fn wrap(&self, parquet: &Arc<dyn FileSource>, whole: &Arc<dyn FileSource>) -> Result<DeltaFileSource> {
        Ok(DeltaFileSource {
            parquet: unwrap(parquet)?,
            whole: unwrap(whole)?,
            ..self.clone()
        })
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

/// A range of a file cut so that a partition which is done early takes over what another has not begun.
fn turns(file: &PartitionedFile) -> Vec<PartitionedFile> {
    let (start, end) = file.range();
    let rows = file
        .statistics
        .as_ref()
        .and_then(|known| known.num_rows.get_value().copied());
    let rows = rows.unwrap_or(0) as u64 * (end - start) / file.object_meta.size.max(1);
    let turns = (rows / TURN_ROWS).clamp(1, TURNS);
    let cut = |turn: u64| start + (end - start) * turn / turns;
    (0..turns)
        .map(|turn| file.clone().with_range(cut(turn) as i64, cut(turn + 1) as i64))
        .collect()
}

fn unwrap(source: &Arc<dyn FileSource>) -> Result<Arc<ParquetSource>> {
    match source.downcast_ref::<ParquetSource>() {
        Some(parquet) => Ok(Arc::new(parquet.clone())),
        None => datafusion::common::internal_err!("the Parquet source became a source of another type"),
    }
}

/// Comparisons of columns with values, patterns, and what connects them.
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
                || filter.is::<LikeExpr>()
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
        let reading = Reading {
            parquet: &self.parquet,
            whole: &self.whole,
            answered: &self.answered,
            in_decoder: self.in_decoder,
            hot: self.hot.as_ref(),
            batch_size: self.batch_size,
        };
        hot::morselizer(&reading, store, config, partition)
    }

    fn table_schema(&self) -> &TableSchema {
        self.parquet.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        let (parquet, whole) = (
            self.parquet.with_batch_size(batch_size),
            self.whole.with_batch_size(batch_size),
        );
        let mut source = self.wrap(&parquet, &whole).unwrap_or_else(|_| self.clone());
        source.batch_size = batch_size;
        Arc::new(source)
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

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        let takes_turns = self.hot.is_some() && output_ordering.is_none() && !config.preserve_order;
        let divided =
            self.parquet
                .repartitioned(target_partitions, repartition_file_min_size, output_ordering, config)?;
        Ok(divided.map(|mut divided| {
            if takes_turns {
                for group in &mut divided.file_groups {
                    *group = FileGroup::new(group.iter().flat_map(turns).collect());
                }
            }
            divided
        }))
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let in_decoder = self.prefers_decoder_filters(&filters);
        let parquet = self.parquet.as_ref().clone();
        let parquet = if in_decoder {
            parquet.with_pushdown_filters(true)
        } else {
            parquet
        };
        let file_schema = self.table_schema().schema_without_virtual_columns();
        let bounded = filters
            .iter()
            .map(|filter| without_bounds(Arc::clone(filter), file_schema));
        let outcome = parquet.try_pushdown_filters(bounded.collect(), config)?;
        let Some(parquet) = outcome.updated_node else {
            return Ok(FilterPushdownPropagation::with_parent_pushdown_result(outcome.filters));
        };
        let mut source = self.wrap(&parquet, &(Arc::clone(&self.whole) as _))?;
        if let Some(predicate) = source.parquet.filter() {
            source.whole = Arc::new(source.whole.with_predicate(predicate));
        }
        let schema = self.table_schema().schema_without_virtual_columns();
        let answers = filters.iter().zip(outcome.filters).map(|(filter, inner)| {
            let own = self.hot.is_some()
                && !in_decoder
                && !filter.is::<DynamicFilterPhysicalExpr>()
                && cannot_fail(filter)
                && can_expr_be_pushed_down_with_schemas(filter, schema);
            if own { PushedDown::Yes } else { inner }
        });
        let answers: Vec<PushedDown> = answers.collect();
        for (filter, answer) in filters.iter().zip(&answers) {
            if matches!(answer, PushedDown::Yes) && !filter.is::<DynamicFilterPhysicalExpr>() {
                source.answered.push(Arc::clone(filter));
            }
        }
        source.in_decoder |= in_decoder;
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(answers).with_updated_node(Arc::new(source) as _))
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let whole = match self.whole.try_pushdown_sort(order, properties)? {
            SortOrderPushdownResult::Exact { inner } | SortOrderPushdownResult::Inexact { inner } => inner,
            SortOrderPushdownResult::Unsupported => return Ok(SortOrderPushdownResult::Unsupported),
        };
        Ok(match self.parquet.try_pushdown_sort(order, properties)? {
            SortOrderPushdownResult::Exact { inner } => SortOrderPushdownResult::Exact {
                inner: Arc::new(self.wrap(&inner, &whole)?),
            },
            SortOrderPushdownResult::Inexact { inner } => SortOrderPushdownResult::Inexact {
                inner: Arc::new(self.wrap(&inner, &whole)?),
            },
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.parquet.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let Some(parquet) = self.parquet.try_pushdown_projection(projection)? else {
            return Ok(None);
        };
        Ok(Some(Arc::new(self.wrap(&parquet, &(Arc::clone(&self.whole) as _))?)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.parquet.apply_expressions(f)
    }
}
