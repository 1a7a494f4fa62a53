//! Our own rules, after DataFusion's: analysis in the order of `analyzer`, operators in the order of `all`.

mod compact_sources;
mod constant_filters;
mod correction;
mod distinct_sums;
mod emptied_unions;
mod filter_before_grouping;
mod infinite_moments;
mod late_projections;
mod lazy_conditions;
mod leading_rows;
mod link_shared_parts;
mod needed;
mod null_equal_joins;
mod own_operators;
mod partial_key_filter;
mod recursion_order;
mod repeated_sort_keys;
mod scan_filters;
mod single_leading_groups;
mod single_partition;
mod stream_series;
mod true_keys;
mod twin_columns;
mod typed_values;
mod union_order;
mod yield_in_joins;

use std::sync::Arc;

use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{AnalyzerRule, Optimizer};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use crate::planning::rules::correction::Rule;

#[cfg(test)]
pub(super) use link_shared_parts::LinkSharedParts;

/// The analyzer's rules, each with its reason.
pub fn analyzer() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![
        // Without this, a long series is an array literal in the plan.
        Arc::new(stream_series::StreamSeries),
        // Without this, VALUES with a CASE of two numeric types fails or reads one type as another.
        Arc::new(typed_values::TypedValues),
        // Without this, `n <> 0 AND 10 / n > 2` fails.
        Arc::new(lazy_conditions::LazyConditions),
    ]
}

pub(super) use lazy_conditions::order_conditions;
pub(super) use null_equal_joins::with_null_keys;

/// DataFusion's logical rules, those replaced that are wrong for PostgreSQL's types, and ours.
pub fn optimizer() -> Vec<Rule> {
    let rules = Optimizer::new().rules.into_iter();
    let rules = rules
        .map(constant_filters::corrected)
        .map(distinct_sums::corrected)
        .map(emptied_unions::corrected)
        .map(null_equal_joins::corrected)
        .flat_map(true_keys::before);
    let ours: [Rule; 3] = [
        // Without this, DISTINCT ON with a key twice in its order panics.
        Arc::new(repeated_sort_keys::RepeatedSortKeys),
        // Without this, averages of all groups are divided where ten are asked for.
        Arc::new(late_projections::LateProjections),
        // Without this, infinite dates overflow. Last: the others know casts and sums.
        Arc::new(infinite_moments::InfiniteMoments),
    ];
    rules.chain(ours).collect()
}

/// The rule that moves conditions down.
pub(super) fn pushing_filters() -> Rule {
    constant_filters::corrected(Arc::new(PushDownFilter::new()))
}

/// The rule that leaves unused columns out.
pub(super) fn narrowing() -> Vec<Rule> {
    true_keys::before(Arc::new(OptimizeProjections::new()))
}

/// The physical rules as one: DataFusion's and ours, of which a plan gets those that may change it.
pub fn physical() -> Arc<dyn PhysicalOptimizerRule + Send + Sync> {
    Arc::new(needed::NeededRules::of([stock(), ours()].concat()))
}

/// The same without the rule that puts our own operators in the place of DataFusion's.
pub(super) fn physical_of_stock() -> Arc<dyn PhysicalOptimizerRule + Send + Sync> {
    let mut rules = [stock(), ours()].concat();
    rules.retain(|rule| rule.name() != own_operators::NAME);
    Arc::new(needed::NeededRules::of(rules))
}

/// DataFusion's rules, those replaced that lose rows, and those shortened that take long where there is little to do.
fn stock() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let rules = PhysicalOptimizer::new().rules.into_iter();
    rules
        .map(twin_columns::careful)
        .map(scan_filters::shortened)
        .map(single_leading_groups::corrected)
        .map(single_partition::shortened)
        .collect()
}

/// Our rules, each with its reason.
fn ours() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    vec![
        // Without this, `array_agg()` shows the rows of WITH RECURSIVE in no order.
        Arc::new(recursion_order::RecursionOrder),
        // Without this, the last row of `… UNION ALL SELECT 'total', …` may come first.
        Arc::new(union_order::UnionOrder),
        // Without this, all groups of a large table are computed where a join then asks for few of them.
        Arc::new(filter_before_grouping::FilterBeforeGrouping),
        // DataFusion aggregates decimals at 128 bits, hashes every key and copies the rows that a filter keeps.
        Arc::new(own_operators::OwnOperators),
        // A join that multiplies rows works for long without touching its inputs, which is where
        // DataFusion yields: without this, cancelling would have to wait for it. Our own yield by themselves.
        Arc::new(yield_in_joins::YieldInJoins),
        // Without this, equal parts of a plan are each computed. Last: other rules replace the nodes that this makes one.
        Arc::new(link_shared_parts::LinkSharedParts),
    ]
}
