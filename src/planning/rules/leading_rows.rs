//! Finds conditions on a rank, `rank() OVER (…) <= n`, and drops rows beyond before they are sorted for it.

use std::sync::Arc;

use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::utils::split_conjunction;
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};

use crate::operators::LeadingRowsExec;

/// The filter above an operator that drops what it would; `None` where it is no filter of ranks.
pub(super) fn with_leading_rows(node: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = node.downcast_ref::<FilterExec>() else {
        return Ok(None);
    };
    for condition in split_conjunction(filter.predicate()) {
        if let Some((column, limit)) = upper_bound(condition)
            && let Some(input) = limited(filter.input(), column, limit)?
        {
            return replace_children_if_necessary(Arc::clone(node), vec![input]).map(Some);
        }
    }
    Ok(None)
}

/// The column that the condition bounds, and the largest value that passes.
fn upper_bound(condition: &Arc<dyn PhysicalExpr>) -> Option<(usize, usize)> {
    let comparison = condition.downcast_ref::<BinaryExpr>()?;
    let column = comparison.left().downcast_ref::<Column>()?.index();
    let bound = match comparison.right().downcast_ref::<Literal>()?.value() {
        ScalarValue::UInt64(Some(bound)) => usize::try_from(*bound).ok()?,
        ScalarValue::Int64(Some(bound)) => usize::try_from(*bound).ok()?,
        _ => return None,
    };
    match comparison.op() {
        Operator::LtEq | Operator::Eq => Some((column, bound)),
        Operator::Lt => Some((column, bound.checked_sub(1)?)),
        _ => None,
    }
}

/// The plan with the rows dropped whose rank, in that column of its, is beyond the limit; `None` where it is no rank.
fn limited(plan: &Arc<dyn ExecutionPlan>, column: usize, limit: usize) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let Some(column) = projection.expr()[column].expr.downcast_ref::<Column>() else {
            return Ok(None);
        };
        return match limited(projection.input(), column.index(), limit)? {
            Some(input) => replace_children_if_necessary(Arc::clone(plan), vec![input]).map(Some),
            None => Ok(None),
        };
    }
    let Some(windows) = plan.downcast_ref::<BoundedWindowAggExec>() else {
        return Ok(None);
    };
    let Some(sort) = windows.input().downcast_ref::<SortExec>() else {
        return Ok(None);
    };
    let first_window = sort.schema().fields().len();
    let Some(ranked) = column
        .checked_sub(first_window)
        .and_then(|window| windows.window_expr().get(window))
    else {
        return Ok(None);
    };
    // Any other function may depend on the rows that are dropped.
    let have_one_order = windows.window_expr().iter().all(|window| {
        ranks(window) && window.partition_by() == ranked.partition_by() && window.order_by() == ranked.order_by()
    });
    let (Some(order), true, None) = (ranked.order_by().first(), have_one_order, sort.fetch()) else {
        return Ok(None);
    };
    let partition_by = ranked.partition_by().to_vec();
    let Some(leading) = LeadingRowsExec::new(Arc::clone(sort.input()), partition_by, order.clone(), limit)? else {
        return Ok(None);
    };
    let sort = replace_children_if_necessary(Arc::clone(windows.input()), vec![Arc::new(leading)])?;
    replace_children_if_necessary(Arc::clone(plan), vec![sort]).map(Some)
}

/// Whether the window counts the rows before each row.
fn ranks(window: &Arc<dyn WindowExpr>) -> bool {
    let standard = window.as_any().downcast_ref::<StandardWindowExpr>();
    let function = standard.and_then(|standard| {
        let function = standard.get_standard_func_expr().as_any();
        function.downcast_ref::<WindowUDFExpr>()
    });
    function.is_some_and(|function| matches!(function.fun().name(), "rank" | "row_number"))
}

#[cfg(test)]
mod tests;
