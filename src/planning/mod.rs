//! Governed logical plan → optimized logical plan → physical plan. The rule lists are DataFusion's own
//! with ours put in, each with its reason; the plan cache keeps optimized logical plans.

mod plan_cache;
pub mod rules;
mod session;

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::ParamValues;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::push_down_limit::PushDownLimit;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_plan::ExecutionPlan;

pub use plan_cache::{CachedPlan, PlanCache, PlanKey};
pub use session::PlanningSession;

use crate::error::Result;
use crate::governance::GovernedPlan;

/// Type coercion and all logical rules.
pub fn optimize(governed: &GovernedPlan, session: &PlanningSession) -> Result<GovernedPlan> {
    governed.rewrite(|plan| Ok(session.optimize(&plan)?))
}

/// The plan with its parameters' values, simplified again: a cast of a value is a value.
pub fn bind_parameters(
    governed: &GovernedPlan,
    values: ParamValues,
    session: &PlanningSession,
) -> Result<GovernedPlan> {
    governed.rewrite(|plan| {
        let bound = plan.with_param_values(values)?;
        let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
            Arc::new(SimplifyExpressions::new()),
            Arc::new(PushDownFilter::new()),
            Arc::new(PushDownLimit::new()),
        ];
        Ok(Optimizer::with_rules(rules).optimize(bound, session, |_, _| {})?)
    })
}

/// Operators for an optimized plan.
pub async fn plan_physically(governed: &GovernedPlan, session: &PlanningSession) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(session
        .base()
        .query_planner()
        .create_physical_plan(governed.plan(), session)
        .await?)
}
