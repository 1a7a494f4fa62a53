//! What a statement may write: privileges on the target's columns, and nothing computed from a mask. Rows are found
//! through the barrier like any query's; what is stored for them may not depend on a value that the barrier replaced,
//! or the mask would overwrite what it hides.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::datasource::provider_as_source;

use super::authorize::for_each_scan;
use super::policy::AppliedPolicies;
use super::subject::recognise_bound_table;
use crate::binding::{Action, BoundModification, BoundTable, ViewCheck, ViewLevel, bound_table};
use crate::catalog::model::{Object, Oid, Privilege};
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
    let policies = applied_policies(modification, options)?;
    let removing: &[Privilege] = match (overwrites, policies.row_filter.is_some()) {
        (false, _) => &[],
        (true, false) => &[Privilege::Truncate, Privilege::Delete],
        // DELETE would not reach the rows that are hidden.
        (true, true) => &[Privilege::Truncate],
    };
    require(modification, removing, context, &Written::table(target))?;
    for level in target.view.iter().flat_map(|view| &view.levels) {
        require(modification, removing, context, &Written::view(target, level))?;
    }
    let masked: BTreeSet<usize> = (0..policies.masks.len())
        .filter(|column| policies.masks[*column].is_some())
        .collect();
    let masked_value = |why: &str| denied().with_detail(why);
    if !modification.sources.is_disjoint(&masked) {
        return Err(masked_value("A value would be computed from a masked column."));
    }
    let mut assigned: BTreeSet<usize> = BTreeSet::new();
    for action in &modification.actions {
        if let Action::Update(columns) = action {
            assigned.extend(columns);
        }
    }
    let inserts = modification.actions.contains(&Action::Insert);
    // The condition looks at the rows as they are stored: whether it holds would tell what the mask hides.
    let checks = target.view.iter().flat_map(|view| &view.checks);
    if !assigned.is_empty()
        && checks
            .flat_map(ViewCheck::columns)
            .any(|column| masked.contains(&column))
    {
        return Err(masked_value("The view's CHECK OPTION reads a masked column."));
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

/// A relation that a statement writes to: its table, or a view on the way there.
struct Written<'a> {
    kind: &'static str,
    object: Oid,
    checked_as: Oid,
    /// For each column of the table the relation's, by id.
    columns: Vec<Option<i16>>,
    /// The table's columns that it computes whenever it writes a row, which a view need not show.
    target: &'a BoundTable,
}

impl<'a> Written<'a> {
    fn table(target: &'a BoundTable) -> Written<'a> {
        Written {
            kind: "table",
            object: target.table.id,
            checked_as: target.checked_as,
            columns: target.column_ids().to_vec(),
            target,
        }
    }

    fn view(target: &'a BoundTable, level: &ViewLevel) -> Written<'a> {
        Written {
            kind: "view",
            object: level.view,
            checked_as: level.checked_as,
            columns: level.columns.clone(),
            target,
        }
    }

    fn is_view(&self) -> bool {
        self.kind == "view"
    }

    /// Whether a view leaves the column out and nobody but the table gives it a value.
    fn is_computed(&self, column: usize) -> bool {
        let id = self.target.column_id(column);
        let known = id.and_then(|id| self.target.table.column(id));
        self.is_view() && known.is_some_and(|known| known.generated().is_some())
    }
}

/// What the statement needs of one of the relations that it writes to; of `removing` one, where there are any.
fn require(
    modification: &BoundModification,
    removing: &[Privilege],
    context: &QueryContext,
    written: &Written<'_>,
) -> Result<()> {
    let name = |object: &Object| Error::denied(written.kind, object.name());
    let object = context.catalog.object(written.object);
    let object = object.ok_or_else(|| Error::denied(written.kind, &written.target.table.name))?;
    let denied = || name(object);
    let access = context.catalog.access(written.checked_as);
    let has_columns = |columns: &BTreeSet<usize>, privilege: Privilege| {
        columns
            .iter()
            .all(|column| match written.columns.get(*column).copied().flatten() {
                Some(id) => access.has_column(object, id, privilege),
                None => written.is_computed(*column) || access.has(object, privilege),
            })
    };
    if !removing.is_empty() && !removing.iter().any(|privilege| access.has(object, *privilege)) {
        return Err(denied());
    }
    let mut reads = modification.returning;
    for action in &modification.actions {
        let allowed = match action {
            Action::Nothing => true,
            Action::Delete => access.has(object, Privilege::Delete),
            Action::Insert => match modification.inserted.is_empty() {
                true => access.has_any_column(object, Privilege::Insert),
                false => has_columns(&modification.inserted, Privilege::Insert),
            },
            Action::Update(columns) => has_columns(&columns.iter().copied().collect(), Privilege::Update),
        };
        if !allowed {
            return Err(denied());
        }
        reads |= *action != Action::Insert;
    }
    // Reading a view takes the privilege on all of it; who changes rows that are there finds them by reading.
    if written.is_view() && reads && !access.has(object, Privilege::Select) {
        return Err(denied());
    }
    match has_columns(&modification.returned, Privilege::Select) {
        true => Ok(()),
        false => Err(denied()),
    }
}

/// What this principal does not see of the target.
fn applied_policies(modification: &BoundModification, options: &Arc<ConfigOptions>) -> Result<AppliedPolicies> {
    let target = Arc::clone(&modification.target);
    let subject = recognise_bound_table(&provider_as_source(target))
        .ok_or_else(|| Error::internal("the target of a modification is no table"))?;
    subject.applied_policies(options)
}
