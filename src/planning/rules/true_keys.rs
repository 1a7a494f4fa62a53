//! Rules that believe what a plan's schemas say of keys see no false ones (`binding::with_true_keys`).

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::binding::with_true_keys;
use crate::planning::rules::correction::Rule;

/// The rules that look at dependencies.
const BELIEVERS: [&str; 4] = [
    "optimize_projections",
    "eliminate_duplicated_expr",
    "replace_distinct_aggregate",
    "eliminate_join",
];

/// The rule, after what it must not see is gone.
pub(super) fn before(rule: Rule) -> Vec<Rule> {
    match BELIEVERS.contains(&rule.name()) {
        true => vec![Arc::new(TrueKeys), rule],
        false => vec![rule],
    }
}

#[derive(Debug)]
struct TrueKeys;

impl OptimizerRule for TrueKeys {
    fn name(&self) -> &str {
        "true_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        // Nothing that another pass could go on with.
        Ok(Transformed::no(with_true_keys(plan)?))
    }
}
