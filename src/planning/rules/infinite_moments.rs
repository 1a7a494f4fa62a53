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
    let is_moment = |data_type: &DataType| *data_type == DataType::Timestamp(TimeUnit::Microsecond, None);
    let has_type = |part: &Expr, wanted: fn(&DataType) -> bool| part.get_type(schema).is_ok_and(|found| wanted(&found));
    match part {
        Expr::Cast(cast)
            if is_moment(cast.field.data_type()) && has_type(&cast.expr, |found| *found == DataType::Date32) =>
        {
            Transformed::yes(moment_of_date(*cast.expr))
        }
        Expr::BinaryExpr(binary)
            if matches!(binary.op, Operator::Plus | Operator::Minus)
                && binary.left.get_type(schema).is_ok_and(|found| is_moment(&found))
                && has_type(&binary.right, |found| matches!(found, DataType::Interval(_))) =>
        {
            Transformed::yes(shifted_moment(*binary.left, binary.op, *binary.right))
        }
        other => Transformed::no(other),
    }
}
