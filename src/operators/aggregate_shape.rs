//! What a fused aggregation computes from a batch of its source: the projections and filters below the stock
//! operator folded into its own expressions, and these into lanes.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Result as PlanResult;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::projection::update_expr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, PhysicalExpr};

use super::lane_program::{LaneProgram, StockExpression};
use super::selection::Predicate;
use super::strings::holds_strings;

/// The computation, over the columns of the source.
#[derive(Debug)]
pub struct AggregateShape {
    pub predicate: Predicate,
    pub program: LaneProgram,
    pub keys: Vec<Key>,
    pub measures: Vec<Measure>,
}

impl AggregateShape {
    /// The columns whose values DataFusion's expressions read.
    pub fn columns_of_stock_expressions(&self) -> HashSet<usize> {
        let keys = self.keys.iter().filter_map(|key| match key {
            Key::Strings(expression) => Some(expression),
            Key::Lane(_) => None,
        });
        let counted = self.measures.iter().filter_map(|measure| match measure {
            Measure::Count(expression) => Some(expression),
            _ => None,
        });
        let mut columns: HashSet<usize> = keys
            .chain(counted)
            .filter(|expression| expression.column().is_none())
            .flat_map(StockExpression::columns)
            .collect();
        columns.extend(self.program.columns_of_stock_expressions());
        columns.extend(self.predicate.columns_of_stock_types());
        columns
    }
}

/// Where a grouping column's words come from.
#[derive(Debug)]
pub enum Key {
    Lane(usize),
    Strings(StockExpression),
}

/// One aggregate.
#[derive(Debug)]
pub enum Measure {
    CountRows,
    /// Rows with a value.
    CountLane(usize),
    Count(StockExpression),
    /// Counts of partial states.
    AddCounts(usize),
    Sum(usize),
    Extreme {
        lane: usize,
        is_max: bool,
    },
}

/// The shape of a stock aggregation and the operator that it reads; `None` where it is not covered.
pub fn shape_of(stock: &AggregateExec) -> PlanResult<Option<(AggregateShape, Arc<dyn ExecutionPlan>)>> {
    if !is_plain(stock) {
        return Ok(None);
    }
    let Some(arguments) = arguments(stock)? else {
        return Ok(None);
    };
    let keys = stock.group_expr().input_exprs();
    let key_count = keys.len();
    let mut folded = Folded {
        expressions: keys.into_iter().chain(arguments).collect(),
        predicates: Vec::new(),
    };
    let source = folded.down(stock.input())?;
    if folded.expressions.iter().chain(&folded.predicates).any(is_volatile) {
        return Ok(None);
    }
    let shape = compile(stock, folded, key_count, &source.schema())?;
    Ok(shape.map(|shape| (shape, source)))
}

/// One grouping set, hashed, of aggregates without order, filter or DISTINCT; raw rows to states or states to results.
fn is_plain(stock: &AggregateExec) -> bool {
    let group_by = stock.group_expr();
    let mode = *stock.mode();
    let mode_is_covered = match mode {
        AggregateMode::Partial | AggregateMode::Single | AggregateMode::SinglePartitioned => true,
        AggregateMode::Final | AggregateMode::FinalPartitioned => !group_by.is_true_no_grouping(),
        AggregateMode::PartialReduce => false,
    };
    let plain = |function: &Arc<AggregateFunctionExpr>| {
        !function.is_distinct() && function.order_bys().is_empty() && !function.ignore_nulls()
    };
    mode_is_covered
        && (group_by.is_true_no_grouping() || group_by.is_single())
        && stock.limit_options().is_none()
        && *stock.input_order_mode() == InputOrderMode::Linear
        && stock.dynamic_expressions_produced().is_empty()
        && stock.filter_expr().iter().all(Option::is_none)
        && stock.aggr_expr().iter().all(plain)
}

/// The argument or the column of the state of each aggregate that does not count rows.
fn arguments(stock: &AggregateExec) -> PlanResult<Option<Vec<Arc<dyn PhysicalExpr>>>> {
    let merges = merges(stock);
    let input = stock.input().schema();
    let first_state = stock.group_expr().num_group_exprs();
    let mut arguments: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    for (index, function) in stock.aggr_expr().iter().enumerate() {
        let expressions = function.expressions();
        let ([argument], 1) = (expressions.as_slice(), function.state_fields()?.len()) else {
            return Ok(None);
        };
        if merges {
            let column = first_state + index;
            arguments.push(Arc::new(Column::new(input.field(column).name(), column)));
        } else if !counts_rows(function) {
            arguments.push(Arc::clone(argument));
        }
    }
    Ok(Some(arguments))
}

/// Whether the input is states of groups rather than rows.
fn merges(stock: &AggregateExec) -> bool {
    stock.mode().input_mode() == AggregateInputMode::Partial
}

fn counts_rows(function: &AggregateFunctionExpr) -> bool {
    function.fun().name() == "count" && function.expressions().iter().all(is_value)
}

fn is_value(expression: &Arc<dyn PhysicalExpr>) -> bool {
    let literal = expression.downcast_ref::<Literal>();
    literal.is_some_and(|literal| !literal.value().is_null())
}

/// Expressions on their way down through projections and filters.
struct Folded {
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    predicates: Vec<Arc<dyn PhysicalExpr>>,
}

impl Folded {
    /// Rewrites the expressions until they read the columns of an operator that is neither; that operator.
    fn down(&mut self, input: &Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut node = Arc::clone(input);
        loop {
            if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
                let volatile = projection.expr().iter().any(|column| is_volatile(&column.expr));
                if volatile || !self.project(projection.expr())? {
                    return Ok(node);
                }
                node = Arc::clone(projection.input());
            } else if let Some(filter) = node.downcast_ref::<FilterExec>() {
                if filter.fetch().is_some() {
                    return Ok(node);
                }
                if let Some(kept) = filter.projection() {
                    let schema = filter.input().schema();
                    let column = |index: &usize| ProjectionExpr {
                        expr: Arc::new(Column::new(schema.field(*index).name(), *index)),
                        alias: schema.field(*index).name().clone(),
                    };
                    let columns: Vec<ProjectionExpr> = kept.iter().map(column).collect();
                    if !self.project(&columns)? {
                        return Ok(node);
                    }
                }
                // What is deeper holds first.
                self.predicates.insert(0, Arc::clone(filter.predicate()));
                node = Arc::clone(filter.input());
            } else {
                return Ok(node);
            }
        }
    }

    fn project(&mut self, projection: &[ProjectionExpr]) -> PlanResult<bool> {
        let rewrite = |expressions: &[Arc<dyn PhysicalExpr>]| {
            let rewritten = expressions
                .iter()
                .map(|expression| update_expr(expression, projection, true));
            rewritten.collect::<PlanResult<Option<Vec<_>>>>()
        };
        let (Some(expressions), Some(predicates)) = (rewrite(&self.expressions)?, rewrite(&self.predicates)?) else {
            return Ok(false);
        };
        (self.expressions, self.predicates) = (expressions, predicates);
        Ok(true)
    }
}

fn compile(
    stock: &AggregateExec,
    folded: Folded,
    key_count: usize,
    source: &Schema,
) -> PlanResult<Option<AggregateShape>> {
    let mut predicate = Predicate::default();
    for condition in &folded.predicates {
        predicate.add(condition, source)?;
    }
    let mut program = LaneProgram::default();
    let mut expressions = folded.expressions.into_iter();
    let mut keys = Vec::new();
    for expression in expressions.by_ref().take(key_count) {
        keys.push(match program.add(&expression, source)? {
            Some(lane) => Key::Lane(lane),
            None if holds_strings(&expression.data_type(source)?) => Key::Strings(StockExpression::new(expression)?),
            None => return Ok(None),
        });
    }
    let merges = merges(stock);
    let output = stock.schema();
    let mut measures = Vec::new();
    for (index, function) in stock.aggr_expr().iter().enumerate() {
        if !merges && counts_rows(function) {
            measures.push(Measure::CountRows);
            continue;
        }
        let Some(expression) = expressions.next() else {
            return Ok(None);
        };
        let result = output.field(key_count + index).data_type();
        let Some(measure) = measure(function.fun().name(), merges, &expression, result, &mut program, source)? else {
            return Ok(None);
        };
        measures.push(measure);
    }
    Ok(Some(AggregateShape {
        predicate,
        program,
        keys,
        measures,
    }))
}

fn measure(
    name: &str,
    merges: bool,
    expression: &Arc<dyn PhysicalExpr>,
    result: &DataType,
    program: &mut LaneProgram,
    source: &Schema,
) -> PlanResult<Option<Measure>> {
    let data_type = expression.data_type(source)?;
    let lane = program.add(expression, source)?;
    Ok(match (name, lane) {
        ("count", Some(lane)) if merges => Some(Measure::AddCounts(lane)),
        ("count", _) if merges => None,
        ("count", _) if !expression.nullable(source)? => Some(Measure::CountRows),
        ("count", Some(lane)) => Some(Measure::CountLane(lane)),
        ("count", None) => Some(Measure::Count(StockExpression::new(Arc::clone(expression))?)),
        ("sum", Some(lane)) if scale(&data_type).is_some() && scale(&data_type) == scale(result) => {
            Some(Measure::Sum(lane))
        }
        ("min" | "max", Some(lane)) if data_type == *result && data_type != DataType::Boolean => {
            Some(Measure::Extreme {
                lane,
                is_max: name == "max",
            })
        }
        _ => None,
    })
}

/// Digits behind the point of a number's lane.
fn scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal128(_, scale) => Some(*scale),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(0),
        _ => None,
    }
}
