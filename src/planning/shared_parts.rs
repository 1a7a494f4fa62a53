//! Finds equal parts of a plan, such as the copies of a WITH query that is read twice, and has each computed once. Parts
//! are worth that if they aggregate; they must be of the same tables under the same policies, and not volatile.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use crate::binding::SharedPart;
use crate::governance::reads_the_same;
use crate::operators::SharedExec;

/// Plans a shared part by its operator.
pub(super) struct SharedPartPlanner;

#[async_trait]
impl ExtensionPlanner for SharedPartPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let part = node.as_any().downcast_ref::<SharedPart>();
        Ok(part
            .zip(inputs.first())
            .map(|(part, input)| Arc::new(SharedExec::new(part.number(), Arc::clone(input))) as Arc<dyn ExecutionPlan>))
    }
}

/// The plan with its equal parts marked; `None` where it has none.
pub(super) fn share_equal_parts(plan: &LogicalPlan) -> PlanResult<Option<LogicalPlan>> {
    let Some(mut parts) = Parts::of(plan)? else {
        return Ok(None);
    };
    parts.count(plan)?;
    match parts.parts.iter().any(|part| part.occurrences > 1) {
        true => parts.mark(plan.clone()).map(Some),
        false => Ok(None),
    }
}

struct Parts {
    /// What some aggregations compute that a plan has more than one of.
    repeated: Vec<u64>,
    parts: Vec<Part>,
    by_hash: HashMap<u64, Vec<usize>>,
}

struct Part {
    plan: LogicalPlan,
    occurrences: usize,
    marked: Option<LogicalPlan>,
}

impl Parts {
    /// `None` where a look at the aggregations shows that there are no equal parts.
    fn of(plan: &LogicalPlan) -> PlanResult<Option<Parts>> {
        let mut seen: HashMap<u64, usize> = HashMap::new();
        let mut is_covered = true;
        plan.apply_with_subqueries(|node| {
            is_covered &= !matches!(node, LogicalPlan::RecursiveQuery(_) | LogicalPlan::Extension(_));
            if let Some(own) = own_hash(node) {
                *seen.entry(own).or_default() += 1;
            }
            Ok(match is_covered {
                true => TreeNodeRecursion::Continue,
                false => TreeNodeRecursion::Stop,
            })
        })?;
        seen.retain(|_, count| *count > 1);
        Ok((is_covered && !seen.is_empty()).then(|| Parts {
            repeated: seen.into_keys().collect(),
            parts: Vec::new(),
            by_hash: HashMap::new(),
        }))
    }

    /// Counts the largest equal parts; what is inside of one counts once.
    fn count(&mut self, plan: &LogicalPlan) -> PlanResult<()> {
        plan.apply_with_subqueries(|node| {
            let Some(part) = self.part(node)? else {
                return Ok(TreeNodeRecursion::Continue);
            };
            let part = &mut self.parts[part];
            part.occurrences += 1;
            Ok(match part.occurrences {
                1 => TreeNodeRecursion::Continue,
                _ => TreeNodeRecursion::Jump,
            })
        })?;
        Ok(())
    }

    fn mark(&mut self, plan: LogicalPlan) -> PlanResult<LogicalPlan> {
        let marked = plan.transform_down_with_subqueries(|node| {
            let number = self.part(&node)?.filter(|number| self.parts[*number].occurrences > 1);
            let Some(number) = number else {
                return Ok(Transformed::no(node));
            };
            let marked = match &self.parts[number].marked {
                Some(marked) => marked.clone(),
                None => {
                    let inside = node.map_children(|input| self.mark(input).map(Transformed::yes))?.data;
                    let marked = SharedPart::node(number as u64, inside);
                    self.parts[number].marked = Some(marked.clone());
                    marked
                }
            };
            Ok(Transformed::new(marked, true, TreeNodeRecursion::Jump))
        })?;
        Ok(marked.data)
    }

    /// The number of the part that `node` is; `None` where it is none worth sharing.
    fn part(&mut self, node: &LogicalPlan) -> PlanResult<Option<usize>> {
        let is_no_part = matches!(
            node,
            LogicalPlan::Limit(_) | LogicalPlan::Sort(_) | LogicalPlan::Subquery(_)
        );
        if is_no_part || !self.is_worth_sharing(node)? {
            return Ok(None);
        }
        let mut hasher = DefaultHasher::new();
        node.hash(&mut hasher);
        let alike = self.by_hash.entry(hasher.finish()).or_default();
        for number in alike.iter() {
            let known = &self.parts[*number].plan;
            if known == node && sources_are_equal(known, node)? {
                return Ok(Some(*number));
            }
        }
        let number = self.parts.len();
        alike.push(number);
        self.parts.push(Part {
            plan: node.clone(),
            occurrences: 0,
            marked: None,
        });
        Ok(Some(number))
    }

    fn is_worth_sharing(&self, plan: &LogicalPlan) -> PlanResult<bool> {
        let mut is_worth = false;
        let mut is_stable = true;
        plan.apply(|node| {
            is_worth |= own_hash(node).is_some_and(|own| self.repeated.contains(&own));
            node.apply_expressions(|expression| {
                is_stable &= !expression.is_volatile() && !depends_on_its_place(expression)?;
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(match is_stable {
                true => TreeNodeRecursion::Continue,
                false => TreeNodeRecursion::Stop,
            })
        })?;
        Ok(is_worth && is_stable)
    }
}

/// What an aggregation computes, its input aside; `None` for any other node.
fn own_hash(node: &LogicalPlan) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match node {
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.hash(&mut hasher);
            aggregate.aggr_expr.hash(&mut hasher);
        }
        LogicalPlan::Window(window) => window.window_expr.hash(&mut hasher),
        LogicalPlan::Distinct(_) => node.schema().hash(&mut hasher),
        _ => return None,
    }
    Some(hasher.finish())
}

/// Whether the expression means something only where it is: subqueries' results are kept by the plan around them.
fn depends_on_its_place(expression: &Expr) -> PlanResult<bool> {
    expression.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        ))
    })
}

/// Whether the scans of two equal plans read the same: equality is of names.
fn sources_are_equal(left: &LogicalPlan, right: &LogicalPlan) -> PlanResult<bool> {
    let (left, right) = (scans(left)?, scans(right)?);
    let pairs = left.iter().zip(&right);
    Ok(left.len() == right.len() && pairs.into_iter().all(|(left, right)| reads_the_same(left, right)))
}

fn scans(plan: &LogicalPlan) -> PlanResult<Vec<TableScan>> {
    let mut found = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found.push(scan.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests;
