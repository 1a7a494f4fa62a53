//! CREATE DATABASE. A new database has a schema `public` that everybody may use and its owner may create in.

use super::*;
use crate::catalog::acl::default_grants;

/// Creates the database with its schema `public`; needs CREATEDB.
pub fn create_database(
    staged: &mut Staged,
    role: Oid,
    name: &str,
    owner: Option<Oid>,
    when_taken: WhenTaken,
) -> Result<Created> {
    staged.require(Permission::CreateDatabase { role })?;
    check_name(ObjectKind::Database, name)?;
    if let Some(existing) = staged.snapshot().database_named(name) {
        return keep_existing(staged, &existing.clone().into(), when_taken);
    }
    let owner = owner.unwrap_or(role);
    staged.require(Permission::MemberOf { role, of: owner })?;
    let id = staged.new_oid()?;
    let grants = default_grants(ObjectKind::Database, owner);
    staged.put(Database {
        id,
        name: name.to_string(),
        owner,
        grants,
        default_privileges: vec![],
        comment: None,
    })?;
    let usage = Grant {
        grantee: PUBLIC_ROLE,
        grantor: owner,
        privileges: vec![Privilege::Usage],
        grantable: vec![],
    };
    staged.put(Schema {
        id: staged.new_oid()?,
        database: id,
        name: "public".into(),
        owner,
        grants: vec![usage],
        comment: Some("standard public schema".into()),
    })?;
    Ok(Created::New(id))
}
