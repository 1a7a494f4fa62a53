//! Lets the operators of equal parts be one: the first one's.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;

use crate::operators::SharedExec;

/// Puts one `SharedExec` in the place of all of its number.
#[derive(Debug)]
pub struct LinkSharedParts;

impl PhysicalOptimizerRule for LinkSharedParts {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        linked(plan, &mut HashMap::new())
    }

    fn name(&self) -> &str {
        "link_shared_parts"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn linked(
    plan: Arc<dyn ExecutionPlan>,
    known: &mut HashMap<u64, Arc<dyn ExecutionPlan>>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let number = plan.downcast_ref::<SharedExec>().map(SharedExec::number);
    if let Some(shared) = plan.downcast_ref::<SharedExec>()
        && let Some(first) = known.get(&shared.number())
        && let Some(first_shared) = first.downcast_ref::<SharedExec>()
        && first_shared.is_alike(shared)
    {
        first_shared.add_reader();
        return Ok(Arc::clone(first));
    }
    let children = plan.children().into_iter().cloned();
    let children = children
        .map(|child| linked(child, known))
        .collect::<PlanResult<Vec<_>>>()?;
    let plan = replace_children_if_necessary(plan, children)?;
    if let Some(number) = number {
        known.entry(number).or_insert_with(|| Arc::clone(&plan));
    }
    Ok(plan)
}
