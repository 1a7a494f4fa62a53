//! From names to objects, as PostgreSQL looks them up: pg_catalog first unless the search_path places it,
//! then the search_path in order; `schema.object` in the connected database, `database.schema.object` in any.

use super::model::*;
use super::snapshot::CatalogSnapshot;
use super::temporary::ALIAS;
use crate::error::{Error, Result, SqlState};
use crate::types::unknown_type;

/// What a relation's name means.
#[derive(Debug, Clone, Copy)]
pub enum Resolved<'a> {
    Table(&'a Table),
    View(&'a View),
    /// A virtual table of a system schema.
    System {
        schema: &'a str,
        name: &'a str,
    },
}

/// Where unqualified names of one statement are looked up.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The connected database.
    pub database: Oid,
    /// Schemas in order; pg_catalog is implied first where it is not among them.
    pub search_path: &'a [Oid],
}

impl Scope<'_> {
    /// The path with pg_catalog where it is implied: before all but the temporary schema.
    pub fn schemas(&self, temporary: Option<Oid>) -> Vec<Oid> {
        let mut path = self.search_path.to_vec();
        if !path.contains(&PG_CATALOG_SCHEMA) {
            let is_temporary = path.first().is_some_and(|first| Some(*first) == temporary);
            path.insert(usize::from(is_temporary), PG_CATALOG_SCHEMA);
        }
        path
    }
}

impl CatalogSnapshot {
    /// The ids of the schemas that a `search_path` setting names, as PostgreSQL reads it: "$user" is the
    /// role's own schema; schemas that are missing or that the role may not use are left out.
    pub fn search_path(&self, database: Oid, names: &[String], role: Oid) -> Vec<Oid> {
        let access = self.access(role);
        let own = self.role(role).map(|role| role.name.as_str());
        let mut path = Vec::with_capacity(names.len() + 1);
        // Searched first, unless the path says where.
        path.extend(
            self.temporary_schema()
                .filter(|_| !names.iter().any(|name| name == ALIAS)),
        );
        for name in names {
            let name = if name == "$user" { own } else { Some(name.as_str()) };
            let Some(schema) = name.and_then(|name| self.schema_named(database, name)) else {
                continue;
            };
            if !path.contains(&schema.id) && access.uses_schema(schema.id) {
                path.push(schema.id);
            }
        }
        path
    }

    /// What a relation's name means; `is_system` tells the virtual tables of the system schemas by schema and
    /// name. 42P01 when it means nothing.
    pub fn resolve<'a>(
        &'a self,
        scope: Scope<'_>,
        name: &'a [String],
        is_system: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Resolved<'a>> {
        self.find(scope, name, is_system)?
            .ok_or_else(|| missing_relation("relation", name))
    }

    /// As `resolve`, with `None` for a name that means nothing.
    pub fn find<'a>(
        &'a self,
        scope: Scope<'_>,
        name: &'a [String],
        is_system: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Option<Resolved<'a>>> {
        let (schemas, last) = self.places(scope, name)?;
        Ok(schemas
            .into_iter()
            .find_map(|schema| match self.relation_named(schema.id, last) {
                Some(Object::Table(table)) => Some(Resolved::Table(table)),
                Some(Object::View(view)) => Some(Resolved::View(view)),
                _ if schema.database == 0 && is_system(&schema.name, last) => Some(Resolved::System {
                    schema: &schema.name,
                    name: last,
                }),
                _ => None,
            }))
    }

    /// The table or view of that name; 42P01 when there is none.
    pub fn resolve_relation<'a>(&'a self, scope: Scope<'_>, name: &'a [String]) -> Result<&'a Object> {
        self.find_relation(scope, name)?
            .ok_or_else(|| missing_relation("relation", name))
    }

    /// The table whose declared key has an index of this name in PostgreSQL, and the key.
    pub fn find_key<'a>(&'a self, scope: Scope<'_>, name: &'a [String]) -> Result<Option<(&'a Table, &'a Constraint)>> {
        let (schemas, last) = self.places(scope, name)?;
        Ok(schemas.into_iter().find_map(|schema| self.key_named(schema.id, last)))
    }

    /// The declared key of this name in a schema.
    pub fn key_named(&self, schema: Oid, name: &str) -> Option<(&Table, &Constraint)> {
        self.relations(schema).find_map(|object| {
            let Object::Table(table) = object else { return None };
            let mut keys = table.keys();
            let (constraint, _) = keys.find(|(constraint, _)| constraint.name == name)?;
            Some((table, constraint))
        })
    }

    /// The functions that a call by this name may mean, in the order of the search_path; of equal signatures
    /// only the first.
    pub fn find_functions<'a>(&'a self, scope: Scope<'_>, name: &'a [String]) -> Result<Vec<&'a Function>> {
        let (schemas, last) = self.places(scope, name)?;
        let mut found: Vec<&Function> = Vec::new();
        // One that is temporary is called by its schema's name only: no session may take a call for its own.
        let called = |schema: &&Schema| name.len() > 1 || Some(schema.id) != self.temporary_schema();
        for function in schemas
            .into_iter()
            .filter(called)
            .flat_map(|schema| self.functions_named(schema.id, last))
        {
            if !found
                .iter()
                .any(|earlier| earlier.argument_oids() == function.argument_oids())
            {
                found.push(function);
            }
        }
        Ok(found)
    }

    /// The one function of that name; 42883 when there is none, 42725 when there are several.
    pub fn resolve_function<'a>(&'a self, scope: Scope<'_>, name: &'a [String]) -> Result<&'a Function> {
        match self.find_functions(scope, name)?.as_slice() {
            [function] => Ok(function),
            [] => {
                let message = format!("could not find a function named \"{}\"", name.join("."));
                Err(Error::new(SqlState::UndefinedFunction, message))
            }
            _ => Err(Error::new(
                SqlState::AmbiguousFunction,
                format!("function name \"{}\" is not unique", name.join(".")),
            )),
        }
    }

    /// The schema of a name of one or two parts; 3F000 when there is none.
    pub fn resolve_schema(&self, database: Oid, name: &[String]) -> Result<&Schema> {
        let (database, last) = match name {
            [schema] => (database, schema),
            [other, schema] => (self.resolve_database(other)?.id, schema),
            _ => return Err(too_many_parts(name)),
        };
        self.schema_named(database, last).ok_or_else(|| missing_schema(last))
    }

    pub fn resolve_database(&self, name: &str) -> Result<&Database> {
        self.database_named(name).ok_or_else(|| {
            Error::new(
                SqlState::InvalidCatalogName,
                format!("database \"{name}\" does not exist"),
            )
        })
    }

    pub fn resolve_role(&self, name: &str) -> Result<&Role> {
        self.role_named(name)
            .ok_or_else(|| Error::new(SqlState::UndefinedObject, format!("role \"{name}\" does not exist")))
    }

    pub fn resolve_external_location(&self, name: &str) -> Result<&ExternalLocation> {
        self.external_location_named(name).ok_or_else(|| {
            Error::new(
                SqlState::UndefinedObject,
                format!("external location \"{name}\" does not exist"),
            )
        })
    }

    /// The object that a DDL statement names, of exactly that kind. A table in a view's place, or the other
    /// way round, is 42809.
    pub fn resolve_object<'a>(&'a self, kind: ObjectKind, scope: Scope<'_>, name: &'a [String]) -> Result<&'a Object> {
        let single = || {
            name.last()
                .filter(|_| name.len() == 1)
                .ok_or_else(|| too_many_parts(name))
        };
        let id = match kind {
            ObjectKind::Database => self.resolve_database(single()?)?.id,
            ObjectKind::Schema => self.resolve_schema(scope.database, name)?.id,
            ObjectKind::Function => self.resolve_function(scope, name)?.id,
            ObjectKind::Role => self.resolve_role(single()?)?.id,
            ObjectKind::ExternalLocation => self.resolve_external_location(single()?)?.id,
            ObjectKind::Table
            | ObjectKind::View
            | ObjectKind::MaterializedView
            | ObjectKind::Sequence
            | ObjectKind::Index => {
                let Some(object) = self.find_relation(scope, name)? else {
                    self.check_schema_exists(scope, name)?;
                    return Err(match kind {
                        ObjectKind::Index => missing_index(name),
                        _ => missing_relation(kind.word(), name),
                    });
                };
                if object.kind() != kind {
                    let hint = format!("Name it as a {} instead.", object.kind().word());
                    let article = if kind == ObjectKind::Index { "an" } else { "a" };
                    let message = format!("\"{}\" is not {article} {}", object.name(), kind.word());
                    return Err(Error::new(SqlState::WrongObjectType, message).with_hint(hint));
                }
                object.id()
            }
            ObjectKind::Type | ObjectKind::Domain => match self.find_type(scope, name)? {
                Some(found) if kind == ObjectKind::Domain && found.domain().is_none() => {
                    let message = format!("\"{}\" is not a domain", name.join("."));
                    return Err(Error::new(SqlState::WrongObjectType, message));
                }
                Some(found) => found.id,
                None => {
                    self.check_schema_exists(scope, name)?;
                    return Err(unknown_type(&name.join(".")));
                }
            },
            ObjectKind::Column => return Err(Error::internal("a column is not an object of its own")),
        };
        self.object(id)
            .ok_or_else(|| Error::internal("a name of the catalog leads nowhere"))
    }

    /// The schema that a new table, view or function goes to, and its name there.
    pub fn resolve_creation<'a>(&'a self, scope: Scope<'_>, name: &'a [String]) -> Result<(Oid, &'a str)> {
        let (schema, last) = match name {
            [last] => {
                let lasting = scope
                    .search_path
                    .iter()
                    .filter(|id| Some(**id) != self.temporary_schema());
                let selected = lasting.into_iter().find_map(|id| self.schema(*id));
                let nothing = || Error::new(SqlState::InvalidSchemaName, "no schema has been selected to create in");
                (selected.ok_or_else(nothing)?, last)
            }
            [place @ .., last] => (self.resolve_schema(scope.database, place)?, last),
            [] => return Err(Error::internal("an empty name")),
        };
        if schema.database == 0 {
            let message = format!("permission denied to create \"{}.{last}\"", schema.name);
            return Err(Error::new(SqlState::InsufficientPrivilege, message)
                .with_detail("System catalog modifications are currently disallowed."));
        }
        Ok((schema.id, last))
    }

    pub fn find_relation<'a>(&'a self, scope: Scope<'_>, name: &'a [String]) -> Result<Option<&'a Object>> {
        let (schemas, last) = self.places(scope, name)?;
        Ok(schemas
            .into_iter()
            .find_map(|schema| self.relation_named(schema.id, last)))
    }

    /// The schemas in which a name may lie, and its last part.
    pub(super) fn places<'a>(&'a self, scope: Scope<'_>, name: &'a [String]) -> Result<(Vec<&'a Schema>, &'a str)> {
        Ok(match name {
            [last] => {
                let schemas = scope.schemas(self.temporary_schema());
                (schemas.into_iter().filter_map(|id| self.schema(id)).collect(), last)
            }
            [schema, last] => (self.schema_named(scope.database, schema).into_iter().collect(), last),
            [database, schema, last] => {
                let database = self.database_named(database);
                let schema = database.and_then(|database| self.schema_named(database.id, schema));
                (schema.into_iter().collect(), last)
            }
            _ => return Err(too_many_parts(name)),
        })
    }

    fn check_schema_exists(&self, scope: Scope<'_>, name: &[String]) -> Result<()> {
        match name {
            [place @ .., _] if !place.is_empty() => self.resolve_schema(scope.database, place).map(|_| ()),
            _ => Ok(()),
        }
    }
}

fn missing_relation(word: &str, name: &[String]) -> Error {
    Error::new(
        SqlState::UndefinedTable,
        format!("{word} \"{}\" does not exist", name.join(".")),
    )
}

fn missing_index(name: &[String]) -> Error {
    let message = format!("index \"{}\" does not exist", name.join("."));
    Error::new(SqlState::UndefinedObject, message)
}

fn missing_schema(name: &str) -> Error {
    Error::new(SqlState::InvalidSchemaName, format!("schema \"{name}\" does not exist"))
}

fn too_many_parts(name: &[String]) -> Error {
    Error::syntax(format!(
        "improper qualified name (too many dotted names): {}",
        name.join(".")
    ))
}
