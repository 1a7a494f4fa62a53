//! Puts our aggregation in the place of DataFusion's, with the filters and projections below it, our join in the place
//! of hash joins on numbers, our filter where filters are left, and our windows.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

use super::compact_sources::{over_plain_columns, with_compact_columns};
use super::leading_rows::with_leading_rows;
use super::needed::Parts;
use crate::operators::{FrameWindowExec, FusedAggregateExec, KeyJoinExec, SelectExec};

pub(super) const NAME: &str = "own_operators";

/// Replaces what `FusedAggregateExec`, `KeyJoinExec`, `SelectExec` and `FrameWindowExec` cover.
#[derive(Debug)]
pub struct OwnOperators;

impl PhysicalOptimizerRule for OwnOperators {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        // Each replaces operators of its kind, and a walk that meets none is time lost.
        let parts = Parts::of(&plan);
        let mut plan = plan;
        if parts.windows && parts.filters {
            plan = replaced(plan, with_leading_rows)?;
        }
        if parts.hash_joins {
            plan = replaced(plan, |node| {
                Ok(KeyJoinExec::standing_for(node)?.map(|join| Arc::new(join) as _))
            })?;
        }
        if parts.aggregates {
            plan = replaced(plan, fused)?;
        }
        if parts.filters {
            plan = replaced(plan, |node| {
                Ok(SelectExec::standing_for(node)?.map(|select| Arc::new(select) as _))
            })?;
        }
        if parts.windows {
            plan = replaced(plan, |node| {
                Ok(FrameWindowExec::standing_for(node)?.map(|window| Arc::new(window) as _))
            })?;
        }
        Ok(plan)
    }

    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The plan with its operators replaced from below.
fn replaced(
    plan: Arc<dyn ExecutionPlan>,
    replacement: impl Fn(&Arc<dyn ExecutionPlan>) -> PlanResult<Option<Arc<dyn ExecutionPlan>>>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let transformed = plan.transform_up(|node| {
        Ok(match replacement(&node)? {
            Some(replacement) => Transformed::yes(replacement),
            None => Transformed::no(node),
        })
    })?;
    Ok(transformed.data)
}

fn fused(node: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    if !node.is::<AggregateExec>() {
        return Ok(None);
    }
    let plain = over_plain_columns(node)?;
    let fused = FusedAggregateExec::standing_for(plain.as_ref().unwrap_or(node))?;
    Ok(match fused {
        Some(fused) => Some(Arc::new(with_compact_columns(fused)?)),
        None => None,
    })
}
