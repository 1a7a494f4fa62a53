//! Our own physical rules, after DataFusion's, in the order of `all`.

mod yield_in_joins;

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;

/// The rules, each with its reason.
pub fn all() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    vec![
        // A join that multiplies rows works for long without touching its inputs, which is where
        // DataFusion yields: without this, cancelling would have to wait for it.
        Arc::new(yield_in_joins::YieldInJoins),
    ]
}
