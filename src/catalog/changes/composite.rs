//! CREATE TYPE … AS (…) and ALTER TYPE … ATTRIBUTE.

use super::table::missing_column;
use super::user_type::{create, owned_type};
use super::*;
use crate::types::SqlType;

/// What ALTER TYPE does with a field of a composite type.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeChange {
    Add { name: String, sql_type: SqlType },
    Drop { name: String, if_exists: bool },
    SetType { name: String, sql_type: SqlType },
    Rename { from: String, to: String },
}

/// Creates a composite type; needs CREATE on the schema.
pub fn create_composite(
    staged: &mut Staged,
    role: Oid,
    schema: Oid,
    name: &str,
    fields: &[(String, SqlType)],
) -> Result<Oid> {
    let mut attributes: Vec<Attribute> = vec![];
    for (field, sql_type) in fields {
        if attributes.iter().any(|known| known.name == *field) {
            let message = format!("column \"{field}\" specified more than once");
            return Err(Error::new(SqlState::DuplicateColumn, message));
        }
        attributes.push(attribute(attributes.len() as i16 + 1, field, sql_type)?);
    }
    create(staged, role, schema, name, TypeDefinition::Composite(attributes))
}

fn attribute(number: i16, name: &str, sql_type: &SqlType) -> Result<Attribute> {
    check_name(ObjectKind::Column, name)?;
    check_field_type(name, sql_type)?;
    Ok(Attribute {
        number,
        name: name.to_string(),
        sql_type: sql_type.clone(),
        comment: None,
    })
}

fn check_field_type(name: &str, sql_type: &SqlType) -> Result<()> {
    match sql_type {
        SqlType::Record | SqlType::Void | SqlType::Unknown => {
            let message = format!("column \"{name}\" has pseudo-type {sql_type}");
            Err(Error::new(SqlState::InvalidTableDefinition, message))
        }
        // What is read as a row would have to be tested by the domain's rules.
        SqlType::Domain(_) => Err(Error::unsupported("a composite type with a field of a domain")),
        SqlType::Array(element) => check_field_type(name, element),
        _ => Ok(()),
    }
}

/// Changes the fields of a composite type that no table has values of; needs ownership.
pub fn alter_composite(staged: &mut Staged, role: Oid, id: Oid, changes: &[AttributeChange]) -> Result<()> {
    let mut user_type = owned_type(staged, role, id)?;
    let of = user_type.name.clone();
    let TypeDefinition::Composite(attributes) = &mut user_type.definition else {
        let message = format!("relation \"{of}\" does not exist");
        return Err(Error::new(SqlState::UndefinedTable, message));
    };
    let keeps_fields = changes
        .iter()
        .all(|change| matches!(change, AttributeChange::Add { .. }));
    refuse_users(&staged.snapshot(), id, &of, keeps_fields)?;
    // Nobody may begin to use the type meanwhile.
    staged.rely_on_dependents(id);
    for change in changes {
        apply(staged, attributes, &of, change)?;
    }
    staged.put(user_type)
}

fn apply(staged: &mut Staged, attributes: &mut Vec<Attribute>, of: &str, change: &AttributeChange) -> Result<()> {
    let taken = |name: &str| {
        let message = format!("column \"{name}\" of relation \"{of}\" already exists");
        Error::new(SqlState::DuplicateColumn, message)
    };
    let place = |attributes: &[Attribute], name: &str| attributes.iter().position(|known| known.name == name);
    match change {
        AttributeChange::Add { name, sql_type } => {
            if place(attributes, name).is_some() {
                return Err(taken(name));
            }
            let last = attributes.iter().map(|known| known.number).max().unwrap_or(0);
            attributes.push(attribute(last + 1, name, sql_type)?);
        }
        AttributeChange::Drop { name, if_exists } => match place(attributes, name) {
            Some(place) => drop(attributes.remove(place)),
            None if *if_exists => {
                staged.notice(format!("{}, skipping", missing_column(name, of).message()));
            }
            None => return Err(missing_column(name, of)),
        },
        AttributeChange::SetType { name, sql_type } => {
            let place = place(attributes, name).ok_or_else(|| missing_column(name, of))?;
            check_field_type(name, sql_type)?;
            attributes[place].sql_type = sql_type.clone();
        }
        AttributeChange::Rename { from, to } => {
            let missing = || {
                let message = format!("column \"{from}\" does not exist");
                Error::new(SqlState::UndefinedColumn, message)
            };
            let found = place(attributes, from).ok_or_else(missing)?;
            if place(attributes, to).is_some() {
                return Err(taken(to));
            }
            check_name(ObjectKind::Column, to)?;
            attributes[found].name = to.to_string();
        }
    }
    Ok(())
}

/// 0A000 where rows of the type are stored, or where a stored text may name its fields.
fn refuse_users(snapshot: &CatalogSnapshot, id: Oid, of: &str, keeps_fields: bool) -> Result<()> {
    for object in snapshot.dependents(id) {
        match object {
            Object::Table(table) => {
                let of_type = |column: &&Column| column.sql_type.user_type() == Some(id);
                let column = table.columns.iter().find(of_type).map_or("", |column| &column.name);
                let user = format!("column \"{}.{column}\"", table.name);
                return Err(unchangeable(of, &user));
            }
            Object::Type(outer) => refuse_users(snapshot, outer.id, of, keeps_fields)?,
            other if !keeps_fields => return Err(unchangeable(of, &describe(snapshot, other))),
            _ => {}
        }
    }
    Ok(())
}

fn unchangeable(of: &str, user: &str) -> Error {
    let message = format!("cannot alter type \"{of}\" because {user} uses it");
    Error::new(SqlState::FeatureNotSupported, message)
}
