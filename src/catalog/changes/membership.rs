//! GRANT role TO role and its REVOKE. Membership never runs in a circle.

use super::role::existing_role;
use super::*;

/// Makes `member` a member of `granted`, with ADMIN OPTION if asked for. Needs ADMIN OPTION on the role.
pub fn grant_role(staged: &mut Staged, role: Oid, granted: Oid, member: Oid, admin: bool) -> Result<()> {
    let target = existing_role(staged, granted)?;
    let mut changed = existing_role(staged, member)?;
    require_admin_option(staged, role, &target, "grant")?;
    if staged.view().membership_closure(granted, false).contains(&member) {
        let message = format!("role \"{}\" is a member of role \"{}\"", target.name, changed.name);
        return Err(Error::new(SqlState::InvalidGrantOperation, message));
    }
    match changed.member_of.iter_mut().find(|held| held.role == granted) {
        Some(held) if !held.admin_only && (held.admin || !admin) => {
            let message = format!(
                "role \"{}\" is already a member of role \"{}\"",
                changed.name, target.name
            );
            staged.notice(message);
            return Ok(());
        }
        Some(held) => {
            held.admin |= admin;
            held.admin_only = false;
        }
        None => changed.member_of.push(Membership {
            role: granted,
            admin,
            admin_only: false,
        }),
    }
    // A circle could close through a grant made elsewhere at the same time: the whole chain must stay.
    for id in staged.view().membership_closure(granted, false) {
        staged.rely_on_definition(id);
    }
    staged.put(changed)
}

/// Ends a membership, or with `only_admin` just its ADMIN OPTION.
pub fn revoke_role(staged: &mut Staged, role: Oid, granted: Oid, member: Oid, only_admin: bool) -> Result<()> {
    let target = existing_role(staged, granted)?;
    let mut changed = existing_role(staged, member)?;
    require_admin_option(staged, role, &target, "revoke")?;
    let Some(position) = changed.member_of.iter().position(|held| held.role == granted) else {
        let message = format!("role \"{}\" is not a member of role \"{}\"", changed.name, target.name);
        staged.warn(message);
        return Ok(());
    };
    let held = &mut changed.member_of[position];
    if only_admin && !held.admin_only {
        held.admin = false;
    } else {
        changed.member_of.remove(position);
    }
    staged.put(changed)
}

fn require_admin_option(staged: &mut Staged, role: Oid, target: &Role, verb: &str) -> Result<()> {
    let permission = match target.superuser {
        true => Permission::Superuser { role },
        false => Permission::Administers { role, of: target.id },
    };
    staged.require(permission).map_err(|_| {
        let message = format!("permission denied to {verb} role \"{}\"", target.name);
        let detail = match target.superuser {
            true => format!("Only roles with the SUPERUSER attribute may {verb} roles with the SUPERUSER attribute."),
            false => format!(
                "Only roles with the ADMIN option on role \"{}\" may {verb} this role.",
                target.name
            ),
        };
        Error::new(SqlState::InsufficientPrivilege, message).with_detail(detail)
    })
}
