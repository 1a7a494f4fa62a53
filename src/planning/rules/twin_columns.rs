//! Keeps conditions from going down to a column that is only called like theirs. DataFusion hands them down by columns'
//! names, and in the rows of a join two columns may have one name: then the first of them would be filtered.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::{ConfigOnlyContext, PhysicalOptimizerContext, PhysicalOptimizerRule};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rule, if it hands conditions down, with this care.
pub(super) fn careful(rule: Rule) -> Rule {
    match rule.name() {
        "FilterPushdown" | "FilterPushdown(Post)" => Arc::new(CarefulPushdown(rule)),
        _ => rule,
    }
}

#[derive(Debug)]
struct CarefulPushdown(Rule);

impl PhysicalOptimizerRule for CarefulPushdown {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.optimize_with_context(plan, &ConfigOnlyContext::new(config))
    }

    fn optimize_with_context(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut found = Twins::default();
        found.look_below(&plan);
        if found.of_filters {
            return Ok(plan);
        }
        if !found.of_joins && !found.of_sorts {
            return self.0.optimize_with_context(plan, context);
        }
        let mut config = context.config_options().clone();
        config.optimizer.enable_join_dynamic_filter_pushdown &= !found.of_joins;
        config.optimizer.enable_topk_dynamic_filter_pushdown &= !found.of_sorts;
        self.0.optimize_with_context(plan, &ConfigOnlyContext::new(&config))
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Which conditions may meet a column of the same name on their way down.
#[derive(Default)]
struct Twins {
    of_filters: bool,
    of_joins: bool,
    of_sorts: bool,
}

impl Twins {
    fn look_below(&mut self, plan: &Arc<dyn ExecutionPlan>) {
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            self.of_filters |= meets_twin(filter.predicate(), filter.input());
        } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            let mut keys = join.on().iter();
            self.of_joins |= keys.any(|(_, key)| meets_twin(key, join.right()));
        } else if let Some(sort) = plan.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_some()) {
            let mut keys = sort.expr().iter();
            self.of_sorts |= keys.any(|key| meets_twin(&key.expr, sort.input()));
        }
        for input in plan.children() {
            self.look_below(input);
        }
    }
}

/// Whether a condition over the rows of `input` may be handed to other columns below it.
fn meets_twin(condition: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>) -> bool {
    let columns = collect_columns(condition);
    // A projection looks among its own columns, too.
    let is_twin = |name: &str| input.is::<ProjectionExec>() && count(name, input) > 1;
    columns
        .iter()
        .any(|column| is_twin(column.name()) || is_ambiguous_below(column.name(), input))
}

/// How many columns of the rows have this name.
fn count(name: &str, plan: &Arc<dyn ExecutionPlan>) -> usize {
    let schema = plan.schema();
    schema.fields().iter().filter(|field| field.name() == name).count()
}

fn is_ambiguous_below(name: &str, plan: &Arc<dyn ExecutionPlan>) -> bool {
    let inner = match plan.downcast_ref::<ProjectionExec>() {
        None => vec![name.to_string()],
        Some(projection) => {
            let shown = projection.expr().iter().filter(|shown| shown.alias == name);
            let columns = shown.flat_map(|shown| collect_columns(&shown.expr));
            columns.map(|column| column.name().to_string()).collect()
        }
    };
    let below = |input: &Arc<dyn ExecutionPlan>, name: &String| match count(name, input) {
        0 => false,
        1 => is_ambiguous_below(name, input),
        _ => true,
    };
    let inputs = plan.children();
    inputs
        .into_iter()
        .any(|input| inner.iter().any(|name| below(input, name)))
}
