//! The policies of one table, made ready for a barrier: over one qualifier, of the right types, and
//! simplified, so that what does not concern this principal vanishes before anything else is decided.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result as PlanResult, TableReference};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyExpressions};
use datafusion::optimizer::{OptimizerContext, OptimizerRule};

use super::fingerprint::{FingerprintBuilder, PolicyFingerprint};
use super::infallible::infallible;
use super::{column_mask, row_filter};
use crate::catalog::model::Oid;
use crate::error::Result;

/// The qualifier of the governed table's own columns inside its policies. No identifier can hold it, so no
/// mapping table that a policy reads can be taken for it.
pub(crate) fn subject() -> TableReference {
    TableReference::bare("\u{1}subject")
}

/// The policies as they apply to one principal.
#[derive(Debug, Clone)]
pub(crate) struct AppliedPolicies {
    pub row_filter: Option<Expr>,
    /// One for each column of the table.
    pub masks: Vec<Option<Expr>>,
    /// Whether none of them can fail, whatever the row.
    pub infallible: bool,
    pub fingerprint: PolicyFingerprint,
}

impl AppliedPolicies {
    /// Compiles the bound policies of a table; `masks` has an entry for each field of `schema`.
    pub fn compile(
        table: Oid,
        schema: &Schema,
        row_filter: Option<&Expr>,
        masks: &[Option<&Expr>],
        options: &Arc<ConfigOptions>,
    ) -> Result<AppliedPolicies> {
        let compiler = PolicyCompiler::new(schema, options)?;
        let row_filter = match row_filter {
            Some(bound) => row_filter::compile(bound, &compiler)?,
            None => None,
        };
        let mut compiled = vec![];
        for (field, mask) in schema.fields().iter().zip(masks) {
            compiled.push(match mask {
                Some(bound) => column_mask::compile(bound, field, &compiler)?,
                None => None,
            });
        }
        let mut expressions = row_filter.iter().chain(compiled.iter().flatten());
        let infallible = expressions.all(|expr| infallible(expr, &compiler.schema));
        let mut fingerprint = FingerprintBuilder::default();
        fingerprint.bytes(&table.to_le_bytes());
        fingerprint.term(&row_filter);
        fingerprint.term(&compiled);
        Ok(AppliedPolicies {
            row_filter,
            masks: compiled,
            infallible,
            fingerprint: fingerprint.finish(),
        })
    }

    /// Nothing is hidden from this principal.
    pub fn are_void(&self) -> bool {
        self.row_filter.is_none() && self.masks.iter().all(Option::is_none)
    }
}

/// Turns bound policy text into what a barrier evaluates.
pub(crate) struct PolicyCompiler {
    schema: Arc<DFSchema>,
    simplifier: ExprSimplifier,
    options: Arc<ConfigOptions>,
}

impl PolicyCompiler {
    pub fn new(schema: &Schema, options: &Arc<ConfigOptions>) -> Result<Self> {
        let schema = Arc::new(DFSchema::try_from_qualified_schema(subject(), schema)?);
        // Without a start time: `now()` stays, for a cached plan outlives the statement that made it.
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&schema))
            .with_config_options(Arc::clone(options))
            .build();
        Ok(PolicyCompiler {
            schema,
            simplifier: ExprSimplifier::new(context),
            options: Arc::clone(options),
        })
    }

    pub fn schema(&self) -> &DFSchema {
        &self.schema
    }

    /// Over the table's own qualifier, with the implicit conversions written out.
    pub fn coerce(&self, bound: &Expr) -> Result<Expr> {
        Ok(self.simplifier.coerce(qualify(bound.clone())?, &self.schema)?)
    }

    /// Folds what is constant for this principal, inside subqueries too: what remains is the policy's identity.
    pub fn simplify(&self, expr: Expr) -> Result<Expr> {
        let simplified = self.simplifier.simplify(expr)?;
        let folded = simplified.transform(|part| map_subquery(part, &|subquery| self.simplify_subquery(subquery)))?;
        Ok(folded.data)
    }

    fn simplify_subquery(&self, subquery: Subquery) -> PlanResult<Subquery> {
        let context =
            OptimizerContext::new_with_config_options(Arc::clone(&self.options)).without_query_execution_start_time();
        let rule = SimplifyExpressions::new();
        let plan = Arc::unwrap_or_clone(subquery.subquery);
        let plan = plan
            .transform_up_with_subqueries(|node| rule.rewrite(node, &context))?
            .data;
        Ok(Subquery {
            subquery: Arc::new(plan),
            ..subquery
        })
    }
}

/// Gives the table's own columns, which policies and filters name without qualifier, the qualifier
/// `subject()`; inside subqueries they are outer references.
pub(crate) fn qualify(expr: Expr) -> PlanResult<Expr> {
    let qualified = |column: Column| match column.relation {
        None => Column::new(Some(subject()), column.name),
        Some(_) => column,
    };
    Ok(expr
        .transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => Transformed::yes(Expr::Column(qualified(column))),
                other => map_subquery(other, &qualify_subquery)?,
            })
        })?
        .data)
}

fn qualify_subquery(subquery: Subquery) -> PlanResult<Subquery> {
    let plan = Arc::unwrap_or_clone(subquery.subquery);
    let plan = plan
        .transform_down_with_subqueries(|node| node.map_expressions(qualify_outer))?
        .data;
    let outer_ref_columns = subquery
        .outer_ref_columns
        .into_iter()
        .map(|expr| Ok(qualify_outer(expr)?.data))
        .collect::<PlanResult<_>>()?;
    Ok(Subquery {
        subquery: Arc::new(plan),
        outer_ref_columns,
        spans: subquery.spans,
    })
}

fn qualify_outer(expr: Expr) -> PlanResult<Transformed<Expr>> {
    expr.transform(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(field, column) if column.relation.is_none() => Transformed::yes(
                Expr::OuterReferenceColumn(field, Column::new(Some(subject()), column.name)),
            ),
            other => Transformed::no(other),
        })
    })
}

/// Rewrites the subquery of an expression that is one.
pub(crate) fn map_subquery(
    expr: Expr,
    rewrite: &dyn Fn(Subquery) -> PlanResult<Subquery>,
) -> PlanResult<Transformed<Expr>> {
    Ok(match expr {
        Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(rewrite(subquery)?)),
        Expr::Exists(Exists { subquery, negated }) => Transformed::yes(Expr::Exists(Exists {
            subquery: rewrite(subquery)?,
            negated,
        })),
        Expr::InSubquery(InSubquery {
            expr,
            subquery,
            negated,
        }) => Transformed::yes(Expr::InSubquery(InSubquery {
            expr,
            subquery: rewrite(subquery)?,
            negated,
        })),
        Expr::SetComparison(comparison) => {
            let subquery = rewrite(comparison.subquery)?;
            Transformed::yes(Expr::SetComparison(SetComparison { subquery, ..comparison }))
        }
        other => Transformed::no(other),
    })
}

/// The plan of the subquery that this expression is, if it is one.
pub(crate) fn subquery_plan(expr: &Expr) -> Option<&Arc<LogicalPlan>> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(&subquery.subquery),
        Expr::Exists(exists) => Some(&exists.subquery.subquery),
        Expr::InSubquery(in_subquery) => Some(&in_subquery.subquery.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery.subquery),
        _ => None,
    }
}

pub(crate) fn contains_subquery(expr: &Expr) -> bool {
    let mut found = false;
    let walked = expr.apply(|part| {
        found |= subquery_plan(part).is_some();
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    found || walked.is_err()
}

/// NULL of no type of its own.
pub(crate) fn is_untyped_null(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Null)
}
