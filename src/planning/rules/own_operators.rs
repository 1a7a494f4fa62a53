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
use crate::operators::{FrameWindowExec, FusedAggregateExec, KeyJoinExec, SelectExec};

pub(super) const NAME: &str = "own_operators";

/// Replaces what `FusedAggregateExec`, `KeyJoinExec`, `SelectExec` and `FrameWindowExec` cover.
#[derive(Debug)]
pub struct OwnOperators;

impl PhysicalOptimizerRule for OwnOperators {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let transformed = plan.transform_up(|node| {
            Ok(match with_leading_rows(&node)? {
                Some(limited) => Transformed::yes(limited),
                None => Transformed::no(node),
            })
        })?;
        let transformed = transformed.data.transform_up(|node| {
            Ok(match KeyJoinExec::standing_for(&node)? {
                Some(join) => Transformed::yes(Arc::new(join) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        })?;
        let transformed = transformed.data.transform_up(|node| {
            if !node.is::<AggregateExec>() {
                return Ok(Transformed::no(node));
            }
            let plain = over_plain_columns(&node)?;
            Ok(
                match FusedAggregateExec::standing_for(plain.as_ref().unwrap_or(&node))? {
                    Some(fused) => Transformed::yes(Arc::new(with_compact_columns(fused)?) as Arc<dyn ExecutionPlan>),
                    None => Transformed::no(node),
                },
            )
        })?;
        let transformed = transformed.data.transform_up(|node| {
            Ok(match SelectExec::standing_for(&node)? {
                Some(select) => Transformed::yes(Arc::new(select) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        })?;
        let transformed = transformed.data.transform_up(|node| {
            Ok(match FrameWindowExec::standing_for(&node)? {
                Some(window) => Transformed::yes(Arc::new(window) as Arc<dyn ExecutionPlan>),
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
