//! Lets our aggregation read a table's decimals in 32 or 64 bits, and its strings as codes: that is what it works on, and
//! costs less to read; and a join's strings as codes of the built side's rows, of which each is looked at once. What
//! DataFusion moved into the scan to be computed there, at full width, is computed above it again.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::physical_plan::FileScanConfigBuilder;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::governance::PolicyBarrierExec;
use crate::operators::{FusedAggregateExec, coded_input};
use crate::storage::DeltaFileSource;

/// The aggregation on compact columns, if it reads a table itself or a join of ours.
pub(super) fn with_compact_columns(aggregation: FusedAggregateExec) -> PlanResult<FusedAggregateExec> {
    let source = match compact_source(&aggregation)? {
        Some(source) => Some(source),
        None => coded_input(aggregation.source(), &aggregation.compactable_columns())?,
    };
    Ok(match source {
        Some(source) => aggregation.reading(source),
        None => aggregation,
    })
}

/// `plan` over a scan of plain columns, where it reads one that computes; below it are filters and projections only.
pub(super) fn over_plain_columns(plan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let Some(input) = plan.children().first().copied().cloned() else {
        return Ok(None);
    };
    let is_between = input.is::<FilterExec>() || input.is::<ProjectionExec>();
    let input = if is_between {
        over_plain_columns(&input)?
    } else {
        plain_scan(&input)?
    };
    input
        .map(|input| replace_children_if_necessary(Arc::clone(plan), vec![input]))
        .transpose()
}

fn plain_scan(scan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let Some((config, source)) = DeltaFileSource::of(scan.as_ref()) else {
        return Ok(None);
    };
    let Some(projection) = config.file_source().projection() else {
        return Ok(None);
    };
    let used = projection.column_indices();
    if used.is_empty() || projection.as_ref().iter().all(|column| column.expr.is::<Column>()) {
        return Ok(None);
    }
    let table = config.file_source().table_schema().table_schema();
    let own_type = |column: &usize| (*column, table.field(*column).data_type().clone());
    let columns: Vec<(usize, DataType)> = used.iter().map(own_type).collect();
    let plain = FileScanConfigBuilder::from(config.clone())
        .with_source(source.with_compact_output(&columns)?)
        .build();
    let moved = |column: &ProjectionExpr| {
        let moved = Arc::clone(&column.expr).transform(|part| {
            let Some(read) = part.downcast_ref::<Column>() else {
                return Ok(Transformed::no(part));
            };
            let place = used.binary_search(&read.index()).unwrap_or_default();
            Ok(Transformed::yes(
                Arc::new(Column::new(read.name(), place)) as Arc<dyn PhysicalExpr>
            ))
        })?;
        Ok(ProjectionExpr::new(moved.data, column.alias.clone()))
    };
    let computed = projection.as_ref().iter().map(moved).collect::<PlanResult<Vec<_>>>()?;
    let scan = DataSourceExec::from_data_source(plain);
    Ok(Some(Arc::new(ProjectionExec::try_new(computed, scan)?)))
}

fn compact_source(aggregation: &FusedAggregateExec) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let compactable = aggregation.compactable_columns();
    let Some(barrier) = aggregation.source().downcast_ref::<PolicyBarrierExec>() else {
        return compact_scan(aggregation.source(), &compactable);
    };
    let compactable: Vec<usize> = compactable
        .into_iter()
        .filter(|column| !barrier.filters_at_run_time(*column))
        .collect();
    let inside = compact_scan(barrier.inside(), &compactable)?;
    Ok(inside.map(|inside| Arc::new(barrier.with_input(inside)) as _))
}

/// The scan with these of its columns in their compact types, if it computes none.
fn compact_scan(scan: &Arc<dyn ExecutionPlan>, compactable: &[usize]) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let Some((config, source)) = DeltaFileSource::of(scan.as_ref()) else {
        return Ok(None);
    };
    let Some(projection) = config.file_source().projection() else {
        return Ok(None);
    };
    let schema = scan.schema();
    // The table's column behind each column of the scan, and its type.
    let column = |(position, projected): (usize, &ProjectionExpr)| {
        let column = projected.expr.downcast_ref::<Column>()?.index();
        Some((
            column,
            match schema.field(position).data_type() {
                DataType::Decimal128(..) | DataType::Utf8View if compactable.contains(&position) => {
                    source.compact_type(column)
                }
                other => other.clone(),
            },
        ))
    };
    let columns: Option<Vec<_>> = projection.as_ref().iter().enumerate().map(column).collect();
    let Some(columns) = columns else {
        return Ok(None);
    };
    let compact = FileScanConfigBuilder::from(config.clone())
        .with_source(source.with_compact_output(&columns)?)
        .build();
    Ok(Some(DataSourceExec::from_data_source(compact)))
}
