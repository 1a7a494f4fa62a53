//! Conditions that may fail are evaluated only where PostgreSQL evaluates them: see `functions::laziness`. Conditions
//! inside expressions are spelled before DataFusion simplifies them, those of a filter when it has got its place.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlan, lit};
use datafusion::optimizer::AnalyzerRule;

use crate::functions::{guarded_predicate, lazily, may_fail};

/// Runs after DataFusion's type coercion.
#[derive(Debug)]
pub struct LazyConditions;

impl AnalyzerRule for LazyConditions {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> PlanResult<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(spelled)?.data)
    }

    fn name(&self) -> &str {
        "lazy_conditions"
    }
}

fn spelled(node: LogicalPlan) -> PlanResult<Transformed<LogicalPlan>> {
    let schema = merge_schema(&node.inputs());
    let has_risk = node.expressions().iter().any(|expr| may_fail(expr, &schema));
    if !has_risk {
        return Ok(Transformed::no(node));
    }
    let is_predicate = matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Join(_));
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let lazy = match is_predicate {
            true => lazy_conjuncts(expr, &schema)?,
            false => lazily(expr, &schema)?,
        };
        Ok(lazy.update_data(|expr| name.restore(expr)))
    })
}

/// A filter's own conjuncts stay apart: each goes down to the table that it is about.
fn lazy_conjuncts(predicate: Expr, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    let conjuncts = split_conjunction_owned(predicate).into_iter();
    let conjuncts: Vec<Expr> = conjuncts
        .map(|conjunct| Ok(lazily(conjunct, schema)?.data))
        .collect::<PlanResult<_>>()?;
    Ok(Transformed::yes(conjunction(conjuncts).unwrap_or_else(|| lit(true))))
}

/// The optimized plan, its filters in an order in which conditions that may fail come last and see the rows left.
pub fn order_conditions(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let ordered = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(mut filter) => {
            filter.predicate = guarded_predicate(filter.predicate, filter.input.schema().as_ref())?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        LogicalPlan::Join(mut join) if join.filter.is_some() => {
            let schema = merge_schema(&[join.left.as_ref(), join.right.as_ref()]);
            join.filter = join
                .filter
                .map(|filter| guarded_predicate(filter, &schema))
                .transpose()?;
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(ordered?.data)
}
