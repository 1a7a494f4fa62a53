//! EXISTS, IN and comparisons with ANY or ALL as scalar subqueries over an aggregate, with SQL's three
//! truth values. So there is one way to unnest them all.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{ExprSchema, Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{bool_or, count};
use datafusion::logical_expr::expr::{InSubquery, SetQuantifier};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, binary_expr, col, lit, not, when,
};

use super::outer_references::{input_schema, outer_columns};

/// The scalar subquery that means the same as this predicate of `node`; other expressions as they are.
pub(super) fn as_scalar(node: &LogicalPlan, expression: Expr) -> PlanResult<Expr> {
    match expression {
        Expr::Exists(exists) => {
            let rows = count(lit(1_i64)).alias("row_count");
            let plan = LogicalPlanBuilder::from(exists.subquery.subquery.as_ref().clone())
                .aggregate(Vec::<Expr>::new(), vec![rows])?
                .project(vec![
                    datafusion::logical_expr::col("row_count")
                        .gt(lit(0_i64))
                        .alias("row_exists"),
                ])?
                .build()?;
            Ok(negate(scalar(plan), exists.negated))
        }
        Expr::InSubquery(membership) => {
            let needle = into_outer(node, *membership.expr)?;
            let result = quantified(membership.subquery, needle, Operator::Eq, SetQuantifier::Any)?;
            Ok(negate(result, membership.negated))
        }
        Expr::SetComparison(comparison) => {
            let needle = into_outer(node, *comparison.expr)?;
            quantified(comparison.subquery, needle, comparison.op, comparison.quantifier)
        }
        other => Ok(other),
    }
}

fn negate(expression: Expr, negated: bool) -> Expr {
    if negated { not(expression) } else { expression }
}

/// `needle op ANY|ALL (subquery)`: no rows decide by themselves, else NULLs count as unknown.
fn quantified(subquery: Subquery, needle: Expr, operator: Operator, quantifier: SetQuantifier) -> PlanResult<Expr> {
    let plan = subquery.subquery.as_ref().clone();
    let Some(column) = plan.schema().columns().into_iter().next() else {
        return datafusion::common::plan_err!("subquery has no columns");
    };
    let compared = binary_expr(needle, operator, Expr::Column(column));
    // One such comparison decides; else one unknown makes the whole unknown.
    let (deciding, decision) = match quantifier {
        SetQuantifier::Any => (Expr::IsTrue(Box::new(compared.clone())), true),
        SetQuantifier::All => (Expr::IsFalse(Box::new(compared.clone())), false),
    };
    let aggregates = vec![
        bool_or(deciding).alias("decided"),
        bool_or(compared.is_null()).alias("unknown"),
    ];
    let verdict = when(col("decided"), lit(decision))
        .when(col("unknown"), lit(ScalarValue::Boolean(None)))
        .otherwise(lit(!decision))?;
    let plan = LogicalPlanBuilder::from(plan)
        .aggregate(Vec::<Expr>::new(), aggregates)?
        .project(vec![verdict.alias("verdict")])?
        .build()?;
    Ok(scalar(plan))
}

/// Whether a filter's predicate takes the membership for false wherever it is unknown, or asks for it in the one way that
/// DataFusion knows the difference: `NOT IN` as a condition of its own that reads nothing outside.
pub(super) fn unknown_is_false(predicate: &Expr, membership: &Expr) -> bool {
    let is_independent =
        |membership: &InSubquery| outer_columns(&membership.subquery.subquery).is_ok_and(|columns| columns.is_empty());
    split_conjunction(predicate)
        .into_iter()
        .all(|condition| match condition {
            Expr::InSubquery(own) if condition == membership => !own.negated || is_independent(own),
            Expr::Not(negated) if negated.as_ref() == membership => match negated.as_ref() {
                Expr::InSubquery(own) => own.negated || is_independent(own),
                _ => false,
            },
            other => is_affirmed(other, membership),
        })
}

/// The same below AND and OR, which let nothing pass for what is unknown that they would not for what is false.
fn is_affirmed(condition: &Expr, membership: &Expr) -> bool {
    match condition {
        Expr::BinaryExpr(both) if matches!(both.op, Operator::And | Operator::Or) => {
            is_affirmed(&both.left, membership) && is_affirmed(&both.right, membership)
        }
        Expr::InSubquery(own) if condition == membership => !own.negated,
        other => other.exists(|part| Ok(part == membership)).is_ok_and(|found| !found),
    }
}

fn scalar(plan: LogicalPlan) -> Expr {
    let outer_ref_columns = plan.all_out_ref_exprs();
    Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        outer_ref_columns,
        spans: Default::default(),
    })
}

/// An expression over the node's input as one inside a subquery of the node.
fn into_outer(node: &LogicalPlan, expression: Expr) -> PlanResult<Expr> {
    let schema = input_schema(node)?;
    expression
        .transform_up(|part| {
            Ok(match part {
                Expr::Column(column) => {
                    let field = schema.field_from_column(&column)?;
                    Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column))
                }
                other => Transformed::no(other),
            })
        })
        .data()
}
