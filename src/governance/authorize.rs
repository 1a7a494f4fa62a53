//! SELECT privileges: each scan needs them on the columns that the query really reads, for the role that
//! it is checked as (a view's owner, a function's definer, else the effective role).

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::{OptimizerContext, OptimizerRule};

use super::policy::subquery_plan;
use super::subject::{Recognise, Subject};
use crate::binding::with_true_keys;
use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{Object, Privilege};
use crate::error::{Error, Result};

/// Refuses with 42501 unless every scan of the plan, subqueries included, is allowed.
pub(crate) fn authorize(plan: &LogicalPlan, catalog: &CatalogSnapshot, recognise: Recognise) -> Result<()> {
    let mut every_table_is_granted = true;
    for_each_scan(plan, &mut |scan| {
        if let Some(subject) = recognise(&scan.source) {
            every_table_is_granted &= may_select_all(&subject, catalog)?;
        }
        Ok(())
    })?;
    if every_table_is_granted {
        return Ok(());
    }
    require_columns_of(plan, catalog, recognise)
}

/// Which columns are read is what remains of a plan when nothing but projections is pushed down. Each
/// subquery is a plan of its own: DataFusion leaves correlated ones as they are.
fn require_columns_of(plan: &LogicalPlan, catalog: &CatalogSnapshot, recognise: Recognise) -> Result<()> {
    let pruned = OptimizeProjections::new()
        .rewrite(with_true_keys(plan.clone())?, &OptimizerContext::new())?
        .data;
    let mut verdict = Ok(());
    pruned.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(subject) = recognise(&scan.source)
            && verdict.is_ok()
        {
            verdict = require_columns(scan, &subject, catalog);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    verdict?;
    let mut subqueries = vec![];
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                subqueries.extend(subquery_plan(part).cloned());
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    subqueries
        .iter()
        .try_for_each(|subquery| require_columns_of(subquery, catalog, recognise))
}

/// Visits the scans of a plan and of the subqueries in its expressions.
pub(crate) fn for_each_scan(plan: &LogicalPlan, visit: &mut dyn FnMut(&TableScan) -> Result<()>) -> Result<()> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Err(error) = visit(scan)
        {
            refused = Some(error);
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    refused.map_or(Ok(()), Err)
}

fn object<'a>(subject: &Subject, catalog: &'a CatalogSnapshot) -> Result<&'a Object> {
    catalog.object(subject.table.id).ok_or_else(|| denied(subject))
}

fn denied(subject: &Subject) -> Error {
    Error::denied("table", &subject.table.name)
}

fn may_select_all(subject: &Subject, catalog: &CatalogSnapshot) -> Result<bool> {
    Ok(catalog
        .access(subject.checked_as)
        .has(object(subject, catalog)?, Privilege::Select))
}

fn require_columns(scan: &TableScan, subject: &Subject, catalog: &CatalogSnapshot) -> Result<()> {
    let access = catalog.access(subject.checked_as);
    let object = object(subject, catalog)?;
    if access.has(object, Privilege::Select) {
        return Ok(());
    }
    let schema = subject.provider.schema();
    let mut read: BTreeSet<usize> = match &scan.projection {
        Some(projection) => projection.iter().copied().collect(),
        None => (0..schema.fields().len()).collect(),
    };
    for column in scan.filters.iter().flat_map(|filter| filter.column_refs()) {
        read.insert(schema.index_of(&column.name).map_err(|_| denied(subject))?);
    }
    let reads_nothing = read.is_empty();
    read.retain(|index| *index < subject.locators_from);
    let granted = |index: &usize| {
        let id = subject.column_ids.get(*index).copied().flatten();
        id.is_some_and(|id| access.has_column(object, id, Privilege::Select))
    };
    // count(*) reads no column: as in PostgreSQL, any one that is granted will do.
    let allowed = match reads_nothing {
        true => access.has_any_column(object, Privilege::Select),
        false => read.iter().all(granted),
    };
    if allowed { Ok(()) } else { Err(denied(subject)) }
}
