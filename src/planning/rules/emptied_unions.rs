//! A union that loses branches because they have no rows: DataFusion's rule leaves the other ones under their own names, of which
//! the first one's are not the union's then (`(SELECT a … WHERE false) UNION VALUES (1)`). Here the first that stays is renamed.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchemaRef, Result as PlanResult};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::planning::rules::correction::{self, Rule};

/// The rule, keeping names if it is the one that does not.
pub(super) fn corrected(rule: Rule) -> Rule {
    correction::corrected(rule, "propagate_empty_relation", rewrite)
}

fn rewrite(
    rule: &dyn OptimizerRule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> PlanResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Union(union) if union.inputs.iter().any(|input| is_empty(input)) => match without_empty(&union)? {
            Some(plan) => Ok(Transformed::yes(plan)),
            None => rule.rewrite(LogicalPlan::Union(union), config),
        },
        other => rule.rewrite(other, config),
    }
}

fn is_empty(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row)
}

/// The branches that have rows, the first of them under the union's names; nothing where there is none.
fn without_empty(union: &Union) -> PlanResult<Option<LogicalPlan>> {
    let mut inputs = union.inputs.iter().filter(|input| !is_empty(input)).cloned();
    let Some(first) = inputs.next() else {
        return Ok(None);
    };
    let first = named_like(first, &union.schema)?;
    let rest: Vec<Arc<LogicalPlan>> = inputs.collect();
    if rest.is_empty() {
        return Ok(Some(Arc::unwrap_or_clone(first)));
    }
    Ok(Some(LogicalPlan::Union(Union {
        inputs: [vec![first], rest].concat(),
        schema: Arc::clone(&union.schema),
    })))
}

fn named_like(plan: Arc<LogicalPlan>, wanted: &DFSchemaRef) -> PlanResult<Arc<LogicalPlan>> {
    let has_names = plan.schema().iter().map(|(relation, field)| (relation, field.name()));
    if has_names.eq(wanted.iter().map(|(relation, field)| (relation, field.name()))) {
        return Ok(plan);
    }
    let columns = plan
        .schema()
        .iter()
        .map(|(relation, field)| Column::new(relation.cloned(), field.name()));
    let columns = columns
        .zip(wanted.iter())
        .map(|(column, (relation, field))| Expr::Column(column).alias_qualified(relation.cloned(), field.name()));
    let projection = Projection::try_new_with_schema(columns.collect(), Arc::clone(&plan), Arc::clone(wanted))?;
    Ok(Arc::new(LogicalPlan::Projection(projection)))
}
