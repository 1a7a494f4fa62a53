//! enabled_roles, applicable_roles and administrable_role_authorizations: the roles whose privileges the principal has,
//! which are all of them for a superuser.

use super::yes_or_no;
use crate::catalog::model::Oid;
use crate::error::Result;
use crate::functions::PREDEFINED_ROLES;
use crate::introspection::{Introspection, Rows};

fn enabled_ids(introspection: &Introspection<'_>) -> Vec<Oid> {
    let lookup = &introspection.lookup;
    let roles = lookup.catalog.roles().map(|role| role.id);
    let mut ids: Vec<Oid> = roles.filter(|role| lookup.access.has_privileges_of(*role)).collect();
    ids.sort_unstable();
    ids
}

pub(super) fn enabled(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for id in enabled_ids(introspection) {
        if let Some(role) = introspection.lookup.catalog.role(id) {
            rows.add([("role_name", role.name.as_str().into())])?;
        }
    }
    if introspection.lookup.access.is_superuser() {
        for (_, name) in PREDEFINED_ROLES {
            rows.add([("role_name", name.into())])?;
        }
    }
    Ok(())
}

pub(super) fn applicable(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    memberships(introspection, rows, false)
}

pub(super) fn administrable(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    memberships(introspection, rows, true)
}

fn memberships(introspection: &Introspection<'_>, rows: &mut Rows, only_administered: bool) -> Result<()> {
    let catalog = introspection.lookup.catalog;
    for member in enabled_ids(introspection).into_iter().filter_map(|id| catalog.role(id)) {
        for held in member.member_of.iter().filter(|held| held.admin || !only_administered) {
            let Some(role) = catalog.role(held.role) else { continue };
            rows.add([
                ("grantee", member.name.as_str().into()),
                ("role_name", role.name.as_str().into()),
                ("is_grantable", yes_or_no(held.admin)),
            ])?;
        }
    }
    Ok(())
}
