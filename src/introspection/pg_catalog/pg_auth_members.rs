//! pg_auth_members: who is a member of which role.

use crate::catalog::model::BOOTSTRAP_ROLE;
use crate::error::Result;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for role in introspection.lookup.catalog.roles() {
        for (held, ordinal) in role.member_of.iter().zip(0_u32..) {
            rows.add([
                // No object of its own in the catalog: an OID that no other row of this table has.
                ("oid", role.id.wrapping_mul(1_000).wrapping_add(ordinal).into()),
                ("roleid", held.role.into()),
                ("member", role.id.into()),
                ("grantor", BOOTSTRAP_ROLE.into()),
                ("admin_option", held.admin.into()),
                ("inherit_option", (role.inherit && !held.admin_only).into()),
                ("set_option", (!held.admin_only).into()),
            ])?;
        }
    }
    Ok(())
}
