//! Types that users defined, in a snapshot: found by name or OID, and put in the place of the OIDs that columns and
//! functions name them by. A snapshot's objects always hold the definitions of that snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::model::*;
use super::names::Name;
use super::resolve::Scope;
use super::snapshot::{CatalogSnapshot, Change};
use crate::error::{Error, Result};
use crate::types::user_type::{ARRAY_TYPES, ROW_TYPES};
use crate::types::{CompositeField, CompositeType, DomainType, EnumType, SqlType, unknown_type};

impl Object {
    /// The types of its columns, arguments and values.
    pub(super) fn sql_types(&self) -> Vec<&SqlType> {
        match self {
            Object::Table(table) => table.columns.iter().map(|column| &column.sql_type).collect(),
            Object::View(view) => view.columns.iter().map(|column| &column.sql_type).collect(),
            Object::Function(function) => {
                let arguments = function.arguments.iter().map(|argument| &argument.sql_type);
                let outputs = function.query.iter().flat_map(|query| &query.outputs);
                let outputs = outputs.map(|output| &output.sql_type);
                arguments.chain([&function.returns]).chain(outputs).collect()
            }
            Object::Index(index) => index.keys.iter().filter_map(|key| key.of.expression_type()).collect(),
            Object::Type(user_type) => {
                let attributes = user_type.attributes().unwrap_or_default().iter();
                let base = user_type.domain().map(|domain| &domain.base);
                base.into_iter()
                    .chain(attributes.map(|attribute| &attribute.sql_type))
                    .collect()
            }
            _ => vec![],
        }
    }

    fn sql_types_mut(&mut self) -> Vec<&mut SqlType> {
        match self {
            Object::Table(table) => table.columns.iter_mut().map(|column| &mut column.sql_type).collect(),
            Object::View(view) => view.columns.iter_mut().map(|column| &mut column.sql_type).collect(),
            Object::Function(function) => {
                let arguments = function.arguments.iter_mut().map(|argument| &mut argument.sql_type);
                let outputs = function.query.iter_mut().flat_map(|query| &mut query.outputs);
                let outputs = outputs.map(|output| &mut output.sql_type);
                arguments.chain([&mut function.returns]).chain(outputs).collect()
            }
            Object::Index(index) => index
                .keys
                .iter_mut()
                .filter_map(|key| match &mut key.of {
                    IndexedValue::Expression { sql_type, .. } => Some(sql_type),
                    IndexedValue::Column(_) => None,
                })
                .collect(),
            Object::Type(user_type) => match &mut user_type.definition {
                TypeDefinition::Domain(domain) => vec![&mut domain.base],
                TypeDefinition::Composite(attributes) => {
                    attributes.iter_mut().map(|attribute| &mut attribute.sql_type).collect()
                }
                TypeDefinition::Enum(_) => vec![],
            },
            _ => vec![],
        }
    }
}

impl IndexedValue {
    fn expression_type(&self) -> Option<&SqlType> {
        match self {
            IndexedValue::Expression { sql_type, .. } => Some(sql_type),
            IndexedValue::Column(_) => None,
        }
    }
}

impl CatalogSnapshot {
    /// The user's type of this OID.
    pub fn user_type(&self, id: Oid) -> Option<&Type> {
        match self.object(id)? {
            Object::Type(found) => Some(found),
            _ => None,
        }
    }

    /// Types of the schema.
    pub fn user_types(&self, schema: Oid) -> impl Iterator<Item = &Type> {
        self.names().types(schema).filter_map(|id| self.user_type(id))
    }

    /// The type of this OID, or of arrays of such a type, of PostgreSQL's or of a user's.
    pub fn sql_type(&self, oid: u32) -> Option<SqlType> {
        let of_value = |oid: u32| {
            let found = self.user_type(oid).filter(|found| found.attributes().is_none())?;
            Some(self.defined(found))
        };
        let of_rows = |relation: u32| self.row_type(self.object(relation)?);
        SqlType::from_oid(oid)
            .or_else(|| of_value(oid))
            .or_else(|| of_rows(oid.checked_sub(ROW_TYPES).filter(|_| oid < ARRAY_TYPES)?))
            .or_else(|| {
                let element = oid.checked_sub(ARRAY_TYPES)?;
                let element = of_value(element).or_else(|| of_rows(element))?;
                Some(SqlType::Array(Box::new(element)))
            })
    }

    /// The type of the rows of a composite type, a table or a view; `None` of other objects.
    pub fn row_type(&self, object: &Object) -> Option<SqlType> {
        let field = |(name, sql_type): (&String, &SqlType)| CompositeField {
            name: name.clone(),
            // The catalog tells which fields are of domains, and their rules.
            sql_type: self.with_definition(sql_type).carried(),
        };
        let fields = match object {
            Object::Type(user_type) => {
                let attributes = user_type.attributes()?.iter();
                attributes.map(|known| field((&known.name, &known.sql_type))).collect()
            }
            Object::Table(_) | Object::View(_) => {
                let columns = object.columns().iter();
                columns.map(|known| field((&known.name, &known.sql_type))).collect()
            }
            _ => return None,
        };
        Some(SqlType::Composite(Arc::new(CompositeType {
            relation: object.id(),
            schema: self.schema_name(object.parent().unwrap_or_default()).to_string(),
            name: object.name().to_string(),
            fields,
        })))
    }

    /// Whether the type is one of rows of which fields, or theirs, are of domains.
    pub fn has_domain_fields(&self, sql_type: &SqlType) -> bool {
        match sql_type {
            SqlType::Array(element) => self.has_domain_fields(element),
            SqlType::Domain(domain) => self.has_domain_fields(&domain.base),
            SqlType::Composite(composite) => {
                let attributes = self.user_type(composite.relation).and_then(Type::attributes);
                let mut types = attributes.unwrap_or_default().iter().map(|known| &known.sql_type);
                types.any(|known| known.carried() != *known || self.has_domain_fields(known))
            }
            _ => false,
        }
    }

    /// The type with its definition.
    fn defined(&self, user_type: &Type) -> SqlType {
        match &user_type.definition {
            TypeDefinition::Enum(labels) => SqlType::Enum(Arc::new(EnumType {
                oid: user_type.id,
                schema: self.schema_name(user_type.schema).to_string(),
                name: user_type.name.clone(),
                labels: labels.iter().map(|label| label.label.clone()).collect(),
            })),
            TypeDefinition::Domain(domain) => SqlType::Domain(Arc::new(DomainType {
                oid: user_type.id,
                schema: self.schema_name(user_type.schema).to_string(),
                name: user_type.name.clone(),
                base: self.with_definition(&domain.base),
            })),
            TypeDefinition::Composite(_) => {
                let of_rows = self.row_type(&Object::Type(user_type.clone()));
                of_rows.unwrap_or(SqlType::Stored(user_type.id))
            }
        }
    }

    /// The type with the definition that it has here.
    fn with_definition(&self, sql_type: &SqlType) -> SqlType {
        let defined = sql_type.try_map_element(&mut |element| {
            let named = element.user_type().and_then(|id| self.object(id));
            let defined = match named {
                Some(Object::Type(found)) => Some(self.defined(found)),
                Some(relation) => self.row_type(relation),
                None => None,
            };
            Ok::<_, std::convert::Infallible>(defined.unwrap_or_else(|| element.clone()))
        });
        let Ok(defined) = defined;
        defined
    }

    /// The user's type that a name means; `None` where it means none.
    pub fn find_type(&self, scope: Scope<'_>, name: &[String]) -> Result<Option<&Type>> {
        let (schemas, last) = self.places(scope, name)?;
        Ok(schemas
            .into_iter()
            .find_map(|schema| match self.named(&Name::Type(schema.id, last.to_string()))? {
                Object::Type(found) => Some(found),
                _ => None,
            }))
    }

    /// The type that a statement names, for a role that is about to use it in a definition; 42704 when there is none.
    pub fn usable_type(&self, scope: Scope<'_>, role: Oid, sql_type: &SqlType) -> Result<SqlType> {
        sql_type.try_map_element(&mut |element| {
            let SqlType::Named(name) = element else {
                return Ok(element.clone());
            };
            let found = self
                .find_type(scope, name)?
                .ok_or_else(|| unknown_type(&name.join(".")))?;
            let access = self.access(role);
            if !access.uses_schema(found.schema) {
                return Err(Error::denied("schema", self.schema_name(found.schema)));
            }
            access.require(&Object::Type(found.clone()), Privilege::Usage)?;
            if found.domain().is_some() && matches!(sql_type, SqlType::Array(_)) {
                return Err(Error::unsupported("an array of a domain"));
            }
            Ok(self.defined(found))
        })
    }

    /// The type of the rows of the table or view that a statement names where it wants a type; `None` where the role may
    /// not read one of that name: what columns it has is for who may.
    pub fn usable_row_type(&self, scope: Scope<'_>, role: Oid, sql_type: &SqlType) -> Result<Option<SqlType>> {
        let SqlType::Named(name) = sql_type else {
            return Ok(None);
        };
        let access = self.access(role);
        let relation = self.find_relation(scope, name)?;
        let relation = relation.filter(|relation| {
            access.has(relation, Privilege::Select) && access.uses_schema(relation.parent().unwrap_or_default())
        });
        Ok(relation.and_then(|relation| self.row_type(relation)))
    }

    /// The objects whose types have to be looked up again after these changes.
    pub(super) fn outdated_by(&self, changes: &[Change]) -> BTreeSet<Oid> {
        let mut outdated = BTreeSet::new();
        for change in changes {
            match change {
                Change::Put(object) if matches!(object.as_ref(), Object::Type(_) | Object::Schema(_)) => {
                    // Types may be made of types.
                    let mut unvisited = vec![object.id()];
                    while let Some(id) = unvisited.pop() {
                        for dependent in self.dependents(id) {
                            let of_type = matches!(dependent, Object::Type(_));
                            if outdated.insert(dependent.id()) && of_type {
                                unvisited.push(dependent.id());
                            }
                        }
                    }
                }
                Change::Put(object) => {
                    outdated.insert(object.id());
                    // Functions may give the rows of tables and views.
                    if !object.columns().is_empty() {
                        outdated.extend(self.dependents(object.id()).map(Object::id));
                    }
                }
                Change::Drop(_) => {}
            }
        }
        outdated.retain(|id| self.object(*id).is_some_and(has_user_types));
        outdated
    }

    /// The object with the definitions that its types have here.
    pub(super) fn with_definitions(&self, object: &Object) -> Object {
        let mut object = object.clone();
        for sql_type in object.sql_types_mut() {
            *sql_type = self.with_definition(sql_type);
        }
        object
    }
}

/// Whether an object names types of users.
pub(super) fn has_user_types(object: &Object) -> bool {
    object
        .sql_types()
        .into_iter()
        .any(|sql_type| sql_type.user_type().is_some())
}
