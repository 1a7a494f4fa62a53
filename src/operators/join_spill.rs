//! The way of a join whose built side does not fit into memory: both sides sorted, which spills, and merged.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::common::{Result as PlanResult, plan_datafusion_err, resources_err};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, PhysicalExpr};

/// A plan of one partition that answers what `stock` would answer on these inputs.
pub fn sort_merge_join(
    stock: &HashJoinExec,
    built: Arc<dyn ExecutionPlan>,
    probing: Arc<dyn ExecutionPlan>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    if stock.properties().output_ordering().is_some() {
        return resources_err!("the built side of a join that keeps the order of its rows is too large");
    }
    let (built_keys, probing_keys): (Vec<_>, Vec<_>) = stock.on().iter().cloned().unzip();
    let joined: Arc<dyn ExecutionPlan> = Arc::new(SortMergeJoinExec::try_new(
        sorted(built, built_keys)?,
        sorted(probing, probing_keys)?,
        stock.on().to_vec(),
        stock.filter().cloned(),
        *stock.join_type(),
        vec![SortOptions::default(); stock.on().len()],
        stock.null_equality(),
    )?);
    let Some(projection) = &stock.projection else {
        return Ok(joined);
    };
    let schema = joined.schema();
    let column = |column: &usize| {
        let name = schema.field(*column).name();
        ProjectionExpr::new(Arc::new(Column::new(name, *column)), name)
    };
    let columns: Vec<ProjectionExpr> = projection.iter().map(column).collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, joined)?))
}

fn sorted(input: Arc<dyn ExecutionPlan>, keys: Vec<Arc<dyn PhysicalExpr>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let input = match input.output_partitioning().partition_count() {
        1 => input,
        _ => Arc::new(CoalescePartitionsExec::new(input)),
    };
    let keys = keys.into_iter().map(|expr| PhysicalSortExpr {
        expr,
        options: SortOptions::default(),
    });
    let order = LexOrdering::new(keys).ok_or_else(|| plan_datafusion_err!("a join without keys cannot be merged"))?;
    Ok(Arc::new(SortExec::new(order, input)))
}
