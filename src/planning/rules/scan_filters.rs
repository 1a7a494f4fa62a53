//! Hands the conditions of a filter right above a scan to the scan, which is where nearly every filter stands once the logical
//! plan is optimized. DataFusion's rule asks all operators of the plan in both directions, and makes each filter anew above
//! the changed scan before it finds that the scan took all of it; it goes on to do so where a filter stands elsewhere.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::split_conjunction;
use datafusion::physical_optimizer::{ConfigOnlyContext, PhysicalOptimizerContext, PhysicalOptimizerRule};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterPushdownResult, ChildPushdownResult, FilterPushdownPhase, PushedDown,
};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

const NAME: &str = "FilterPushdown";

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rule, with less to do where filters stand above scans, if it is that one.
pub(super) fn shortened(rule: Rule) -> Rule {
    match rule.name() == NAME {
        true => Arc::new(ScanFilters { inner: rule }),
        false => rule,
    }
}

#[derive(Debug)]
struct ScanFilters {
    inner: Rule,
}

impl PhysicalOptimizerRule for ScanFilters {
    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        self.inner.schema_check()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.optimize_with_context(plan, &ConfigOnlyContext::new(config))
    }

    fn optimize_with_context(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        match are_above_scans(plan.as_ref()) {
            true => Ok(self.handed(&plan, context)?.unwrap_or(plan)),
            false => self.inner.optimize_with_context(plan, context),
        }
    }
}

/// Whether every filter stands above a scan.
fn are_above_scans(node: &dyn ExecutionPlan) -> bool {
    match node.downcast_ref::<FilterExec>() {
        Some(filter) => filter.input().is::<DataSourceExec>(),
        None => node.children().into_iter().all(|input| are_above_scans(input.as_ref())),
    }
}

impl ScanFilters {
    /// The plan with its filters in its scans; `None` where it has none.
    fn handed(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            return match taken_whole(filter, context.config_options())? {
                Some(scan) => Ok(Some(scan)),
                None => self.inner.optimize_with_context(Arc::clone(plan), context).map(Some),
            };
        }
        let mut changed = false;
        let inputs = plan.children().into_iter().map(|input| {
            let new = self.handed(input, context)?;
            changed |= new.is_some();
            Ok(new.unwrap_or_else(|| Arc::clone(input)))
        });
        let inputs = inputs.collect::<PlanResult<Vec<_>>>()?;
        changed
            .then(|| replace_children_if_necessary(Arc::clone(plan), inputs))
            .transpose()
    }
}

/// The scan that tests all that the filter tests, which then gives what the filter gave.
fn taken_whole(filter: &FilterExec, config: &ConfigOptions) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let conditions = split_conjunction(filter.predicate());
    let gives_all = filter.projection().is_none() && filter.fetch().is_none();
    if !gives_all || !conditions.iter().all(|condition| is_repeatable(condition)) {
        return Ok(None);
    }
    let count = conditions.len();
    let conditions = conditions.into_iter().map(|condition| ChildFilterPushdownResult {
        filter: Arc::clone(condition),
        child_results: vec![],
    });
    let asked = ChildPushdownResult {
        parent_filters: conditions.collect(),
        self_filters: vec![],
    };
    let scan = filter.input();
    let answer = scan.handle_child_pushdown_result(FilterPushdownPhase::Pre, asked, config)?;
    let takes_all =
        answer.filters.len() == count && answer.filters.iter().all(|taken| matches!(taken, PushedDown::Yes));
    Ok(answer.updated_node.filter(|_| takes_all))
}

fn is_repeatable(condition: &Arc<dyn PhysicalExpr>) -> bool {
    let volatile = condition.exists(|part| Ok(part.is_volatile_node()));
    matches!(volatile, Ok(false))
}
