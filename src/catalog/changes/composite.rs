//! CREATE TYPE … AS (…) and ALTER TYPE … ATTRIBUTE.

use super::column::is_read_by_policy;
use super::table::missing_column;
use super::user_type::{create, owned_type, stored_texts};
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
        SqlType::Array(element) => check_field_type(name, element),
        _ => Ok(()),
    }
}

/// What a change of fields makes of stored rows.
pub struct ChangedFields {
    pub composite: Oid,
    /// For each field that the type has now its place before; `None` for a new one.
    pub places: Vec<Option<usize>>,
    /// The tables that have values of the type, as they were.
    pub tables: Vec<Table>,
}

/// Changes the fields of a composite type; the rows that have values of it are for the caller to change. Needs ownership.
pub fn alter_composite(staged: &mut Staged, role: Oid, id: Oid, changes: &[AttributeChange]) -> Result<ChangedFields> {
    let mut user_type = owned_type(staged, role, id)?;
    let of = user_type.name.clone();
    let TypeDefinition::Composite(attributes) = &mut user_type.definition else {
        let message = format!("relation \"{of}\" does not exist");
        return Err(Error::new(SqlState::UndefinedTable, message));
    };
    let snapshot = staged.snapshot();
    let mut users = Users {
        snapshot: &snapshot,
        of: &of,
        changes,
        tables: vec![],
    };
    users.add(id)?;
    let tables = users.tables;
    drop(snapshot);
    // Nobody may begin to use the type meanwhile.
    staged.rely_on_dependents(id);
    for table in &tables {
        staged.rely_on_dependents(table.id);
    }
    let before: Vec<i16> = attributes.iter().map(|known| known.number).collect();
    for change in changes {
        apply(staged, attributes, &of, change)?;
    }
    let place = |known: &Attribute| before.iter().position(|number| *number == known.number);
    let places: Vec<Option<usize>> = attributes.iter().map(place).collect();
    if places.is_empty() && !tables.is_empty() {
        return Err(Error::unsupported("a column of a composite type without fields"));
    }
    staged.put(user_type)?;
    Ok(ChangedFields {
        composite: id,
        places,
        tables,
    })
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

/// Who uses the type that changes.
struct Users<'a> {
    snapshot: &'a CatalogSnapshot,
    of: &'a str,
    changes: &'a [AttributeChange],
    tables: Vec<Table>,
}

impl Users<'_> {
    /// Finds the tables with values of the type, or of one that has fields of it. 0A000 where a column's type cannot
    /// change, or where a stored text may name a field that goes.
    fn add(&mut self, id: Oid) -> Result<()> {
        for object in self.snapshot.dependents(id) {
            match object {
                Object::Table(table) => self.add_table(table, id)?,
                Object::Type(outer) if outer.attributes().is_some() => self.add(outer.id)?,
                // Its columns are of another type by name, whose rows would stay as they are.
                Object::Type(_) => return Err(self.unchangeable(&describe(self.snapshot, object))),
                other if !self.keeps_fields() => return Err(self.unchangeable(&describe(self.snapshot, other))),
                _ => {}
            }
        }
        Ok(())
    }

    fn add_table(&mut self, table: &Table, id: Oid) -> Result<()> {
        let of_type = |column: &&Column| column.sql_type.user_type() == Some(id);
        let sets_type = |change: &AttributeChange| matches!(change, AttributeChange::SetType { .. });
        for column in table.columns.iter().filter(of_type) {
            if table.materialized.is_some() || self.changes.iter().any(sets_type) {
                return Err(self.unchangeable(&format!("column \"{}.{}\"", table.name, column.name)));
            }
            if column.mask.is_some() || is_read_by_policy(table, column.id) {
                let message = "cannot alter type of a column used in a policy definition";
                return Err(Error::new(SqlState::FeatureNotSupported, message));
            }
        }
        let itself = Object::Table(table.clone());
        let readers = self.snapshot.dependents(table.id).chain(std::iter::once(&itself));
        for reader in readers {
            let texts = stored_texts(reader);
            let mut gone = self.changes.iter().filter_map(AttributeChange::gone);
            if gone.any(|name| texts.iter().any(|text| text.contains(name))) {
                return Err(self.unchangeable(&describe(self.snapshot, reader)));
            }
        }
        if self.tables.iter().all(|known| known.id != table.id) {
            self.tables.push(table.clone());
        }
        Ok(())
    }

    fn keeps_fields(&self) -> bool {
        let is_new = |change: &AttributeChange| matches!(change, AttributeChange::Add { .. });
        self.changes.iter().all(is_new)
    }

    fn unchangeable(&self, user: &str) -> Error {
        let message = format!("cannot alter type \"{}\" because {user} uses it", self.of);
        Error::new(SqlState::FeatureNotSupported, message)
    }
}

impl AttributeChange {
    /// The field's name that means nothing afterwards.
    fn gone(&self) -> Option<&str> {
        match self {
            AttributeChange::Drop { name, .. } => Some(name),
            AttributeChange::Rename { from, .. } => Some(from),
            AttributeChange::Add { .. } | AttributeChange::SetType { .. } => None,
        }
    }
}
