//! The rows of UNION ALL come branch by branch where they are put together: `… UNION ALL SELECT 'total', … ` ends with the total, and
//! `… UNION ALL SELECT 0 LIMIT 1` gives the default last. The engine takes the rows of whichever partition is first.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::lit;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
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
            if let Some(total) = node.downcast_ref::<AggregateExec>()
                && gathers(total, AggregateMode::Single)
                && let Some(input) = merged_in_order(total.input())?
            {
                return Ok(Transformed::yes(replace_children_if_necessary(node, vec![input])?));
            }
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
    let total = plan.downcast_ref::<AggregateExec>();
    let is_total = total.is_some_and(|total| gathers(total, AggregateMode::Partial));
    match plan.children().as_slice() {
        [input] if is_total || passes_on(plan) => Some(of_union(input.as_ref())? || is_total),
        _ => None,
    }
}

/// Whether rows leave in the order in which they came.
fn passes_on(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<CooperativeExec>()
}

/// Whether an aggregation without keys, in this mode, shows the order of its rows.
fn gathers(aggregate: &AggregateExec, mode: AggregateMode) -> bool {
    // Not what the call says of itself: without ORDER BY that any order will do. And count() says nothing.
    let shows_order = |call: &Arc<AggregateFunctionExpr>| {
        let function = call.fun();
        function.name() != "count" && !function.order_sensitivity().is_insensitive()
    };
    *aggregate.mode() == mode && aggregate.group_expr().is_empty() && aggregate.aggr_expr().iter().any(shows_order)
}

/// The input of an operator with the branches of its union in order; `None` where it has none that are put together there.
fn merged_in_order(plan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(merge) = plan.downcast_ref::<CoalescePartitionsExec>() {
        let is_union = of_union(merge.input().as_ref()).is_some();
        return match is_union {
            true => in_order(Arc::clone(merge.input()), merge.fetch()).map(Some),
            false => Ok(None),
        };
    }
    match plan.children().as_slice() {
        [input] if passes_on(plan.as_ref()) => {
            let input = merged_in_order(input)?;
            let plan = input.map(|input| replace_children_if_necessary(Arc::clone(plan), vec![input]));
            plan.transpose()
        }
        _ => Ok(None),
    }
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

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch};
    use datafusion::arrow::datatypes::{DataType, Int64Type};
    use datafusion::datasource::MemTable;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    fn context() -> SessionContext {
        let mut rules = PhysicalOptimizer::new().rules;
        rules.push(Arc::new(UnionOrder));
        let state = SessionStateBuilder::new()
            .with_config(SessionConfig::new().with_target_partitions(4))
            .with_default_features()
            .with_physical_optimizer_rules(rules)
            .build();
        let context = SessionContext::new_with_state(state);
        let keys: Int64Array = (0..40).map(Some).collect();
        let batch = RecordBatch::try_from_iter([("k", Arc::new(keys) as _)]).unwrap();
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
        context.register_table("t", Arc::new(table)).unwrap();
        context
    }

    fn merges(plan: &Arc<dyn ExecutionPlan>) -> bool {
        plan.is::<SortPreservingMergeExec>() || plan.children().into_iter().any(merges)
    }

    #[tokio::test]
    async fn branches_are_merged_where_their_order_is_seen_and_nowhere_else() {
        let context = context();
        for (sql, is_seen) in [
            ("select k from t union all select 99", true),
            ("select k + 1 from (select k from t union all select 99) q", true),
            ("select k from t union all select 99 limit 1", true),
            ("select array_agg(k) from (select k from t union all select 99) q", true),
            (
                "select count(*) from (select k from t union all select k from t) q",
                false,
            ),
            (
                "select max(k), sum(k) from (select k from t union all select k from t) q",
                false,
            ),
            (
                "select k, count(*) from (select k from t union all select k from t) q group by k",
                false,
            ),
            (
                "select distinct k from (select k from t union all select k from t) q",
                false,
            ),
            (
                "select q.k from (select k from t union all select k from t) q join t on q.k = t.k",
                false,
            ),
            (
                "select k from t where k in (select k from t union all select k from t)",
                false,
            ),
        ] {
            let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
            assert_eq!(merges(&plan), is_seen, "{sql}");
        }
    }

    #[tokio::test]
    async fn rows_come_branch_by_branch() {
        let context = context();
        for _ in 0..20 {
            let sql = "select 99 as k union all select k from t union all select 98";
            let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
            let mut keys: Vec<i64> = vec![];
            for batch in &batches {
                let column = datafusion::arrow::compute::cast(batch.column(0), &DataType::Int64).unwrap();
                keys.extend(column.as_primitive::<Int64Type>().values());
            }
            let expected: Vec<i64> = std::iter::once(99).chain(0..40).chain([98]).collect();
            assert_eq!(keys, expected);
        }
    }
}
