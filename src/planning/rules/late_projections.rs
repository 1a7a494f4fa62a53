//! Of the rows that ORDER BY … LIMIT leaves out, nothing need be computed: what a projection below it computes, and it
//! does not sort by, is computed above it. As in PostgreSQL, but only where no row's values can make it fail. What is
//! volatile is computed above every sort: `nextval()` numbers the rows in the order that they are asked for in.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Sort};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::functions::may_fail;

/// Puts projections above the sorts that keep few rows.
#[derive(Debug)]
pub(super) struct LateProjections;

impl OptimizerRule for LateProjections {
    fn name(&self) -> &str {
        "late_projections"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Sort(sort) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let LogicalPlan::Projection(projection) = sort.input.as_ref() else {
            return Ok(Transformed::no(plan));
        };
        let keys = match must_wait(projection)? {
            true => expressions_below(&sort.expr, projection)?,
            false if sort.fetch.is_some() && may_wait(projection)? => keys_below(&sort.expr, projection),
            false => None,
        };
        let Some(keys) = keys else {
            return Ok(Transformed::no(plan));
        };
        let sorted = LogicalPlan::Sort(Sort {
            expr: keys,
            input: Arc::clone(&projection.input),
            fetch: sort.fetch,
        });
        let schema = Arc::clone(&projection.schema);
        let late = Projection::try_new_with_schema(projection.expr.clone(), Arc::new(sorted), schema)?;
        Ok(Transformed::yes(LogicalPlan::Projection(late)))
    }
}

/// Whether something is volatile, and nothing is computed by other rows.
fn must_wait(projection: &Projection) -> PlanResult<bool> {
    let mut is_volatile = false;
    for expr in &projection.expr {
        if expr.exists(|part| Ok(is_of_several_rows(part)))? {
            return Ok(false);
        }
        is_volatile |= expr.is_volatile();
    }
    Ok(is_volatile)
}

/// The keys as expressions over the projection's input; `None` where one is volatile itself.
fn expressions_below(keys: &[SortKey], projection: &Projection) -> PlanResult<Option<Vec<SortKey>>> {
    let mut below = vec![];
    for key in keys {
        let expr = key.expr.clone().transform_up(|part| {
            let Expr::Column(column) = &part else {
                return Ok(Transformed::no(part));
            };
            Ok(match projection.schema.maybe_index_of_column(column) {
                Some(place) => Transformed::yes(unnamed(&projection.expr[place]).clone()),
                None => Transformed::no(part),
            })
        })?;
        if expr.data.is_volatile() {
            return Ok(None);
        }
        below.push(SortKey {
            expr: expr.data,
            ..key.clone()
        });
    }
    Ok(Some(below))
}

/// Whether something is computed, and may as well be for some of the rows.
fn may_wait(projection: &Projection) -> PlanResult<bool> {
    let mut computes = false;
    for expr in &projection.expr {
        let expr = unnamed(expr);
        computes |= !matches!(expr, Expr::Column(_) | Expr::Literal(..));
        let is_bound = expr.is_volatile() || expr.exists(|part| Ok(is_of_several_rows(part)))?;
        if is_bound || may_fail(expr, projection.input.schema().as_ref()) {
            return Ok(false);
        }
    }
    Ok(computes)
}

fn is_of_several_rows(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Unnest(_)
            | Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..)
    )
}

/// The keys over the projection's input, if all are columns of it.
fn keys_below(keys: &[SortKey], projection: &Projection) -> Option<Vec<SortKey>> {
    let below = |key: &SortKey| {
        let Expr::Column(column) = &key.expr else {
            return None;
        };
        let place = projection.schema.maybe_index_of_column(column)?;
        let Expr::Column(column) = unnamed(&projection.expr[place]) else {
            return None;
        };
        Some(SortKey {
            expr: Expr::Column(column.clone()),
            ..key.clone()
        })
    };
    keys.iter().map(below).collect()
}

fn unnamed(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unnamed(&alias.expr),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::tree_node::TreeNodeRecursion;
    use datafusion::prelude::SessionContext;

    use super::*;

    #[tokio::test]
    async fn only_what_cannot_fail_and_is_no_key_waits() {
        let context = SessionContext::new();
        context.add_optimizer_rule(Arc::new(LateProjections));
        let table = "create table t as select * from (values (1, 10, 'a'), (2, 20, 'b'), (3, 5, 'c')) v(n, m, s)";
        context.sql(table).await.unwrap().collect().await.unwrap();
        for (sql, waits) in [
            ("select n, m * 2 as d, s from t order by m limit 2", true),
            ("select n as k, upper(s) as u from t order by k desc, m limit 1", true),
            ("select m * 2 as d, n from t order by d limit 2", false),
            ("select n, m * 2 as d from t order by m", false),
            ("select n, 10 / m as d from t order by n limit 2", false),
            ("select n, cast(s as int) as d from t order by n limit 2", false),
            ("select n, random() as d from t order by n limit 2", true),
            ("select n, random() as d from t order by m + n desc", true),
            ("select n, random() as d from t order by d", false),
        ] {
            let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
            let mut computes_below = false;
            plan.apply(|node| {
                if let LogicalPlan::Sort(sort) = node
                    && let LogicalPlan::Projection(below) = sort.input.as_ref()
                {
                    computes_below |= below.expr.iter().any(|expr| !matches!(unnamed(expr), Expr::Column(_)));
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .unwrap();
            assert_eq!(computes_below, !waits, "{sql}: {plan}");
        }
    }
}
