//! `SELECT array_agg(x) FROM (SELECT x FROM t ORDER BY y) s`: PostgreSQL's aggregates see the rows in the order of the
//! subquery, and so do windows without an order, as in `row_number() OVER ()`. The engine forgets that order; here it is
//! written into the calls whose result shows it.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::expr::{AggregateFunction, Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Limit, LogicalPlan, LogicalPlanBuilder, Projection, Sort, SubqueryAlias, Window,
    WindowFrame, WindowFrameUnits, WindowFunctionDefinition,
};

use super::sort_keys;
use crate::error::Result;
use crate::functions::looks_at_peers;

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

/// The windows, in the order of a subquery below them where they ask for none.
pub(super) fn of_window(window: Window) -> Result<LogicalPlan> {
    if !window.window_expr.iter().any(window_takes_order) {
        return sort_keys::of_window(window);
    }
    let Some((input, keys)) = carried(&window.input)? else {
        return sort_keys::of_window(window);
    };
    let shown = window.schema.columns().into_iter().map(Expr::Column);
    let calls = window
        .window_expr
        .into_iter()
        .map(|call| match window_takes_order(&call) {
            true => in_order(call, &keys),
            false => call,
        });
    let plan = sort_keys::of_window(Window::try_new(calls.collect(), Arc::new(input))?)?;
    Ok(LogicalPlanBuilder::from(plan).project(shown)?.build()?)
}

/// Whether the order of the rows shows, and the window says none. Ranks do not count: all rows are peers there.
fn window_takes_order(call: &Expr) -> bool {
    let WindowFunction { fun, params } = match call {
        Expr::Alias(alias) => return window_takes_order(&alias.expr),
        Expr::WindowFunction(window) if window.params.order_by.is_empty() => window.as_ref(),
        _ => return false,
    };
    match fun {
        WindowFunctionDefinition::AggregateUDF(function) => {
            ORDERED.contains(&function.name()) || !is_whole_partition(&params.window_frame)
        }
        WindowFunctionDefinition::WindowUDF(function) => !looks_at_peers(function),
    }
}

/// Whether a frame without an order is all of its partition: RANGE takes the peers of a row, which all are.
fn is_whole_partition(frame: &WindowFrame) -> bool {
    frame.units != WindowFrameUnits::Rows || frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded()
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
    match &mut plain {
        Expr::AggregateFunction(AggregateFunction { params, .. }) => params.order_by = keys.to_vec(),
        Expr::WindowFunction(window) => {
            let params = &mut window.params;
            params.order_by = keys.to_vec();
            // With an order, rows that differ in it would no longer be peers.
            if is_whole_partition(&params.window_frame) {
                params.window_frame = WindowFrame::new(None);
            }
        }
        _ => {}
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
