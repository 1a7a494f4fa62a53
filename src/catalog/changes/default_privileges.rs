//! ALTER DEFAULT PRIVILEGES: what a role's new objects grant by themselves.

use super::grant::add;
use super::*;
use crate::catalog::acl::default_grants;
use crate::catalog::default_privileges::{DefaultPrivileges, DefaultsOf};

/// A change of the defaults of each role, everywhere in the database or in each of the schemas.
#[derive(Debug, Clone)]
pub struct DefaultsChange {
    pub roles: Vec<Oid>,
    /// None are: everywhere.
    pub schemas: Vec<Oid>,
    pub of: DefaultsOf,
    pub revoke: bool,
    /// None are all of them.
    pub privileges: Vec<Privilege>,
    pub grantees: Vec<Oid>,
    /// WITH GRANT OPTION; of REVOKE: GRANT OPTION FOR.
    pub option: bool,
}

/// Needs the rights of each role whose defaults change.
pub fn alter_default_privileges(staged: &mut Staged, role: Oid, database: Oid, change: &DefaultsChange) -> Result<()> {
    let invalid = |message: String| Err(Error::new(SqlState::InvalidGrantOperation, message));
    if change.of == DefaultsOf::Schemas && !change.schemas.is_empty() {
        return invalid("cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS".into());
    }
    let possible = Privilege::all_of(change.of.kind());
    if let Some(privilege) = change.privileges.iter().find(|privilege| !possible.contains(privilege)) {
        let word = change.of.word();
        return invalid(format!("invalid privilege type {} for {word}", privilege.keyword()));
    }
    if !change.revoke && change.option && change.grantees.contains(&PUBLIC_ROLE) {
        return invalid("grant options can only be granted to roles".into());
    }
    for target in &change.roles {
        staged.require(Permission::MemberOf { role, of: *target })?;
    }
    let Object::Database(mut database) = staged.object(database)? else {
        return Err(Error::internal("a database is none"));
    };
    let schemas: Vec<Option<Oid>> = match change.schemas.is_empty() {
        true => vec![None],
        false => change.schemas.iter().copied().map(Some).collect(),
    };
    for target in &change.roles {
        for schema in &schemas {
            let defaults = &mut database.default_privileges;
            let known =
                |known: &DefaultPrivileges| known.role == *target && known.schema == *schema && known.of == change.of;
            let initial = DefaultPrivileges::initial(change.of, *target, *schema);
            let mut entry = match defaults.iter().position(known) {
                Some(place) => defaults.remove(place),
                None => DefaultPrivileges {
                    id: staged.new_oid()?,
                    role: *target,
                    schema: *schema,
                    of: change.of,
                    grants: initial.clone(),
                },
            };
            changed(&mut entry, change);
            if entry.grants != initial {
                defaults.push(entry);
            }
        }
    }
    staged.put(database)
}

fn changed(entry: &mut DefaultPrivileges, change: &DefaultsChange) {
    let privileges = match change.privileges.as_slice() {
        [] => Privilege::all_of(change.of.kind()),
        named => named,
    };
    let creator = entry.role;
    // What is the creator's own goes without saying.
    for grantee in change.grantees.iter().copied().filter(|grantee| *grantee != creator) {
        for privilege in privileges.iter().copied() {
            if !change.revoke {
                add(&mut entry.grants, grantee, creator, privilege, change.option);
                continue;
            }
            for grant in entry.grants.iter_mut().filter(|grant| grant.grantee == grantee) {
                grant.grantable.retain(|kept| *kept != privilege);
                if !change.option {
                    grant.privileges.retain(|kept| *kept != privilege);
                }
            }
        }
    }
    entry.grants.retain(|grant| !grant.privileges.is_empty());
    entry
        .grants
        .sort_by_key(|grant| (grant.grantee != PUBLIC_ROLE, grant.grantee));
}

/// What a new object grants by itself: the session's temporary ones know no defaults but PostgreSQL's.
pub(super) fn grants_of_new(staged: &Staged, owner: Oid, kind: ObjectKind, schema: Oid) -> Vec<Grant> {
    let view = staged.view();
    let database = match kind {
        ObjectKind::Schema => view.database(schema),
        _ => view.schema(schema).and_then(|schema| view.database(schema.database)),
    };
    match database.filter(|_| view.temporary_schema() != Some(schema)) {
        Some(database) => database.grants_of_new(owner, kind, schema),
        None => default_grants(kind, owner),
    }
}

/// A schema's defaults go with it.
pub(super) fn forget_schema(staged: &mut Staged, schema: &Schema) -> Result<()> {
    let of_schema = |known: &DefaultPrivileges| known.schema == Some(schema.id);
    match staged.view().database(schema.database).cloned() {
        Some(mut database) if database.default_privileges.iter().any(of_schema) => {
            database.default_privileges.retain(|known| !of_schema(known));
            staged.put(database)
        }
        _ => Ok(()),
    }
}

/// The defaults that keep a role from being dropped, as PostgreSQL calls them: those of others that grant it something.
pub(super) fn kept_by(snapshot: &CatalogSnapshot, database: &Database, role: Oid) -> Vec<String> {
    let names =
        |known: &&DefaultPrivileges| known.role != role && known.grants.iter().any(|grant| grant.grantee == role);
    let kept = database.default_privileges.iter().filter(names);
    kept.map(|known| {
        let creator = snapshot.role(known.role).map_or("", |role| &role.name);
        let of = known.of.word();
        let place = known
            .schema
            .map(|schema| format!(" in schema {}", snapshot.schema_name(schema)));
        let place = place.unwrap_or_default();
        format!("privileges for default privileges on new {of}s belonging to role {creator}{place}")
    })
    .collect()
}

/// The database without the defaults of a role that goes.
pub(super) fn without_role(mut database: Database, role: Oid) -> Database {
    database.default_privileges.retain(|known| known.role != role);
    database
}
