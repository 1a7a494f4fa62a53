//! What a transaction relied on, and whether it still holds at a later version. A staged commit that lost
//! its slot checks exactly this against the winners: all holds → it moves on top of them, else 40001.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::model::*;
use super::names::Name;
use super::snapshot::CatalogSnapshot;
use crate::error::{Error, Result, SqlState};

/// A right that a statement used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Permission {
    /// The role holds the privilege on the object.
    Has {
        role: Oid,
        object: Oid,
        privilege: Privilege,
    },
    /// The role may pass the privilege on, for the object or for one of its columns.
    MayGrant {
        role: Oid,
        object: Oid,
        column: Option<i16>,
        privilege: Privilege,
    },
    /// The role is, or is a member of, the object's owner.
    Owns {
        role: Oid,
        object: Oid,
    },
    /// The role owns the object or the schema or database that holds it: enough to drop it.
    OwnsOrParent {
        role: Oid,
        object: Oid,
    },
    /// SET ROLE may reach the other role.
    MemberOf {
        role: Oid,
        of: Oid,
    },
    /// The role may grant the other role.
    Administers {
        role: Oid,
        of: Oid,
    },
    Superuser {
        role: Oid,
    },
    CreateRole {
        role: Oid,
    },
    CreateDatabase {
        role: Oid,
    },
}

impl Permission {
    fn holds(&self, snapshot: &CatalogSnapshot) -> bool {
        let object = |id: Oid| snapshot.object(id);
        match *self {
            Permission::Has {
                role,
                object: id,
                privilege,
            } => object(id).is_some_and(|object| snapshot.access(role).has(object, privilege)),
            Permission::MayGrant {
                role,
                object: id,
                column,
                privilege,
            } => object(id).is_some_and(|object| snapshot.access(role).may_grant(object, column, privilege)),
            Permission::Owns { role, object: id } => {
                object(id).is_some_and(|object| snapshot.access(role).owns(object))
            }
            Permission::OwnsOrParent { role, object: id } => object(id).is_some_and(|held| {
                let access = snapshot.access(role);
                access.owns(held) || held.parent().and_then(object).is_some_and(|parent| access.owns(parent))
            }),
            Permission::MemberOf { role, of } => snapshot.access(role).is_member_of(of),
            Permission::Administers { role, of } => snapshot.access(role).administers(of),
            Permission::Superuser { role } => snapshot.access(role).is_superuser(),
            Permission::CreateRole { role } => snapshot
                .role(role)
                .is_some_and(|role| role.superuser || role.create_role),
            Permission::CreateDatabase { role } => snapshot
                .role(role)
                .is_some_and(|role| role.superuser || role.create_database),
        }
    }

    fn refusal(&self, snapshot: &CatalogSnapshot) -> Error {
        let name = |id: Oid| snapshot.object(id).map_or("?", Object::name);
        let word = |id: Oid| snapshot.object(id).map_or("object", |object| object.kind().word());
        let denied = |message: String| Error::new(SqlState::InsufficientPrivilege, message);
        match *self {
            Permission::Has { object, .. } | Permission::MayGrant { object, .. } => {
                Error::denied(word(object), name(object))
            }
            Permission::Owns { object, .. } | Permission::OwnsOrParent { object, .. } => {
                denied(format!("must be owner of {} {}", word(object), name(object)))
            }
            Permission::MemberOf { of, .. } => denied(format!("must be able to SET ROLE \"{}\"", name(of))),
            Permission::Administers { of, .. } => denied(format!("permission denied to grant role \"{}\"", name(of)))
                .with_detail(format!(
                    "Only roles with the ADMIN option on role \"{}\" may do this.",
                    name(of)
                )),
            Permission::Superuser { .. } => {
                denied("permission denied".into()).with_detail("Only roles with the SUPERUSER attribute may do this.")
            }
            Permission::CreateRole { .. } => denied("permission denied to create role".into())
                .with_detail("Only roles with the CREATEROLE attribute may create roles."),
            Permission::CreateDatabase { .. } => denied("permission denied to create database".into()),
        }
    }

    /// Refuses with 42501 where the right is missing.
    pub fn check(&self, snapshot: &CatalogSnapshot) -> Result<()> {
        if self.holds(snapshot) {
            Ok(())
        } else {
            Err(self.refusal(snapshot))
        }
    }
}

/// All that one transaction relied on. Objects that it made itself are never in here.
#[derive(Debug, Clone, Default)]
pub(super) struct Requirements {
    /// Unchanged in every respect since the version, because the transaction replaces them.
    unchanged: HashMap<Oid, u64>,
    /// Same definition; grants and comments may differ.
    definitions: HashMap<Oid, Arc<Object>>,
    existing: HashSet<Oid>,
    absent_names: HashSet<Name>,
    /// Locations below or above which no table lies.
    free_locations: HashSet<String>,
    /// Exactly these depended on the object, own changes aside.
    dependents: HashMap<Oid, BTreeSet<Oid>>,
    role_uses: HashMap<Oid, BTreeSet<Oid>>,
    permissions: HashSet<Permission>,
}

impl Requirements {
    pub(super) fn unchanged(&mut self, base: &CatalogSnapshot, id: Oid) {
        if let Some(changed_at) = base.changed_at(id) {
            self.unchanged.entry(id).or_insert(changed_at);
        }
    }

    pub(super) fn definition(&mut self, base: &CatalogSnapshot, id: Oid) {
        if let Some(object) = base.shared(id) {
            self.definitions.entry(id).or_insert(object);
        }
    }

    pub(super) fn exists(&mut self, base: &CatalogSnapshot, id: Oid) {
        if base.changed_at(id).is_some() {
            self.existing.insert(id);
        }
    }

    pub(super) fn absent(&mut self, base: &CatalogSnapshot, name: Name) {
        if base.named(&name).is_none() {
            self.absent_names.insert(name);
        }
    }

    pub(super) fn free_location(&mut self, url: String) {
        self.free_locations.insert(url);
    }

    pub(super) fn dependents(&mut self, base: &CatalogSnapshot, id: Oid) {
        if base.changed_at(id).is_some() {
            self.dependents
                .entry(id)
                .or_insert_with(|| base.dependents(id).map(Object::id).collect());
        }
    }

    pub(super) fn role_uses(&mut self, base: &CatalogSnapshot, role: Oid) {
        if base.changed_at(role).is_some() {
            self.role_uses
                .entry(role)
                .or_insert_with(|| base.role_uses(role).map(Object::id).collect());
        }
    }

    /// Rights that only the transaction's own changes gave it depend on nothing outside of it.
    pub(super) fn permission(&mut self, base: &CatalogSnapshot, permission: Permission) {
        if permission.holds(base) {
            self.permissions.insert(permission);
        }
    }

    /// 40001 unless everything still holds at `now`, which is above the version of all that was recorded.
    /// `own` are the objects that the transaction changes.
    pub(super) fn recheck(&self, now: &CatalogSnapshot, own: &HashSet<Oid>) -> Result<()> {
        for (id, changed_at) in &self.unchanged {
            if now.changed_at(*id) != Some(*changed_at) {
                return Err(conflict(now, *id));
            }
        }
        for (id, object) in &self.definitions {
            if !now.object(*id).is_some_and(|found| found.same_definition(object)) {
                return Err(conflict(now, *id));
            }
        }
        if let Some(gone) = self.existing.iter().find(|id| now.object(**id).is_none()) {
            return Err(conflict(now, *gone));
        }
        for name in &self.absent_names {
            if let Some(taken) = now.named(name) {
                return Err(conflict(now, taken.id()));
            }
        }
        for url in &self.free_locations {
            if let Some(taken) = overlapping_table(now, url).filter(|table| !own.contains(&table.id)) {
                return Err(conflict(now, taken.id));
            }
        }
        let same = |then: &BTreeSet<Oid>, found: &mut dyn Iterator<Item = Oid>| {
            let found: BTreeSet<Oid> = found.filter(|id| !own.contains(id)).collect();
            then.iter().filter(|id| !own.contains(id)).eq(found.iter())
        };
        for (id, then) in &self.dependents {
            if !same(then, &mut now.dependents(*id).map(Object::id)) {
                return Err(conflict(now, *id));
            }
        }
        for (role, then) in &self.role_uses {
            if !same(then, &mut now.role_uses(*role).map(Object::id)) {
                return Err(conflict(now, *role));
            }
        }
        match self.permissions.iter().find(|permission| !permission.holds(now)) {
            Some(lost) => Err(serialization_failure(format!(
                "A right was revoked: {}.",
                lost.refusal(now).message()
            ))),
            None => Ok(()),
        }
    }
}

/// A table whose location is the URL, lies below it or above it.
pub(super) fn overlapping_table<'a>(snapshot: &'a CatalogSnapshot, url: &str) -> Option<&'a Table> {
    let wanted = folder(url);
    snapshot.tables().find(|table| match &table.location {
        TableLocation::External(found) => {
            let found = folder(found);
            found.starts_with(&wanted) || wanted.starts_with(&found)
        }
        TableLocation::Managed(_) | TableLocation::Temporary(_) => false,
    })
}

/// The URL with exactly one slash at its end, so that a prefix is a folder.
pub(super) fn folder(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

fn conflict(now: &CatalogSnapshot, id: Oid) -> Error {
    serialization_failure(match now.object(id) {
        Some(object) => format!("A concurrent transaction changed {object}."),
        None => "A concurrent transaction dropped an object that this one uses.".into(),
    })
}

pub(super) fn serialization_failure(detail: String) -> Error {
    Error::new(
        SqlState::SerializationFailure,
        "could not serialize access due to concurrent update",
    )
    .with_detail(detail)
    .with_hint("The transaction might succeed if retried.")
}
