//! `SELECT DISTINCT max(a) … GROUP BY b ORDER BY 1 LIMIT 3`: of a sort's limit DataFusion tells the first aggregation below it, and the next
//! one below that, whose leading groups are fewer once they are grouped again. Only the first keeps it here.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::sorts::sort::SortExec;

const NAME: &str = "LimitAggregation";

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rule, for one aggregation, if it is that one.
pub(super) fn corrected(rule: Rule) -> Rule {
    match rule.name() == NAME {
        true => Arc::new(SingleLeadingGroups { inner: rule }),
        false => rule,
    }
}

#[derive(Debug)]
struct SingleLeadingGroups {
    inner: Rule,
}

impl PhysicalOptimizerRule for SingleLeadingGroups {
    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        self.inner.schema_check()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        without_lower_limits(self.inner.optimize(plan, config)?, None)
    }
}

/// `above` is how the aggregation works that has the limit of the sort above.
fn without_lower_limits(
    plan: Arc<dyn ExecutionPlan>,
    above: Option<AggregateMode>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let aggregate = plan.downcast_ref::<AggregateExec>();
    let mode = aggregate.map(|aggregate| *aggregate.mode());
    let is_limited = aggregate
        .and_then(AggregateExec::limit_options)
        .is_some_and(|limit| limit.descending.is_some());
    // The two steps of one aggregation have the same groups.
    let is_same = mode == Some(AggregateMode::Partial)
        && matches!(above, Some(AggregateMode::Final | AggregateMode::FinalPartitioned));
    let plan = match aggregate {
        Some(aggregate) if is_limited && above.is_some() && !is_same => {
            Arc::new(aggregate.with_new_limit_options(None)) as Arc<dyn ExecutionPlan>
        }
        _ => plan,
    };
    let is_sorted = plan
        .downcast_ref::<SortExec>()
        .is_some_and(|sort| sort.fetch().is_some());
    let above = match is_limited {
        true => mode,
        false => above.filter(|_| !is_sorted),
    };
    let children = plan
        .children()
        .into_iter()
        .map(|child| without_lower_limits(Arc::clone(child), above));
    let children = children.collect::<PlanResult<Vec<_>>>()?;
    replace_children_if_necessary(plan, children)
}
