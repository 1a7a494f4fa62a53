//! pg_roles and its kin: roles without their verifiers, which nobody reads through SQL.

use crate::catalog::model::Role;
use crate::error::Error;
use crate::error::Result;
use crate::functions::{Datum, PREDEFINED_ROLES};
use crate::introspection::{Introspection, Rows};

/// pg_roles: one row a role; the password is always masked.
pub(super) fn roles(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for role in introspection.lookup.catalog.roles() {
        rows.add([
            ("rolname", role.name.as_str().into()),
            ("rolsuper", role.superuser.into()),
            ("rolinherit", role.inherit.into()),
            ("rolcreaterole", role.create_role.into()),
            ("rolcreatedb", role.create_database.into()),
            ("rolcanlogin", role.login.into()),
            ("rolreplication", false.into()),
            ("rolconnlimit", role.connection_limit.into()),
            ("rolpassword", MASK.into()),
            ("rolvaliduntil", valid_until(role)),
            ("rolbypassrls", false.into()),
            ("rolconfig", settings(role)),
            ("oid", role.id.into()),
        ])?;
    }
    for (oid, name) in PREDEFINED_ROLES {
        rows.add([
            ("rolname", name.into()),
            ("rolsuper", false.into()),
            ("rolinherit", true.into()),
            ("rolcreaterole", false.into()),
            ("rolcreatedb", false.into()),
            ("rolcanlogin", false.into()),
            ("rolreplication", false.into()),
            ("rolconnlimit", (-1).into()),
            ("rolpassword", MASK.into()),
            ("rolbypassrls", false.into()),
            ("oid", oid.into()),
        ])?;
    }
    Ok(())
}

/// pg_authid: for superusers, as in PostgreSQL, but without the verifiers.
pub(super) fn authid(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    if !introspection.lookup.access.is_superuser() {
        return Err(Error::denied("table", "pg_authid"));
    }
    for role in introspection.lookup.catalog.roles() {
        rows.add([
            ("oid", role.id.into()),
            ("rolname", role.name.as_str().into()),
            ("rolsuper", role.superuser.into()),
            ("rolinherit", role.inherit.into()),
            ("rolcreaterole", role.create_role.into()),
            ("rolcreatedb", role.create_database.into()),
            ("rolcanlogin", role.login.into()),
            ("rolreplication", false.into()),
            ("rolbypassrls", false.into()),
            ("rolconnlimit", role.connection_limit.into()),
            ("rolpassword", role.verifier.as_ref().map(|_| MASK).into()),
            ("rolvaliduntil", valid_until(role)),
        ])?;
    }
    for (oid, name) in PREDEFINED_ROLES {
        rows.add([
            ("oid", oid.into()),
            ("rolname", name.into()),
            ("rolsuper", false.into()),
            ("rolinherit", true.into()),
            ("rolcreaterole", false.into()),
            ("rolcreatedb", false.into()),
            ("rolcanlogin", false.into()),
            ("rolreplication", false.into()),
            ("rolbypassrls", false.into()),
            ("rolconnlimit", (-1).into()),
        ])?;
    }
    Ok(())
}

/// pg_user: the roles that may log in.
pub(super) fn users(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for role in introspection.lookup.catalog.roles().filter(|role| role.login) {
        rows.add([
            ("usename", role.name.as_str().into()),
            ("usesysid", role.id.into()),
            ("usecreatedb", role.create_database.into()),
            ("usesuper", role.superuser.into()),
            ("userepl", false.into()),
            ("usebypassrls", false.into()),
            ("passwd", MASK.into()),
            ("valuntil", valid_until(role)),
            ("useconfig", settings(role)),
        ])?;
    }
    Ok(())
}

/// pg_db_role_setting: what the sessions of roles start with, in every database.
pub(super) fn role_settings(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for role in introspection
        .lookup
        .catalog
        .roles()
        .filter(|role| !role.settings.is_empty())
    {
        rows.add([
            ("setdatabase", 0_u32.into()),
            ("setrole", role.id.into()),
            ("setconfig", settings(role)),
        ])?;
    }
    Ok(())
}

/// pg_group: the roles that may not, with their members.
pub(super) fn groups(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let catalog = introspection.lookup.catalog;
    for group in catalog.roles().filter(|role| !role.login) {
        let is_member = |role: &&Role| {
            role.member_of
                .iter()
                .any(|held| held.role == group.id && !held.admin_only)
        };
        let members: Vec<i64> = catalog
            .roles()
            .filter(is_member)
            .map(|role| i64::from(role.id))
            .collect();
        rows.add([
            ("groname", group.name.as_str().into()),
            ("grosysid", group.id.into()),
            ("grolist", members.into()),
        ])?;
    }
    Ok(())
}

const MASK: &str = "********";

fn settings(role: &Role) -> Datum {
    if role.settings.is_empty() {
        return Datum::Null;
    }
    let texts = role.settings.iter().map(|(name, value)| format!("{name}={value}"));
    Datum::List(texts.map(Datum::Text).collect())
}

fn valid_until(role: &Role) -> Datum {
    role.valid_until.map_or(Datum::Null, Datum::Micros)
}
