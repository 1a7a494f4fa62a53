//! Finding catalog objects for functions: by OID or by name, user-made or PostgreSQL's own, and whether
//! an unqualified name would find them. What the principal may not see is not there.

use crate::catalog::model::{
    INFORMATION_SCHEMA, Object, ObjectKind, Oid, PG_CATALOG_SCHEMA, PUBLIC_SCHEMA, SYSTEM_SCHEMA, Schema,
};
use crate::catalog::{Access, CatalogSnapshot, Scope};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};

use super::builtin::{BuiltinRelation, builtin_relation, builtin_relation_named};
use super::row_function::Call;
pub use crate::types::quote_identifier;

/// The catalog as the principal of one statement sees it.
pub struct Lookup<'a> {
    pub context: &'a QueryContext,
    pub catalog: &'a CatalogSnapshot,
    pub access: Access<'a>,
}

/// A relation of either origin.
#[derive(Debug, Clone, Copy)]
pub enum Relation<'a> {
    /// A table or view of the catalog.
    Object(&'a Object),
    Builtin(&'static BuiltinRelation),
}

impl<'a> Relation<'a> {
    pub fn oid(&self) -> Oid {
        match self {
            Relation::Object(object) => object.id(),
            Relation::Builtin(relation) => relation.oid,
        }
    }

    pub fn name(&self) -> &'a str {
        match self {
            Relation::Object(object) => object.name(),
            Relation::Builtin(relation) => relation.name,
        }
    }

    pub fn schema(&self) -> Option<Oid> {
        match self {
            Relation::Object(object) => object.parent(),
            Relation::Builtin(relation) => builtin_schema(relation.schema),
        }
    }
}

/// Whether the object is a composite type, which is a relation without rows.
fn is_composite(object: &Object) -> bool {
    matches!(object, Object::Type(user_type) if user_type.attributes().is_some())
}

/// The namespace of PostgreSQL's own relations.
pub fn builtin_schema(name: &str) -> Option<Oid> {
    match name {
        "pg_catalog" => Some(PG_CATALOG_SCHEMA),
        "information_schema" => Some(INFORMATION_SCHEMA),
        "system" => Some(SYSTEM_SCHEMA),
        _ => None,
    }
}

impl<'a> Lookup<'a> {
    pub fn new(context: &'a QueryContext) -> Lookup<'a> {
        let catalog = context.catalog.as_ref();
        Lookup {
            context,
            catalog,
            access: catalog.access(context.principal.role),
        }
    }

    pub(crate) fn of(call: &Call<'a>) -> Result<Lookup<'a>> {
        Ok(Lookup::new(call.environment()?.context()))
    }

    /// Schemas in the order in which unqualified names are looked up.
    pub fn search_path(&self) -> Vec<Oid> {
        self.scope().schemas(self.catalog.temporary_schema())
    }

    /// Whether the principal may know of the table, view or function: it owns it, or holds any privilege
    /// on it or on one of its columns.
    pub fn sees(&self, object: &Object) -> bool {
        // An index shows where its table does.
        if let Object::Index(index) = object {
            return self.catalog.object(index.table).is_some_and(|table| self.sees(table));
        }
        if self.access.owns(object) {
            return true;
        }
        let may_use = |grants: &[crate::catalog::model::Grant]| {
            grants.iter().any(|grant| {
                grant.grantee == crate::catalog::model::PUBLIC_ROLE || self.access.has_privileges_of(grant.grantee)
            })
        };
        may_use(object.grants()) || object.columns().iter().any(|column| may_use(&column.grants))
    }

    /// The connected database's schemas, the system's first.
    pub fn schemas(&self) -> impl Iterator<Item = &'a Schema> + '_ {
        let shared = crate::catalog::system_schemas().map(|schema| -> &'a Schema { schema });
        shared.chain(self.catalog.schemas(self.context.database))
    }

    /// Tables, views and sequences of the connected database that the principal may know of.
    pub fn relations(&self) -> impl Iterator<Item = &'a Object> + '_ {
        self.catalog
            .schemas(self.context.database)
            .flat_map(|schema| self.catalog.relations(schema.id))
            .filter(|relation| relation.kind() != ObjectKind::Index && self.sees(relation))
    }

    /// The relation of this OID in the connected database.
    pub fn relation(&self, oid: Oid) -> Option<Relation<'a>> {
        if let Some(builtin) = builtin_relation(oid) {
            return Some(Relation::Builtin(builtin));
        }
        let object = self.catalog.object(oid)?;
        let is_here = matches!(
            object,
            Object::Table(_) | Object::View(_) | Object::Sequence(_) | Object::Index(_)
        ) || is_composite(object);
        let is_here = is_here
            && object
                .parent()
                .and_then(|schema| self.catalog.schema(schema))
                .is_some_and(|schema| schema.database == self.context.database);
        (is_here && self.sees(object)).then_some(Relation::Object(object))
    }

    /// The relation that a name means; `None` when it means nothing.
    pub fn relation_named(&self, name: &[String]) -> Result<Option<Relation<'a>>> {
        let in_schema = |schema: Oid, name: &str| {
            let schema = self.catalog.schema(schema)?;
            if schema.database == 0 {
                return builtin_relation_named(&schema.name, name).map(Relation::Builtin);
            }
            let composite = || {
                let mut types = self.catalog.user_types(schema.id);
                let found = types.find(|known| known.name == name && known.attributes().is_some())?;
                self.catalog.object(found.id)
            };
            self.catalog
                .relation_named(schema.id, name)
                .or_else(composite)
                .filter(|object| self.sees(object))
                .map(Relation::Object)
        };
        Ok(match name {
            [name] => self
                .search_path()
                .into_iter()
                .find_map(|schema| in_schema(schema, name)),
            [schema, name] => {
                let schema = self.catalog.schema_named(self.context.database, schema);
                schema.and_then(|schema| in_schema(schema.id, name))
            }
            [database, schema, name] if **database == *self.context.database_name => {
                let schema = self.catalog.schema_named(self.context.database, schema);
                schema.and_then(|schema| in_schema(schema.id, name))
            }
            [_, _, _] => None,
            _ => return Err(Error::new(SqlState::InvalidName, "invalid name syntax")),
        })
    }

    /// Whether the relation's unqualified name means this relation.
    pub fn is_visible(&self, relation: Relation<'_>) -> bool {
        match self.relation_named(&[relation.name().to_string()]) {
            Ok(Some(found)) => found.oid() == relation.oid(),
            _ => false,
        }
    }

    pub fn scope(&self) -> Scope<'a> {
        Scope {
            database: self.context.database,
            search_path: &self.context.search_path,
        }
    }

    /// The OID that clients know a schema by: that of `public` is the same in every database.
    pub fn namespace_oid(&self, schema: Oid) -> Oid {
        match self.public_by_name() {
            Some(public) if public == schema => PUBLIC_SCHEMA,
            _ => schema,
        }
    }

    /// The schema that clients know by this OID.
    pub fn schema_of_namespace(&self, oid: Oid) -> Oid {
        match self.public_by_name() {
            Some(public) if oid == PUBLIC_SCHEMA => public,
            _ => oid,
        }
    }

    /// The schema `public` of a database that has it under another OID.
    fn public_by_name(&self) -> Option<Oid> {
        let first = self.catalog.schema(PUBLIC_SCHEMA);
        match first.is_some_and(|schema| schema.database == self.context.database) {
            true => None,
            false => self
                .catalog
                .schema_named(self.context.database, "public")
                .map(|schema| schema.id),
        }
    }

    /// The schema's name, quoted, with a dot; nothing where the relation is found without it.
    pub fn qualifier(&self, relation: Relation<'_>) -> String {
        if self.is_visible(relation) {
            return String::new();
        }
        match relation.schema().and_then(|schema| self.catalog.schema(schema)) {
            Some(schema) => format!("{}.", quote_identifier(&schema.name)),
            None => String::new(),
        }
    }

    /// regclassout(): the name that finds the relation from here.
    pub fn relation_display(&self, relation: Relation<'_>) -> String {
        format!("{}{}", self.qualifier(relation), quote_identifier(relation.name()))
    }
}

/// Splits a possibly qualified name as PostgreSQL reads it: unquoted parts fold to lower case.
pub fn parse_name(text: &str) -> Result<Vec<String>> {
    let invalid = || Error::new(SqlState::InvalidName, format!("invalid name syntax: \"{text}\""));
    let mut parts = vec![];
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut part = String::new();
                let mut characters = quoted.char_indices().peekable();
                let end = loop {
                    match characters.next() {
                        Some((_, '"')) if characters.next_if(|(_, next)| *next == '"').is_some() => part.push('"'),
                        Some((index, '"')) => break index + 1,
                        Some((_, character)) => part.push(character),
                        None => return Err(invalid()),
                    }
                };
                (part, &quoted[end..])
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].trim().to_lowercase(), &rest[end..])
            }
        };
        if part.is_empty() {
            return Err(invalid());
        }
        parts.push(part);
        let after = after.trim_start();
        match after.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if after.is_empty() => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_as_in_postgres() {
        for (text, parts) in [
            ("Orders", vec!["orders"]),
            ("sales.\"My Table\"", vec!["sales", "My Table"]),
            ("\"a\"\"b\".c", vec!["a\"b", "c"]),
            (" db . s . t ", vec!["db", "s", "t"]),
        ] {
            assert_eq!(parse_name(text).unwrap(), parts, "{text}");
        }
        for text in ["", "a.", "\"a", "a.\"b\"c"] {
            assert_eq!(parse_name(text).unwrap_err().state(), SqlState::InvalidName, "{text}");
        }
    }
}
