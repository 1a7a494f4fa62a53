//! What a fused aggregation computes from a batch of its source: the projections and filters below the stock
//! operator folded into its own expressions, and these into lanes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Result as PlanResult;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::projection::update_expr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode, AggregateMode, AggregateOutputMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, InputOrderMode, PhysicalExpr};

use super::conditional::conditional;
use super::lane::fits_a_lane;
use super::lane_program::{LaneProgram, StockExpression};
use super::linear_sum::LinearSum;
use super::selection::Predicate;
use super::strings::holds_strings;

/// The computation, over the columns of the source.
#[derive(Debug)]
pub struct AggregateShape {
    pub predicate: Predicate,
    pub program: LaneProgram,
    pub keys: Vec<Key>,
    /// What the groups are grouped by again; empty where they are not.
    pub sets: Vec<GroupingSet>,
    /// What is aggregated are states of groups.
    pub merges: bool,
    /// What is computed, each once.
    pub measures: Vec<Measure>,
    pub outputs: Vec<Output>,
}

/// What is emitted for an aggregate.
#[derive(Debug)]
pub struct Output {
    pub measure: usize,
    /// Where it is a sum of a linear function, and the measure that of its lane.
    pub linear: Option<LinearOutput>,
}

#[derive(Debug)]
pub struct LinearOutput {
    pub sum: LinearSum,
    /// The measure that counts the terms, if they have a constant.
    pub count: Option<usize>,
}

impl AggregateShape {
    /// Whether DataFusion's accumulators are needed.
    pub fn has_stock_measures(&self) -> bool {
        let mut measures = self.measures.iter();
        measures.any(|measure| matches!(measure.computed, Computed::Stock { .. }))
    }

    /// The columns whose values DataFusion's expressions read.
    pub fn columns_of_stock_expressions(&self) -> HashSet<usize> {
        let keys = self.keys.iter().filter_map(|key| match key {
            Key::Strings(expression) => Some(expression),
            Key::Lane(_) => None,
        });
        let counted = self.measures.iter().filter_map(|measure| match &measure.computed {
            Computed::Count(expression) => Some(expression),
            _ => None,
        });
        let mut columns: HashSet<usize> = keys
            .chain(counted)
            .filter(|expression| expression.column().is_none())
            .chain(self.measures.iter().flat_map(Measure::typed_expressions))
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
pub struct Measure {
    pub computed: Computed,
    /// FILTER: which rows it is of.
    pub filter: Option<StockExpression>,
}

#[derive(Debug)]
pub enum Computed {
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
    /// Left to DataFusion's accumulator, for groups that are found here.
    Stock {
        function: Arc<AggregateFunctionExpr>,
        /// The columns of its states, where these are what is aggregated.
        arguments: Vec<StockExpression>,
        merges: bool,
    },
}

impl Measure {
    /// Whether the other is sure to be the same.
    fn is(&self, other: &Measure) -> bool {
        let computes_the_same = match (&self.computed, &other.computed) {
            (Computed::CountRows, Computed::CountRows) => true,
            (Computed::CountLane(own), Computed::CountLane(other)) | (Computed::Sum(own), Computed::Sum(other)) => {
                own == other
            }
            (
                Computed::Extreme { lane, is_max },
                Computed::Extreme {
                    lane: other,
                    is_max: of_other,
                },
            ) => (lane, is_max) == (other, of_other),
            _ => false,
        };
        computes_the_same && self.filter == other.filter
    }

    /// The expressions whose columns must come in the types that they were planned for.
    fn typed_expressions(&self) -> impl Iterator<Item = &StockExpression> {
        let arguments = match &self.computed {
            Computed::Stock { arguments, .. } => arguments.as_slice(),
            _ => &[],
        };
        arguments.iter().chain(&self.filter)
    }
}

/// One of the sets of GROUPING SETS, CUBE or ROLLUP.
#[derive(Debug)]
pub struct GroupingSet {
    /// The keys that it groups by.
    pub kept: Vec<usize>,
    pub id: i64,
}

/// The shape of a stock aggregation and the operator that it reads; `None` where it is not covered.
pub fn shape_of(stock: &AggregateExec) -> PlanResult<Option<(AggregateShape, Arc<dyn ExecutionPlan>)>> {
    if !is_plain(stock) {
        return Ok(None);
    }
    let arguments = arguments(stock)?;
    let counts: Vec<usize> = arguments.iter().map(Vec::len).collect();
    let keys = stock.group_expr().input_exprs();
    let filters = filters(stock).into_iter().flatten();
    let mut folded = Folded {
        expressions: keys
            .into_iter()
            .chain(arguments.into_iter().flatten())
            .chain(filters)
            .collect(),
        predicates: Vec::new(),
    };
    let source = folded.down(stock.input())?;
    if folded.expressions.iter().chain(&folded.predicates).any(is_volatile) {
        return Ok(None);
    }
    let shape = compile(stock, folded, &counts, &source.schema())?;
    Ok(shape.map(|shape| (shape, source)))
}

/// Hashed, of aggregates without order; raw rows to states or states to results. Several grouping sets in the first
/// case only.
fn is_plain(stock: &AggregateExec) -> bool {
    let group_by = stock.group_expr();
    let mode = *stock.mode();
    let mode_is_covered = match mode {
        AggregateMode::Partial => true,
        AggregateMode::Single | AggregateMode::SinglePartitioned => !group_by.has_grouping_set(),
        AggregateMode::Final | AggregateMode::FinalPartitioned => !group_by.is_true_no_grouping(),
        AggregateMode::PartialReduce => false,
    };
    let plain = |function: &Arc<AggregateFunctionExpr>| function.order_bys().is_empty() && !function.ignore_nulls();
    mode_is_covered
        && stock.limit_options().is_none()
        && is_unordered(stock)
        && stock.dynamic_expressions_produced().is_empty()
        && stock.aggr_expr().iter().all(plain)
}

/// Whether no order of the input shows in the output: none, or one by keys that have one value each.
fn is_unordered(stock: &AggregateExec) -> bool {
    let keys = stock.group_expr().input_exprs();
    let properties = stock.input().equivalence_properties();
    let is_constant = |key: &Arc<dyn PhysicalExpr>| properties.is_expr_constant(key).is_some();
    match stock.input_order_mode() {
        InputOrderMode::Linear => true,
        InputOrderMode::PartiallySorted(sorted) => sorted.iter().all(|key| is_constant(&keys[*key])),
        InputOrderMode::Sorted => keys.iter().all(is_constant),
    }
}

/// The arguments of each aggregate that does not count rows, or the columns of its states.
fn arguments(stock: &AggregateExec) -> PlanResult<Vec<Vec<Arc<dyn PhysicalExpr>>>> {
    let merges = merges(stock);
    let input = stock.input().schema();
    let mut state = stock.group_expr().num_group_exprs();
    let mut arguments: Vec<Vec<Arc<dyn PhysicalExpr>>> = Vec::new();
    for function in stock.aggr_expr() {
        arguments.push(if merges {
            let first = state;
            state += function.state_fields()?.len();
            let column = |index| Arc::new(Column::new(input.field(index).name(), index)) as Arc<dyn PhysicalExpr>;
            (first..state).map(column).collect()
        } else if counts_rows(function) {
            Vec::new()
        } else {
            function.expressions()
        });
    }
    Ok(arguments)
}

/// The condition of each aggregate; states have been filtered.
fn filters(stock: &AggregateExec) -> Vec<Option<Arc<dyn PhysicalExpr>>> {
    match merges(stock) {
        true => vec![None; stock.aggr_expr().len()],
        false => stock.filter_expr().to_vec(),
    }
}

/// The sets that a partial aggregation groups by, as the stock operator numbers them.
fn grouping_sets(stock: &AggregateExec) -> Vec<GroupingSet> {
    let group_by = stock.group_expr();
    if !group_by.has_grouping_set() {
        return Vec::new();
    }
    let mut before: HashMap<&[bool], u64> = HashMap::new();
    let mut sets: Vec<GroupingSet> = Vec::new();
    for nulled in group_by.groups() {
        let ordinal = before.entry(nulled).or_default();
        let missing = nulled.iter().fold(0, |id, nulled| (id << 1) | u64::from(*nulled));
        sets.push(GroupingSet {
            kept: (0..nulled.len()).filter(|key| !nulled[*key]).collect(),
            id: (missing | (*ordinal << nulled.len())) as i64,
        });
        *ordinal += 1;
    }
    // The finest first: coarser ones are made of their groups.
    sets.sort_by_key(|set| std::cmp::Reverse(set.kept.len()));
    sets
}

/// Whether the input is states of groups rather than rows.
fn merges(stock: &AggregateExec) -> bool {
    stock.mode().input_mode() == AggregateInputMode::Partial
}

fn counts_rows(function: &AggregateFunctionExpr) -> bool {
    function.fun().name() == "count" && !function.is_distinct() && function.expressions().iter().all(is_value)
}

pub(super) fn is_value(expression: &Arc<dyn PhysicalExpr>) -> bool {
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

/// `counts`: how many arguments each aggregate has.
fn compile(
    stock: &AggregateExec,
    folded: Folded,
    counts: &[usize],
    source: &Schema,
) -> PlanResult<Option<AggregateShape>> {
    let mut predicate = Predicate::default();
    for condition in &folded.predicates {
        predicate.add(condition, source)?;
    }
    let mut program = LaneProgram::default();
    let mut expressions = folded.expressions.into_iter();
    let key_count = stock.group_expr().expr().len();
    let mut keys = Vec::new();
    for expression in expressions.by_ref().take(key_count) {
        keys.push(match program.add(&expression, source)? {
            Some(lane) => Key::Lane(lane),
            None if holds_strings(&expression.data_type(source)?) => Key::Strings(StockExpression::new(expression)?),
            None => return Ok(None),
        });
    }
    let arguments: Vec<Vec<_>> = counts
        .iter()
        .map(|count| expressions.by_ref().take(*count).collect())
        .collect();
    let merges = merges(stock);
    let output = stock.schema();
    let mut column = stock.group_expr().num_group_exprs();
    let mut measures: Vec<Measure> = Vec::new();
    let mut outputs = Vec::new();
    let mut place = |measure: Measure| match measures.iter().position(|known| known.is(&measure)) {
        Some(known) => known,
        None => {
            measures.push(measure);
            measures.len() - 1
        }
    };
    for ((function, filter), arguments) in stock.aggr_expr().iter().zip(filters(stock)).zip(arguments) {
        let states = function.state_fields()?.len();
        let result = output.field(column).data_type();
        let filter = filter.and_then(|_| expressions.next());
        let (arguments, filter) = match conditional(function, &arguments, source)? {
            Some((value, condition)) if filter.is_none() && !merges => (value, Some(condition)),
            _ => (arguments, filter),
        };
        let filter = filter.map(StockExpression::new).transpose()?;
        let mut linear = None;
        let own = match arguments.as_slice() {
            _ if function.is_distinct() || states != 1 => None,
            [] => Some(Computed::CountRows),
            [argument] if function.fun().name() == "sum" => {
                let sum = sum_of(argument, result, key_count, &mut program, source)?;
                linear = sum.filter(|sum| !sum.is_plain());
                sum.map(|sum| Computed::Sum(sum.lane))
            }
            [argument] => computed(function.fun().name(), merges, argument, result, &mut program, source)?,
            _ => None,
        };
        let count = match (&linear, arguments.as_slice()) {
            (Some(LinearSum { constant: 0, .. }) | None, _) => None,
            (Some(_), [argument]) if !argument.nullable(source)? => Some(Computed::CountRows),
            (Some(sum), _) => Some(Computed::CountLane(sum.lane)),
        };
        let computed = match own {
            Some(own) => own,
            // Without keys DataFusion has accumulators that are made for it.
            None if key_count == 0 => return Ok(None),
            None => Computed::Stock {
                function: Arc::clone(function),
                arguments: arguments
                    .into_iter()
                    .map(StockExpression::new)
                    .collect::<PlanResult<_>>()?,
                merges,
            },
        };
        let count = count.map(|computed| {
            place(Measure {
                computed,
                filter: filter.clone(),
            })
        });
        outputs.push(Output {
            measure: place(Measure { computed, filter }),
            linear: linear.map(|sum| LinearOutput { sum, count }),
        });
        column += match stock.mode().output_mode() {
            AggregateOutputMode::Partial => states,
            AggregateOutputMode::Final => 1,
        };
    }
    let sets = grouping_sets(stock);
    if !sets.is_empty() && (keys.is_empty() || !fits_a_lane(output.field(key_count).data_type())) {
        return Ok(None);
    }
    Ok(Some(AggregateShape {
        predicate,
        program,
        keys,
        sets,
        merges,
        measures,
        outputs,
    }))
}

/// The sum of an expression by that of a lane, if there is one.
fn sum_of(
    argument: &Arc<dyn PhysicalExpr>,
    result: &DataType,
    key_count: usize,
    program: &mut LaneProgram,
    source: &Schema,
) -> PlanResult<Option<LinearSum>> {
    let sum = LinearSum::of(argument, result, program, source)?;
    let Some(LinearSum { more_digits: 0, .. }) = sum else {
        return Ok(sum);
    };
    // To count the terms of each group takes longer than to add the constant to each.
    match sum {
        Some(sum) if sum.constant != 0 && key_count > 0 => Ok(program.add(argument, source)?.map(LinearSum::plain)),
        sum => Ok(sum),
    }
}

fn computed(
    name: &str,
    merges: bool,
    expression: &Arc<dyn PhysicalExpr>,
    result: &DataType,
    program: &mut LaneProgram,
    source: &Schema,
) -> PlanResult<Option<Computed>> {
    let data_type = expression.data_type(source)?;
    let is_compared = data_type == *result && data_type != DataType::Boolean;
    // An expression that nothing else needs is not computed as a lane.
    let lane = match name {
        "count" => program.add(expression, source)?,
        "min" | "max" if is_compared => program.add(expression, source)?,
        _ => None,
    };
    Ok(match (name, lane) {
        ("count", Some(lane)) if merges => Some(Computed::AddCounts(lane)),
        ("count", _) if merges => None,
        ("count", _) if !expression.nullable(source)? => Some(Computed::CountRows),
        ("count", Some(lane)) => Some(Computed::CountLane(lane)),
        ("count", None) => Some(Computed::Count(StockExpression::new(Arc::clone(expression))?)),
        ("min" | "max", Some(lane)) => Some(Computed::Extreme {
            lane,
            is_max: name == "max",
        }),
        _ => None,
    })
}

/// Digits behind the point of a number's lane.
pub(super) fn scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal128(_, scale) => Some(*scale),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(0),
        _ => None,
    }
}
