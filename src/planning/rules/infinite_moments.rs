//! Casts of dates to timestamps and sums of timestamps and intervals, where a value may be infinite. The engine's overflow;
//! but the other rules know them, so ours take their places in the last one.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::functions::{moment_of_date, shifted_moment};

/// Puts our casts and sums in the places of the engine's.
#[derive(Debug)]
pub(super) struct InfiniteMoments;

impl OptimizerRule for InfiniteMoments {
    fn name(&self) -> &str {
        "infinite_moments"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        // A scan's filters are looked at by the files' statistics.
        if matches!(plan, LogicalPlan::TableScan(_)) {
            return Ok(Transformed::no(plan));
        }
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expression| {
            let saved = names.save(&expression);
            let replaced = expression.transform_up(|part| Ok(replaced(part, &schema)))?;
            Ok(replaced.update_data(|expression| saved.restore(expression)))
        })
    }
}

fn replaced(part: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let type_of = |part: &Expr| part.get_type(schema).ok();
    match part {
        Expr::Cast(cast)
            if is_moment(cast.field.data_type()) && matches!(type_of(&cast.expr), Some(DataType::Date32)) =>
        {
            let data_type = cast.field.data_type().clone();
            Transformed::yes(moment_of_date(*cast.expr, data_type))
        }
        Expr::BinaryExpr(binary)
            if matches!(binary.op, Operator::Plus | Operator::Minus)
                && matches!(
                    type_of(&binary.left),
                    Some(DataType::Timestamp(TimeUnit::Microsecond, None))
                )
                && matches!(type_of(&binary.right), Some(DataType::Interval(_))) =>
        {
            Transformed::yes(shifted_moment(*binary.left, binary.op, *binary.right))
        }
        other => Transformed::no(other),
    }
}

/// Timestamps that dates become by counting their days.
fn is_moment(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, zone) => zone.as_deref().is_none_or(|zone| zone == "UTC"),
        _ => false,
    }
}
