//! RANGE frames that begin or end at an offset from the row's key: for keys of which the engine knows the distance.

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, ExprSchemable, Window, WindowFrameBound, WindowFrameUnits};

use crate::error::Error;
use crate::types::SqlType;

/// 0A000 for keys of other types.
pub(super) fn check(window: &Window) -> PlanResult<()> {
    for expression in &window.window_expr {
        expression.apply(|part| {
            let Expr::WindowFunction(call) = part else {
                return Ok(TreeNodeRecursion::Continue);
            };
            let frame = &call.params.window_frame;
            let is_offset = |bound: &WindowFrameBound| match bound {
                WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) => !value.is_null(),
                WindowFrameBound::CurrentRow => false,
            };
            let has_offset = is_offset(&frame.start_bound) || is_offset(&frame.end_bound);
            if let ([key], WindowFrameUnits::Range, true) = (call.params.order_by.as_slice(), frame.units, has_offset) {
                let (_, field) = key.expr.to_field(window.input.schema().as_ref())?;
                let sql_type = SqlType::from_field(&field);
                if !has_distance(&sql_type) {
                    let what = "RANGE with offset PRECEDING/FOLLOWING";
                    return Err(Error::unsupported(format!("{what} for column type {sql_type}")).into());
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(())
}

fn has_distance(sql_type: &SqlType) -> bool {
    use SqlType::{Date, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Timestamp, Timestamptz, Unknown};
    matches!(
        sql_type.base(),
        Int2 | Int4
            | Int8
            | Float4
            | Float8
            | Numeric(_)
            | Date
            | Timestamp(_)
            | Timestamptz(_)
            | Interval(_)
            | Unknown
    )
}
