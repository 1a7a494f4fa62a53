//! Where the columns of a query come from, as RowDescription tells clients: the column of a table or view that one
//! shows, and whether its type still has a modifier. Read off the plan as the text was written, since what binding and
//! planning do to it afterwards moves no column. As in PostgreSQL a column keeps its origin through subqueries, joins,
//! grouping and DISTINCT and loses it in any expression or set operation; functions give types without modifiers.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan};

use super::scope::Scope;
use crate::catalog::model::Oid;
use crate::types::SqlType;

/// The column of a relation that a result's column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnOrigin {
    pub relation: Oid,
    pub column: i16,
}

/// What is known of a result's column beside its name and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnSource {
    /// `None` for what is no column of a relation.
    pub origin: Option<ColumnOrigin>,
    /// Whether the type's modifier is the engine's own and not the query's.
    pub is_computed: bool,
}

impl ColumnSource {
    const COMPUTED: ColumnSource = ColumnSource {
        origin: None,
        is_computed: true,
    };

    pub(super) fn of_relation(relation: Oid, number: Option<i16>) -> ColumnSource {
        ColumnSource {
            origin: number.map(|column| ColumnOrigin { relation, column }),
            is_computed: false,
        }
    }

    fn without_origin(self) -> ColumnSource {
        ColumnSource { origin: None, ..self }
    }
}

/// Of each column of the plan.
pub(super) fn of_plan(plan: &LogicalPlan, scope: &Scope) -> Vec<ColumnSource> {
    let columns = 0..plan.schema().fields().len();
    columns.map(|index| of_column(plan, index, scope)).collect()
}

fn of_column(plan: &LogicalPlan, index: usize, scope: &Scope) -> ColumnSource {
    if let Some(columns) = scope.relation_of(plan) {
        return columns.get(index).copied().unwrap_or_default();
    }
    let of = |expression: Option<&Expr>, input: &LogicalPlan| match expression {
        Some(expression) => of_expression(expression, input, scope),
        None => ColumnSource::default(),
    };
    match plan {
        LogicalPlan::Projection(projection) => of(projection.expr.get(index), &projection.input),
        LogicalPlan::SubqueryAlias(alias) => of_column(&alias.input, index, scope),
        LogicalPlan::Subquery(subquery) => of_column(&subquery.subquery, index, scope),
        LogicalPlan::Filter(filter) => of_column(&filter.input, index, scope),
        LogicalPlan::Sort(sort) => of_column(&sort.input, index, scope),
        LogicalPlan::Limit(limit) => of_column(&limit.input, index, scope),
        LogicalPlan::Distinct(Distinct::All(input)) => of_column(input, index, scope),
        LogicalPlan::Distinct(Distinct::On(distinct)) => of(distinct.select_expr.get(index), &distinct.input),
        LogicalPlan::Window(window) => match index < window.input.schema().fields().len() {
            true => of_column(&window.input, index, scope),
            false => ColumnSource::COMPUTED,
        },
        LogicalPlan::Aggregate(aggregate) => {
            let key = match aggregate.group_expr.as_slice() {
                [Expr::GroupingSet(set)] => set.distinct_expr().get(index).copied(),
                keys => keys.get(index),
            };
            match key {
                Some(key) => of_expression(key, &aggregate.input, scope),
                None => ColumnSource::COMPUTED,
            }
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            let source = match index.checked_sub(left) {
                None => of_column(&join.left, index, scope),
                Some(index) => of_column(&join.right, index, scope),
            };
            match join.join_type {
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => source,
                // INTERSECT and EXCEPT are written as these.
                _ => source.without_origin(),
            }
        }
        LogicalPlan::Union(union) => {
            let inputs = || union.inputs.iter();
            let types: Vec<_> = inputs()
                .map(|input| SqlType::from_field(input.schema().field(index)))
                .collect();
            let is_computed = |input: &Arc<LogicalPlan>| of_column(input, index, scope).is_computed;
            ColumnSource {
                origin: None,
                is_computed: types.windows(2).any(|pair| pair[0] != pair[1]) || inputs().any(is_computed),
            }
        }
        LogicalPlan::Values(_) => ColumnSource::COMPUTED,
        _ => ColumnSource::default(),
    }
}

fn of_expression(expression: &Expr, input: &LogicalPlan, scope: &Scope) -> ColumnSource {
    /// Functions whose result is one of their arguments.
    const CHOOSING: [&str; 3] = ["coalesce", "greatest", "least"];
    let is_computed = |expression: &Expr| of_expression(expression, input, scope).is_computed;
    let without_origin = |is_computed| ColumnSource {
        origin: None,
        is_computed,
    };
    match expression {
        Expr::Alias(alias) => of_expression(&alias.expr, input, scope),
        Expr::Column(column) => match input.schema().maybe_index_of_column(column) {
            Some(index) => of_column(input, index, scope),
            None => ColumnSource::default(),
        },
        Expr::ScalarSubquery(subquery) => of_column(&subquery.subquery, 0, scope).without_origin(),
        Expr::Cast(cast) => {
            let target = SqlType::from_field(&cast.field);
            let source = cast
                .expr
                .to_field(input.schema())
                .map(|(_, field)| SqlType::from_field(&field));
            // A cast to the type that it is already is none.
            if source.is_ok_and(|source| source == target) {
                return of_expression(&cast.expr, input, scope);
            }
            without_origin(target == target.without_modifier())
        }
        Expr::ScalarFunction(call) if call.func.name() == "nullif" => {
            without_origin(call.args.first().is_some_and(is_computed))
        }
        Expr::ScalarFunction(call) if CHOOSING.contains(&call.func.name()) => {
            without_origin(call.args.iter().any(is_computed))
        }
        Expr::Case(case) => {
            let mut results = case
                .when_then_expr
                .iter()
                .map(|(_, result)| result)
                .chain(&case.else_expr);
            without_origin(case.else_expr.is_none() || results.any(|result| is_computed(result)))
        }
        Expr::Literal(value, _) => without_origin(!value.is_null()),
        Expr::ScalarFunction(_)
        | Expr::AggregateFunction(_)
        | Expr::WindowFunction(_)
        | Expr::BinaryExpr(_)
        | Expr::Negative(_) => ColumnSource::COMPUTED,
        _ => ColumnSource::default(),
    }
}
