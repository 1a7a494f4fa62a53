//! Builds the morselizer of one partition of a scan: hot where the session allows it, and around both ways the
//! filters that the source has answered for.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSource, ParquetSource};
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_expr_adapter::DefaultPhysicalExprAdapterFactory;
use datafusion_datasource::morsel::Morselizer;
use object_store::ObjectStore;

use super::cold::{ColdMorselizer, Finish};
use super::morsels::{Counts, HotMorselizer, HotScan, Partition};
use super::output::ReadPlan;
use crate::storage::not_a_number::without_bounds;

/// What one scan reads, and how.
pub(in crate::storage) struct Reading<'a> {
    /// With the projection and predicate of the scan.
    pub(in crate::storage) parquet: &'a ParquetSource,
    /// The same source giving all columns as they are.
    pub(in crate::storage) whole: &'a ParquetSource,
    /// Filters that nobody above the scan tests again.
    pub(in crate::storage) answered: &'a [Arc<dyn PhysicalExpr>],
    /// Whether the Parquet decoder applies them.
    pub(in crate::storage) in_decoder: bool,
    pub(in crate::storage) hot: Option<&'a HotScan>,
    pub(in crate::storage) batch_size: usize,
}

/// The morselizer of a partition.
pub(in crate::storage) fn morselizer(
    reading: &Reading<'_>,
    store: Arc<dyn ObjectStore>,
    config: &FileScanConfig,
    partition: usize,
) -> Result<Box<dyn Morselizer>> {
    let schema = reading.parquet.table_schema().table_schema();
    let all = ProjectionExprs::from_indices(&(0..schema.fields().len()).collect::<Vec<_>>(), schema);
    let projection = reading.parquet.projection().unwrap_or(&all);
    let cold = match reading.answered.is_empty() || reading.in_decoder {
        true => reading.parquet.create_morselizer(store, config, partition)?,
        false => filtered(reading, projection, store, config, partition)?,
    };
    let Some(hot) = reading.hot else {
        return Ok(cold);
    };
    let file_schema = reading.parquet.table_schema().file_schema();
    let is_in_files = |filter: &Arc<dyn PhysicalExpr>| {
        let columns = collect_columns(filter);
        columns.iter().all(|column| column.index() < file_schema.fields().len())
    };
    let in_files: Vec<_> = reading
        .answered
        .iter()
        .filter(|filter| is_in_files(filter))
        .map(|filter| without_bounds(Arc::clone(filter), file_schema))
        .collect();
    let predicate = reading.parquet.filter();
    let dynamic: Vec<_> = predicate
        .iter()
        .flat_map(split_conjunction)
        .filter(|filter| filter.is::<DynamicFilterPhysicalExpr>())
        .cloned()
        .collect();
    let plan = ReadPlan::new(
        schema,
        projection,
        reading.answered.to_vec(),
        dynamic,
        reading.batch_size,
    )?;
    let metrics = reading.parquet.metrics();
    Ok(Box::new(HotMorselizer::new(Partition {
        scan: hot.clone(),
        number: partition,
        plan,
        file_schema: Arc::clone(file_schema),
        file_filter: (!in_files.is_empty()).then(|| conjunction(in_files)),
        adapters: config
            .expr_adapter_factory
            .clone()
            .unwrap_or_else(|| Arc::new(DefaultPhysicalExprAdapterFactory)),
        cold,
        metrics: metrics.clone(),
        counts: Counts::new(metrics, partition),
        layout: Default::default(),
    })))
}

/// Reads the columns that filters and projection need, and applies both to what comes.
fn filtered(
    reading: &Reading<'_>,
    projection: &ProjectionExprs,
    store: Arc<dyn ObjectStore>,
    config: &FileScanConfig,
    partition: usize,
) -> Result<Box<dyn Morselizer>> {
    let schema = reading.whole.table_schema().table_schema();
    let filter = conjunction(reading.answered.to_vec());
    let mut columns = projection.column_indices();
    columns.extend(collect_columns(&filter).iter().map(Column::index));
    columns.sort_unstable();
    columns.dedup();
    let moved = |expression: Arc<dyn PhysicalExpr>| {
        expression
            .transform(|part| {
                let Some(column) = part.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(part));
                };
                let place = columns.binary_search(&column.index()).unwrap_or_default();
                Ok(Transformed::yes(Arc::new(Column::new(column.name(), place)) as _))
            })
            .data()
    };
    let input = Arc::new(Schema::new(
        columns
            .iter()
            .map(|column| Arc::clone(&schema.fields()[*column]))
            .collect::<Vec<_>>(),
    ));
    let finish = Finish {
        filter: moved(filter)?,
        projector: projection.clone().try_map_exprs(moved)?.make_projector(&input)?,
        input,
        batch_size: reading.batch_size,
    };
    let read = ProjectionExprs::from_indices(&columns, schema);
    let source = reading.whole.try_pushdown_projection(&read)?;
    // The limit counts rows that pass.
    let mut config = config.clone();
    config.limit = None;
    let inner = match source {
        Some(source) => source.create_morselizer(store, &config, partition)?,
        None => return datafusion::common::internal_err!("the Parquet source refused its projection"),
    };
    Ok(Box::new(ColdMorselizer {
        inner,
        finish: Arc::new(finish),
    }))
}
