//! COMMENT ON, for every kind of object, for columns and for constraints.

use super::role::{existing_role, require_administration};
use super::table::missing_column;
use super::*;

/// A part of a table or view that has a comment of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentedPart {
    Column(String),
    Constraint(String),
}

/// Sets the comment, or with `None` takes it away.
pub fn set_comment(
    staged: &mut Staged,
    role: Oid,
    id: Oid,
    part: Option<&CommentedPart>,
    text: Option<&str>,
) -> Result<()> {
    let mut object = staged.object(id)?;
    match object.kind() {
        ObjectKind::Role => {
            let target = existing_role(staged, id)?;
            require_administration(staged, role, &target, "comment on")?;
        }
        ObjectKind::ExternalLocation => return Err(Error::unsupported("COMMENT ON EXTERNAL LOCATION")),
        _ => staged.require(Permission::Owns { role, object: id })?,
    }
    // PostgreSQL too takes an empty comment for none.
    let text = text.filter(|text| !text.is_empty()).map(str::to_string);
    match part {
        None => object.set_comment(text),
        Some(CommentedPart::Constraint(name)) => {
            let relation = object.name().to_string();
            if let Object::Type(user_type) = &mut object {
                set_comment_of_check(user_type, name, text)?;
                return staged.put(object);
            }
            let found = match &mut object {
                Object::Table(table) => table.constraints.iter_mut().find(|constraint| constraint.name == *name),
                _ => None,
            };
            let missing = || {
                let message = format!("constraint \"{name}\" for table \"{relation}\" does not exist");
                Error::new(SqlState::UndefinedObject, message)
            };
            found.ok_or_else(missing)?.comment = text;
        }
        Some(CommentedPart::Column(name)) => {
            let relation = object.name().to_string();
            if let Object::Type(Type {
                definition: TypeDefinition::Composite(attributes),
                ..
            }) = &mut object
            {
                let found = attributes.iter_mut().find(|attribute| attribute.name == *name);
                found.ok_or_else(|| missing_column(name, &relation))?.comment = text;
                return staged.put(object);
            }
            let found = object
                .columns_mut()
                .into_iter()
                .flatten()
                .find(|column| column.name == *name);
            found.ok_or_else(|| missing_column(name, &relation))?.comment = text;
        }
    }
    staged.put(object)
}

/// COMMENT ON CONSTRAINT … ON DOMAIN.
fn set_comment_of_check(user_type: &mut Type, name: &str, text: Option<String>) -> Result<()> {
    let of = user_type.name.clone();
    let found = match &mut user_type.definition {
        TypeDefinition::Domain(domain) => domain.checks.iter_mut().find(|check| check.name == name),
        TypeDefinition::Enum(_) | TypeDefinition::Composite(_) => None,
    };
    let missing = || {
        let message = format!("constraint \"{name}\" for domain {of} does not exist");
        Error::new(SqlState::UndefinedObject, message)
    };
    found.ok_or_else(missing)?.comment = text;
    Ok(())
}
