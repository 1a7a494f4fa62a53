//! Privilege questions of one role against one snapshot, answered as PostgreSQL answers them: superusers may
//! all, owners hold every privilege on their objects, roles inherit from those they are members of, PUBLIC
//! is everybody. Nothing here is cached: revoking bites with the next snapshot.

use std::collections::HashSet;

use super::model::*;
use super::snapshot::CatalogSnapshot;
use crate::error::{Error, Result, SqlState};

/// What one role may do, at one version of the catalog.
#[derive(Debug, Clone)]
pub struct Access<'a> {
    snapshot: &'a CatalogSnapshot,
    role: Oid,
    superuser: bool,
    /// The roles whose privileges it has, itself included.
    privileges_of: HashSet<Oid>,
}

impl CatalogSnapshot {
    /// The questions of this role. A role that does not exist may do what PUBLIC may.
    pub fn access(&self, role: Oid) -> Access<'_> {
        let superuser = self.role(role).is_some_and(|role| role.superuser);
        Access {
            snapshot: self,
            role,
            superuser,
            privileges_of: self.membership_closure(role, true),
        }
    }

    /// `role` and all roles that it is a member of, directly or not. With `inheriting`, memberships of roles
    /// that do not INHERIT are left out.
    pub fn membership_closure(&self, role: Oid, inheriting: bool) -> HashSet<Oid> {
        let mut found = HashSet::from([role]);
        let mut unvisited = vec![role];
        while let Some(member) = unvisited.pop().and_then(|id| self.role(id)) {
            if inheriting && !member.inherit {
                continue;
            }
            for membership in member.member_of.iter().filter(|membership| !membership.admin_only) {
                if found.insert(membership.role) {
                    unvisited.push(membership.role);
                }
            }
        }
        found
    }
}

impl<'a> Access<'a> {
    pub fn role(&self) -> Oid {
        self.role
    }

    pub fn is_superuser(&self) -> bool {
        self.superuser
    }

    /// Whether SET ROLE may reach the role: a member, directly or not. Superusers reach every role.
    pub fn is_member_of(&self, role: Oid) -> bool {
        self.superuser || self.is_strictly_member_of(role)
    }

    /// As `is_member_of`, but superusers are members of nothing that they were not granted: the answer of
    /// `is_member()` in policies.
    pub fn is_strictly_member_of(&self, role: Oid) -> bool {
        self.snapshot.membership_closure(self.role, false).contains(&role)
    }

    /// Whether the role's privileges count as its own.
    pub fn has_privileges_of(&self, role: Oid) -> bool {
        self.superuser || self.privileges_of.contains(&role)
    }

    /// Whether it may grant the role to others: ADMIN OPTION, held directly or by a role it inherits from.
    pub fn administers(&self, role: Oid) -> bool {
        let admin = |member: &Role| member.member_of.iter().any(|held| held.role == role && held.admin);
        self.superuser
            || self
                .privileges_of
                .iter()
                .filter_map(|id| self.snapshot.role(*id))
                .any(admin)
    }

    /// Whether it may change the object's definition: its owner, a member of its owner, a superuser.
    pub fn owns(&self, object: &Object) -> bool {
        self.superuser || object.owner().is_some_and(|owner| self.privileges_of.contains(&owner))
    }

    /// Whether it holds the privilege on the whole object.
    pub fn has(&self, object: &Object, privilege: Privilege) -> bool {
        self.owns(object) || self.granted(object.grants(), |grant| grant.privileges.contains(&privilege))
    }

    /// Whether it holds the privilege on the whole relation or on this column of it.
    pub fn has_column(&self, relation: &Object, column: i16, privilege: Privilege) -> bool {
        let granted = |column: &Column| self.granted(&column.grants, |grant| grant.privileges.contains(&privilege));
        self.has(relation, privilege) || relation.columns().iter().any(|held| held.id == column && granted(held))
    }

    /// Whether it holds the privilege on the whole relation or on at least one column of it.
    pub fn has_any_column(&self, relation: &Object, privilege: Privilege) -> bool {
        let granted = |column: &Column| self.granted(&column.grants, |grant| grant.privileges.contains(&privilege));
        self.has(relation, privilege) || relation.columns().iter().any(granted)
    }

    /// The columns, by id, on which it holds the privilege, through the relation or by themselves.
    pub fn columns_with(&self, relation: &Object, privilege: Privilege) -> Vec<i16> {
        let whole = self.has(relation, privilege);
        let held =
            |column: &&Column| whole || self.granted(&column.grants, |grant| grant.privileges.contains(&privilege));
        relation.columns().iter().filter(held).map(|column| column.id).collect()
    }

    /// Whether it may pass the privilege on, for the whole object or for this column.
    pub fn may_grant(&self, object: &Object, column: Option<i16>, privilege: Privilege) -> bool {
        let passes = |grant: &Grant| grant.grantable.contains(&privilege);
        let by_column = column.and_then(|id| object.columns().iter().find(|column| column.id == id));
        self.owns(object)
            || self.granted(object.grants(), passes)
            || by_column.is_some_and(|column| self.granted(&column.grants, passes))
    }

    /// CONNECT on the database.
    pub fn can_connect(&self, database: Oid) -> bool {
        self.snapshot
            .object(database)
            .is_some_and(|database| self.has(database, Privilege::Connect))
    }

    /// USAGE on the schema; everybody uses the system schemas.
    pub fn uses_schema(&self, schema: Oid) -> bool {
        self.snapshot
            .object(schema)
            .is_some_and(|schema| self.has(schema, Privilege::Usage))
    }

    /// Refuses with 42501, in PostgreSQL's words, without the privilege on the whole object.
    pub fn require(&self, object: &Object, privilege: Privilege) -> Result<()> {
        if self.has(object, privilege) {
            Ok(())
        } else {
            Err(Error::denied(object.kind().word(), object.name()))
        }
    }

    /// Refuses with 42501 whoever may not change the object's definition.
    pub fn require_owner(&self, object: &Object) -> Result<()> {
        if self.owns(object) {
            return Ok(());
        }
        let message = format!("must be owner of {} {}", object.kind().word(), object.name());
        Err(Error::new(SqlState::InsufficientPrivilege, message))
    }

    /// Refuses with 42501 unless SET ROLE may reach the role.
    pub fn require_member_of(&self, role: Oid) -> Result<()> {
        if self.is_member_of(role) {
            return Ok(());
        }
        let name = self.snapshot.role(role).map_or("?", |role| role.name.as_str());
        Err(Error::new(
            SqlState::InsufficientPrivilege,
            format!("must be able to SET ROLE \"{name}\""),
        ))
    }

    fn granted(&self, grants: &[Grant], wanted: impl Fn(&Grant) -> bool) -> bool {
        let reaches = |grant: &Grant| grant.grantee == PUBLIC_ROLE || self.privileges_of.contains(&grant.grantee);
        grants.iter().any(|grant| reaches(grant) && wanted(grant))
    }
}

impl Privilege {
    /// The keyword of GRANT.
    pub fn keyword(self) -> &'static str {
        match self {
            Privilege::Select => "SELECT",
            Privilege::Insert => "INSERT",
            Privilege::Update => "UPDATE",
            Privilege::Delete => "DELETE",
            Privilege::Truncate => "TRUNCATE",
            Privilege::References => "REFERENCES",
            Privilege::Trigger => "TRIGGER",
            Privilege::Create => "CREATE",
            Privilege::Connect => "CONNECT",
            Privilege::Temporary => "TEMPORARY",
            Privilege::Usage => "USAGE",
            Privilege::Execute => "EXECUTE",
            Privilege::ReadFiles => "READ FILES",
            Privilege::WriteFiles => "WRITE FILES",
        }
    }

    /// The privilege of that keyword, in any case, as has_table_privilege() and its family take it.
    pub fn from_keyword(keyword: &str) -> Option<Privilege> {
        let keyword = keyword.trim().to_ascii_uppercase();
        if keyword == "TEMP" {
            return Some(Privilege::Temporary);
        }
        Privilege::ALL
            .into_iter()
            .find(|privilege| privilege.keyword() == keyword)
    }

    /// All privileges in the order in which aclitem shows them.
    pub const ALL: [Privilege; 14] = [
        Privilege::Insert,
        Privilege::Select,
        Privilege::Update,
        Privilege::Delete,
        Privilege::Truncate,
        Privilege::References,
        Privilege::Trigger,
        Privilege::Execute,
        Privilege::Usage,
        Privilege::Create,
        Privilege::Temporary,
        Privilege::Connect,
        Privilege::ReadFiles,
        Privilege::WriteFiles,
    ];

    /// What ALL PRIVILEGES means for a kind of object.
    pub fn all_of(kind: ObjectKind) -> &'static [Privilege] {
        use Privilege::*;
        match kind {
            ObjectKind::Database => &[Create, Temporary, Connect],
            ObjectKind::Schema => &[Usage, Create],
            ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView => {
                &[Insert, Select, Update, Delete, Truncate, References, Trigger]
            }
            ObjectKind::Column => &[Insert, Select, Update, References],
            ObjectKind::Function => &[Execute],
            ObjectKind::Type | ObjectKind::Domain => &[Usage],
            ObjectKind::Sequence => &[Usage, Select, Update],
            ObjectKind::ExternalLocation => &[ReadFiles, WriteFiles],
            ObjectKind::Role | ObjectKind::Index => &[],
        }
    }
}
