//! The rows of WITH RECURSIVE come step by step, and `array_agg()` over them shows it. Their operator has one partition; DataFusion
//! deals its batches out to all, which gains little, because a step waits for the one before, and leaves them in no order.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};

pub(super) const NAME: &str = "recursion_order";

/// Leaves the rows of a recursive query in their partition.
#[derive(Debug)]
pub struct RecursionOrder;

impl PhysicalOptimizerRule for RecursionOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let transformed = plan.transform_up(|node| {
            Ok(match dealt_out(node.as_ref()) {
                Some(recursion) => Transformed::yes(recursion),
                None => Transformed::no(node),
            })
        })?;
        Ok(transformed.data)
    }

    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The recursive query whose rows the operator deals out to partitions.
fn dealt_out(node: &dyn ExecutionPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let repartition = node.downcast_ref::<RepartitionExec>()?;
    let deals = matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_));
    (deals && repartition.input().is::<RecursiveQueryExec>()).then(|| Arc::clone(repartition.input()))
}
