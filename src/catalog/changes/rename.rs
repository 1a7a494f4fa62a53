//! ALTER … RENAME TO, for every kind of object. Nothing refers to a name, so nothing else changes.

use super::role::{existing_role, require_administration};
use super::*;

/// Gives the object another name. Needs ownership, and what creating an object of that name there would need.
pub fn rename(staged: &mut Staged, role: Oid, id: Oid, to: &str) -> Result<()> {
    let mut object = staged.object(id)?;
    let kind = object.kind();
    if kind == ObjectKind::Role {
        let target = existing_role(staged, id)?;
        require_administration(staged, role, &target, "rename")?;
    } else {
        staged.require(Permission::Owns { role, object: id })?;
    }
    match kind {
        ObjectKind::Database => staged.require(Permission::CreateDatabase { role })?,
        ObjectKind::Schema => {
            let database = object.parent().unwrap_or_default();
            staged.require(Permission::Has {
                role,
                object: database,
                privilege: Privilege::Create,
            })?;
        }
        ObjectKind::Table
        | ObjectKind::View
        | ObjectKind::MaterializedView
        | ObjectKind::Index
        | ObjectKind::Function
        | ObjectKind::Type
        | ObjectKind::Domain
        | ObjectKind::Sequence => {
            require_create(staged, role, object.parent().unwrap_or_default())?;
        }
        ObjectKind::Role | ObjectKind::ExternalLocation | ObjectKind::Column => {}
    }
    check_name(kind, to)?;
    if object.name() == to && kind != ObjectKind::Role {
        return Err(already_exists(&object));
    }
    *object.name_mut() = to.to_string();
    staged.put(object)
}
