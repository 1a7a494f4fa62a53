//! Grouping sets over computed values, and what grouping() asks of: PostgreSQL's meaning is given to expressions of every node, but a grouping set's
//! columns are found by the text of theirs, which has to stay. So the values are computed below, and get that text above.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result as PlanResult};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet, LogicalPlan, Projection};

/// The keys of an aggregation that are no columns, where their text has to stay.
pub(super) fn computed(aggregate: &Aggregate) -> PlanResult<Vec<Expr>> {
    let has_sets = matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]);
    let is_grouping = |part: &Expr| matches!(part, Expr::AggregateFunction(call) if call.func.name() == "grouping");
    let mut names_keys = false;
    for call in &aggregate.aggr_expr {
        names_keys |= call.exists(|part| Ok(is_grouping(part)))?;
    }
    if !has_sets && !names_keys {
        return Ok(vec![]);
    }
    let mut keys: Vec<Expr> = vec![];
    for key in grouping_set_to_exprlist(&aggregate.group_expr)? {
        if !matches!(key, Expr::Column(_)) && !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    Ok(keys)
}

/// Begins the names of the columns that the keys are below the aggregation.
const KEY: &str = "\u{1}grouping";

fn name_of(place: usize) -> String {
    format!("{KEY}{place}")
}

/// The aggregation's input with these keys as further columns.
pub(super) fn with_columns(aggregate: &Aggregate, keys: &[Expr]) -> PlanResult<LogicalPlan> {
    let columns = aggregate.input.schema().columns().into_iter().map(Expr::Column);
    let named = keys.iter().enumerate();
    let named = named.map(|(place, key)| key.clone().alias(name_of(place)));
    let expressions = columns.chain(named).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(
        expressions,
        Arc::clone(&aggregate.input),
    )?))
}

/// What the aggregation's columns are called, over the one with these keys as columns. The identity of the grouping set is
/// left out: nobody names it before grouping() is resolved.
pub(super) fn with_names(aggregate: &Aggregate, keys: &[Expr], over_columns: LogicalPlan) -> PlanResult<LogicalPlan> {
    let mut expressions = vec![];
    for (relation, field) in aggregate.schema.iter() {
        let place = keys.iter().position(|key| match relation {
            None => key.schema_name().to_string() == *field.name(),
            Some(_) => false,
        });
        expressions.push(match place {
            Some(place) => Expr::Column(Column::new_unqualified(name_of(place))).alias(field.name()),
            None if field.name() == Aggregate::INTERNAL_GROUPING_ID => continue,
            None => Expr::Column(Column::new(relation.cloned(), field.name())),
        });
    }
    Ok(LogicalPlan::Projection(Projection::try_new(
        expressions,
        Arc::new(over_columns),
    )?))
}

/// The aggregation over its input with these keys as columns.
pub(super) fn over_columns(aggregate: &Aggregate, keys: &[Expr], input: LogicalPlan) -> PlanResult<Aggregate> {
    let column_of = |key: &Expr| match keys.iter().position(|known| known == key) {
        Some(place) => Expr::Column(Column::new_unqualified(name_of(place))),
        None => key.clone(),
    };
    let all = |keys: &[Expr]| keys.iter().map(column_of).collect::<Vec<_>>();
    let groups = aggregate.group_expr.iter().map(|key| match key {
        Expr::GroupingSet(GroupingSet::Rollup(keys)) => Expr::GroupingSet(GroupingSet::Rollup(all(keys))),
        Expr::GroupingSet(GroupingSet::Cube(keys)) => Expr::GroupingSet(GroupingSet::Cube(all(keys))),
        Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
            Expr::GroupingSet(GroupingSet::GroupingSets(sets.iter().map(|keys| all(keys)).collect()))
        }
        plain => column_of(plain),
    });
    let groups = groups.collect();
    // grouping() finds its arguments among the keys; the aggregate keeps the name that it is asked for by.
    let calls = aggregate.aggr_expr.iter().zip(
        aggregate
            .schema
            .columns()
            .into_iter()
            .skip(aggregate.schema.fields().len() - aggregate.aggr_expr.len()),
    );
    let calls = calls.map(|(call, column)| {
        let replaced = call.clone().transform_up(|part| match part {
            Expr::AggregateFunction(mut grouping) if grouping.func.name() == "grouping" => {
                grouping.params.args = all(&grouping.params.args);
                Ok(Transformed::yes(Expr::AggregateFunction(grouping)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(match replaced.transformed {
            true => replaced
                .data
                .unalias_nested()
                .data
                .alias_qualified(column.relation, column.name),
            false => replaced.data,
        })
    });
    let calls = calls.collect::<PlanResult<_>>()?;
    Aggregate::try_new(input.into(), groups, calls)
}
