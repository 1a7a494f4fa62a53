//! Bound plan → `GovernedPlan`: privileges are checked, and every scan of a table with policies for this
//! principal becomes a scan of its barrier. What is unknown or unresolved is refused.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};

use super::authorize::{authorize, for_each_scan};
use super::barrier::PolicyBarrier;
use super::barrier_exec::BarrierIdentity;
use super::governed_plan::{Coverage, GovernedPlan};
use super::policy::{AppliedPolicies, subquery_plan};
use super::repeatable::is_repeatable;
use super::subject::{Recognise, Subject, recognise_bound_table};
use crate::context::QueryContext;
use crate::error::{Error, Result};

/// Puts a bound plan under the policies of the statement's principal. `options` carry the identity that
/// functions such as current_user answer. 42501 where a privilege is missing.
pub fn govern(plan: LogicalPlan, context: &QueryContext, options: &Arc<ConfigOptions>) -> Result<GovernedPlan> {
    let check = |plan: &LogicalPlan| authorize(plan, &context.catalog, recognise_bound_table);
    govern_by(
        plan,
        &Rules {
            recognise: recognise_bound_table,
            authorize: &check,
            options,
        },
    )
}

/// How scans are recognised, and who refuses those that lack a privilege.
pub(crate) struct Rules<'a> {
    pub recognise: Recognise,
    pub authorize: &'a dyn Fn(&LogicalPlan) -> Result<()>,
    /// Options of the statement, with its identity.
    pub options: &'a Arc<ConfigOptions>,
}

pub(crate) fn govern_by(plan: LogicalPlan, rules: &Rules<'_>) -> Result<GovernedPlan> {
    let recognise = rules.recognise;
    (rules.authorize)(&plan)?;
    let mut coverage = Coverage::default();
    let mut repeatable = is_repeatable(&plan, recognise)?;
    let mut schemas_changed = false;
    let governed = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else {
            return Ok(Transformed::no(node));
        };
        let Some(subject) = recognise(&scan.source) else {
            refuse_hidden_plan(&scan)?;
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        coverage.relation(&subject);
        let policies = subject.applied_policies(rules.options)?;
        if policies.are_void() {
            coverage.open(&subject);
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        }
        repeatable &= cover_policy(&subject, &policies, rules, &mut coverage)?;
        let covered = put_behind_barrier(scan, &subject, policies)?;
        schemas_changed |= covered.1;
        Ok(Transformed::yes(LogicalPlan::TableScan(covered.0)))
    })?;
    let plan = match schemas_changed {
        true => recompute_schemas(governed.data)?,
        false => governed.data,
    };
    GovernedPlan::new(plan, coverage, repeatable, recognise)
}

/// A source that would be expanded after governing is a way around it.
fn refuse_hidden_plan(scan: &TableScan) -> Result<()> {
    match scan.source.get_logical_plan() {
        Some(_) => Err(Error::internal(format!(
            "relation {} was not expanded before governing",
            scan.table_name
        ))),
        None => Ok(()),
    }
}

/// Checks what the policies themselves read, with their definers' rights, and takes it into the account.
/// Answers whether the policies give the same answer each time.
fn cover_policy(
    subject: &Subject,
    policies: &AppliedPolicies,
    rules: &Rules<'_>,
    coverage: &mut Coverage,
) -> Result<bool> {
    coverage.barrier(subject, policies.fingerprint);
    let mut repeatable = true;
    for expr in policies.row_filter.iter().chain(policies.masks.iter().flatten()) {
        repeatable &= super::repeatable::is_repeatable_expression(expr)?;
        for plan in subqueries(expr)? {
            (rules.authorize)(&plan)?;
            repeatable &= is_repeatable(&plan, rules.recognise)?;
            for_each_scan(&plan, &mut |scan| {
                let Some(mapping) = (rules.recognise)(&scan.source) else {
                    return refuse_hidden_plan(scan);
                };
                if mapping.is_governed() {
                    return Err(Error::unsupported(
                        "a policy that reads a table with policies of its own",
                    ));
                }
                coverage.relation(&mapping);
                coverage.inside(policies.fingerprint, &mapping);
                Ok(())
            })?;
        }
    }
    Ok(repeatable)
}

fn subqueries(expr: &Expr) -> Result<Vec<Arc<LogicalPlan>>> {
    let mut found = vec![];
    expr.apply(|part| {
        found.extend(subquery_plan(part).cloned());
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Swaps the scan's source. Answers also whether the scan's schema changed: masked columns become nullable.
fn put_behind_barrier(mut scan: TableScan, subject: &Subject, policies: AppliedPolicies) -> Result<(TableScan, bool)> {
    let identity = BarrierIdentity {
        table: subject.table.id,
        table_name: subject.table.name.clone(),
        fingerprint: policies.fingerprint,
    };
    let AppliedPolicies {
        row_filter,
        masks,
        infallible,
        ..
    } = policies;
    let barrier = PolicyBarrier::new(identity, Arc::clone(&subject.provider), row_filter, masks, infallible);
    scan.source = provider_as_source(Arc::new(barrier));
    let visible = scan.source.schema();
    let projected = match &scan.projection {
        Some(projection) => Arc::new(visible.project(projection)?),
        None => visible,
    };
    let schema = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &projected)?;
    let changed = schema.as_arrow() != scan.projected_schema.as_arrow();
    scan.projected_schema = Arc::new(schema);
    Ok((scan, changed))
}

/// Carries the new nullability to the nodes above, which keep schemas of their own.
fn recompute_schemas(plan: LogicalPlan) -> Result<LogicalPlan> {
    let recomputed = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::TableScan(_) => Ok(Transformed::no(node)),
        other => Ok(Transformed::yes(other.recompute_schema()?)),
    })?;
    Ok(recomputed.data)
}
