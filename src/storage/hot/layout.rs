//! Where a scan's columns lie in files of one schema: position, the expression that turns the file's values into
//! the table's type, or the one value of a column that the file does not have. Also which row groups the static
//! filters leave.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::datasource::physical_plan::ParquetFileMetrics;
use datafusion::datasource::physical_plan::parquet::{
    Int96Coercer, ParquetAccessPlan, RowGroupAccessPlanFilter, apply_file_schema_type_coercions,
};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

/// A scan's columns in files of one schema.
#[derive(Debug)]
pub(super) struct Layout {
    /// What the Parquet reader is asked to produce.
    pub(super) physical: SchemaRef,
    /// By position in the scan's schema; only those that the scan needs.
    pub(super) columns: HashMap<usize, Place>,
    pruning: Option<PruningPredicate>,
}

/// Where a column's values come from.
#[derive(Debug, Clone)]
pub(super) enum Place {
    File(FileColumn),
    Constant(ScalarValue),
}

/// A top-level column of the file, read as the table's type.
#[derive(Debug, Clone)]
pub(super) struct FileColumn {
    pub(super) root: usize,
    pub(super) read_type: DataType,
    /// Over a batch of the file's column alone; `None` where the types agree.
    conversion: Option<Arc<dyn PhysicalExpr>>,
}

impl Layout {
    /// `table` are the columns that files may hold, `wanted` positions among them, `found` is a file's own schema.
    pub(super) fn new(
        table: &SchemaRef,
        wanted: impl IntoIterator<Item = usize>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
        adapters: &dyn PhysicalExprAdapterFactory,
        found: &SchemaRef,
        footer: &ParquetMetaData,
    ) -> Result<Layout> {
        let mut physical = match apply_file_schema_type_coercions(table, found) {
            Some(coerced) => Arc::new(coerced),
            None => Arc::clone(found),
        };
        let parquet = footer.file_metadata().schema_descr();
        if let Some(coerced) = Int96Coercer::new(parquet, &physical, &TimeUnit::Microsecond).coerce() {
            physical = Arc::new(coerced);
        }
        let adapter = adapters.create(Arc::clone(table), Arc::clone(&physical))?;
        let mut columns = HashMap::new();
        for position in wanted {
            let field = table.field(position);
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), position));
            columns.insert(position, place(adapter.rewrite(column)?, field.data_type(), &physical)?);
        }
        let pruning = filter
            .map(|filter| adapter.rewrite(Arc::clone(filter)))
            .transpose()?
            .and_then(|filter| {
                let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&physical));
                builder.try_build(filter).ok()
            })
            .filter(|pruning| !pruning.always_true());
        Ok(Layout {
            physical,
            columns,
            pruning,
        })
    }

    /// Which row groups can hold rows that the filters accept.
    pub(super) fn row_groups(&self, footer: &ParquetMetaData) -> Vec<bool> {
        let groups = footer.row_groups();
        let mut kept = vec![true; groups.len()];
        if let Some(pruning) = &self.pruning {
            let mut plan = RowGroupAccessPlanFilter::new(ParquetAccessPlan::new_all(groups.len()));
            // Counted nowhere: the metrics of what is read cold are the Parquet source's.
            let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
            let schema = footer.file_metadata().schema_descr();
            plan.prune_by_statistics(&self.physical, schema, groups, pruning, &metrics);
            kept.fill(false);
            plan.row_group_indexes().for_each(|group| kept[group] = true);
        }
        kept
    }
}

fn place(rewritten: Arc<dyn PhysicalExpr>, read_type: &DataType, physical: &SchemaRef) -> Result<Place> {
    let read = collect_columns(&rewritten);
    let roots: Vec<usize> = read.iter().map(Column::index).collect();
    match roots.as_slice() {
        [] => {
            let options = RecordBatchOptions::new().with_row_count(Some(1));
            let nothing = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
            let value = rewritten.evaluate(&nothing)?.into_array(1)?;
            Ok(Place::Constant(ScalarValue::try_from_array(&value, 0)?))
        }
        [root] => {
            let is_same = rewritten.is::<Column>() && physical.field(*root).data_type() == read_type;
            let conversion = (!is_same).then(|| alone(rewritten)).transpose()?;
            Ok(Place::File(FileColumn {
                root: *root,
                read_type: read_type.clone(),
                conversion,
            }))
        }
        _ => not_impl_err!("a column made of several columns of a file"),
    }
}

/// The expression over a batch that has its one column only.
fn alone(expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    expression
        .transform(|part| {
            Ok(match part.downcast_ref::<Column>() {
                Some(column) => Transformed::yes(Arc::new(Column::new(column.name(), 0)) as _),
                None => Transformed::no(part),
            })
        })
        .data()
}

impl FileColumn {
    /// The file's values as the table's type.
    pub(super) fn convert(&self, values: ArrayRef, field: &Field) -> Result<ArrayRef> {
        let Some(conversion) = &self.conversion else {
            return Ok(values);
        };
        let rows = values.len();
        let schema = Schema::new(vec![field.clone().with_nullable(true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![values])?;
        conversion.evaluate(&batch)?.into_array(rows)
    }
}
