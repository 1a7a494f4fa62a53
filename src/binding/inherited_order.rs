//! `SELECT array_agg(x) FROM (SELECT x FROM t ORDER BY y) s`: PostgreSQL's aggregates see the rows in the order of the
//! subquery. The engine forgets that order; here it is written into the aggregates whose result shows it.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::expr::{AggregateFunction, Sort as SortExpr};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Limit, LogicalPlan, LogicalPlanBuilder, Projection, Sort, SubqueryAlias,
};

use crate::error::Result;

/// Begins the names of the columns that carry the keys up to the aggregation.
const KEY: &str = "\u{1}order";
/// Aggregates whose result shows the order of the rows. Those of json gather arrays.
const ORDERED: [&str; 2] = ["array_agg", "string_agg"];

/// The aggregation, its aggregates in the order of a subquery below it where they ask for none.
pub(super) fn of_aggregate(aggregate: Aggregate) -> Result<Aggregate> {
    if !aggregate.aggr_expr.iter().any(takes_order) {
        return Ok(aggregate);
    }
    let Some((input, keys)) = carried(&aggregate.input)? else {
        return Ok(aggregate);
    };
    let calls = aggregate.aggr_expr.into_iter().map(|call| match takes_order(&call) {
        true => in_order(call, &keys),
        false => call,
    });
    let calls = calls.collect();
    Ok(Aggregate::try_new(Arc::new(input), aggregate.group_expr, calls)?)
}

/// Whether the order of the rows shows, and the call says none.
fn takes_order(call: &Expr) -> bool {
    match call {
        Expr::Alias(alias) => takes_order(&alias.expr),
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            ORDERED.contains(&func.name()) && params.order_by.is_empty() && !params.distinct
        }
        _ => false,
    }
}

/// The call over the rows in the order of the keys, under its old name.
fn in_order(call: Expr, keys: &[SortExpr]) -> Expr {
    let (relation, name) = call.qualified_name();
    let mut plain = call.unalias_nested().data;
    if let Expr::AggregateFunction(AggregateFunction { params, .. }) = &mut plain {
        params.order_by = keys.to_vec();
    }
    plain.alias_qualified(relation, name)
}

/// The plan with the keys that its rows are sorted by as further columns; `None` where nothing sorts them.
fn carried(plan: &LogicalPlan) -> Result<Option<(LogicalPlan, Vec<SortExpr>)>> {
    Ok(match plan {
        LogicalPlan::Sort(Sort { expr, input, fetch }) => {
            let columns = input.schema().columns().into_iter().map(Expr::Column);
            let named = expr.iter().enumerate();
            let named = named.map(|(index, key)| key.expr.clone().alias(format!("{KEY}{index}")));
            let extended = LogicalPlanBuilder::from(Arc::clone(input))
                .project(columns.chain(named))?
                .build()?;
            let keys = expr.iter().enumerate().map(|(index, key)| SortExpr {
                expr: Expr::Column(Column::new_unqualified(format!("{KEY}{index}"))),
                ..key.clone()
            });
            let keys: Vec<SortExpr> = keys.collect();
            let sorted = Sort {
                expr: keys.clone(),
                input: Arc::new(extended),
                fetch: *fetch,
            };
            Some((LogicalPlan::Sort(sorted), keys))
        }
        LogicalPlan::Projection(projection) => carried(&projection.input)?
            .map(|(input, keys)| -> Result<_> {
                let carried = keys.iter().map(|key| key.expr.clone());
                let expressions = projection.expr.iter().cloned().chain(carried).collect();
                let plan = LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(input))?);
                Ok((plan, keys))
            })
            .transpose()?,
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => carried(input)?
            .map(|(input, keys)| -> Result<_> {
                let plan = SubqueryAlias::try_new(Arc::new(input), alias.clone())?;
                let keys = keys.into_iter().map(|key| match key.expr {
                    Expr::Column(column) => SortExpr {
                        expr: Expr::Column(Column::new(Some(alias.clone()), column.name)),
                        ..key
                    },
                    _ => key,
                });
                Ok((LogicalPlan::SubqueryAlias(plan), keys.collect()))
            })
            .transpose()?,
        LogicalPlan::Filter(filter) => carried(&filter.input)?
            .map(|(input, keys)| -> Result<_> {
                let plan = Filter::try_new(filter.predicate.clone(), Arc::new(input))?;
                Ok((LogicalPlan::Filter(plan), keys))
            })
            .transpose()?,
        LogicalPlan::Limit(limit) => carried(&limit.input)?.map(|(input, keys)| {
            let plan = LogicalPlan::Limit(Limit {
                input: Arc::new(input),
                ..limit.clone()
            });
            (plan, keys)
        }),
        _ => None,
    })
}
