//! An aggregate over nothing but columns of queries around it belongs to the nearest of these: `SELECT (SELECT max(t.a))
//! FROM t` gives one row. The planner would aggregate the subquery's rows, so such a call is hidden from it in a value, and
//! becomes an aggregate of the query that it belongs to when all is planned. What stays hidden is refused (`check_value`).

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result as PlanResult};
use datafusion::logical_expr::expr::{AggregateFunction, Exists, InSubquery, ScalarFunction, SetComparison};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr};
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Subquery, Volatility,
};

use super::correlation::{outer_columns, subquery_of};
use crate::error::{Error, Result, SqlState};

/// Hides the aggregates of one text that belong to queries around theirs.
#[derive(Debug, Default)]
pub(super) struct OuterAggregates {
    has_hidden: AtomicBool,
}

impl ExprPlanner for OuterAggregates {
    fn plan_aggregate(&self, call: RawAggregateExpr) -> PlanResult<PlannerResult<RawAggregateExpr>> {
        if !is_outer(&call)? {
            return Ok(PlannerResult::Original(call));
        }
        let RawAggregateExpr {
            func,
            args,
            distinct,
            filter,
            order_by,
            null_treatment,
        } = call;
        let call = AggregateFunction::new_udf(func, args, distinct, filter, order_by, null_treatment);
        let call = Expr::AggregateFunction(call);
        let hidden = ScalarUDF::new_from_impl(Hidden {
            field: call.to_field(&DFSchema::empty())?.1,
            call,
            signature: Signature::nullary(Volatility::Immutable),
        });
        self.has_hidden.store(true, Ordering::Relaxed);
        Ok(PlannerResult::Planned(hidden.call(vec![])))
    }
}

/// Whether all columns that a call reads are of queries around it.
fn is_outer(call: &RawAggregateExpr) -> Result<bool> {
    let (mut own, mut outer, mut nested) = (false, false, false);
    let keys = call.order_by.iter().map(|key| &key.expr);
    for part in call.args.iter().chain(call.filter.as_deref()).chain(keys) {
        part.apply(|part| {
            // What a subquery in the call reads is looked at when the aggregate is planned (`check`).
            own |= matches!(part, Expr::Column(_)) || subquery_of(part).is_some();
            outer |= matches!(part, Expr::OuterReferenceColumn(..));
            nested |= hidden(part).is_some();
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    match (own, nested) {
        (true, _) => Ok(false),
        (false, true) => Err(misplaced("aggregate function calls cannot be nested")),
        // An average of reals asks for a sum of double precision, and finds it in the query's own aggregates only.
        (false, false) => Ok(outer && !sums_reals(call)),
    }
}

fn sums_reals(call: &RawAggregateExpr) -> bool {
    let of_real = |value: &Expr| matches!(value.get_type(&DFSchema::empty()), Ok(DataType::Float32));
    call.func.name() == "sum" && call.args.iter().any(of_real)
}

fn misplaced(message: impl Into<String>) -> Error {
    Error::new(SqlState::GroupingError, message)
}

fn unsupported() -> Error {
    Error::unsupported("an aggregate of the outer query's columns inside a subquery")
}

/// An aggregate that looks like a value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Hidden {
    call: Expr,
    field: FieldRef,
    signature: Signature,
}

impl ScalarUDFImpl for Hidden {
    fn name(&self) -> &str {
        "outer_aggregate"
    }

    fn schema_name(&self, _arguments: &[Expr]) -> PlanResult<String> {
        Ok(self.call.schema_name().to_string())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Err(Error::internal("an aggregate of an outer query was not planned").into())
    }
}

fn hidden(expression: &Expr) -> Option<&Hidden> {
    match expression {
        Expr::ScalarFunction(call) => call.func.inner().downcast_ref(),
        _ => None,
    }
}

/// 0A000 for an aggregate that no query was found for.
pub(super) fn check_value(call: &ScalarFunction) -> Result<()> {
    match call.func.inner().downcast_ref::<Hidden>() {
        Some(_) => Err(unsupported()),
        None => Ok(()),
    }
}

/// 0A000 where an aggregate reads columns of a query around it by subqueries alone.
pub(super) fn check(aggregate: &Aggregate) -> PlanResult<()> {
    for call in &aggregate.aggr_expr {
        let (mut own, mut outer) = (false, false);
        call.apply(|part| {
            own |= matches!(part, Expr::Column(_));
            outer |= matches!(part, Expr::OuterReferenceColumn(..));
            // A subquery in the call reads the aggregated rows, or those of a query further out.
            for read in subquery_of(part)
                .into_iter()
                .flat_map(|subquery| &subquery.outer_ref_columns)
            {
                if let Expr::OuterReferenceColumn(_, column) = read {
                    let is_own = aggregate.input.schema().has_column(column);
                    own |= is_own;
                    outer |= !is_own;
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if outer && !own {
            return Err(unsupported().into());
        }
    }
    Ok(())
}

impl OuterAggregates {
    /// Makes the hidden calls aggregates of the queries that they belong to: of two the inner one, which comes first.
    pub fn settle(&self, plan: LogicalPlan) -> PlanResult<LogicalPlan> {
        if !self.has_hidden.load(Ordering::Relaxed) {
            return Ok(plan);
        }
        // A node above one that got more columns has them too.
        let settled =
            plan.transform_up_with_subqueries(|node| of_node(node.recompute_schema()?).map(Transformed::yes))?;
        Ok(settled.data)
    }
}

/// The node whose subqueries have no hidden aggregates of its query any more.
fn of_node(node: LogicalPlan) -> PlanResult<LogicalPlan> {
    if let LogicalPlan::Join(join) = &node {
        let mut within = Taken::of(join.left.schema());
        within.plan(join.right.as_ref().clone())?;
        if !within.calls.is_empty() {
            let message = "aggregate functions are not allowed in FROM clause of their own query level";
            return Err(misplaced(message).into());
        }
    }
    let own = match (&node, node.inputs()[..].first()) {
        // Keys that are no outputs read what the output is made of.
        (LogicalPlan::Sort(_), Some(LogicalPlan::Projection(output))) => aggregated(&output.input),
        (LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Window(_), Some(input)) => {
            aggregated(input)
        }
        _ => None,
    };
    let rows = match own {
        Some(aggregate) => Arc::clone(aggregate.input.schema()),
        None => Arc::new(super::correlation::input_schema(&node)?),
    };
    let aggregation = own.cloned();
    let mut taken = Taken::of(&rows);
    let names = NamePreserver::new(&node);
    let node = node.map_expressions(|expression| {
        let saved = names.save(&expression);
        let replaced = expression.transform_up(|part| taken.subquery_in(part))?;
        Ok(replaced.update_data(|expression| saved.restore(expression)))
    })?;
    let node = node.data;
    if taken.calls.is_empty() {
        return Ok(node);
    }
    let (input, groups) = match (&node, node.inputs()[..].first()) {
        (_, Some(input)) if let Some(aggregation) = aggregation => {
            (with_calls(input, taken.calls)?, aggregation.schema)
        }
        (LogicalPlan::Projection(projection), Some(input)) if !is_computed(input) => {
            for expression in &projection.expr {
                check_columns(expression)?;
            }
            let aggregate = Aggregate::try_new(Arc::new((*input).clone()), vec![], taken.calls)?;
            (LogicalPlan::Aggregate(aggregate), Arc::new(DFSchema::empty()))
        }
        (LogicalPlan::Filter(_), Some(input)) if !is_computed(input) => return Err(not_allowed("WHERE").into()),
        (LogicalPlan::Join(_), _) => return Err(not_allowed("JOIN conditions").into()),
        (LogicalPlan::Aggregate(_), _) => return Err(not_allowed("GROUP BY").into()),
        _ => return Err(unsupported().into()),
    };
    check_subqueries(&node, &rows, &groups)?;
    let expressions = node.expressions();
    node.with_new_exprs(expressions, vec![input])
}

fn not_allowed(clause: &str) -> Error {
    misplaced(format!("aggregate functions are not allowed in {clause}"))
}

/// The aggregation that a query's output, its HAVING or its windows stand on.
fn aggregated(plan: &LogicalPlan) -> Option<&Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        LogicalPlan::Filter(filter) => aggregated(&filter.input),
        LogicalPlan::Window(window) => aggregated(&window.input),
        _ => None,
    }
}

/// Whether rows are not only those of FROM and WHERE, though nothing aggregates them.
fn is_computed(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => is_computed(&filter.input),
        LogicalPlan::Window(_) | LogicalPlan::Unnest(_) => true,
        _ => false,
    }
}

/// The plan whose aggregation computes these calls too.
fn with_calls(plan: &LogicalPlan, calls: Vec<Expr>) -> PlanResult<LogicalPlan> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            let mut all = aggregate.aggr_expr.clone();
            all.extend(calls.into_iter().filter(|call| !aggregate.aggr_expr.contains(call)));
            let input = Arc::clone(&aggregate.input);
            let keys = aggregate.group_expr.clone();
            Ok(LogicalPlan::Aggregate(Aggregate::try_new(input, keys, all)?))
        }
        LogicalPlan::Filter(_) | LogicalPlan::Window(_) | LogicalPlan::Projection(_) => {
            let inputs = plan.inputs().into_iter();
            let inputs = inputs.map(|input| with_calls(input, calls.clone()));
            plan.with_new_exprs(plan.expressions(), inputs.collect::<PlanResult<Vec<_>>>()?)
        }
        _ => Err(unsupported().into()),
    }
}

/// 42803 for a column outside of aggregates.
fn check_columns(expression: &Expr) -> Result<()> {
    let mut found = None;
    expression.apply(|part| {
        if let Expr::Column(column) = part {
            found.get_or_insert_with(|| column.flat_name());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match found {
        Some(column) => Err(misplaced(format!(
            "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
        ))),
        None => Ok(()),
    }
}

/// 42803 for a column of the aggregated rows that a subquery reads, and groups do not have.
fn check_subqueries(node: &LogicalPlan, rows: &DFSchema, groups: &DFSchema) -> PlanResult<()> {
    node.apply_expressions(|expression| {
        expression.apply(|part| {
            let read = match subquery_of(part) {
                Some(subquery) => outer_columns(&subquery.subquery)?,
                None => vec![],
            };
            let ungrouped = |column: &&Column| rows.has_column(column) && !groups.has_column(column);
            match read.iter().find(ungrouped) {
                Some(column) => {
                    let column = column.flat_name();
                    let message = format!("subquery uses ungrouped column \"{column}\" from outer query");
                    Err(misplaced(message).into())
                }
                None => Ok(TreeNodeRecursion::Continue),
            }
        })
    })?;
    Ok(())
}

/// Takes the hidden aggregates over columns of some rows out of subqueries.
struct Taken {
    rows: DFSchemaRef,
    calls: Vec<Expr>,
}

impl Taken {
    fn of(rows: &DFSchemaRef) -> Taken {
        Taken {
            rows: Arc::clone(rows),
            calls: vec![],
        }
    }

    fn subquery_in(&mut self, part: Expr) -> PlanResult<Transformed<Expr>> {
        Ok(Transformed::yes(match part {
            Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(self.subquery(subquery)?),
            Expr::Exists(Exists { subquery, negated }) => Expr::Exists(Exists {
                subquery: self.subquery(subquery)?,
                negated,
            }),
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => Expr::InSubquery(InSubquery {
                expr,
                subquery: self.subquery(subquery)?,
                negated,
            }),
            Expr::SetComparison(comparison) => Expr::SetComparison(SetComparison {
                subquery: self.subquery(comparison.subquery)?,
                ..comparison
            }),
            other => return Ok(Transformed::no(other)),
        }))
    }

    fn subquery(&mut self, mut subquery: Subquery) -> PlanResult<Subquery> {
        let plan = self.plan(Arc::unwrap_or_clone(subquery.subquery))?;
        subquery.outer_ref_columns = plan.all_out_ref_exprs();
        subquery.subquery = Arc::new(plan);
        Ok(subquery)
    }

    fn plan(&mut self, plan: LogicalPlan) -> PlanResult<LogicalPlan> {
        let replaced = plan.transform_up_with_subqueries(|node| {
            if let LogicalPlan::Subquery(mut subquery) = node {
                subquery.outer_ref_columns = subquery.subquery.all_out_ref_exprs();
                return Ok(Transformed::yes(LogicalPlan::Subquery(subquery)));
            }
            let names = NamePreserver::new(&node);
            node.map_expressions(|expression| {
                let saved = names.save(&expression);
                let replaced = expression.transform_up(|part| self.value(part))?;
                Ok(replaced.update_data(|expression| saved.restore(expression)))
            })
        })?;
        Ok(replaced.data)
    }

    /// The aggregation's column in the place of a call that belongs to it.
    fn value(&mut self, part: Expr) -> PlanResult<Transformed<Expr>> {
        let Some(Hidden { call, field, .. }) = hidden(&part) else {
            return Ok(Transformed::no(part));
        };
        let own = call.clone().transform_up(|part| {
            Ok(match part {
                Expr::OuterReferenceColumn(_, column) if self.rows.has_column(&column) => {
                    Transformed::yes(Expr::Column(column))
                }
                other => Transformed::no(other),
            })
        })?;
        if !own.transformed {
            return Ok(Transformed::no(part));
        }
        let column = Column::new_unqualified(own.data.schema_name().to_string());
        let value = Expr::OuterReferenceColumn(Arc::clone(field), column);
        if !self.calls.contains(&own.data) {
            self.calls.push(own.data);
        }
        Ok(Transformed::yes(value))
    }
}
