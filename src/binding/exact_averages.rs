//! The average of reals is that of their exact sum: `avg()` is planned as a quotient of `sum()` and `count()`, and a sum of
//! reals is one, of which digits are gone.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result as PlanResult};
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{Aggregate, Expr, Filter, LogicalPlan, Projection, Volatility, Window};

use crate::functions::postgres_cast;
use crate::types::SqlType;
use crate::types::format::FormatSettings;

/// The node with its averages of reals computed from sums of double precision, which its input then has beside the others.
pub(super) fn of_plan(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    match plan {
        LogicalPlan::Projection(projection) if projection.expr.iter().any(has_average) => {
            let mut input = projection.input;
            let expressions = projection.expr.into_iter().map(|expression| {
                let name = expression.qualified_name();
                let exact = of_expression(expression, &mut input)?;
                Ok(match exact.transformed {
                    true => exact.data.alias_qualified(name.0, name.1),
                    false => exact.data,
                })
            });
            let expressions = expressions.collect::<PlanResult<Vec<_>>>()?;
            Ok(LogicalPlan::Projection(Projection::try_new(expressions, input)?))
        }
        LogicalPlan::Filter(filter) if has_average(&filter.predicate) => {
            let mut input = filter.input;
            let predicate = of_expression(filter.predicate, &mut input)?.data;
            Ok(LogicalPlan::Filter(Filter::try_new(predicate, input)?))
        }
        other => Ok(other),
    }
}

fn is_average(call: &ScalarFunction) -> bool {
    call.func.name() == "average"
}

fn has_average(expression: &Expr) -> bool {
    let found = expression.exists(|part| Ok(matches!(part, Expr::ScalarFunction(call) if is_average(call))));
    found.unwrap_or(false)
}

fn of_expression(expression: Expr, input: &mut Arc<LogicalPlan>) -> PlanResult<Transformed<Expr>> {
    expression.transform_down(|part| {
        let Expr::ScalarFunction(mut call) = part else {
            return Ok(Transformed::no(part));
        };
        if is_average(&call)
            && let Some(Expr::Column(sum)) = call.args.first()
            && let Some((extended, exact)) = with_exact_sum(input, sum)?
        {
            *input = Arc::new(extended);
            call.args[0] = Expr::Column(exact);
            return Ok(Transformed::yes(Expr::ScalarFunction(call)));
        }
        Ok(Transformed::no(Expr::ScalarFunction(call)))
    })
}

/// The plan with the exact sum of what `sum` is the sum of; `None` where that are no reals.
fn with_exact_sum(plan: &LogicalPlan, sum: &Column) -> PlanResult<Option<(LogicalPlan, Column)>> {
    let Ok(place) = plan.schema().index_of_column(sum) else {
        return Ok(None);
    };
    if plan.schema().field(place).data_type() != &DataType::Float32 {
        return Ok(None);
    }
    Ok(match plan {
        LogicalPlan::Filter(filter) => match with_exact_sum(&filter.input, sum)? {
            Some((input, exact)) => {
                let filter = Filter::try_new(filter.predicate.clone(), Arc::new(input))?;
                Some((LogicalPlan::Filter(filter), exact))
            }
            None => None,
        },
        LogicalPlan::Aggregate(aggregate) => {
            let first = plan.schema().fields().len() - aggregate.aggr_expr.len();
            let known = place
                .checked_sub(first)
                .and_then(|place| aggregate.aggr_expr.get(place));
            let Some(exact) = known.and_then(exact_sum) else {
                return Ok(None);
            };
            let column = Column::new_unqualified(exact.schema_name().to_string());
            let mut aggregates = aggregate.aggr_expr.clone();
            if !aggregates.contains(&exact) {
                aggregates.push(exact);
            }
            let input = Arc::clone(&aggregate.input);
            let aggregate = Aggregate::try_new(input, aggregate.group_expr.clone(), aggregates)?;
            Some((LogicalPlan::Aggregate(aggregate), column))
        }
        LogicalPlan::Window(window) => {
            let first = plan.schema().fields().len() - window.window_expr.len();
            let Some(known) = place.checked_sub(first) else {
                return Ok(match with_exact_sum(&window.input, sum)? {
                    Some((input, exact)) => {
                        let window = Window::try_new(window.window_expr.clone(), Arc::new(input))?;
                        Some((LogicalPlan::Window(window), exact))
                    }
                    None => None,
                });
            };
            let Some(exact) = window.window_expr.get(known).and_then(exact_sum) else {
                return Ok(None);
            };
            let column = Column::new_unqualified(exact.schema_name().to_string());
            let mut windows = window.window_expr.clone();
            if !windows.contains(&exact) {
                windows.push(exact);
            }
            let window = Window::try_new(windows, Arc::clone(&window.input))?;
            Some((LogicalPlan::Window(window), column))
        }
        _ => None,
    })
}

/// The same sum of double precision.
fn exact_sum(sum: &Expr) -> Option<Expr> {
    let mut exact = sum.clone().unalias();
    let arguments = match &mut exact {
        Expr::AggregateFunction(call) if call.func.name() == "sum" => &mut call.params.args,
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) if function.name() == "sum" => &mut call.params.args,
            _ => return None,
        },
        _ => return None,
    };
    let [argument] = arguments.as_mut_slice() else {
        return None;
    };
    // The engine's own cast does not show in the sum's name, which has to be another.
    let (real, double) = (SqlType::Float4, SqlType::Float8);
    let settings = FormatSettings::default();
    *argument = postgres_cast(argument.clone(), real, double, &settings, Volatility::Immutable);
    Some(exact)
}
