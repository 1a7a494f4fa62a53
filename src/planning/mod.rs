//! Governed logical plan → optimized logical plan → physical plan. The rule lists are DataFusion's own
//! with ours put in, each with its reason; the plan cache keeps optimized logical plans.

mod cardinality;
mod constant_faults;
mod join_order;
mod outer_joins;
mod parameters;
mod partitions;
mod plan_cache;
pub mod rules;
mod session;
mod shared_parts;

use std::sync::Arc;

use datafusion::common::ParamValues;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

pub use partitions::{aggregates, is_little_work, partitions, runs_well_open};
pub use plan_cache::{CachedPlan, Kept, PlanCache, PlanKey, PlanKeyView};
pub use session::PlanningSession;

use crate::error::Result;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::governance::GovernedPlan;
use shared_parts::{SharedPartPlanner, share_equal_parts};

/// Type coercion and all logical rules.
pub fn optimize(governed: &GovernedPlan, session: &PlanningSession) -> Result<GovernedPlan> {
    beside_other_tasks(governed, || {
        governed.rewrite(|plan| {
            let optimized = session.optimize_for_all(&plan)?;
            constant_faults::check(&optimized, session)?;
            Ok(optimized)
        })
    })
}

/// Runs work on a plan that never waits. The thread may be the one that watches the sockets and timers; without
/// handing them over, a cancel request would arrive after the work that it is to stop. A small plan is done with
/// before another thread has taken them over.
fn beside_other_tasks<T>(governed: &GovernedPlan, work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) if !is_small(governed.plan()) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Nodes and parts of expressions of a plan that takes less than about two milliseconds.
const SMALL_PLAN: usize = 150;

fn is_small(plan: &LogicalPlan) -> bool {
    let mut parts = 0;
    let walked = plan.apply_with_subqueries(|node| {
        parts += 1;
        node.apply_expressions(|expression| {
            expression.apply(|_| {
                parts += 1;
                Ok(goes_on(parts))
            })
        })?;
        Ok(goes_on(parts))
    });
    walked.is_ok() && parts <= SMALL_PLAN
}

fn goes_on(parts: usize) -> TreeNodeRecursion {
    match parts <= SMALL_PLAN {
        true => TreeNodeRecursion::Continue,
        false => TreeNodeRecursion::Stop,
    }
}

/// The plan with its parameters' values, simplified again: a cast of a value is a value.
pub fn bind_parameters(
    governed: &GovernedPlan,
    values: ParamValues,
    session: &PlanningSession,
) -> Result<GovernedPlan> {
    governed.rewrite(|plan| Ok(parameters::with_values(plan, &values, session)?))
}

/// The plan with its joins in the order that runs. It depends on how many rows the tables have, so it is not what
/// EXPLAIN shows.
pub fn order_joins(governed: &GovernedPlan, session: &PlanningSession) -> Result<GovernedPlan> {
    if !partitions::joins(governed.plan()) {
        return Ok(governed.clone());
    }
    beside_other_tasks(governed, || governed.rewrite(|plan| Ok(session.order_joins(plan)?)))
}

/// Whether the order of a plan's joins is found as well when they are in order already.
fn can_be_ordered_again(governed: &GovernedPlan) -> Result<bool> {
    Ok(join_order::can_be_ordered_again(governed.plan())?)
}

/// Operators for an optimized plan; equal parts of it are computed once.
pub async fn plan_physically(governed: &GovernedPlan, session: &PlanningSession) -> Result<Arc<dyn ExecutionPlan>> {
    let shared = match session.has_own_operators() {
        true => share_equal_parts(governed.plan())?,
        false => None,
    };
    let shared = shared.map(|plan| governed.rewrite(|_| Ok(plan))).transpose()?;
    let plan = shared.as_ref().unwrap_or(governed).plan();
    let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(SharedPartPlanner)]);
    Ok(planner.create_physical_plan(plan, session).await?)
}
