//! CREATE SCHEMA.

use super::default_privileges::grants_of_new;
use super::*;

/// Creates the schema; needs CREATE on the database.
pub fn create_schema(
    staged: &mut Staged,
    role: Oid,
    database: Oid,
    name: &str,
    owner: Option<Oid>,
    when_taken: WhenTaken,
) -> Result<Created> {
    staged.require(Permission::Has {
        role,
        object: database,
        privilege: Privilege::Create,
    })?;
    if let Some(existing) = staged.snapshot().schema_named(database, name) {
        return keep_existing(staged, &existing.clone().into(), when_taken);
    }
    check_name(ObjectKind::Schema, name)?;
    let owner = owner.unwrap_or(role);
    staged.require(Permission::MemberOf { role, of: owner })?;
    let id = staged.new_oid()?;
    staged.put(Schema {
        id,
        database,
        name: name.to_string(),
        owner,
        grants: grants_of_new(staged, owner, ObjectKind::Schema, database),
        comment: None,
    })?;
    Ok(Created::New(id))
}
