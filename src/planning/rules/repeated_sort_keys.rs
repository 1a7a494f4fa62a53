//! An aggregate whose rows are ordered by one expression twice: DataFusion's `first_value`, which DISTINCT ON is made of, counts
//! the keys once and their values twice, and panics. Simplification may make two keys equal, so they are looked at after it.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

#[derive(Debug)]
pub(super) struct RepeatedSortKeys;

impl OptimizerRule for RepeatedSortKeys {
    fn name(&self) -> &str {
        "repeated_sort_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = plan else {
            return Ok(Transformed::no(plan));
        };
        if !aggregate.aggr_expr.iter().any(has_repeated_keys) {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        let calls = aggregate.aggr_expr.into_iter().map(without_repeated_keys);
        let shorter = Aggregate::try_new_with_schema(
            aggregate.input,
            aggregate.group_expr,
            calls.collect(),
            Arc::clone(&aggregate.schema),
        )?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(shorter)))
    }
}

fn has_repeated_keys(call: &Expr) -> bool {
    match call {
        Expr::Alias(alias) => has_repeated_keys(&alias.expr),
        Expr::AggregateFunction(function) => {
            let keys = &function.params.order_by;
            (0..keys.len()).any(|place| is_repeated(keys, place))
        }
        _ => false,
    }
}

/// The call under the name that it had.
fn without_repeated_keys(call: Expr) -> Expr {
    if !has_repeated_keys(&call) {
        return call;
    }
    let (relation, name) = call.qualified_name();
    let mut call = unnamed(call);
    if let Expr::AggregateFunction(function) = &mut call {
        let keys = std::mem::take(&mut function.params.order_by);
        let kept = (0..keys.len()).filter(|place| !is_repeated(&keys, *place));
        function.params.order_by = kept.map(|place| keys[place].clone()).collect();
    }
    call.alias_qualified(relation, name)
}

fn unnamed(call: Expr) -> Expr {
    match call {
        Expr::Alias(alias) => unnamed(*alias.expr),
        other => other,
    }
}

/// Whether an earlier key orders by the same expression, in whichever direction.
fn is_repeated(keys: &[Sort], place: usize) -> bool {
    let key = keys[place].expr.clone().unalias();
    keys[..place]
        .iter()
        .any(|earlier| earlier.expr.clone().unalias() == key)
}
