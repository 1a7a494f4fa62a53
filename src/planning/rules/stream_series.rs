//! Streams `generate_series` of constants. As an array, which any other call is, a series is computed
//! while the statement is planned and lies in memory whole; a long one would stop the server.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as PlanResult, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::functions_table::generate_series::{GenSeriesArgs, GenerateSeriesTable};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, Unnest, cast};
use datafusion::optimizer::AnalyzerRule;

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

/// A call of generate_series with whole numbers, if all are known and the series advances.
fn constant_series(expression: &Expr) -> Option<GenSeriesArgs> {
    let Expr::ScalarFunction(call) = expression.clone().unalias() else {
        return None;
    };
    if call.func.name() != SERIES {
        return None;
    }
    let numbers: Option<Vec<i64>> = call.args.iter().map(whole_number).collect();
    let (start, end, step) = match *numbers?.as_slice() {
        [start, end] => (start, end, 1),
        [start, end, step] if step != 0 => (start, end, step),
        _ => return None,
    };
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
