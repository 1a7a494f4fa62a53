//! ALTER … OWNER TO, for every kind of object that has an owner.

use super::*;

/// Hands the object to another role. Needs ownership, the power to become the new owner, and that the new
/// owner may create in the place; superusers need nothing. What the old owner granted is now the new one's.
pub fn change_owner(staged: &mut Staged, role: Oid, id: Oid, new_owner: Oid) -> Result<()> {
    let object = staged.object(id)?;
    let Some(old_owner) = object.owner() else {
        return Err(Error::new(SqlState::WrongObjectType, "roles have no owner"));
    };
    staged.require(Permission::Owns { role, object: id })?;
    if old_owner == new_owner {
        return Ok(());
    }
    staged.require(Permission::MemberOf { role, of: new_owner })?;
    if !staged.view().access(role).is_superuser() {
        match (object.kind(), object.parent()) {
            (ObjectKind::Database, _) => staged.require(Permission::CreateDatabase { role })?,
            (_, Some(place)) => {
                staged.require(Permission::Has {
                    role: new_owner,
                    object: place,
                    privilege: Privilege::Create,
                })?;
            }
            (_, None) => {}
        }
    }
    if object.kind() == ObjectKind::Index {
        let message = format!("cannot change owner of index \"{}\"", object.name());
        return Err(Error::new(SqlState::WrongObjectType, message)
            .with_hint("Change the ownership of the index's table instead."));
    }
    hand_over(staged, id, new_owner)
}

/// The object as the new owner's; whether it may be is for the caller to ask.
pub(super) fn hand_over(staged: &mut Staged, id: Oid, new_owner: Oid) -> Result<()> {
    let mut object = staged.object(id)?;
    let Some(old_owner) = object.owner().filter(|owner| *owner != new_owner) else {
        return Ok(());
    };
    super::index::move_indexes(staged, id, |index| index.owner = new_owner)?;
    if let Some(owner) = object.owner_mut() {
        *owner = new_owner;
    }
    let hand_over = |grants: &mut Vec<Grant>| {
        grants.retain(|grant| grant.grantee != new_owner);
        for grant in grants.iter_mut().filter(|grant| grant.grantor == old_owner) {
            grant.grantor = new_owner;
        }
    };
    if let Some(grants) = object.grants_mut() {
        hand_over(grants);
    }
    for column in object.columns_mut().into_iter().flatten() {
        hand_over(&mut column.grants);
    }
    staged.put(object)
}
