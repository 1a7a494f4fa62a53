//! Streams `generate_series` of constants. As an array, which any other call is, a series is computed
//! while the statement is planned and lies in memory whole; a long one would stop the server.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as PlanResult, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::functions_table::generate_series::{GenSeriesArgs, GenerateSeriesTable};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, Unnest, cast};
use datafusion::optimizer::AnalyzerRule;

use crate::types::calendar::{END_MICRO, FIRST_MICRO, MICROS_PER_DAY};

const SERIES: &str = "generate_series";
/// The column of DataFusion's table function.
const SERIES_COLUMN: &str = "value";

/// Runs before anything evaluates constants.
#[derive(Debug)]
pub struct StreamSeries;

impl AnalyzerRule for StreamSeries {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> PlanResult<LogicalPlan> {
        let transformed = plan.transform_up_with_subqueries(|node| {
            Ok(match streamed(&node)? {
                Some(series) => Transformed::yes(series),
                None => Transformed::no(node),
            })
        })?;
        Ok(transformed.data)
    }

    fn name(&self) -> &str {
        "stream_series"
    }
}

/// The same rows for an Unnest of one series of constants, other columns being constants too.
fn streamed(node: &LogicalPlan) -> PlanResult<Option<LogicalPlan>> {
    let LogicalPlan::Unnest(unnest) = node else {
        return Ok(None);
    };
    let LogicalPlan::Projection(constants) = unnest.input.as_ref() else {
        return Ok(None);
    };
    let ([(series_index, list)], LogicalPlan::EmptyRelation(row)) =
        (unnest.list_type_columns.as_slice(), constants.input.as_ref())
    else {
        return Ok(None);
    };
    if list.depth != 1 || !row.produce_one_row || !unnest.struct_type_columns.is_empty() {
        return Ok(None);
    }
    let Some(series) = constants.expr.get(*series_index).and_then(constant_series) else {
        return Ok(None);
    };
    rebuilt(unnest, constants, *series_index, series).map(Some)
}

fn rebuilt(
    unnest: &Unnest,
    constants: &Projection,
    series_index: usize,
    series: GenSeriesArgs,
) -> PlanResult<LogicalPlan> {
    let schema = Schema::new(vec![Field::new(SERIES_COLUMN, DataType::Int64, false)]);
    let table = GenerateSeriesTable::new(Arc::new(schema), series);
    let scan = LogicalPlanBuilder::scan(SERIES, provider_as_source(Arc::new(table)), None)?;
    let columns = constants.expr.iter().zip(unnest.schema.iter()).enumerate();
    let columns = columns.map(|(index, (constant, (qualifier, field)))| {
        let value = match index == series_index {
            true => cast(
                Expr::Column(Column::from_name(SERIES_COLUMN)),
                field.data_type().clone(),
            ),
            false => constant.clone().unalias(),
        };
        value.alias_qualified(qualifier.cloned(), field.name())
    });
    scan.project(columns.collect::<Vec<_>>())?.build()
}

/// A call of generate_series with whole numbers or with moments in even steps, if all are known and the series advances.
fn constant_series(expression: &Expr) -> Option<GenSeriesArgs> {
    let Expr::ScalarFunction(call) = expression.clone().unalias() else {
        return None;
    };
    if call.func.name() != SERIES {
        return None;
    }
    let numbers: Option<Vec<i64>> = call.args.iter().map(whole_number).collect();
    let (start, end, step) = match (numbers.as_deref(), call.args.as_slice()) {
        (Some([start, end]), _) => (*start, *end, 1),
        (Some([start, end, step]), _) => (*start, *end, *step),
        (None, [start, end, step]) => (microseconds(start)?, microseconds(end)?, even_step(step, start)?),
        _ => return None,
    };
    if step == 0 {
        return None;
    }
    Some(GenSeriesArgs::Int64Args {
        start,
        end,
        step,
        include_end: true,
        name: SERIES,
    })
}

fn whole_number(argument: &Expr) -> Option<i64> {
    match argument {
        Expr::Literal(ScalarValue::Int16(Some(number)), _) => Some(i64::from(*number)),
        Expr::Literal(ScalarValue::Int32(Some(number)), _) => Some(i64::from(*number)),
        Expr::Literal(ScalarValue::Int64(Some(number)), _) => Some(*number),
        Expr::Cast(cast) if cast.field.data_type().is_integer() => whole_number(&cast.expr),
        Expr::Negative(inner) => whole_number(inner)?.checked_neg(),
        _ => None,
    }
}

/// A moment's place on the clock.
fn microseconds(argument: &Expr) -> Option<i64> {
    let moment = match argument {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(moment), _), _) => *moment,
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Timestamp(TimeUnit::Microsecond, None) => {
            match cast.expr.as_ref() {
                Expr::Literal(ScalarValue::Date32(Some(day)), _) => i64::from(*day).checked_mul(MICROS_PER_DAY)?,
                _ => return None,
            }
        }
        _ => return None,
    };
    (FIRST_MICRO..END_MICRO).contains(&moment).then_some(moment)
}

/// A step that is as long everywhere: months are not, nor are days where clocks are put forward and back.
fn even_step(argument: &Expr, start: &Expr) -> Option<i64> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(step)), _) = argument else {
        return None;
    };
    let has_zone = matches!(start, Expr::Literal(ScalarValue::TimestampMicrosecond(_, Some(_)), _));
    if step.months != 0 || step.days != 0 && has_zone {
        return None;
    }
    let days = i64::from(step.days).checked_mul(MICROS_PER_DAY)?;
    days.checked_add(step.nanoseconds / 1000)
}

#[cfg(test)]
mod tests {
    use datafusion::functions_nested::expr_fn::gen_series;
    use datafusion::logical_expr::lit;

    use super::*;

    fn unnested(series: Expr) -> LogicalPlan {
        let row = LogicalPlanBuilder::empty(true);
        let constants = row.project(vec![lit("x").alias("other"), series.alias("n")]).unwrap();
        let plan = constants.unnest_column("n").unwrap().build().unwrap();
        StreamSeries.analyze(plan, &ConfigOptions::default()).unwrap()
    }

    #[test]
    fn a_constant_series_becomes_a_scan_with_the_same_columns() {
        let million = gen_series(lit(1_i64), lit(1_000_000_i64), lit(1_i64));
        let plan = unnested(million);
        assert!(plan.display_indent().to_string().contains("TableScan"), "{plan:?}");
        assert_eq!(plan.schema().field_names(), ["other", "n"]);
    }

    #[test]
    fn moments_in_even_steps_are_streamed() {
        let moment = |micros| lit(ScalarValue::TimestampMicrosecond(Some(micros), None));
        let step = |months, days, nanos| lit(ScalarValue::new_interval_mdn(months, days, nanos));
        for (step, streams) in [(step(0, 1, 500_000_000), true), (step(1, 0, 0), false)] {
            let plan = unnested(gen_series(moment(0), moment(86_400_000_000), step));
            let shown = plan.display_indent().to_string();
            assert_eq!(shown.contains("TableScan"), streams, "{shown}");
        }
    }

    #[test]
    fn other_series_stay_arrays() {
        for series in [
            gen_series(lit(1_i64), lit(9_i64), lit(0_i64)),
            gen_series(lit(1_i64), lit(ScalarValue::Int64(None)), lit(1_i64)),
        ] {
            let plan = unnested(series);
            assert!(!plan.display_indent().to_string().contains("TableScan"), "{plan:?}");
        }
    }
}
