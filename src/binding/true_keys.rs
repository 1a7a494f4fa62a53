//! What determines a group: DataFusion takes a key of one side of a join, such as the groups of a subquery, for a key of all columns
//! of the groups above, and leaves out other keys of GROUP BY, ORDER BY and DISTINCT for that. Whatever believes a plan's
//! dependencies asks for a plan without such.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Dependency, FunctionalDependence, FunctionalDependencies, Result as PlanResult};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

/// The plan with the dependencies that hold.
pub fn with_true_keys(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    if !plan.exists(|node| Ok(matches!(node, LogicalPlan::Aggregate(aggregate) if !is_true(aggregate))))? {
        return Ok(plan);
    }
    // Nodes above take the dependencies over: they are asked anew, from below.
    let corrected = plan.transform_up(|node| {
        Ok(Transformed::yes(match node.recompute_schema()? {
            LogicalPlan::Aggregate(aggregate) if !is_true(&aggregate) => LogicalPlan::Aggregate(corrected(aggregate)?),
            other => other,
        }))
    })?;
    Ok(corrected.data)
}

fn is_true(aggregate: &Aggregate) -> bool {
    let dependencies = aggregate.schema.functional_dependencies();
    dependencies.iter().all(|dependency| holds(dependency, aggregate))
}

/// Whether the columns that determine the groups are all keys, or determine the other keys below already.
fn holds(dependency: &FunctionalDependence, aggregate: &Aggregate) -> bool {
    let keys = keys(aggregate);
    if (0..keys.len()).all(|key| dependency.source_indices.contains(&key)) {
        return true;
    }
    let input = aggregate.input.schema();
    let places = keys.iter().map(|key| match key {
        Expr::Column(column) => input.maybe_index_of_column(column),
        _ => None,
    });
    let Some(places) = places.collect::<Option<Vec<usize>>>() else {
        return false;
    };
    let sources = dependency
        .source_indices
        .iter()
        .map(|source| places.get(*source).copied());
    let Some(sources) = sources.collect::<Option<Vec<usize>>>() else {
        return false;
    };
    input.functional_dependencies().iter().any(|known| {
        known.source_indices.iter().all(|source| sources.contains(source))
            && places
                .iter()
                .all(|place| known.target_indices.contains(place) || sources.contains(place))
    })
}

/// The keys, each once, as the columns of the groups are.
fn keys(aggregate: &Aggregate) -> Vec<&Expr> {
    let mut keys: Vec<&Expr> = vec![];
    for key in &aggregate.group_expr {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn corrected(mut aggregate: Aggregate) -> PlanResult<Aggregate> {
    let dependencies = aggregate.schema.functional_dependencies().iter();
    let mut kept: Vec<FunctionalDependence> = dependencies.filter(|known| holds(known, &aggregate)).cloned().collect();
    if kept.is_empty() {
        let keys: Vec<usize> = (0..keys(&aggregate).len()).collect();
        let is_nullable = keys.iter().any(|key| aggregate.schema.field(*key).is_nullable());
        let all = (0..aggregate.schema.fields().len()).collect();
        kept.push(FunctionalDependence::new(keys, all, is_nullable).with_mode(Dependency::Single));
    }
    let schema = aggregate.schema.as_ref().clone();
    aggregate.schema = Arc::new(schema.with_functional_dependencies(FunctionalDependencies::new(kept))?);
    Ok(aggregate)
}
