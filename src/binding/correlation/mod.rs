//! Correlated subqueries that DataFusion's optimizer cannot turn into joins: not aggregated, correlated
//! by more than equality, in any clause, LATERAL over functions. They are unnested here as T. Neumann and
//! A. Kemper describe ("Unnesting Arbitrary Queries", BTW 2015): the subquery runs once over the distinct
//! values it depends on, then joins back. What DataFusion can do itself is left to it.

mod apply;
mod dependent;
mod grouping;
mod join_condition;
mod lateral;
mod outer_references;
mod predicate;
mod pull_up;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::logical_plan::check_subquery_expr;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

pub(super) use self::outer_references::{input_schema, outer_columns, subquery_of};
use self::pull_up::Asked;
use crate::error::Result;
use crate::functions::single_value;

/// Names the columns that unnesting adds; unique within one plan.
#[derive(Debug, Default)]
pub(crate) struct FreshNames(usize);

impl FreshNames {
    fn next(&mut self, what: &str) -> String {
        self.0 += 1;
        format!("__{what}_{}", self.0)
    }
}

/// Unnests every subquery of the plan that the optimizer would refuse.
pub fn unnest_subqueries(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !has_subqueries(&plan)? {
        return Ok(plan);
    }
    let mut names = FreshNames::default();
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if join_condition::asks(&join) => join_condition::unnest(join, &mut names),
        LogicalPlan::Join(join) => lateral::unnest(join, &mut names),
        node => apply::unnest(node, &mut names),
    });
    Ok(rewritten.data()?.transform_up_with_subqueries(without_markers).data()?)
}

/// Takes away marks of lateral subqueries that depend on nothing any more.
fn without_markers(node: LogicalPlan) -> PlanResult<Transformed<LogicalPlan>> {
    node.map_children(|child| match child {
        LogicalPlan::Subquery(subquery) if outer_references::outer_columns(&subquery.subquery)?.is_empty() => {
            Ok(Transformed::yes(std::sync::Arc::unwrap_or_clone(subquery.subquery)))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// A subquery whose only value is never NULL, as a literal is not, but which may have no row: then it is NULL.
pub(super) fn nullable(mut subquery: Subquery) -> PlanResult<Transformed<Expr>> {
    let plan = subquery.subquery.as_ref();
    let columns = plan.schema().columns();
    let ([column], [field]) = (&columns[..], &plan.schema().fields()[..]) else {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    };
    if field.is_nullable() || !subquery.outer_ref_columns.is_empty() || has_a_row(plan) {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let value = single_value().call(vec![Expr::Column(column.clone())]);
    let value = value.alias_qualified(column.relation.clone(), &column.name);
    let plan = LogicalPlanBuilder::from(plan.clone()).aggregate(Vec::<Expr>::new(), vec![value])?;
    subquery.subquery = plan.build()?.into();
    Ok(Transformed::yes(Expr::ScalarSubquery(subquery)))
}

/// Whether the plan gives a row whatever the tables hold.
fn has_a_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_a_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_a_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}

fn has_subqueries(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        found |= matches!(node, LogicalPlan::Subquery(_));
        node.apply_expressions(|expression| {
            found |= expression.exists(|part| Ok(is_subquery(part)))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

fn is_subquery(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
    )
}

/// Whether DataFusion's own rules turn this subquery of `node` into a join.
fn optimizer_handles(node: &LogicalPlan, expression: &Expr) -> bool {
    let (subquery, asked) = match expression {
        Expr::ScalarSubquery(subquery) => (subquery, Asked::Value),
        Expr::Exists(exists) => (&exists.subquery, Asked::Existence),
        Expr::InSubquery(membership) => (&membership.subquery, Asked::Membership),
        Expr::SetComparison(comparison) => (&comparison.subquery, Asked::Membership),
        _ => return true,
    };
    // Predicates become semi joins in WHERE only.
    if asked != Asked::Value && !matches!(node, LogicalPlan::Filter(_)) {
        return false;
    }
    if let (LogicalPlan::Filter(filter), Expr::InSubquery(_)) = (node, expression)
        && !predicate::unknown_is_false(&filter.predicate, expression)
    {
        return false;
    }
    match outer_references::outer_columns(&subquery.subquery) {
        Ok(columns) if columns.is_empty() => return true,
        // The planner overlooks references below LATERAL; so would the optimizer.
        Ok(_) if subquery.outer_ref_columns.is_empty() => return false,
        _ => {}
    }
    check_subquery_expr(node, &subquery.subquery, expression).is_ok() && can_pull_up(subquery, asked)
}

fn can_pull_up(subquery: &Subquery, asked: Asked) -> bool {
    if !pull_up::is_sound(&subquery.subquery, asked).is_ok_and(|sound| sound) {
        return false;
    }
    let is_predicate = matches!(asked, Asked::Existence | Asked::Membership);
    let mut pull_up = PullUpCorrelatedExpr::new()
        .with_need_handle_count_bug(!is_predicate)
        .with_exists_sub_query(is_predicate);
    let rewritten: PlanResult<Transformed<LogicalPlan>> = subquery.subquery.as_ref().clone().rewrite(&mut pull_up);
    // What is left below a mark of LATERAL was not looked at.
    let nothing_left =
        |plan: &LogicalPlan| outer_references::outer_columns(plan).is_ok_and(|columns| columns.is_empty());
    pull_up.can_pull_up && rewritten.is_ok_and(|rewritten| nothing_left(&rewritten.data))
}
