//! Lets our aggregation read a table's decimals in 32 or 64 bits: that is what it works on, and costs less to read.
//! Strings stay as they are: as codes they would cost a cast wherever they are not hot, or are many.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as PlanResult;
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;

use crate::operators::FusedAggregateExec;
use crate::storage::DeltaFileSource;

/// The aggregation on compact columns, if it reads a table itself.
pub(super) fn with_compact_columns(aggregation: FusedAggregateExec) -> PlanResult<FusedAggregateExec> {
    Ok(match compact_source(&aggregation)? {
        Some(source) => aggregation.reading(source),
        None => aggregation,
    })
}

fn compact_source(aggregation: &FusedAggregateExec) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let scan = aggregation.source().downcast_ref::<DataSourceExec>();
    let config = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    let Some(config) = config else {
        return Ok(None);
    };
    let Some(source) = config.file_source().downcast_ref::<DeltaFileSource>() else {
        return Ok(None);
    };
    let Some(columns) = compact_columns(aggregation, config, source) else {
        return Ok(None);
    };
    let compact = FileScanConfigBuilder::from(config.clone())
        .with_source(source.with_compact_output(&columns)?)
        .build();
    Ok(Some(DataSourceExec::from_data_source(compact)))
}

/// The table's column behind each column of the scan, and its type; `None` where a column is computed.
fn compact_columns(
    aggregation: &FusedAggregateExec,
    config: &FileScanConfig,
    source: &DeltaFileSource,
) -> Option<Vec<(usize, DataType)>> {
    let compactable = aggregation.compactable_columns();
    let schema = aggregation.source().schema();
    let projection = config.file_source().projection()?;
    let column = |(position, expression): (usize, &Arc<dyn PhysicalExpr>)| {
        let column = expression.downcast_ref::<Column>()?.index();
        Some((
            column,
            match schema.field(position).data_type() {
                DataType::Decimal128(..) if compactable.contains(&position) => source.compact_type(column),
                other => other.clone(),
            },
        ))
    };
    projection
        .as_ref()
        .iter()
        .map(|projected| &projected.expr)
        .enumerate()
        .map(column)
        .collect()
}
