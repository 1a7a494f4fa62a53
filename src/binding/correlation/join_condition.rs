//! Subqueries in the condition of a join. What an inner join asks becomes a filter above it, what concerns only the side that
//! an outer join may miss a filter of that side; any other one becomes a column of the side that it reads, or a column of
//! one side for each of the other's values.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result as PlanResult};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, binary_expr, lit};

use super::apply::{self, join_scalar, same_columns, scalar_values};
use super::outer_references::{Substitution, outer_columns, subquery_of};
use super::predicate::as_scalar;
use super::{FreshNames, is_subquery};

/// Whether the condition asks a subquery.
pub(super) fn asks(join: &Join) -> bool {
    let asks = |filter: &Expr| filter.exists(|part| Ok(is_subquery(part))).is_ok_and(|found| found);
    join.filter.as_ref().is_some_and(asks)
}

/// Unnests the subqueries of a join's condition whose inputs are done.
pub(super) fn unnest(mut join: Join, names: &mut FreshNames) -> PlanResult<Transformed<LogicalPlan>> {
    let conditions = join.filter.take().map(split_conjunction_owned).unwrap_or_default();
    let (asking, plain): (Vec<Expr>, Vec<Expr>) = conditions
        .into_iter()
        .partition(|condition| condition.exists(|part| Ok(is_subquery(part))).is_ok_and(|found| found));
    join.filter = plain.into_iter().reduce(Expr::and);
    if join.join_type == JoinType::Inner {
        let Some(condition) = asking.into_iter().reduce(Expr::and) else {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        };
        let filter = LogicalPlanBuilder::from(LogicalPlan::Join(join))
            .filter(condition)?
            .build()?;
        return Ok(Transformed::yes(apply::unnest(filter, names)?.data));
    }
    let outline = LogicalPlan::Join(join.clone());
    let mut sides = Sides {
        shown: join.schema.columns(),
        left: Arc::unwrap_or_clone(join.left),
        right: Arc::unwrap_or_clone(join.right),
        join_type: join.join_type,
        conditions: vec![],
    };
    for condition in asking {
        if let Some(condition) = sides.filtered(condition, names)? {
            let condition = condition.transform_down(|part| {
                if !is_subquery(&part) {
                    return Ok(Transformed::no(part));
                }
                let scalar = as_scalar(&outline, part)?.transform_down(|part| match &part {
                    Expr::ScalarSubquery(subquery) => {
                        let column = sides.attach(subquery, names)?;
                        Ok(Transformed::new(Expr::Column(column), true, TreeNodeRecursion::Jump))
                    }
                    _ => Ok(Transformed::no(part)),
                })?;
                Ok(Transformed::new(scalar.data, true, TreeNodeRecursion::Jump))
            });
            sides.conditions.push(condition.data()?);
        }
    }
    let equal = match join.null_equality {
        NullEquality::NullEqualsNothing => Operator::Eq,
        NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
    };
    let keys = join.on.into_iter().map(|(left, right)| binary_expr(left, equal, right));
    let mut conditions: Vec<Expr> = keys.chain(join.filter).chain(sides.conditions).collect();
    if conditions.is_empty() {
        conditions.push(lit(true));
    }
    let shown = sides.shown.into_iter().map(Expr::Column);
    let plan = LogicalPlanBuilder::from(sides.left)
        .join_on(sides.right, sides.join_type, conditions)?
        .project(shown)?
        .build()?;
    Ok(Transformed::yes(plan))
}

/// The two sides of an outer join, with the columns that they are given.
struct Sides {
    left: LogicalPlan,
    right: LogicalPlan,
    join_type: JoinType,
    /// The join's own columns.
    shown: Vec<Column>,
    conditions: Vec<Expr>,
}

impl Sides {
    /// Leaves rows out that could only be missed; `None` where that says all that the condition does.
    fn filtered(&mut self, condition: Expr, names: &mut FreshNames) -> PlanResult<Option<Expr>> {
        let side = match self.join_type {
            JoinType::Left => &mut self.right,
            JoinType::Right => &mut self.left,
            _ => return Ok(Some(condition)),
        };
        let read = columns_read(&condition)?;
        let is_own = |column: &Column| side.schema().has_column(column) || !self.shown.contains(column);
        if !read.iter().all(is_own) {
            return Ok(Some(condition));
        }
        let filter = LogicalPlanBuilder::from(side.clone()).filter(condition)?.build()?;
        *side = apply::unnest(filter, names)?.data;
        Ok(None)
    }

    /// The column that holds the subquery's value.
    fn attach(&mut self, subquery: &Subquery, names: &mut FreshNames) -> PlanResult<Column> {
        let outer = outer_columns(&subquery.subquery)?;
        let of = |side: &LogicalPlan| -> Vec<Column> {
            let own = outer.iter().filter(|column| side.schema().has_column(column));
            own.cloned().collect()
        };
        let (left, right) = (of(&self.left), of(&self.right));
        let side = match (left.is_empty(), right.is_empty()) {
            (_, true) => &mut self.left,
            (true, false) => &mut self.right,
            (false, false) => return self.attach_for_both(subquery, left, right, names),
        };
        let (plan, column) = join_scalar(side, side, subquery, names)?;
        *side = plan;
        Ok(column)
    }

    /// The rows of the side that the join may miss, once for each of the values that the subquery reads of the other one.
    fn attach_for_both(
        &mut self,
        subquery: &Subquery,
        left: Vec<Column>,
        right: Vec<Column>,
        names: &mut FreshNames,
    ) -> PlanResult<Column> {
        let values = |side: &LogicalPlan, columns: &[Column]| {
            LogicalPlanBuilder::from(side.clone())
                .project(columns.iter().cloned().map(Expr::Column))?
                .distinct()?
                .build()
        };
        let (repeated, other_side, own, others) = match self.join_type {
            JoinType::Left => (&mut self.right, &self.left, right, left),
            JoinType::Right => (&mut self.left, &self.right, left, right),
            other => {
                return datafusion::common::not_impl_err!(
                    "a subquery over columns of both sides in the condition of a {other} join is not supported yet"
                );
            }
        };
        let combinations = LogicalPlanBuilder::from(values(repeated, &own)?)
            .cross_join(values(other_side, &others)?)?
            .build()?;
        let (plan, domain, value) = scalar_values(&combinations, subquery, names)?;
        // Each combination has its value, NULL where the subquery has no row.
        let renamed: Vec<Column> = own
            .iter()
            .chain(&others)
            .map(|_| Column::new_unqualified(names.next("side")))
            .collect();
        let columns = own.iter().chain(&others).zip(&renamed);
        let columns = columns.map(|(column, name)| Expr::Column(column.clone()).alias(&name.name));
        let all = LogicalPlanBuilder::from(combinations.clone()).project(columns)?;
        let place_of = |column: &Column| own.iter().chain(&others).position(|own| own == column);
        let outer = domain
            .outer
            .iter()
            .filter_map(|column| renamed.get(place_of(column)?).cloned());
        let found = same_columns(&Substitution {
            outer: outer.collect(),
            inner: domain.inner,
        });
        let kept = renamed.iter().chain([&value]).cloned().map(Expr::Column);
        let all = all
            .join_on(plan, JoinType::Left, found)?
            .project(kept.collect::<Vec<_>>())?
            .build()?;
        let (own_names, other_names) = renamed.split_at(own.len());
        let belongs = same_columns(&Substitution {
            outer: own,
            inner: own_names.to_vec(),
        });
        *repeated = LogicalPlanBuilder::from(repeated.clone())
            .join_on(all, JoinType::Inner, belongs)?
            .build()?;
        self.conditions.extend(same_columns(&Substitution {
            outer: others,
            inner: other_names.to_vec(),
        }));
        Ok(value)
    }
}

/// The columns that an expression reads, its subqueries' outer ones among them.
fn columns_read(expression: &Expr) -> PlanResult<Vec<Column>> {
    let mut columns = vec![];
    expression.apply(|part| {
        match part {
            Expr::Column(column) => columns.push(column.clone()),
            part => {
                if let Some(subquery) = subquery_of(part) {
                    columns.extend(outer_columns(&subquery.subquery)?);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(columns)
}
