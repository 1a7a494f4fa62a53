//! A join whose probed side groups by the join's key groups many rows of which no group is asked for. What the
//! built side holds is known before the first row is grouped: rows of other groups are left out below.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, replace_children_if_necessary};

use crate::storage::DeltaFileSource;

/// Puts the filter that a join makes of its built side below the grouping of its probed side.
#[derive(Debug)]
pub struct FilterBeforeGrouping;

impl PhysicalOptimizerRule for FilterBeforeGrouping {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let transformed = plan.transform_up(|node| {
            let filtered = match node.downcast_ref::<HashJoinExec>() {
                Some(join) => with_filtered_groups(join)?,
                None => None,
            };
            let Some(probed) = filtered else {
                return Ok(Transformed::no(node));
            };
            let built = Arc::clone(node.children()[0]);
            replace_children_if_necessary(node, vec![built, probed]).map(Transformed::yes)
        })?;
        Ok(transformed.data)
    }

    fn name(&self) -> &str {
        "filter_before_grouping"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The probed side with the join's filter below its grouping; `None` where there is nothing to gain.
fn with_filtered_groups(join: &HashJoinExec) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = join.dynamic_expressions_produced().into_iter().next() else {
        return Ok(None);
    };
    let keys = filter.children();
    let columns: Option<Vec<usize>> = keys.iter().map(|key| column_of(key)).collect();
    match columns {
        Some(columns) if leaves_rows_out(join.left().as_ref()) => {
            let filter: Arc<dyn PhysicalExpr> = filter;
            place(join.right(), columns, &filter, false)
        }
        _ => Ok(None),
    }
}

/// Whether the built side can lack keys that the probed side has. All rows of a table seldom do.
fn leaves_rows_out(built: &dyn ExecutionPlan) -> bool {
    built.is::<FilterExec>()
        || DeltaFileSource::of(built).is_some_and(|(_, source)| source.is_filtered())
        || built
            .children()
            .into_iter()
            .any(|child| leaves_rows_out(child.as_ref()))
}

/// Rebuilds the plan down to the lowest node that has all the key's columns, and puts the filter above it.
/// `None` when no grouping was passed on the way.
fn place(
    node: &Arc<dyn ExecutionPlan>,
    columns: Vec<usize>,
    filter: &Arc<dyn PhysicalExpr>,
    is_grouped: bool,
) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let Some((child, below)) = passed(node.as_ref(), &columns) else {
        return match is_grouped {
            true => filtered(node, &columns, filter).map(Some),
            false => Ok(None),
        };
    };
    let is_grouped = is_grouped || node.is::<AggregateExec>();
    let mut children: Vec<Arc<dyn ExecutionPlan>> = node.children().into_iter().cloned().collect();
    let Some(input) = place(&children[child], below, filter, is_grouped)? else {
        return Ok(None);
    };
    children[child] = input;
    replace_children_if_necessary(Arc::clone(node), children).map(Some)
}

/// The child that the columns come from unchanged and where they are in it: leaving out the child's rows with
/// certain values of them leaves out this node's rows with those, and no others.
fn passed(node: &dyn ExecutionPlan, columns: &[usize]) -> Option<(usize, Vec<usize>)> {
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        let below = columns
            .iter()
            .map(|column| column_of(&projection.expr().get(*column)?.expr));
        return Some((0, below.collect::<Option<_>>()?));
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        let keys = aggregate.group_expr();
        if keys.has_grouping_set() || keys.expr().is_empty() || aggregate.limit_options().is_some() {
            return None;
        }
        let below = columns.iter().map(|column| column_of(&keys.expr().get(*column)?.0));
        return Some((0, below.collect::<Option<_>>()?));
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        if *join.join_type() != JoinType::Inner || join.fetch().is_some() {
            return None;
        }
        let built = join.left().schema().fields().len();
        let below = columns.iter().map(|column| {
            let joined = match &join.projection {
                Some(projection) => *projection.get(*column)?,
                None => *column,
            };
            joined.checked_sub(built)
        });
        return Some((1, below.collect::<Option<_>>()?));
    }
    let is_transparent =
        node.is::<RepartitionExec>() || node.is::<CoalescePartitionsExec>() || node.is::<CooperativeExec>();
    (is_transparent && node.fetch().is_none()).then(|| (0, columns.to_vec()))
}

fn filtered(
    node: &Arc<dyn ExecutionPlan>,
    columns: &[usize],
    filter: &Arc<dyn PhysicalExpr>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let schema = node.schema();
    let keys = columns
        .iter()
        .map(|column| Arc::new(Column::new(schema.field(*column).name(), *column)) as Arc<dyn PhysicalExpr>)
        .collect();
    let predicate = Arc::clone(filter).with_new_children(keys)?;
    Ok(Arc::new(FilterExec::try_new(predicate, Arc::clone(node))?))
}

fn column_of(expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expression.downcast_ref::<Column>().map(Column::index)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatch};
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::datasource::MemTable;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::physical_plan::collect;
    use datafusion::physical_plan::display::DisplayableExecutionPlan;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    fn context(rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>) -> SessionContext {
        let mut config = SessionConfig::new().with_target_partitions(2);
        config.options_mut().optimizer.join_reordering = false;
        config.options_mut().optimizer.repartition_joins = false;
        let mut builder = SessionStateBuilder::new().with_config(config).with_default_features();
        for rule in rules {
            builder = builder.with_physical_optimizer_rule(rule);
        }
        let context = SessionContext::new_with_state(builder.build());
        for (name, rows, step) in [("few", 40_i64, 7), ("many", 5_000, 3)] {
            let keys: Int64Array = (0..rows)
                .map(|row| (row % 11 > 0).then_some(row * step % 1000))
                .collect();
            let values: Int64Array = (0..rows).map(Some).collect();
            let batch = RecordBatch::try_from_iter([("k", Arc::new(keys) as _), ("v", Arc::new(values) as _)]).unwrap();
            let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
            context.register_table(name, Arc::new(table)).unwrap();
        }
        context
    }

    async fn run(context: &SessionContext, sql: &str) -> (String, String) {
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let shown = DisplayableExecutionPlan::new(plan.as_ref()).indent(false).to_string();
        let batches = collect(plan, context.task_ctx()).await.unwrap();
        (shown, pretty_format_batches(&batches).unwrap().to_string())
    }

    #[tokio::test]
    async fn groups_that_nobody_asks_for_are_not_made() {
        let (plain, ruled) = (context(vec![]), context(vec![Arc::new(FilterBeforeGrouping)]));
        let below = |shown: &str| shown.rfind("AggregateExec").unwrap() < shown.rfind("DynamicFilter").unwrap_or(0);
        for (sql, is_filtered) in [
            (
                "from few join (select k, sum(v) as s from many group by k) m on few.k = m.k where few.v < 9",
                true,
            ),
            (
                "from few join (select k, v, count(*) as s from many group by k, v) m on few.k = m.k where few.v < 9",
                true,
            ),
            (
                "from few join (select k, sum(v) as s from many group by k having sum(v) > 9) m on few.k = m.k",
                false,
            ),
            (
                "from few join (select v, sum(k) as s from many group by v) m on few.k = m.s where few.v < 9",
                false,
            ),
            (
                "from few full join (select k, sum(v) as s from many group by k) m on few.k = m.k and few.v < 9",
                false,
            ),
        ] {
            let sql = format!("select few.v, m.s {sql} order by 1, 2");
            let (expected, (shown, answer)) = (run(&plain, &sql).await.1, run(&ruled, &sql).await);
            assert_eq!(answer, expected, "{sql}");
            assert_eq!(below(&shown), is_filtered, "{sql}\n{shown}");
        }
    }
}
