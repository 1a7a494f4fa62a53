//! Whether a plan gives the same answer each time it runs over the same versions of the same tables: only
//! then may its answer be kept.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, Volatility};

use super::subject::Recognise;
use crate::error::Result;

/// Only functions that depend on nothing but their arguments, only tables whose versions are known.
pub(crate) fn is_repeatable(plan: &LogicalPlan, recognise: Recognise) -> Result<bool> {
    let mut repeatable = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            repeatable &= recognise(&scan.source).is_some() || is_work_table(scan);
        }
        node.apply_expressions(|expr| {
            repeatable &= expression_is_repeatable(expr)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if repeatable {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    Ok(repeatable)
}

/// The same for one expression, its subqueries aside.
pub(crate) fn is_repeatable_expression(expr: &Expr) -> Result<bool> {
    Ok(expression_is_repeatable(expr)?)
}

fn expression_is_repeatable(expr: &Expr) -> datafusion::common::Result<bool> {
    let is_immutable = |volatility: Volatility| volatility == Volatility::Immutable;
    expr.exists(|part| {
        Ok(match part {
            Expr::ScalarFunction(call) => !is_immutable(call.func.signature().volatility),
            Expr::AggregateFunction(call) => !is_immutable(call.func.signature().volatility),
            Expr::WindowFunction(call) => !is_immutable(call.fun.signature().volatility),
            _ => false,
        })
    })
    .map(|unstable| !unstable)
}

/// The previous round of a recursive query.
fn is_work_table(scan: &TableScan) -> bool {
    source_as_provider(&scan.source).is_ok_and(|provider| provider.is::<CteWorkTable>())
}
