//! A join whose probed side groups by the join's key, or a part of it, groups many rows of which no group is asked for.
//! What the built side holds is known before the first row is grouped: rows of other groups are left out below.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, replace_children_if_necessary};

use super::partial_key_filter::PartialKeyFilter;
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
    if !leaves_rows_out(join.left().as_ref()) {
        return Ok(None);
    }
    let keys = filter.children();
    let columns = keys.iter().map(|key| column_of(key)).collect();
    let schema = join.right().schema();
    let types: Vec<DataType> = keys
        .iter()
        .map(|key| key.data_type(&schema))
        .collect::<PlanResult<_>>()?;
    let filter = KeyFilter { filter, types };
    place(join.right(), columns, &filter, false)
}

/// The filter that a join makes of its built side.
struct KeyFilter {
    filter: Arc<dyn PhysicalExpr>,
    /// Of the keys.
    types: Vec<DataType>,
}

impl KeyFilter {
    /// The filter above `node`, where each of the keys is one of these columns or unknown.
    fn above(&self, node: &Arc<dyn ExecutionPlan>, columns: &Columns) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let schema = node.schema();
        let keys = columns.iter().zip(&self.types).map(|(column, data_type)| {
            Ok(match column {
                Some(column) => Arc::new(Column::new(schema.field(*column).name(), *column)) as Arc<dyn PhysicalExpr>,
                None => PartialKeyFilter::unknown(data_type)?,
            })
        });
        let mut predicate = Arc::clone(&self.filter).with_new_children(keys.collect::<PlanResult<_>>()?)?;
        if columns.contains(&None) {
            predicate = Arc::new(PartialKeyFilter::new(predicate));
        }
        Ok(Arc::new(FilterExec::try_new(predicate, Arc::clone(node))?))
    }
}

/// Where the join's keys are in an operator's output; `None` for one that is not a column of it.
type Columns = Vec<Option<usize>>;

/// Whether the built side can lack keys that the probed side has. All rows of a table seldom do.
fn leaves_rows_out(built: &dyn ExecutionPlan) -> bool {
    built.is::<FilterExec>()
        || DeltaFileSource::of(built).is_some_and(|(_, source)| source.is_filtered())
        || built
            .children()
            .into_iter()
            .any(|child| leaves_rows_out(child.as_ref()))
}

/// Rebuilds the plan down to the lowest node that has columns of the key, and puts the filter above it. `None` when no
/// grouping was passed on the way.
fn place(
    node: &Arc<dyn ExecutionPlan>,
    columns: Columns,
    filter: &KeyFilter,
    is_grouped: bool,
) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    // Below a grouping the rows that are left out are fewer by each column of the key that is lost.
    let below = passed(node.as_ref(), &columns).filter(|(_, below)| match is_grouped && !node.is::<AggregateExec>() {
        true => known(below) == known(&columns),
        false => known(below) > 0,
    });
    let Some((child, below)) = below else {
        return is_grouped.then(|| filter.above(node, &columns)).transpose();
    };
    let is_grouped = is_grouped || node.is::<AggregateExec>();
    let mut children: Vec<Arc<dyn ExecutionPlan>> = node.children().into_iter().cloned().collect();
    let Some(input) = place(&children[child], below, filter, is_grouped)? else {
        return Ok(None);
    };
    children[child] = input;
    replace_children_if_necessary(Arc::clone(node), children).map(Some)
}

fn known(columns: &Columns) -> usize {
    columns.iter().flatten().count()
}

/// The child that the columns come from unchanged and where they are in it: leaving out the child's rows with
/// certain values of them leaves out this node's rows with those, and no others.
fn passed(node: &dyn ExecutionPlan, columns: &Columns) -> Option<(usize, Columns)> {
    let each = |below: &dyn Fn(usize) -> Option<usize>| columns.iter().map(|column| below((*column)?)).collect();
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        return Some((0, each(&|column| column_of(&projection.expr().get(column)?.expr))));
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        let keys = aggregate.group_expr();
        if keys.has_grouping_set() || keys.expr().is_empty() || aggregate.limit_options().is_some() {
            return None;
        }
        return Some((0, each(&|column| column_of(&keys.expr().get(column)?.0))));
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        if *join.join_type() != JoinType::Inner || join.fetch().is_some() {
            return None;
        }
        let built = join.left().schema().fields().len();
        let joined = |column: usize| match &join.projection {
            Some(projection) => projection.get(column).copied(),
            None => Some(column),
        };
        let of_built = each(&|column| joined(column).filter(|column| *column < built));
        let of_probed = each(&|column| joined(column)?.checked_sub(built));
        return Some(match known(&of_built) > known(&of_probed) {
            true => (0, of_built),
            false => (1, of_probed),
        });
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        if is_volatile(filter.predicate()) || filter.fetch().is_some() {
            return None;
        }
        return Some(match filter.projection() {
            Some(projection) => (0, each(&|column| projection.get(column).copied())),
            None => (0, columns.clone()),
        });
    }
    let is_transparent =
        node.is::<RepartitionExec>() || node.is::<CoalescePartitionsExec>() || node.is::<CooperativeExec>();
    (is_transparent && node.fetch().is_none()).then(|| (0, columns.clone()))
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
        let below = |shown: &str| {
            let filter = shown.rfind("DynamicFilter").max(shown.rfind("PartialKeyFilter"));
            shown.rfind("AggregateExec").unwrap() < filter.unwrap_or(0)
        };
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
                "from few join (select k, sum(v) as s from many group by k having sum(v) > 9) m on few.k = m.k
                 where few.v < 9",
                true,
            ),
            (
                "from few join (select k, sum(v) as s from many group by k having sum(v) > random()) m on few.k = m.k
                 where few.v < 9 and m.s < 0",
                false,
            ),
            // The groups' key is the built side's of the join below.
            (
                "from few join (select t.k, sum(many.v) as s from many join (select k, v from few where v < 30) t
                 on many.v = t.v group by t.k) m on few.k = m.k where few.v < 9",
                true,
            ),
            // Of the key only a part is grouped by.
            (
                "from few join (select k, min(v) as s from many group by k) m on few.k = m.k and few.v = m.s where few.v < 9",
                true,
            ),
        ] {
            let sql = format!("select few.v, m.s {sql} order by 1, 2");
            let (expected, (shown, answer)) = (run(&plain, &sql).await.1, run(&ruled, &sql).await);
            assert_eq!(answer, expected, "{sql}");
            assert_eq!(below(&shown), is_filtered, "{sql}\n{shown}");
        }
    }
}
