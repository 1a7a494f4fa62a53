//! DROP OWNED and REASSIGN OWNED: what a role owns in the database, and what it was granted there. Objects that all
//! databases share (databases, external locations) are never dropped; their grants go and their owners change with the rest.

use super::drop::drop_objects;
use super::grant::revoke_everything;
use super::owner::hand_over;
use super::*;
use crate::catalog::default_privileges::DefaultPrivileges;

/// Drops what the roles own in the database, and takes what they were granted there. What was dropped.
pub fn drop_owned(
    staged: &mut Staged,
    role: Oid,
    database: Oid,
    targets: &[Oid],
    cascade: bool,
) -> Result<Vec<Object>> {
    let owned = owned_objects(staged, role, database, targets)?;
    let dropped = drop_objects(staged, role, &owned, cascade)?;
    for target in targets {
        staged.rely_on_role_uses(*target);
        let snapshot = staged.snapshot();
        let held = snapshot.role_uses(*target);
        let held = held.filter(|object| place(&snapshot, object).is_none_or(|place| place == database));
        let held: Vec<Object> = held.cloned().collect();
        drop(snapshot);
        for mut object in held {
            let mut changed = revoke_everything(&mut object, *target)?;
            if let Object::Database(found) = &mut object
                && found.id == database
            {
                changed |= forget_defaults(&mut found.default_privileges, *target);
            }
            if changed {
                staged.put(object)?;
            }
        }
    }
    Ok(dropped)
}

/// The objects that DROP OWNED drops; needs the rights of each role.
pub fn owned_objects(staged: &mut Staged, role: Oid, database: Oid, targets: &[Oid]) -> Result<Vec<Oid>> {
    for target in targets {
        require_rights(staged, role, *target, "drop objects", "drop objects that it owns")?;
        refuse_bootstrap(staged, *target, "drop objects")?;
    }
    let snapshot = staged.snapshot();
    let mut owned: Vec<Oid> = owned_by(&snapshot, targets)
        .filter(|object| place(&snapshot, object) == Some(database))
        // What is a part of a table goes with it, and a database's own schema with the database.
        .filter(|object| !is_part(object) && database_of_public(&snapshot, object).is_none())
        .map(Object::id)
        .collect();
    owned.sort_unstable();
    owned.dedup();
    Ok(owned)
}

/// Hands what the roles own in the database, and what all databases share, to another role.
pub fn reassign_owned(staged: &mut Staged, role: Oid, database: Oid, targets: &[Oid], to: Oid) -> Result<()> {
    for target in targets {
        require_rights(
            staged,
            role,
            *target,
            "reassign objects",
            "reassign objects that it owns",
        )?;
        refuse_bootstrap(staged, *target, "reassign ownership of objects")?;
    }
    require_rights(staged, role, to, "reassign objects", "reassign objects to it")?;
    let snapshot = staged.snapshot();
    let objects = owned_by(&snapshot, targets);
    let of_owned = |object: &Object| {
        let database = database_of_public(&snapshot, object);
        database.is_some_and(|database| targets.contains(&database.owner))
    };
    let is_here = |object: &Object| place(&snapshot, object).is_none_or(|place| place == database);
    let objects = objects.filter(|object| is_here(object) || of_owned(object));
    // Indexes go with their tables.
    let objects = objects.filter(|object| object.kind() != ObjectKind::Index);
    let mut ids: Vec<Oid> = objects.map(Object::id).collect();
    ids.sort_unstable();
    drop(snapshot);
    for target in targets {
        staged.rely_on_role_uses(*target);
    }
    for id in ids {
        require_place(staged, role, id, to)?;
        hand_over(staged, id, to)?;
    }
    Ok(())
}

/// As in PostgreSQL, of schemas and functions the new owner must be able to make others beside them; of relations and types
/// nothing is asked.
fn require_place(staged: &mut Staged, role: Oid, id: Oid, new_owner: Oid) -> Result<()> {
    let object = staged.object(id)?;
    let asks = matches!(object.kind(), ObjectKind::Schema | ObjectKind::Function);
    match object
        .parent()
        .filter(|_| asks && !staged.view().access(role).is_superuser())
    {
        None => Ok(()),
        Some(place) => staged.require(Permission::Has {
            role: new_owner,
            object: place,
            privilege: Privilege::Create,
        }),
    }
}

fn owned_by<'a>(snapshot: &'a CatalogSnapshot, roles: &'a [Oid]) -> impl Iterator<Item = &'a Object> {
    let uses = roles.iter().flat_map(|role| snapshot.role_uses(*role));
    // The session's own place for what is temporary stays as long as the session.
    let is_owned = |object: &&Object| object.owner().is_some_and(|owner| roles.contains(&owner));
    uses.filter(is_owned)
        .filter(|object| Some(object.id()) != snapshot.temporary_schema())
}

/// The database whose `public` this is, which PostgreSQL gives to whoever owns the database.
fn database_of_public<'a>(snapshot: &'a CatalogSnapshot, object: &Object) -> Option<&'a Database> {
    match object {
        Object::Schema(schema) if schema.name == "public" => snapshot.database(schema.database),
        _ => None,
    }
}

/// Indexes, and sequences of columns.
fn is_part(object: &Object) -> bool {
    match object {
        Object::Index(_) => true,
        Object::Sequence(sequence) => sequence.owned_by.is_some(),
        _ => false,
    }
}

/// The database that an object lies in; `None` for what all of them share.
fn place(snapshot: &CatalogSnapshot, object: &Object) -> Option<Oid> {
    let parent = object.parent()?;
    match snapshot.schema(parent) {
        Some(schema) => Some(schema.database),
        None => Some(parent),
    }
}

/// 42501 unless the role has the rights of the other one.
fn require_rights(staged: &mut Staged, role: Oid, of: Oid, action: &str, purpose: &str) -> Result<()> {
    if staged.view().access(role).has_privileges_of(of) {
        return staged.require(Permission::MemberOf { role, of });
    }
    let name = staged.view().role(of).map(|role| role.name.clone()).unwrap_or_default();
    let message = format!("permission denied to {action}");
    let detail = format!("Only roles with privileges of role \"{name}\" may {purpose}.");
    Err(Error::new(SqlState::InsufficientPrivilege, message).with_detail(detail))
}

/// The system needs what its first role owns.
fn refuse_bootstrap(staged: &Staged, target: Oid, action: &str) -> Result<()> {
    if target != BOOTSTRAP_ROLE {
        return Ok(());
    }
    let name = staged
        .view()
        .role(target)
        .map(|role| role.name.clone())
        .unwrap_or_default();
    let message = format!("cannot {action} owned by role {name} because they are required by the database system");
    Err(Error::new(SqlState::DependentObjectsStillExist, message))
}

/// Takes the role's own defaults away, and what those of others grant it. Whether there were any.
fn forget_defaults(defaults: &mut Vec<DefaultPrivileges>, target: Oid) -> bool {
    let before = defaults.clone();
    defaults.retain(|known| known.role != target);
    for known in defaults.iter_mut() {
        known.grants.retain(|grant| grant.grantee != target);
    }
    defaults.retain(|known| known.grants != DefaultPrivileges::initial(known.of, known.role, known.schema));
    *defaults != before
}
