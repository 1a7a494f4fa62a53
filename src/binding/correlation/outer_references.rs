//! Which columns of its surroundings a subquery reads, and putting other columns in their place.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};

/// The outer columns that `plan` reads, itself or in its own subqueries, without those that the
/// subqueries read from `plan`.
pub(in super::super) fn outer_columns(plan: &LogicalPlan) -> PlanResult<Vec<Column>> {
    let mut columns = vec![];
    collect(plan, &mut vec![], &mut columns)?;
    Ok(columns)
}

/// `own` are the schemas between the subquery and the node: what is found there is not outer.
fn collect(plan: &LogicalPlan, own: &mut Vec<DFSchema>, columns: &mut Vec<Column>) -> PlanResult<()> {
    plan.apply_expressions(|expression| {
        expression.apply(|part| {
            match part {
                Expr::OuterReferenceColumn(_, column) if !own.iter().any(|schema| schema.has_column(column)) => {
                    if !columns.contains(column) {
                        columns.push(column.clone());
                    }
                }
                _ => {
                    if let Some(subquery) = subquery_of(part) {
                        own.push(input_schema(plan)?);
                        collect(&subquery.subquery, own, columns)?;
                        own.pop();
                    }
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    match plan {
        // A lateral subquery sees the columns to its left.
        LogicalPlan::Join(join) => {
            collect(&join.left, own, columns)?;
            own.push(join.left.schema().as_ref().clone());
            collect(&join.right, own, columns)?;
            own.pop();
        }
        LogicalPlan::Subquery(subquery) => collect(&subquery.subquery, own, columns)?,
        other => {
            for input in other.inputs() {
                collect(input, own, columns)?;
            }
        }
    }
    Ok(())
}

pub(in super::super) fn subquery_of(expression: &Expr) -> Option<&Subquery> {
    match expression {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(membership) => Some(&membership.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery),
        _ => None,
    }
}

/// The columns that a node's expressions may name.
pub(in super::super) fn input_schema(plan: &LogicalPlan) -> PlanResult<DFSchema> {
    let mut merged = DFSchema::empty();
    for input in plan.inputs() {
        merged.merge(input.schema());
    }
    Ok(merged)
}

/// Columns that stand for outer columns: the domain's columns at one place of the plan.
#[derive(Debug, Clone)]
pub(super) struct Substitution {
    pub outer: Vec<Column>,
    pub inner: Vec<Column>,
}

impl Substitution {
    fn inner_of(&self, outer: &Column) -> Option<&Column> {
        self.outer
            .iter()
            .position(|column| column == outer)
            .and_then(|index| self.inner.get(index))
    }

    /// The expression with outer references replaced; its output name stays.
    pub fn apply(&self, expression: Expr) -> PlanResult<Expr> {
        let names = NamePreserver::new_for_projection();
        let saved = names.save(&expression);
        let replaced = self.replace(expression)?;
        Ok(saved.restore(replaced))
    }

    /// The same without regard to the name.
    pub fn replace(&self, expression: Expr) -> PlanResult<Expr> {
        let replaced = expression.transform_up(|part| {
            Ok(match part {
                Expr::OuterReferenceColumn(_, ref column) => match self.inner_of(column) {
                    Some(inner) => Transformed::yes(Expr::Column(inner.clone())),
                    None => Transformed::no(part),
                },
                Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(self.in_subquery(subquery)?)),
                Expr::Exists(mut exists) => {
                    exists.subquery = self.in_subquery(exists.subquery)?;
                    Transformed::yes(Expr::Exists(exists))
                }
                Expr::InSubquery(mut membership) => {
                    membership.subquery = self.in_subquery(membership.subquery)?;
                    Transformed::yes(Expr::InSubquery(membership))
                }
                Expr::SetComparison(mut comparison) => {
                    comparison.subquery = self.in_subquery(comparison.subquery)?;
                    Transformed::yes(Expr::SetComparison(comparison))
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(replaced.data)
    }

    /// In a subquery of the subquery the reference stays an outer one, to the column that is here now.
    fn in_subquery(&self, subquery: Subquery) -> PlanResult<Subquery> {
        let plan = subquery
            .subquery
            .as_ref()
            .clone()
            .transform_up_with_subqueries(|node| {
                let names = NamePreserver::new(&node);
                node.map_expressions(|expression| {
                    let saved = names.save(&expression);
                    let replaced = expression.transform_up(|part| {
                        Ok(match part {
                            Expr::OuterReferenceColumn(ref field, ref column) => match self.inner_of(column) {
                                Some(inner) => {
                                    Transformed::yes(Expr::OuterReferenceColumn(field.clone(), inner.clone()))
                                }
                                None => Transformed::no(part),
                            },
                            other => Transformed::no(other),
                        })
                    })?;
                    Ok(replaced.update_data(|expression| saved.restore(expression)))
                })
            })?;
        let outer_ref_columns = plan.data.all_out_ref_exprs();
        Ok(Subquery {
            subquery: plan.data.into(),
            outer_ref_columns,
            spans: subquery.spans,
        })
    }
}
