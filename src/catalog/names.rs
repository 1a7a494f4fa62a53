//! The index from names to ids. Tables and views share one namespace per schema; functions are told
//! apart by their argument types.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::*;

/// A name that at most one object of a snapshot has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    Database(String),
    /// Of a database.
    Schema(Oid, String),
    /// A table or view of a schema.
    Relation(Oid, String),
    /// A function of a schema with these argument types.
    Function(Oid, String, Vec<u32>),
    /// A type of a schema.
    Type(Oid, String),
    Role(String),
    ExternalLocation(String),
}

impl Name {
    /// The name that the object occupies.
    pub fn of(object: &Object) -> Name {
        match object {
            Object::Database(object) => Name::Database(object.name.clone()),
            Object::Schema(object) => Name::Schema(object.database, object.name.clone()),
            Object::Table(object) => Name::Relation(object.schema, object.name.clone()),
            Object::View(object) => Name::Relation(object.schema, object.name.clone()),
            Object::Sequence(object) => Name::Relation(object.schema, object.name.clone()),
            Object::Index(object) => Name::Relation(object.schema, object.name.clone()),
            Object::Function(object) => Name::Function(object.schema, object.name.clone(), object.argument_oids()),
            Object::Type(object) => Name::Type(object.schema, object.name.clone()),
            Object::Role(object) => Name::Role(object.name.clone()),
            Object::ExternalLocation(object) => Name::ExternalLocation(object.name.clone()),
        }
    }
}

/// Folders are shared between versions; a change copies only the folders that it touches.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    databases: HashMap<String, Oid>,
    roles: Arc<HashMap<String, Oid>>,
    external_locations: HashMap<String, Oid>,
    schemas: HashMap<Oid, Arc<HashMap<String, Oid>>>,
    relations: HashMap<Oid, Arc<HashMap<String, Oid>>>,
    functions: HashMap<Oid, Arc<HashMap<String, Vec<Overload>>>>,
    types: HashMap<Oid, Arc<HashMap<String, Oid>>>,
}

#[derive(Debug, Clone)]
struct Overload {
    arguments: Vec<u32>,
    id: Oid,
}

impl Names {
    pub(super) fn get(&self, name: &Name) -> Option<Oid> {
        match name {
            Name::Database(name) => self.databases.get(name).copied(),
            Name::Schema(database, name) => self.schema(*database, name),
            Name::Relation(schema, name) => self.relation(*schema, name),
            Name::Function(schema, name, arguments) => {
                let overloads = self.functions.get(schema)?.get(name)?;
                overloads
                    .iter()
                    .find(|overload| overload.arguments == *arguments)
                    .map(|overload| overload.id)
            }
            Name::Type(schema, name) => self.types.get(schema)?.get(name).copied(),
            Name::Role(name) => self.role(name),
            Name::ExternalLocation(name) => self.external_location(name),
        }
    }

    pub(super) fn database(&self, name: &str) -> Option<Oid> {
        self.databases.get(name).copied()
    }

    pub(super) fn role(&self, name: &str) -> Option<Oid> {
        self.roles.get(name).copied()
    }

    pub(super) fn external_location(&self, name: &str) -> Option<Oid> {
        self.external_locations.get(name).copied()
    }

    pub(super) fn schema(&self, database: Oid, name: &str) -> Option<Oid> {
        self.schemas.get(&database)?.get(name).copied()
    }

    pub(super) fn relation(&self, schema: Oid, name: &str) -> Option<Oid> {
        self.relations.get(&schema)?.get(name).copied()
    }

    /// The overloads of a function name.
    pub(super) fn functions<'a>(&'a self, schema: Oid, name: &str) -> impl Iterator<Item = Oid> + 'a {
        let overloads = self.functions.get(&schema).and_then(|folder| folder.get(name));
        overloads.into_iter().flatten().map(|overload| overload.id)
    }

    pub(super) fn schemas(&self, database: Oid) -> impl Iterator<Item = Oid> {
        self.schemas
            .get(&database)
            .into_iter()
            .flat_map(|folder| folder.values().copied())
    }

    pub(super) fn relations(&self, schema: Oid) -> impl Iterator<Item = Oid> {
        self.relations
            .get(&schema)
            .into_iter()
            .flat_map(|folder| folder.values().copied())
    }

    pub(super) fn all_functions(&self, schema: Oid) -> impl Iterator<Item = Oid> {
        let folder = self.functions.get(&schema);
        folder
            .into_iter()
            .flat_map(|folder| folder.values().flatten().map(|overload| overload.id))
    }

    pub(super) fn types(&self, schema: Oid) -> impl Iterator<Item = Oid> {
        self.types
            .get(&schema)
            .into_iter()
            .flat_map(|folder| folder.values().copied())
    }

    /// Gives the name to `id`; the one that had it, if any, is returned and keeps nothing.
    pub(super) fn insert(&mut self, name: Name, id: Oid) -> Option<Oid> {
        match name {
            Name::Database(name) => self.databases.insert(name, id),
            Name::Role(name) => Arc::make_mut(&mut self.roles).insert(name, id),
            Name::ExternalLocation(name) => self.external_locations.insert(name, id),
            Name::Schema(database, name) => Arc::make_mut(self.schemas.entry(database).or_default()).insert(name, id),
            Name::Relation(schema, name) => Arc::make_mut(self.relations.entry(schema).or_default()).insert(name, id),
            Name::Type(schema, name) => Arc::make_mut(self.types.entry(schema).or_default()).insert(name, id),
            Name::Function(schema, name, arguments) => {
                let overloads = Arc::make_mut(self.functions.entry(schema).or_default())
                    .entry(name)
                    .or_default();
                let previous = overloads.iter().position(|overload| overload.arguments == arguments);
                let previous = previous.map(|position| overloads.remove(position).id);
                overloads.push(Overload { arguments, id });
                overloads.sort_unstable_by_key(|overload| overload.id);
                previous
            }
        }
    }

    pub(super) fn remove(&mut self, name: &Name) {
        match name {
            Name::Database(name) => {
                self.databases.remove(name);
            }
            Name::Role(name) => {
                Arc::make_mut(&mut self.roles).remove(name);
            }
            Name::ExternalLocation(name) => {
                self.external_locations.remove(name);
            }
            Name::Schema(database, name) => remove_from(&mut self.schemas, *database, name),
            Name::Relation(schema, name) => remove_from(&mut self.relations, *schema, name),
            Name::Type(schema, name) => remove_from(&mut self.types, *schema, name),
            Name::Function(schema, name, arguments) => {
                let Some(folder) = self.functions.get_mut(schema).map(Arc::make_mut) else {
                    return;
                };
                if let Some(overloads) = folder.get_mut(name) {
                    overloads.retain(|overload| overload.arguments != *arguments);
                    if overloads.is_empty() {
                        folder.remove(name);
                    }
                }
                if folder.is_empty() {
                    self.functions.remove(schema);
                }
            }
        }
    }
}

fn remove_from(folders: &mut HashMap<Oid, Arc<HashMap<String, Oid>>>, parent: Oid, name: &str) {
    if let Some(folder) = folders.get_mut(&parent).map(Arc::make_mut) {
        folder.remove(name);
        if folder.is_empty() {
            folders.remove(&parent);
        }
    }
}
