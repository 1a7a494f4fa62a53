//! What a statement may write: privileges on the target's columns, and nothing computed from a mask. Rows are found
//! through the barrier like any query's; what is stored for them may not depend on a value that the barrier replaced,
//! or the mask would overwrite what it hides.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::datasource::provider_as_source;

use super::authorize::for_each_scan;
use super::subject::recognise_bound_table;
use crate::binding::{Action, BoundModification, bound_table};
use crate::catalog::model::Privilege;
use crate::context::QueryContext;
use crate::error::{Error, Result};

/// Refuses with 42501 what the principal may not change or would change by a mask. The plan itself is still to be
/// governed.
pub fn check_write(
    modification: &BoundModification,
    overwrites: bool,
    context: &QueryContext,
    options: &Arc<ConfigOptions>,
) -> Result<()> {
    let target = &modification.target;
    let denied = || Error::denied("table", &target.table.name);
    let access = context.catalog.access(target.checked_as);
    let object = context.catalog.object(target.table.id).ok_or_else(denied)?;
    let has_columns = |columns: &BTreeSet<usize>, privilege: Privilege| {
        columns.iter().all(|column| match target.column_id(*column) {
            Some(id) => access.has_column(object, id, privilege),
            None => access.has(object, privilege),
        })
    };
    if overwrites && !access.has(object, Privilege::Truncate) && !access.has(object, Privilege::Delete) {
        return Err(denied());
    }
    let mut assigned: BTreeSet<usize> = BTreeSet::new();
    let mut inserts = false;
    for action in &modification.actions {
        let allowed = match action {
            Action::Nothing => true,
            Action::Delete => access.has(object, Privilege::Delete),
            Action::Insert => {
                inserts = true;
                match modification.inserted.is_empty() {
                    true => access.has_any_column(object, Privilege::Insert),
                    false => has_columns(&modification.inserted, Privilege::Insert),
                }
            }
            Action::Update(columns) => {
                assigned.extend(columns);
                has_columns(&columns.iter().copied().collect(), Privilege::Update)
            }
        };
        if !allowed {
            return Err(denied());
        }
    }
    if !has_columns(&modification.returned, Privilege::Select) {
        return Err(denied());
    }
    let masked = masked_columns(modification, options)?;
    let masked_value = |why: &str| denied().with_detail(why);
    if !modification.sources.is_disjoint(&masked) {
        return Err(masked_value("A value would be computed from a masked column."));
    }
    let is_new = |column: &usize| inserts || assigned.contains(column);
    if modification
        .returned
        .iter()
        .any(|column| masked.contains(column) && is_new(column))
    {
        return Err(masked_value("RETURNING would show a masked column."));
    }
    if masked.is_empty() || assigned.is_empty() {
        return Ok(());
    }
    for_each_scan(&modification.plan, &mut |scan| match bound_table(&scan.source) {
        Some(other) if other.table.id == target.table.id && !other.is_target() => Err(masked_value(
            "The statement reads the table, which has masked columns, a second time.",
        )),
        _ => Ok(()),
    })
}

/// The target's columns that this principal sees through a mask.
fn masked_columns(modification: &BoundModification, options: &Arc<ConfigOptions>) -> Result<BTreeSet<usize>> {
    let target = Arc::clone(&modification.target);
    let subject = recognise_bound_table(&provider_as_source(target))
        .ok_or_else(|| Error::internal("the target of a modification is no table"))?;
    let policies = subject.applied_policies(options)?;
    Ok((0..policies.masks.len())
        .filter(|column| policies.masks[*column].is_some())
        .collect())
}
