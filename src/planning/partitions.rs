//! How many partitions a statement runs in. Handing rows between threads costs about as much as computing some hundred
//! thousand of them, so little work stays in one; and where other statements compute, each takes its share of the cores,
//! unless it works so long that the others will be gone.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, TableScan};

use super::cardinality::estimate;
use crate::governance::{GovernedPlan, file_count};

/// Rows that one thread is done with as soon as several would be.
const LITTLE_WORK: f64 = (256 << 10) as f64;
/// Rows that take some tens of milliseconds: who computes now will compute for as long.
const SHORT_WORK: f64 = (16 << 20) as f64;
/// Files of a table that one partition may open one after the other.
const FEW_FILES: usize = 8;

/// The partitions for a plan, of `most`, while `others` statements compute.
pub fn partitions(governed: &GovernedPlan, most: usize, others: usize) -> usize {
    if most <= 1 {
        return most;
    }
    match work(governed.plan()) {
        Some(rows) if rows <= LITTLE_WORK => 1,
        Some(rows) if rows <= SHORT_WORK => (most / (others + 1)).max(1),
        _ => most,
    }
}

/// Whether the plan aggregates.
pub fn aggregates(governed: &GovernedPlan) -> bool {
    let found = governed.plan().exists(|node| Ok(matches!(node, LogicalPlan::Aggregate(_))));
    found.unwrap_or(false)
}

/// Rows that the plan reads and its joins give, as far as is known; `None` where that is nothing to go by.
fn work(plan: &LogicalPlan) -> Option<f64> {
    let mut rows = Some(0.0);
    plan.apply_with_subqueries(|node| {
        let own = match node {
            LogicalPlan::TableScan(scan) => rows_of(scan),
            LogicalPlan::Join(join) if join.on.is_empty() => None,
            LogicalPlan::Join(_) => Some(estimate(node).rows),
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::EmptyRelation(_) => Some(0.0),
            _ => None,
        };
        rows = rows.zip(own).map(|(rows, own)| rows + own);
        Ok(match rows {
            Some(rows) if rows <= SHORT_WORK => TreeNodeRecursion::Continue,
            _ => TreeNodeRecursion::Stop,
        })
    })
    .ok()?;
    rows
}

/// The rows of a table of few files.
fn rows_of(scan: &TableScan) -> Option<f64> {
    file_count(scan).filter(|files| *files <= FEW_FILES)?;
    let known = source_as_provider(&scan.source).ok()?.statistics()?;
    known.num_rows.get_value().map(|rows| *rows as f64)
}
