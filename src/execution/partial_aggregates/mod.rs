//! Aggregations that come again after a commit read the new files only: the states that they computed of each file are
//! kept, and merged by the aggregation above as if they had just been computed. Only where the plan reads one table once,
//! and where what is computed of a file depends on nothing but the file.

mod kept_states_exec;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as PlanResult;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::displayable;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, Partitioning};

use crate::error::Result;
use crate::operators::FusedAggregateExec;
use crate::result_cache::{PartialAggregates, StateKey};
use crate::storage::{WholeFile, is_dynamic, scan_of_parts, whole_files};

use kept_states_exec::{KeptStatesExec, MissingFile};

/// A part of a file that is worth a partition of its own.
const PART_BYTES: u64 = 1 << 20;
/// With more files a statement has to come again: the states of many files can be more than the table's rows.
const FEW_FILES: usize = 64;

/// Operators that make rows of rows one by one: a file's rows yield the same whatever other files there are.
const ROW_BY_ROW: [&str; 6] = [
    "CooperativeExec",
    "FilterExec",
    "PolicyBarrierExec",
    "ProjectionExec",
    "SelectExec",
    "RepartitionExec",
];

/// The plan with kept states in it; `None` where it has no aggregation that they could stand for, or where keeping them is
/// not worth it. The barriers must not be sealed yet.
pub fn with_kept_states(
    plan: &Arc<dyn ExecutionPlan>,
    statement: &StateKey,
    cache: &Arc<PartialAggregates>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(path) = path_to_states(plan) else {
        return Ok(None);
    };
    let Some(depth) = path.iter().rposition(yields_states) else {
        return Ok(None);
    };
    let Some(states) = kept_states(&path[depth..], statement, cache)? else {
        return Ok(None);
    };
    let mut whole = states;
    for above in path[..depth].iter().rev() {
        whole = replace_children_if_necessary(Arc::clone(above), vec![whole])?;
    }
    Ok(Some(whole))
}

/// The operators from the top of a plan without branches to its only leaf, with an aggregation to states among them.
fn path_to_states(plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<Arc<dyn ExecutionPlan>>> {
    let mut path = vec![Arc::clone(plan)];
    while let Some(last) = path.last() {
        match last.children().as_slice() {
            [] => break,
            [child] => {
                let child = Arc::clone(child);
                path.push(child);
            }
            _ => return None,
        }
    }
    path.iter().any(yields_states).then_some(path)
}

/// Whether the operator computes states from rows, and those of several files together are merged like those of one.
fn yields_states(node: &Arc<dyn ExecutionPlan>) -> bool {
    let fused = node.downcast_ref::<FusedAggregateExec>();
    let aggregation = fused.map_or(node, FusedAggregateExec::stands_for);
    aggregation.downcast_ref::<AggregateExec>().is_some_and(|aggregation| {
        *aggregation.mode() == AggregateMode::Partial
            && aggregation.limit_options().is_none()
            && *aggregation.input_order_mode() == InputOrderMode::Linear
            && aggregation.dynamic_expressions_produced().is_empty()
            && aggregation.aggr_expr().iter().all(|function| is_exact(function))
    })
}

/// Whether the result is the same in whatever order and grouping states are merged.
fn is_exact(function: &AggregateFunctionExpr) -> bool {
    let is_float = |data_type: DataType| data_type.is_floating();
    let schema = function.field();
    match function.fun().name() {
        "count" | "min" | "max" | "bool_and" | "bool_or" => !function.is_distinct() && function.order_bys().is_empty(),
        "sum" | "avg" => {
            !function.is_distinct() && function.order_bys().is_empty() && !is_float(schema.data_type().clone())
        }
        _ => false,
    }
}

/// Kept states in the place of the first operator of `path`, which computes them; its last one is the scan.
fn kept_states(
    path: &[Arc<dyn ExecutionPlan>],
    statement: &StateKey,
    cache: &Arc<PartialAggregates>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let [aggregation, between @ .., leaf] = path else {
        return Ok(None);
    };
    let is_plain = |node: &Arc<dyn ExecutionPlan>| {
        ROW_BY_ROW.contains(&node.name()) && node.fetch().is_none() && (!is_exchange(node) || is_round_robin(node))
    };
    if !between.iter().all(is_plain) || between.iter().chain([aggregation]).any(reads_while_running) {
        return Ok(None);
    }
    let Some((scan, files)) = whole_files(leaf.as_ref()) else {
        return Ok(None);
    };
    if !cache.comes_again(statement) && files.len() > FEW_FILES {
        return Ok(None);
    }
    let over = |files: &[(WholeFile, usize)]| over_scan(aggregation, between, scan_of_parts(scan, files));
    let shape = displayable(over(&[])?.as_ref())
        .set_show_schema(true)
        .indent(true)
        .to_string();
    let shape = statement.with(&shape);
    let (mut kept, mut missing, mut parts) = (vec![], vec![], vec![]);
    let partitions = aggregation.properties().output_partitioning().partition_count();
    for file in files {
        let Some(identity) = file.identity(scan) else {
            return Ok(None);
        };
        let key = shape.with(&identity);
        match cache.get(&key) {
            Some(states) => kept.push(states),
            None => {
                let count = usize::try_from(file.bytes() / PART_BYTES)
                    .unwrap_or(1)
                    .clamp(1, partitions);
                missing.push(MissingFile { key, parts: count });
                parts.push((file, count));
            }
        }
    }
    let states = KeptStatesExec::new(
        over(&parts)?,
        Arc::clone(aggregation.properties()),
        kept,
        missing,
        Arc::clone(cache),
    );
    Ok(Some(Arc::new(states)))
}

/// The aggregation with what is below it on another scan. A partition of it is one of the scan's: exchanges are left out.
fn over_scan(
    aggregation: &Arc<dyn ExecutionPlan>,
    between: &[Arc<dyn ExecutionPlan>],
    scan: Arc<dyn ExecutionPlan>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let mut plan = scan;
    let kept = between.iter().filter(|node| !is_exchange(node));
    for node in kept.rev().chain([aggregation]) {
        plan = replace_children_if_necessary(Arc::clone(node), vec![plan])?;
    }
    Ok(plan)
}

fn is_exchange(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<RepartitionExec>()
}

fn is_round_robin(node: &Arc<dyn ExecutionPlan>) -> bool {
    let exchange = node.downcast_ref::<RepartitionExec>();
    exchange.is_some_and(|exchange| matches!(exchange.partitioning(), Partitioning::RoundRobinBatch(_)))
}

/// Whether an expression of the operator gets its value from elsewhere in the plan while it runs.
fn reads_while_running(node: &Arc<dyn ExecutionPlan>) -> bool {
    use datafusion::common::tree_node::TreeNodeRecursion;
    let mut found = false;
    let visited = node.apply_expressions(&mut |expression| {
        found |= is_dynamic(expression);
        Ok(TreeNodeRecursion::Continue)
    });
    found || visited.is_err()
}
