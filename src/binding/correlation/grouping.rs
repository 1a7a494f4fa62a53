//! What a subquery's GROUP BY is once the domain's columns are among its keys. A set of no keys gives a row of
//! nothing too, so who pushes a domain down has to add that row again.

use datafusion::common::{Column, Result as PlanResult};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, GroupingSet, lit};

use super::outer_references::Substitution;

/// The grouping sets with outer references replaced; their keys' names stay.
pub(super) fn substituted(sets: &GroupingSet, substitution: &Substitution) -> PlanResult<GroupingSet> {
    let each = |keys: &[Expr]| keys.iter().map(|key| substitution.apply(key.clone())).collect();
    Ok(match sets {
        GroupingSet::Rollup(keys) => GroupingSet::Rollup(each(keys)?),
        GroupingSet::Cube(keys) => GroupingSet::Cube(each(keys)?),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.iter().map(|keys| each(keys)).collect::<PlanResult<_>>()?)
        }
    })
}

/// How many of the sets that a GROUP BY spells have no key; one where there is no GROUP BY.
pub(super) fn empty_sets(group_by: &[Expr]) -> usize {
    group_by
        .iter()
        .map(|part| match part {
            Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => sets.iter().filter(|keys| keys.is_empty()).count(),
            Expr::GroupingSet(_) => 1,
            _ => 0,
        })
        .product()
}

/// The columns that an aggregate gives, and the expressions of those that are not keys. The identity of the grouping
/// set is left out: nobody names it before `grouping()` is resolved.
pub(super) fn output(aggregate: &Aggregate) -> Vec<(Column, Option<&Expr>)> {
    let columns = aggregate.schema.columns();
    let keys = columns.len() - aggregate.aggr_expr.len();
    let expressions = std::iter::repeat_n(None, keys).chain(aggregate.aggr_expr.iter().map(Some));
    let of_set = |column: &Column| column.relation.is_none() && column.name == Aggregate::INTERNAL_GROUPING_ID;
    columns
        .into_iter()
        .zip(expressions)
        .filter(|(column, _)| !of_set(column))
        .collect()
}

/// What an aggregate gives for no rows, when that is not NULL.
pub(super) fn value_of_nothing(expression: &Expr, aggregate: &Aggregate) -> PlanResult<Option<Expr>> {
    match expression {
        Expr::Alias(alias) => value_of_nothing(&alias.expr, aggregate),
        // No key is one of the set that rows of nothing belong to.
        Expr::AggregateFunction(function) if function.func.name() == "grouping" => {
            Ok(Some(lit((1_i32 << function.params.args.len().min(31)).wrapping_sub(1))))
        }
        Expr::AggregateFunction(function) => {
            let data_type = expression.get_type(aggregate.input.schema().as_ref())?;
            let default = function.func.default_value(&data_type)?;
            Ok((!default.is_null()).then_some(Expr::Literal(default, None)))
        }
        _ => Ok(None),
    }
}
