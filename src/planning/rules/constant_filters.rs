//! A condition without columns above an aggregate that has a row of no rows, as `ON a.x = b.n AND false` brings it there:
//! DataFusion's rule moves it below, because it names no column that is not grouped by, and the row stays.

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::planning::rules::correction::{self, Rule};

/// The rule, leaving such conditions where they are if it is the one that does not.
pub(super) fn corrected(rule: Rule) -> Rule {
    correction::corrected(rule, "push_down_filter", rewrite)
}

fn rewrite(
    rule: &dyn OptimizerRule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> PlanResult<Transformed<LogicalPlan>> {
    if let LogicalPlan::Filter(filter) = &plan
        && let LogicalPlan::Aggregate(aggregate) = filter.input.as_ref()
        && has_a_row_of_none(aggregate)
    {
        // Nothing else moves below such an aggregate.
        return Ok(Transformed::no(plan));
    }
    rule.rewrite(plan, config)
}

/// Whether there is, or may be, a group of all rows, which is there without rows too.
fn has_a_row_of_none(aggregate: &Aggregate) -> bool {
    aggregate.group_expr.is_empty()
        || aggregate
            .group_expr
            .iter()
            .any(|key| matches!(key, Expr::GroupingSet(_)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::functions_aggregate::expr_fn::count;
    use datafusion::logical_expr::{LogicalPlanBuilder, lit};
    use datafusion::optimizer::OptimizerContext;
    use datafusion::optimizer::push_down_filter::PushDownFilter;

    use super::*;

    #[test]
    fn a_constant_stays_above_an_aggregate_of_all_rows() {
        let rule = corrected(Arc::new(PushDownFilter::new()));
        let keys: [(Vec<Expr>, bool); 2] = [(vec![], true), (vec![lit(1).alias("k")], false)];
        for (keys, stays) in keys {
            let rows = LogicalPlanBuilder::empty(true);
            let grouped = rows.aggregate(keys, [count(lit(1))]).unwrap();
            let plan = grouped.filter(lit(false)).unwrap().build().unwrap();
            let moved = rule.rewrite(plan, &OptimizerContext::new()).unwrap().data;
            assert_eq!(matches!(moved, LogicalPlan::Filter(_)), stays, "{moved}");
        }
    }
}
