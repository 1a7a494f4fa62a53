//! Outer joins of which only a part is asked for. The rows that found no partner are an anti join's, those that found one
//! an inner join's: both have an order that can be chosen. DataFusion knows the second from filters only.

use std::sync::Arc;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, Join, JoinConstraint, LogicalPlan, Projection};

/// The plan with simpler joins, and whether there are any.
pub(super) fn with_simpler_outer_joins(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    plan.transform_up_with_subqueries(|node| {
        let simpler = match &node {
            LogicalPlan::Filter(filter) => rows_without_partner(filter)?,
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner => inputs_with_values(join, &[])?,
            _ => None,
        };
        Ok(match simpler {
            Some(simpler) => Transformed::yes(simpler),
            None => Transformed::no(node),
        })
    })
}

/// The anti join that a filter makes of an outer join when it keeps the rows whose other side has no key.
fn rows_without_partner(filter: &Filter) -> Result<Option<LogicalPlan>> {
    let (join, shown) = match filter.input.as_ref() {
        LogicalPlan::Join(join) => (join, None),
        LogicalPlan::Projection(columns) => match columns.input.as_ref() {
            LogicalPlan::Join(join) if columns.expr.iter().all(is_column) => (join, Some(&columns.expr)),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let is_left = join.join_type == JoinType::Left;
    if !(is_left || join.join_type == JoinType::Right) || join.null_equality != NullEquality::NullEqualsNothing {
        return Ok(None);
    }
    let key = |(left, right): &(Expr, Expr)| if is_left { right.clone() } else { left.clone() };
    let keys: Vec<Expr> = join.on.iter().map(key).collect();
    let is_missing_key = |condition: &Expr| match condition {
        Expr::IsNull(tested) => is_column(tested) && keys.contains(tested),
        _ => false,
    };
    let conditions = split_conjunction_owned(filter.predicate.clone());
    let (missing, others): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(is_missing_key);
    if missing.is_empty() {
        return Ok(None);
    }
    let (kept, other, on) = match is_left {
        true => (&join.left, &join.right, join.on.clone()),
        false => {
            let on = join.on.iter().map(|(left, right)| (right.clone(), left.clone()));
            (&join.right, &join.left, on.collect())
        }
    };
    let anti = Join::try_new(
        Arc::clone(kept),
        Arc::clone(other),
        on,
        join.filter.clone(),
        JoinType::LeftAnti,
        JoinConstraint::On,
        join.null_equality,
        false,
    )?;
    let columns = join.schema.iter().map(|(qualifier, field)| {
        let column = Column::new(qualifier.cloned(), field.name());
        if kept.schema().has_column(&column) {
            return Ok(Expr::Column(column));
        }
        let null = ScalarValue::try_from(field.data_type())?;
        let null = Expr::Literal(null, Some(FieldMetadata::new_from_field(field)));
        Ok(null.alias_qualified(qualifier.cloned(), field.name()))
    });
    let columns = columns.collect::<Result<_>>()?;
    let mut plan = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(LogicalPlan::Join(anti)))?);
    if let Some(shown) = shown {
        plan = LogicalPlan::Projection(Projection::try_new(shown.clone(), Arc::new(plan))?);
    }
    Ok(Some(match conjunction(others) {
        Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?),
        None => plan,
    }))
}

fn is_column(expression: &Expr) -> bool {
    matches!(expression, Expr::Column(_))
}

/// The join with its inputs' outer joins made inner where its own equality, or that of a join above, asks for values of
/// the side that may be missing; `asked` are the columns that must have values for what is above.
fn inputs_with_values(join: &Join, asked: &[Column]) -> Result<Option<LogicalPlan>> {
    let mut simpler = join.clone();
    let asks = |input: &LogicalPlan| asked.iter().any(|column| input.schema().has_column(column));
    let join_type = match (join.join_type, asks(&join.left), asks(&join.right)) {
        (JoinType::Left, _, true) | (JoinType::Right, true, _) | (JoinType::Full, true, true) => JoinType::Inner,
        (JoinType::Full, true, false) => JoinType::Left,
        (JoinType::Full, false, true) => JoinType::Right,
        (other, ..) => other,
    };
    let mut changed = join_type != join.join_type;
    simpler.join_type = join_type;
    let mut columns = asked.to_vec();
    if join_type == JoinType::Inner && join.null_equality == NullEquality::NullEqualsNothing && !join.null_aware {
        columns.extend(
            join.on
                .iter()
                .flat_map(|(left, right)| [column(left), column(right)])
                .flatten(),
        );
    }
    // A side whose rows all come through is asked for what its rows are asked for.
    let inside = [
        (&mut simpler.left, matches!(join_type, JoinType::Inner | JoinType::Left)),
        (
            &mut simpler.right,
            matches!(join_type, JoinType::Inner | JoinType::Right),
        ),
    ];
    for (input, _) in inside.into_iter().filter(|(_, is_whole)| *is_whole) {
        if let Some(plan) = with_values(input, &columns)? {
            *input = Arc::new(plan);
            changed = true;
        }
    }
    Ok(changed.then_some(LogicalPlan::Join(simpler)))
}

/// The plan without rows that lack a value in one of the columns asked for, as far as outer joins make them.
fn with_values(plan: &LogicalPlan, asked: &[Column]) -> Result<Option<LogicalPlan>> {
    match plan {
        LogicalPlan::Join(join) => inputs_with_values(join, asked),
        LogicalPlan::Filter(filter) => Ok(with_values(&filter.input, asked)?.map(|input| {
            let mut filter = filter.clone();
            filter.input = Arc::new(input);
            LogicalPlan::Filter(filter)
        })),
        LogicalPlan::Projection(projection) => {
            let position = |asked: &Column| projection.schema.maybe_index_of_column(asked);
            let below = asked
                .iter()
                .filter_map(|asked| column(&projection.expr[position(asked)?]));
            let below: Vec<Column> = below.collect();
            Ok(with_values(&projection.input, &below)?.map(|input| {
                let mut projection = projection.clone();
                projection.input = Arc::new(input);
                LogicalPlan::Projection(projection)
            }))
        }
        _ => Ok(None),
    }
}

/// The column whose null makes the expression null.
fn column(expression: &Expr) -> Option<Column> {
    match expression {
        Expr::Column(column) => Some(column.clone()),
        Expr::Alias(alias) => column(&alias.expr),
        Expr::Cast(cast) => column(&cast.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
