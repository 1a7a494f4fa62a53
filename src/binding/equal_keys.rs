//! What intervals are equal by: `24:00:00` and `1 day` are one value in GROUP BY, DISTINCT, joins and comparisons, though
//! their parts differ, and so are ranges of numerics with and without zeros at their ends. The engine compares layouts alone, so lengths stand for the values, and one of a group's values for
//! the group.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, Result as PlanResult};
use datafusion::functions_aggregate::min_max::min;
use datafusion::logical_expr::expr::{AggregateFunction, InList, InSubquery, SetComparison};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Case, Distinct, Expr, ExprSchemable, GroupingSet, Join, JoinConstraint, LogicalPlan,
    LogicalPlanBuilder, Operator, Subquery, Volatility, cast, when,
};

use super::sort_keys::sort_key;
use crate::error::{Error, Result};
use crate::functions::{agree, postgres_cast, retyped, row_key};
use crate::types::numeric::{COMPUTED_LAYOUT, exceed_one_layout};
use crate::types::{FormatSettings, SqlType};

/// The key of an expression; `None` where its own values do.
fn equal_key(expression: &Expr, schema: &DFSchema) -> Option<Expr> {
    let (_, field) = expression.to_field(schema).ok()?;
    match SqlType::from_field(&field) {
        SqlType::Interval(_) | SqlType::Composite(_) => sort_key(expression, schema),
        SqlType::Spelled(spelled) if !spelled.is_equal_by_spelling() => sort_key(expression, schema),
        // Values of several lengths are padded differently.
        open @ SqlType::Bpchar(None) => {
            let (settings, volatility) = (FormatSettings::default(), Volatility::Immutable);
            Some(postgres_cast(
                expression.clone(),
                open,
                SqlType::Text,
                &settings,
                volatility,
            ))
        }
        _ => None,
    }
}

/// What values of the expression are equal by: itself where nothing else.
pub(super) fn key_or_value(expression: Expr, schema: &DFSchema) -> Expr {
    equal_key(&expression, schema).unwrap_or(expression)
}

/// Groups by lengths, and shows one of the intervals of each group.
pub(super) fn of_aggregate(aggregate: Aggregate) -> Result<LogicalPlan> {
    let schema = Arc::clone(aggregate.input.schema());
    // The type of what a key stands for.
    let keyed = |key: &&Expr| {
        equal_key(key, &schema)?;
        let (_, field) = key.to_field(&schema).ok()?;
        Some(SqlType::from_field(&field))
    };
    let keys: Vec<Option<SqlType>> = grouping_set_to_exprlist(&aggregate.group_expr)?
        .iter()
        .map(keyed)
        .collect();
    if keys.iter().all(Option::is_none) {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let representatives: Vec<Expr> = grouping_set_to_exprlist(&aggregate.group_expr)?
        .into_iter()
        .filter(|key| keyed(key).is_some())
        .map(|key| min(key.clone()))
        .collect();
    let shown = aggregate.schema.columns();
    let group = aggregate
        .group_expr
        .into_iter()
        .map(|key| grouped(key, &schema))
        .collect();
    let mut calls: Vec<Expr> = aggregate.aggr_expr;
    for call in &mut calls {
        grouping_arguments(call, &schema);
    }
    calls.extend(representatives);
    let plan = Aggregate::try_new(aggregate.input, group, calls)?;
    let found = plan.schema.columns();
    let mut representatives = found.iter().skip(shown.len());
    let is_shown = |column: &(&Column, &Column)| column.0.name != Aggregate::INTERNAL_GROUPING_ID;
    let columns = shown
        .iter()
        .zip(&found)
        .filter(is_shown)
        .enumerate()
        .map(|(place, (shown, found))| {
            let value = Expr::Column(found.clone());
            let representative = match keys.get(place) {
                Some(Some(sql_type)) => representatives.next().map(|column| (column, sql_type)),
                _ => None,
            };
            let value = match representative {
                // A grouping set leaves the key out, and no row.
                Some((representative, sql_type)) => {
                    let shown = when(value.is_not_null(), Expr::Column(representative.clone())).end()?;
                    retyped(shown, sql_type.clone())
                }
                None => value,
            };
            Ok(value.alias_qualified(shown.relation.clone(), &shown.name))
        });
    let columns = columns.collect::<PlanResult<Vec<Expr>>>()?;
    Ok(LogicalPlanBuilder::from(LogicalPlan::Aggregate(plan))
        .project(columns)?
        .build()?)
}

fn grouped(key: Expr, schema: &DFSchema) -> Expr {
    let all = |keys: Vec<Expr>| keys.into_iter().map(|key| key_or_value(key, schema)).collect();
    Expr::GroupingSet(match key {
        Expr::GroupingSet(GroupingSet::Rollup(keys)) => GroupingSet::Rollup(all(keys)),
        Expr::GroupingSet(GroupingSet::Cube(keys)) => GroupingSet::Cube(all(keys)),
        Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
            GroupingSet::GroupingSets(sets.into_iter().map(all).collect())
        }
        other => return key_or_value(other, schema),
    })
}

/// `grouping(i)` names a key of GROUP BY.
fn grouping_arguments(call: &mut Expr, schema: &DFSchema) {
    match call {
        Expr::Alias(alias) => grouping_arguments(&mut alias.expr, schema),
        Expr::AggregateFunction(AggregateFunction { func, params }) if func.name() == "grouping" => {
            for argument in &mut params.args {
                *argument = key_or_value(argument.clone(), schema);
            }
        }
        _ => {}
    }
}

/// DISTINCT is a group of all columns.
pub(super) fn of_distinct(distinct: Distinct) -> Result<LogicalPlan> {
    let Distinct::All(input) = &distinct else {
        return Ok(LogicalPlan::Distinct(distinct));
    };
    let columns: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    if !columns.iter().any(|column| equal_key(column, input.schema()).is_some()) {
        return Ok(LogicalPlan::Distinct(distinct));
    }
    of_aggregate(Aggregate::try_new(Arc::clone(input), columns, vec![])?)
}

/// USING, EXCEPT and INTERSECT compare columns.
pub(super) fn of_join(mut join: Join) -> Join {
    let (left, right) = (Arc::clone(join.left.schema()), Arc::clone(join.right.schema()));
    for (first, second) in &mut join.on {
        if let (Some(first_key), Some(second_key)) = (equal_key(first, &left), equal_key(second, &right)) {
            (*first, *second) = (first_key, second_key);
            // The names are resolved, and USING would have columns.
            join.join_constraint = JoinConstraint::On;
        }
    }
    join
}

pub(super) fn in_list(list: InList, schema: &DFSchema) -> InList {
    match equal_key(&list.expr, schema) {
        Some(key) => InList {
            expr: Box::new(key),
            list: list.list.into_iter().map(|value| key_or_value(value, schema)).collect(),
            negated: list.negated,
        },
        None => list,
    }
}

pub(super) fn in_subquery(mut membership: InSubquery, schema: &DFSchema) -> PlanResult<InSubquery> {
    if let Some(key) = equal_key(&membership.expr, schema) {
        membership.subquery = of_subquery(membership.subquery)?;
        membership.expr = Box::new(key);
    } else if let Some(wide) = wide_number(&membership.expr, &membership.subquery, schema) {
        membership.expr = Box::new(wide);
    }
    Ok(membership)
}

/// The comparison of a value with ANY or ALL of a subquery's.
pub(super) fn set_comparison(mut comparison: SetComparison, schema: &DFSchema) -> PlanResult<SetComparison> {
    if let Some(key) = equal_key(&comparison.expr, schema) {
        comparison.subquery = of_subquery(comparison.subquery)?;
        comparison.expr = Box::new(key);
    } else if let Some(wide) = wide_number(&comparison.expr, &comparison.subquery, schema) {
        comparison.expr = Box::new(wide);
    }
    Ok(comparison)
}

/// The number where no layout of 38 digits holds it together with those of the subquery, which the engine makes like it.
fn wide_number(number: &Expr, subquery: &Subquery, schema: &DFSchema) -> Option<Expr> {
    let layout = number.get_type(schema).ok()?;
    let column = subquery.subquery.schema().fields().first()?;
    let layouts = [&layout, column.data_type()];
    let is_numeric = layouts.iter().any(|layout| layout.is_decimal());
    (is_numeric && exceed_one_layout(layouts)).then(|| cast(number.clone(), COMPUTED_LAYOUT))
}

fn of_subquery(mut subquery: Subquery) -> PlanResult<Subquery> {
    let schema = subquery.subquery.schema();
    let columns = schema.columns().into_iter();
    let columns: Vec<Expr> = columns
        .map(|column| key_or_value(Expr::Column(column), schema))
        .collect();
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).project(columns)?;
    subquery.subquery = Arc::new(plan.build()?);
    Ok(subquery)
}

/// The operand of CASE and what it is compared with.
pub(super) fn of_case(mut case: Case, schema: &DFSchema) -> Case {
    let key = case.expr.as_deref().and_then(|operand| equal_key(operand, schema));
    if let Some(key) = key {
        case.expr = Some(Box::new(key));
        for (condition, _) in &mut case.when_then_expr {
            **condition = key_or_value(condition.as_ref().clone(), schema);
        }
    }
    case
}

/// IS DISTINCT FROM, which is no operator that has planners.
pub(super) fn distinct_from(mut binary: BinaryExpr, schema: &DFSchema) -> Result<BinaryExpr> {
    let is_keyed = [&binary.left, &binary.right]
        .iter()
        .any(|side| equal_key(side, schema).is_some());
    if is_keyed && matches!(binary.op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom) {
        let sides = agree(vec![*binary.left, *binary.right], schema, "IS DISTINCT FROM")?;
        let mut keys = sides.into_iter().map(|side| Box::new(key_or_value(side, schema)));
        (binary.left, binary.right) = match (keys.next(), keys.next()) {
            (Some(left), Some(right)) => (left, right),
            _ => return Err(Error::internal("a comparison lost a side")),
        };
    }
    Ok(binary)
}

/// `nullif(a, b)` of intervals; `None` of other values.
pub(super) fn null_if(arguments: &[Expr], schema: &DFSchema) -> PlanResult<Option<Expr>> {
    let [value, other] = arguments else { return Ok(None) };
    match (equal_key(value, schema), equal_key(other, schema)) {
        (Some(key), Some(other)) => {
            let kept = Expr::BinaryExpr(BinaryExpr::new(
                Box::new(key),
                Operator::IsDistinctFrom,
                Box::new(other),
            ));
            when(kept, value.clone()).end().map(Some)
        }
        _ => Ok(None),
    }
}

/// What `count(DISTINCT …)` counts. The engine takes each row and array for as large as all that it was read with, so
/// their keys are counted.
pub(super) fn counted(arguments: &mut [Expr], schema: &DFSchema) {
    for argument in arguments {
        let sql_type = argument.to_field(schema).map(|(_, field)| SqlType::from_field(&field));
        *argument = match sql_type {
            Ok(nested @ (SqlType::Record | SqlType::Array(_))) => row_key(argument.clone(), nested),
            _ => key_or_value(argument.clone(), schema),
        };
    }
}
