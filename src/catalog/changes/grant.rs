//! GRANT and REVOKE of privileges on objects and columns, with grant options and PostgreSQL's rules for who
//! passes on what. Owners hold every privilege on their objects and need no grant.

use std::collections::HashSet;

use super::table::missing_column;
use super::*;

/// The privileges that a statement names, each with its columns; empty means ALL PRIVILEGES.
pub type PrivilegeList = [(Privilege, Vec<String>)];

/// One privilege on the object, or on a column of it.
type Item = (Option<i16>, Privilege);

/// Grants on one object. `PUBLIC_ROLE` among the grantees is everybody.
pub fn grant(
    staged: &mut Staged,
    role: Oid,
    id: Oid,
    privileges: &PrivilegeList,
    grantees: &[Oid],
    with_grant_option: bool,
) -> Result<()> {
    let mut object = grantable_object(staged, id)?;
    if with_grant_option && grantees.contains(&PUBLIC_ROLE) {
        let message = "grant options can only be granted to roles";
        return Err(Error::new(SqlState::InvalidGrantOperation, message));
    }
    let asked = items(&object, privileges)?;
    let allowed = passable(staged, role, &object, &asked)?;
    if allowed.len() < asked.len() {
        let which = if allowed.is_empty() {
            "no privileges were"
        } else {
            "not all privileges were"
        };
        staged.warn(format!("{which} granted for \"{}\"", object.name()));
    }
    for (column, privilege) in allowed {
        let grantor = grantor(staged.view(), role, &object, column, privilege);
        let owner = object.owner();
        for grantee in grantees.iter().copied().filter(|grantee| Some(*grantee) != owner) {
            if with_grant_option && passed_on_by(&object, column, privilege, grantee).contains(&grantor) {
                let message = "grant options cannot be granted back to your own grantor";
                return Err(Error::new(SqlState::InvalidGrantOperation, message));
            }
            add(
                grants(&mut object, column)?,
                grantee,
                grantor,
                privilege,
                with_grant_option,
            );
        }
    }
    staged.put(object)
}

/// Revokes what the role (or, for owners, the owner) granted; with `only_option` just the right to pass it
/// on. What grantees passed on goes too under CASCADE, else it is 2BP01.
pub fn revoke(
    staged: &mut Staged,
    role: Oid,
    id: Oid,
    privileges: &PrivilegeList,
    grantees: &[Oid],
    only_option: bool,
    cascade: bool,
) -> Result<()> {
    let mut object = grantable_object(staged, id)?;
    let mut asked = items(&object, privileges)?;
    let allowed = passable(staged, role, &object, &asked)?;
    if allowed.len() < asked.len() {
        let which = if allowed.is_empty() {
            "no privileges could be"
        } else {
            "not all privileges could be"
        };
        staged.warn(format!("{which} revoked for \"{}\"", object.name()));
        asked = allowed;
    }
    // A privilege taken from the whole relation is taken from its columns as well.
    let columns: Vec<i16> = object.columns().iter().map(|column| column.id).collect();
    let mut all: Vec<Item> = vec![];
    for (column, privilege) in asked {
        all.push((column, privilege));
        if column.is_none() && Privilege::all_of(ObjectKind::Column).contains(&privilege) {
            all.extend(columns.iter().map(|column| (Some(*column), privilege)));
        }
    }
    for (column, privilege) in all {
        let grantor = grantor(staged.view(), role, &object, column, privilege);
        for grantee in grantees {
            take(&mut object, column, privilege, *grantee, grantor, only_option, cascade)?;
        }
    }
    staged.put(object)
}

fn grantable_object(staged: &Staged, id: Oid) -> Result<Object> {
    let object = staged.object(id)?;
    match &object {
        Object::Role(_) => Err(Error::new(
            SqlState::WrongObjectType,
            "roles are granted with GRANT role TO role",
        )),
        Object::Schema(schema) if schema.database == 0 => {
            Err(Error::denied("schema", &schema.name)
                .with_detail("System catalog modifications are currently disallowed."))
        }
        _ => Ok(object),
    }
}

/// The list's privileges one by one; 0LP01 for one that objects of this kind do not have.
fn items(object: &Object, privileges: &PrivilegeList) -> Result<Vec<Item>> {
    let invalid = |privilege: Privilege, kind: &str| {
        let message = format!("invalid privilege type {} for {kind}", privilege.keyword());
        Error::new(SqlState::InvalidGrantOperation, message)
    };
    let possible = Privilege::all_of(object.kind());
    if privileges.is_empty() {
        return Ok(possible.iter().map(|privilege| (None, *privilege)).collect());
    }
    let mut found = vec![];
    for (privilege, columns) in privileges {
        if !possible.contains(privilege) {
            let kind = if object.columns().is_empty() {
                object.kind().word()
            } else {
                "relation"
            };
            return Err(invalid(*privilege, kind));
        }
        if columns.is_empty() {
            found.push((None, *privilege));
        } else if !Privilege::all_of(ObjectKind::Column).contains(privilege) {
            return Err(invalid(*privilege, "column"));
        }
        for name in columns {
            let column = object.columns().iter().find(|column| column.name == *name);
            let column = column.ok_or_else(|| missing_column(name, object.name()))?;
            found.push((Some(column.id), *privilege));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Those of the privileges that the role may pass on, relying on that right. Refuses with 42501 who may pass
/// on none and holds nothing on the object either.
fn passable(staged: &mut Staged, role: Oid, object: &Object, asked: &[Item]) -> Result<Vec<Item>> {
    let id = object.id();
    let mut allowed = vec![];
    for (column, privilege) in asked.iter().copied() {
        if staged
            .require(Permission::MayGrant {
                role,
                object: id,
                column,
                privilege,
            })
            .is_ok()
        {
            allowed.push((column, privilege));
        }
    }
    let access = staged.view().access(role);
    // A privilege on a column counts for who passes on columns, not for who passes on the whole.
    let on_columns = asked.iter().any(|(column, _)| column.is_some());
    let holds = |privilege: &Privilege| match on_columns {
        true => access.has_any_column(object, *privilege),
        false => access.has(object, *privilege),
    };
    if allowed.is_empty() && !Privilege::all_of(object.kind()).iter().any(holds) {
        return Err(Error::denied(object.kind().word(), object.name()));
    }
    Ok(allowed)
}

/// Who appears as the grantor: the owner for whoever may act as him, else the role that holds the option.
fn grantor(snapshot: &CatalogSnapshot, role: Oid, object: &Object, column: Option<i16>, privilege: Privilege) -> Oid {
    let access = snapshot.access(role);
    if let Some(owner) = object.owner().filter(|_| access.owns(object)) {
        return owner;
    }
    let by_column = column.and_then(|id| object.columns().iter().find(|column| column.id == id));
    let lists = object
        .grants()
        .iter()
        .chain(by_column.into_iter().flat_map(|column| &column.grants));
    let holders: Vec<Oid> = lists
        .filter(|grant| grant.grantable.contains(&privilege))
        .map(|grant| grant.grantee)
        .collect();
    if holders.contains(&role) {
        return role;
    }
    holders
        .into_iter()
        .find(|holder| access.has_privileges_of(*holder))
        .unwrap_or(role)
}

fn grants(object: &mut Object, column: Option<i16>) -> Result<&mut Vec<Grant>> {
    let list = match column {
        None => object.grants_mut(),
        Some(id) => {
            let mut columns = object.columns_mut().into_iter().flatten();
            columns.find(|column| column.id == id).map(|column| &mut column.grants)
        }
    };
    list.ok_or_else(|| Error::internal("the object has no grants"))
}

pub(super) fn add(list: &mut Vec<Grant>, grantee: Oid, grantor: Oid, privilege: Privilege, with_option: bool) {
    let position = list
        .iter()
        .position(|grant| grant.grantee == grantee && grant.grantor == grantor);
    let position = position.unwrap_or_else(|| {
        list.push(Grant {
            grantee,
            grantor,
            privileges: vec![],
            grantable: vec![],
        });
        list.len() - 1
    });
    let insert = |privileges: &mut Vec<Privilege>| {
        if !privileges.contains(&privilege) {
            privileges.push(privilege);
            privileges.sort_unstable();
        }
    };
    insert(&mut list[position].privileges);
    if with_option {
        insert(&mut list[position].grantable);
    }
}

/// All who hold the privilege because `source` passed it on, directly or not, `source` included.
fn passed_on_by(object: &Object, column: Option<i16>, privilege: Privilege, source: Oid) -> HashSet<Oid> {
    let mut found = HashSet::from([source]);
    let mut unvisited = vec![source];
    while let Some(grantor) = unvisited.pop() {
        for grant in list(object, column).iter().filter(|grant| grant.grantor == grantor) {
            if grant.privileges.contains(&privilege) && found.insert(grant.grantee) {
                unvisited.push(grant.grantee);
            }
        }
    }
    found
}

fn list(object: &Object, column: Option<i16>) -> &[Grant] {
    match column {
        None => object.grants(),
        Some(id) => object
            .columns()
            .iter()
            .find(|column| column.id == id)
            .map_or(&[], |column| &column.grants),
    }
}

/// Takes one privilege that `grantor` gave `grantee`, and what hung on it.
fn take(
    object: &mut Object,
    column: Option<i16>,
    privilege: Privilege,
    grantee: Oid,
    grantor: Oid,
    only_option: bool,
    cascade: bool,
) -> Result<()> {
    let owner = object.owner();
    let held = grants(object, column)?;
    let Some(grant) = held
        .iter_mut()
        .find(|grant| grant.grantee == grantee && grant.grantor == grantor)
    else {
        return Ok(());
    };
    let could_pass_on = grant.grantable.contains(&privilege);
    grant.grantable.retain(|kept| *kept != privilege);
    if !only_option {
        grant.privileges.retain(|kept| *kept != privilege);
    }
    held.retain(|grant| !grant.privileges.is_empty());
    let still_passes = list(object, column)
        .iter()
        .any(|grant| grant.grantee == grantee && grant.grantable.contains(&privilege));
    if !could_pass_on || still_passes || owner == Some(grantee) {
        return Ok(());
    }
    let from_grantee = |grant: &&Grant| grant.grantor == grantee && grant.privileges.contains(&privilege);
    let passed_on: Vec<Oid> = list(object, column)
        .iter()
        .filter(from_grantee)
        .map(|grant| grant.grantee)
        .collect();
    if !passed_on.is_empty() && !cascade {
        return Err(
            Error::new(SqlState::DependentObjectsStillExist, "dependent privileges exist")
                .with_hint("Use CASCADE to revoke them too."),
        );
    }
    for next in passed_on {
        take(object, column, privilege, next, grantee, false, cascade)?;
    }
    Ok(())
}

/// Takes all that a role was granted on the object, with what it passed on. Whether there was anything.
pub(super) fn revoke_everything(object: &mut Object, grantee: Oid) -> Result<bool> {
    if object.owner() == Some(grantee) {
        return Ok(false);
    }
    let columns = object.columns().iter().map(|column| Some(column.id));
    let mut held = vec![];
    for column in columns.chain([None]) {
        for grant in list(object, column).iter().filter(|grant| grant.grantee == grantee) {
            let privileges = grant.privileges.iter();
            held.extend(privileges.map(|privilege| (column, *privilege, grant.grantor)));
        }
    }
    for (column, privilege, grantor) in &held {
        take(object, *column, *privilege, grantee, *grantor, false, true)?;
    }
    Ok(!held.is_empty())
}
