//! DDL intents turned into staged changes, with PostgreSQL's checks and messages: one file a noun or verb.
//! Everything is by id; whoever calls resolves names first. `role` is the effective role of the statement.

mod column;
mod comment;
mod composite;
mod constraint;
mod database;
mod default_privileges;
mod domain;
mod drop;
mod external_location;
mod function;
mod grant;
mod index;
mod location;
mod membership;
mod owned;
mod owner;
mod policy;
mod references;
mod rename;
mod role;
mod schema;
mod sequence;
mod set_schema;
mod table;
mod user_type;
mod view;

pub use column::{add_columns, drop_column, rename_column, set_column_type, set_not_null};
pub use comment::{CommentedPart, set_comment};
pub use composite::{AttributeChange, ChangedFields, alter_composite, create_composite};
pub use constraint::{
    NewConstraint, NewRule, add_constraint, drop_constraint, rename_constraint, set_default, set_unlogged, set_valid,
};
pub use database::create_database;
pub use default_privileges::{DefaultsChange, alter_default_privileges};
pub use domain::{DomainChange, alter_domain, column_with_fields, create_domain, domain_columns};
pub use drop::{columns_of_dropped_types, columns_of_types_among, drop_named, drop_objects};
pub use external_location::create_external_location;
pub use function::{NewFunction, create_function, set_script};
pub use grant::{PrivilegeList, grant, revoke};
pub use index::{NewIndex, NewIndexKey, NewIndexedValue, create_index};
pub use location::normalize as normalize_location;
pub use membership::{grant_role, revoke_role};
pub use owned::{drop_owned, owned_objects, reassign_owned};
pub use owner::change_owner;
pub use policy::{drop_column_mask, drop_row_filter, set_column_mask, set_row_filter};
pub use rename::rename;
pub use role::{RoleAttributes, alter_role, create_role, drop_role, reset_role_settings, set_role_setting};
pub use schema::create_schema;
pub use sequence::{IdentityChange, NewSequence, SequenceOptions, alter_sequence, change_identity, create_sequence};
pub use set_schema::set_schema;
pub use table::{NewColumn, NewTable, create_materialized_view, create_table, set_populated};
pub use user_type::{EnumPlace, add_label, create_enum, label_users, rename_label};
pub use view::{NewView, create_view, rename_view_column};

use super::model::*;
use super::requirement::Permission;
use super::snapshot::CatalogSnapshot;
use super::staged::{Staged, already_exists};
use super::system_columns::{refuse_system_name, system_column};
use crate::error::{Error, Result, SqlState};

/// What a CREATE does when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenTaken {
    Refuse,
    /// IF NOT EXISTS.
    Keep,
    /// OR REPLACE.
    Replace,
}

/// What a CREATE did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    New(Oid),
    /// IF NOT EXISTS found it; a notice says so.
    Existing(Oid),
    /// OR REPLACE gave it a new definition under its old id.
    Replaced(Oid),
}

impl Created {
    pub fn id(self) -> Oid {
        match self {
            Created::New(id) | Created::Existing(id) | Created::Replaced(id) => id,
        }
    }
}

/// The answer of IF NOT EXISTS: the notice and the id, or the error without it.
fn keep_existing(staged: &mut Staged, existing: &Object, when_taken: WhenTaken) -> Result<Created> {
    let error = already_exists(existing);
    if when_taken == WhenTaken::Refuse {
        return Err(error);
    }
    staged.skipping(&error);
    Ok(Created::Existing(existing.id()))
}

/// Refuses who may not create in the schema, and the system schemas for everybody.
fn require_create(staged: &mut Staged, role: Oid, schema: Oid) -> Result<()> {
    if let Some(system) = staged.view().schema(schema).filter(|schema| schema.database == 0) {
        return Err(
            Error::denied("schema", &system.name).with_detail("System catalog modifications are currently disallowed.")
        );
    }
    staged.require(Permission::Has {
        role,
        object: schema,
        privilege: Privilege::Create,
    })
}

/// Names the object as dependency messages do, with its schema unless that is `public`.
fn describe(snapshot: &CatalogSnapshot, object: &Object) -> String {
    let schema = match object {
        Object::Table(_)
        | Object::View(_)
        | Object::Function(_)
        | Object::Sequence(_)
        | Object::Index(_)
        | Object::Type(_) => object.parent().and_then(|id| snapshot.schema(id)),
        _ => None,
    };
    let word = object.kind().word();
    match schema.filter(|schema| schema.name != "public") {
        Some(schema) => {
            let text = object.to_string();
            let name = text.strip_prefix(word).unwrap_or_default().trim_start();
            format!("{word} {}.{name}", schema.name)
        }
        None => object.to_string(),
    }
}

/// Refuses names that PostgreSQL keeps for itself or cannot hold.
fn check_name(kind: ObjectKind, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::syntax("zero-length delimited identifier at or near \"\"\"\""));
    }
    if name.len() > 63 {
        return Err(
            Error::new(SqlState::InvalidName, format!("name \"{name}\" is too long"))
                .with_detail("Names hold at most 63 bytes."),
        );
    }
    match kind {
        ObjectKind::Schema if name.starts_with("pg_") => Err(Error::new(
            SqlState::ReservedName,
            format!("unacceptable schema name \"{name}\""),
        )
        .with_detail("The prefix \"pg_\" is reserved for system schemas.")),
        ObjectKind::Schema if ["information_schema", "system"].contains(&name) => Err(Error::new(
            SqlState::DuplicateSchema,
            format!("schema \"{name}\" already exists"),
        )),
        ObjectKind::Role if ["public", "none"].contains(&name) => Err(Error::new(
            SqlState::ReservedName,
            format!("role name \"{name}\" is reserved"),
        )),
        ObjectKind::Role if name.starts_with("pg_") => Err(Error::new(
            SqlState::ReservedName,
            format!("role name \"{name}\" is reserved"),
        )
        .with_detail("Role names starting with \"pg_\" are reserved.")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
