//! The rows of UNION ALL come branch by branch where they are put together: `… UNION ALL SELECT 'total', … ` ends with the total, and
//! `… UNION ALL SELECT 0 LIMIT 1` gives the default last. The engine takes the rows of whichever partition is first.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::physical_expr::expressions::lit;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

pub(super) const NAME: &str = "union_order";

/// More rows than this are rather read all at once, in any order.
const MOST_ROWS: usize = 1 << 17;

/// Merges the branches of a union in their order, where the result or a limit asks for its rows, or a total that gathers them.
#[derive(Debug)]
pub struct UnionOrder;

impl PhysicalOptimizerRule for UnionOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let plan = match plan.output_partitioning().partition_count() > 1 && of_union(plan.as_ref()).is_some() {
            true => in_order(plan, None)?,
            false => plan,
        };
        let transformed = plan.transform_up(|node| {
            let Some(merge) = node.downcast_ref::<CoalescePartitionsExec>() else {
                return Ok(Transformed::no(node));
            };
            let fetch = merge.fetch();
            match of_union(merge.input().as_ref()) {
                Some(gathers) if gathers || fetch.is_some() => {
                    Ok(Transformed::yes(in_order(Arc::clone(merge.input()), fetch)?))
                }
                _ => Ok(Transformed::no(node)),
            }
        })?;
        Ok(transformed.data)
    }

    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether the partitions are those of a union of few rows, for all that is known; and whether they are totals by now.
fn of_union(plan: &dyn ExecutionPlan) -> Option<bool> {
    if plan.is::<UnionExec>() {
        let statistics = StatisticsContext::new().compute(plan, &StatisticsArgs::new()).ok()?;
        let rows = statistics.num_rows.get_value();
        return rows.is_none_or(|rows| *rows <= MOST_ROWS).then_some(false);
    }
    let is_total = plan.downcast_ref::<AggregateExec>().is_some_and(gathers_all);
    let passes_on = plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<CooperativeExec>();
    match plan.children().as_slice() {
        [input] if is_total || passes_on => Some(of_union(input.as_ref())? || is_total),
        _ => None,
    }
}

/// Whether an aggregation of all rows in a partition shows their order.
fn gathers_all(aggregate: &AggregateExec) -> bool {
    let mut calls = aggregate.aggr_expr().iter();
    *aggregate.mode() == AggregateMode::Partial
        && aggregate.group_expr().is_empty()
        && calls.any(|call| !matches!(call.order_sensitivity(), AggregateOrderSensitivity::Insensitive))
}

/// Its partitions, one after the other: a merge of equal keys takes the rows of the first partition that has any.
fn in_order(plan: Arc<dyn ExecutionPlan>, fetch: Option<usize>) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let key = PhysicalSortExpr::new(lit(0_i32), SortOptions::default());
    let Some(keys) = LexOrdering::new([key]) else {
        return Ok(plan);
    };
    let merge = SortPreservingMergeExec::new(keys, plan).with_fetch(fetch);
    Ok(Arc::new(merge.with_round_robin_repartition(false)))
}
