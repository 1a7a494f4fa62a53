//! One of DataFusion's rules that is wrong in some cases for what PostgreSQL means, with what is done in its place. What goes by the
//! rule's name, order and passes stays as it was.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

pub(super) type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// What is done with a plan; it is given the rule that it stands for.
pub(super) type Rewrite =
    fn(&dyn OptimizerRule, LogicalPlan, &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>>;

/// The rule, corrected if it is the one of this name.
pub(super) fn corrected(rule: Rule, name: &str, rewrite: Rewrite) -> Rule {
    match rule.name() == name {
        true => Arc::new(Corrected { rule, rewrite }),
        false => rule,
    }
}

#[derive(Debug)]
struct Corrected {
    rule: Rule,
    rewrite: Rewrite,
}

impl OptimizerRule for Corrected {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        (self.rewrite)(self.rule.as_ref(), plan, config)
    }
}
