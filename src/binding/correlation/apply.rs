//! Subqueries in a node's expressions: each becomes a column of the node's input, joined on the outer
//! columns that the subquery reads.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result as PlanResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, Sort, Subquery};

use super::dependent::Dependent;
use super::outer_references::{Substitution, outer_columns, subquery_of};
use super::predicate::as_scalar;
use super::{FreshNames, is_subquery, optimizer_handles};
use crate::functions::single_value;

/// Unnests the subqueries of one node whose inputs are done.
pub(super) fn unnest(node: LogicalPlan, names: &mut FreshNames) -> PlanResult<Transformed<LogicalPlan>> {
    let [input] = node.inputs()[..] else {
        return Ok(Transformed::no(node));
    };
    if let LogicalPlan::Sort(sort) = &node
        && let Some(wider) = with_read_columns(sort)?
    {
        let kept = sort.input.schema().columns().into_iter().map(Expr::Column);
        let sorted = LogicalPlanBuilder::from(unnest(wider, names)?.data).project(kept)?;
        return Ok(Transformed::yes(sorted.build()?));
    }
    if matches!(node, LogicalPlan::Subquery(_) | LogicalPlan::Extension(_)) {
        return Ok(Transformed::no(node));
    }
    let mut refused = false;
    node.apply_expressions(|expression| {
        refused |= expression.exists(|part| Ok(is_subquery(part) && !optimizer_handles(&node, part)))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !refused {
        return Ok(Transformed::no(node));
    }
    let original = input.clone();
    let mut joined = input.clone();
    let mut known: HashMap<Expr, Column> = HashMap::new();
    let preserver = NamePreserver::new(&node);
    let outline = node.clone();
    let rewritten = node.map_expressions(|expression| {
        let saved = preserver.save(&expression);
        let replaced = expression.transform_down(|part| {
            if !is_subquery(&part) || optimizer_handles(&outline, &part) {
                return Ok(Transformed::no(part));
            }
            let scalar = as_scalar(&outline, part)?;
            let replaced = scalar.transform_down(|part| {
                let Expr::ScalarSubquery(subquery) = &part else {
                    return Ok(Transformed::no(part));
                };
                if let Some(column) = known.get(&part) {
                    return Ok(Transformed::new(
                        Expr::Column(column.clone()),
                        true,
                        TreeNodeRecursion::Jump,
                    ));
                }
                let (plan, column) = join_scalar(&joined, &original, subquery, names)?;
                joined = plan;
                known.insert(part, column.clone());
                Ok(Transformed::new(Expr::Column(column), true, TreeNodeRecursion::Jump))
            })?;
            Ok(Transformed::new(replaced.data, true, TreeNodeRecursion::Jump))
        })?;
        Ok(replaced.update_data(|expression| saved.restore(expression)))
    })?;
    let expressions = rewritten.data.expressions();
    let plan = rewritten.data.with_new_exprs(expressions, vec![joined])?;
    let plan = match plan {
        // These pass their input's columns on: the joined ones go no further.
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Window(_) | LogicalPlan::Limit(_) => {
            let kept = outline.schema().columns().into_iter().map(Expr::Column);
            LogicalPlanBuilder::from(plan).project(kept)?.build()?
        }
        other => other,
    };
    Ok(Transformed::yes(plan))
}

/// The sorted rows with the columns that only subqueries of the keys read, which the planner leaves out of the projection
/// below; `None` where there are none.
fn with_read_columns(sort: &Sort) -> PlanResult<Option<LogicalPlan>> {
    let LogicalPlan::Projection(projection) = sort.input.as_ref() else {
        return Ok(None);
    };
    let mut missing: Vec<Column> = vec![];
    for key in &sort.expr {
        key.expr.apply(|part| {
            let Some(subquery) = subquery_of(part) else {
                return Ok(TreeNodeRecursion::Continue);
            };
            for column in outer_columns(&subquery.subquery)? {
                let is_below = projection.input.schema().has_column(&column);
                if is_below && !projection.schema.has_column(&column) && !missing.contains(&column) {
                    missing.push(column);
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let read = missing.into_iter().map(Expr::Column);
    let columns = projection.expr.iter().cloned().chain(read).collect();
    // An output of the same name makes the column ambiguous: then the query is refused as before.
    let wider = Projection::try_new(columns, Arc::clone(&projection.input)).ok();
    Ok(wider.map(|wider| {
        LogicalPlan::Sort(Sort {
            input: Arc::new(LogicalPlan::Projection(wider)),
            ..sort.clone()
        })
    }))
}

/// `input` with one more column: the subquery's value for each row.
pub(super) fn join_scalar(
    input: &LogicalPlan,
    original: &LogicalPlan,
    subquery: &Subquery,
    names: &mut FreshNames,
) -> PlanResult<(LogicalPlan, Column)> {
    let (plan, domain, value) = scalar_values(original, subquery, names)?;
    let condition = same_columns(&domain);
    let joined = LogicalPlanBuilder::from(input.clone());
    let joined = match condition.is_empty() {
        // It depends on nothing, and an aggregate without keys gives one row.
        true => joined.cross_join(plan)?.build()?,
        false => joined.join_on(plan, JoinType::Left, condition)?.build()?,
    };
    Ok((joined, value))
}

/// The subquery's value, a column with a name of its own, for each combination of the values that it reads of `original`;
/// those for which it has no row may be missing.
pub(super) fn scalar_values(
    original: &LogicalPlan,
    subquery: &Subquery,
    names: &mut FreshNames,
) -> PlanResult<(LogicalPlan, Substitution, Column)> {
    let inner = subquery.subquery.as_ref();
    let outer: Vec<Column> = outer_columns(inner)?
        .into_iter()
        .filter(|column| original.schema().has_column(column))
        .collect();
    let value_name = names.next("value");
    let mut dependent = Dependent::distinct(original.clone(), outer.clone(), names);
    let (plan, domain) = dependent.push(inner)?;
    let Some(value) = plan
        .schema()
        .columns()
        .into_iter()
        .find(|column| !domain.contains(column))
    else {
        return datafusion::common::plan_err!("subquery has no columns");
    };
    let value = Expr::Column(value);
    let kept = domain.iter().map(|column| Expr::Column(column.clone()));
    let plan = if returns_one_row(inner) {
        LogicalPlanBuilder::from(plan)
            .project(kept.chain([value.alias(value_name.as_str())]))?
            .build()?
    } else {
        let single = single_value().call(vec![value]).alias(value_name.as_str());
        LogicalPlanBuilder::from(plan).aggregate(kept, vec![single])?.build()?
    };
    let domain = Substitution { outer, inner: domain };
    Ok((plan, domain, Column::new_unqualified(value_name)))
}

/// The rows of the domain that belong to a row outside. NULL belongs to NULL.
pub(super) fn same_columns(substitution: &Substitution) -> Vec<Expr> {
    substitution
        .outer
        .iter()
        .zip(&substitution.inner)
        .map(|(outer, inner)| {
            datafusion::logical_expr::binary_expr(
                Expr::Column(outer.clone()),
                datafusion::logical_expr::Operator::IsNotDistinctFrom,
                Expr::Column(inner.clone()),
            )
        })
        .collect()
}

/// Whether a subquery gives at most one row whatever the outer row is.
fn returns_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => returns_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => returns_one_row(&alias.input),
        LogicalPlan::Filter(filter) => returns_one_row(&filter.input),
        LogicalPlan::Sort(sort) => returns_one_row(&sort.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Limit(limit) => {
            matches!(
                limit.get_fetch_type(),
                Ok(datafusion::logical_expr::FetchType::Literal(Some(0 | 1)))
            ) || returns_one_row(&limit.input)
        }
        _ => false,
    }
}
