//! `sum(integer)` beside `count(DISTINCT …)`: DataFusion's rule groups by the distinct values first and adds up the
//! groups' sums, which makes a numeric of a bigint. Its result is cast back to what the query was told.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Projection, cast};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::planning::rules::correction::{self, Rule};

/// The rule, keeping types if it is the one that does not.
pub(super) fn corrected(rule: Rule) -> Rule {
    correction::corrected(rule, "single_distinct_aggregation_to_group_by", rewrite)
}

fn rewrite(
    rule: &dyn OptimizerRule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> PlanResult<Transformed<LogicalPlan>> {
    let wanted = Arc::clone(plan.schema());
    let rewritten = rule.rewrite(plan, config)?;
    if !rewritten.transformed {
        return Ok(rewritten);
    }
    rewritten.map_data(|plan| match plan {
        LogicalPlan::Projection(projection) if projection.schema.fields().len() == wanted.fields().len() => {
            let input = projection.input.schema();
            let expressions = projection.expr.iter().zip(wanted.fields()).map(|(expression, field)| {
                let is_kept = expression.get_type(input)? == *field.data_type();
                Ok(match expression.clone() {
                    Expr::Alias(alias) if !is_kept => {
                        cast(*alias.expr, field.data_type().clone()).alias_qualified(alias.relation, alias.name)
                    }
                    other => other,
                })
            });
            let expressions = expressions.collect::<PlanResult<Vec<_>>>()?;
            Ok(LogicalPlan::Projection(Projection::try_new(
                expressions,
                projection.input,
            )?))
        }
        other => Ok(other),
    })
}
