//! Puts the sorts of a plan in order that runs in one partition, as those of short statements do. DataFusion's rule also looks
//! after how rows are distributed, node by node and with statistics of all that lies below each one; where there is but
//! one partition nothing is distributed, and sorts are all that is left of it.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_requirements::enforce_sorting::sort_pushdown::{
    SortPushDown, assign_initial_requirements, pushdown_sorts,
};
use datafusion::physical_optimizer::ensure_requirements::enforce_sorting::{PlanWithCorrespondingSort, ensure_sorting};
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

const NAME: &str = "EnsureRequirements";

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rule, with less to do in one partition, if it is that one.
pub(super) fn shortened(rule: Rule) -> Rule {
    match rule.name() == NAME {
        true => Arc::new(SinglePartition { inner: rule }),
        false => rule,
    }
}

#[derive(Debug)]
struct SinglePartition {
    inner: Rule,
}

impl PhysicalOptimizerRule for SinglePartition {
    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        self.inner.schema_check()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut needs = Needs::default();
        if config.execution.target_partitions > 1 || !needs.add(plan.as_ref()) {
            return self.inner.optimize(plan, config);
        }
        if needs.are_met() {
            return Ok(plan);
        }
        let sorts = PlanWithCorrespondingSort::new_default(plan);
        let plan = sorts.transform_up(ensure_sorting)?.data.plan;
        let mut sorts = SortPushDown::new_default(plan);
        assign_initial_requirements(&mut sorts);
        Ok(pushdown_sorts(sorts)?.plan)
    }
}

/// What operators ask of their inputs.
#[derive(Default)]
struct Needs {
    sorts: usize,
    /// Sorts that can be nowhere else: what they sort has no order, nor hands one on.
    standing: usize,
    /// Operators that need an order.
    demands: usize,
    /// Of them those right above a sort, which the planner put there.
    sorted: usize,
}

impl Needs {
    /// Looks at the operators below; `false` where one is for several partitions, works as its input is distributed
    /// or has no end.
    fn add(&mut self, node: &dyn ExecutionPlan) -> bool {
        let is_other = node.output_partitioning().partition_count() != 1
            || node.boundedness().is_unbounded()
            || node.is::<WindowAggExec>()
            || node.is::<BoundedWindowAggExec>()
            || node.is::<SortPreservingMergeExec>()
            || node.is::<CoalescePartitionsExec>()
            || node.is::<RepartitionExec>();
        if is_other {
            return false;
        }
        if let Some(sort) = node.downcast_ref::<SortExec>() {
            self.sorts += 1;
            self.standing += usize::from(stands(sort));
        } else if node.required_input_ordering().iter().any(Option::is_some) {
            self.demands += 1;
            let is_sorted = |requirement: &OutputRequirementExec| requirement.input().is::<SortExec>();
            self.sorted += usize::from(node.downcast_ref().is_some_and(is_sorted));
        }
        node.children().into_iter().all(|input| self.add(input.as_ref()))
    }

    /// Whether no sort is needed, or one, which is where it belongs.
    fn are_met(&self) -> bool {
        self.demands == self.sorts && self.sorted == self.sorts && self.standing == self.sorts && self.sorts < 2
    }
}

fn stands(sort: &SortExec) -> bool {
    let input = sort.input();
    let hands_on = input.maintains_input_order().contains(&true) || input.is::<UnionExec>() || input.fetch().is_some();
    let order = sort.expr().clone();
    !hands_on && matches!(input.equivalence_properties().ordering_satisfy(order), Ok(false))
}
