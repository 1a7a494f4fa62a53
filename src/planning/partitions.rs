//! How many partitions a statement runs in. Handing rows between threads costs about as much as computing some hundred
//! thousand of them, so little work stays in one; and where other statements compute, each takes its share of the cores,
//! unless it works so long that the others will be gone.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;

use super::cardinality::estimate;
use crate::governance::{GovernedPlan, rows_of_table};

/// Rows that one thread is done with as soon as several would be.
const LITTLE_WORK: f64 = (256 << 10) as f64;
/// Rows that take some tens of milliseconds: who computes now will compute for as long.
const SHORT_WORK: f64 = (16 << 20) as f64;
/// Files of a table that one partition may open one after the other.
const FEW_FILES: usize = 8;

/// Joins of a plan that are estimated one by one: each takes those below it into account.
const FEW_JOINS: usize = 6;

/// The partitions for a plan, of `most`, while `others` statements compute.
pub fn partitions(governed: &GovernedPlan, most: usize, others: usize) -> usize {
    let share = (most / (others + 1)).max(1);
    if most <= 1 {
        return most;
    }
    // Beyond that nothing changes, so nothing more has to be known.
    let relevant = if share < most { SHORT_WORK } else { LITTLE_WORK };
    match work(governed.plan(), relevant) {
        Some(rows) if rows <= LITTLE_WORK => 1,
        Some(rows) if rows <= SHORT_WORK => share,
        _ => most,
    }
}

/// Whether one thread is done with a plan as soon as several would be.
pub fn is_little_work(governed: &GovernedPlan) -> bool {
    work(governed.plan(), LITTLE_WORK).is_some_and(|rows| rows <= LITTLE_WORK)
}

/// Whether a plan runs about as well when it is made without its literals: nothing is joined, or little.
pub fn runs_well_open(governed: &GovernedPlan) -> bool {
    !joins(governed.plan()) || is_little_work(governed)
}

/// Whether the plan joins anything.
pub fn joins(plan: &LogicalPlan) -> bool {
    let mut joins = false;
    let walked = plan.apply_with_subqueries(|node| {
        joins |= matches!(node, LogicalPlan::Join(_));
        Ok(match joins {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    // What cannot be walked may.
    walked.is_err() || joins
}

/// Whether the plan aggregates.
pub fn aggregates(governed: &GovernedPlan) -> bool {
    let found = governed
        .plan()
        .exists(|node| Ok(matches!(node, LogicalPlan::Aggregate(_))));
    found.unwrap_or(false)
}

/// Rows that the plan reads and its joins give, as far as is known; `None` where that is nothing to go by, or above `most`.
fn work(plan: &LogicalPlan, most: f64) -> Option<f64> {
    let mut joins = vec![];
    let mut rows = Some(0.0);
    let walked = plan.apply_with_subqueries(|node| {
        let own = match node {
            LogicalPlan::TableScan(scan) => rows_of_table(scan, FEW_FILES).map(|rows| rows as f64),
            LogicalPlan::Join(join) if join.on.is_empty() || joins.len() == FEW_JOINS => None,
            LogicalPlan::Join(_) => {
                joins.push(node.clone());
                Some(0.0)
            }
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
            Some(rows) if rows <= most => TreeNodeRecursion::Continue,
            _ => TreeNodeRecursion::Stop,
        })
    });
    walked.ok()?;
    let read = rows.filter(|rows| *rows <= most)?;
    Some(read + joins.iter().map(|join| estimate(join).rows).sum::<f64>())
}
