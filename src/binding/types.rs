//! Type names in SQL text → the Arrow types and metadata of `crate::types`: PostgreSQL's, those of the catalog, and relations for
//! the types of their rows.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast as sql;

use super::relations::{referenced, require_schema_usage};
use super::{Rights, names};
use crate::catalog::Scope as NameScope;
use crate::catalog::model::{Object, Oid, Privilege};
use crate::context::QueryContext;
use crate::error::Result;
use crate::types::{SqlType, unknown_type};

/// The types that a text may name: PostgreSQL's, and these of the catalog.
#[derive(Debug, Clone, Default)]
pub(crate) struct PostgresTypes {
    users: HashMap<Vec<String>, SqlType>,
}

impl PostgresTypes {
    pub fn new(users: HashMap<Vec<String>, SqlType>) -> PostgresTypes {
        PostgresTypes { users }
    }

    /// Whether a composite type is among them.
    pub fn has_rows(&self) -> bool {
        self.users.values().any(is_of_rows)
    }

    /// A further type that the text may name.
    pub fn add(&mut self, name: String, sql_type: SqlType) {
        self.users.insert(vec![name], sql_type);
    }

    fn named(&self, data_type: &sql::DataType) -> PlanResult<Option<SqlType>> {
        if let Ok(known) = data_type.to_string().replace("pg_catalog.", "").parse() {
            return Ok(Some(known));
        }
        match data_type {
            sql::DataType::Custom(name, _) => {
                let name = names::parts(name);
                match self.users.get(&name) {
                    Some(known) => Ok(Some(known.clone())),
                    None => Err(unknown_type(&name.join(".")).into()),
                }
            }
            // Structs and maps stay with the planner's own reading.
            other => match users_element(other) {
                Some(element) => Ok(self.named(element)?.map(|element| SqlType::Array(Box::new(element)))),
                None => Ok(None),
            },
        }
    }
}

/// Whether the type is composite, or one of arrays of such.
pub(super) fn is_of_rows(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Array(element) => is_of_rows(element),
        other => matches!(other.base(), SqlType::Composite(_)),
    }
}

/// What an array is an array of.
fn users_element(data_type: &sql::DataType) -> Option<&sql::DataType> {
    match data_type {
        sql::DataType::Array(
            sql::ArrayElemTypeDef::SquareBracket(element, _)
            | sql::ArrayElemTypeDef::AngleBracket(element)
            | sql::ArrayElemTypeDef::Parenthesis(element),
        ) => Some(element),
        _ => None,
    }
}

/// The name of a user's type, if one may be meant.
pub(crate) fn users_name(data_type: &sql::DataType) -> Option<Vec<String>> {
    match (data_type, users_element(data_type)) {
        (_, Some(element)) => users_name(element),
        (sql::DataType::Custom(name, _), None) => Some(names::parts(name)),
        _ => None,
    }
}

/// The user's type that a name means.
pub(super) fn load_type(context: &QueryContext, name: &[String], rights: &Rights) -> Result<Option<(Oid, SqlType)>> {
    let names = NameScope {
        database: context.database,
        search_path: &rights.search_path,
    };
    let found = match referenced(&context.catalog, rights, name) {
        Some(Object::Type(found)) => Some(found),
        _ => context.catalog.find_type(names, name)?,
    };
    let Some(found) = found else {
        return load_row_type(context, names, name, rights);
    };
    require_schema_usage(context, found.schema, rights)?;
    let sql_type = context.catalog.sql_type(found.type_oid());
    Ok(sql_type.map(|sql_type| (found.id, sql_type)))
}

/// The type of the rows of the table or view that a type's name means.
fn load_row_type(
    context: &QueryContext,
    names: NameScope<'_>,
    name: &[String],
    rights: &Rights,
) -> Result<Option<(Oid, SqlType)>> {
    let relation = match referenced(&context.catalog, rights, name) {
        Some(relation) => Some(relation),
        None => context.catalog.find_relation(names, name)?,
    };
    // What columns a relation has is for who may read it.
    let access = context.catalog.access(rights.checked_as);
    let Some(relation) = relation.filter(|relation| access.has(relation, Privilege::Select)) else {
        return Ok(None);
    };
    require_schema_usage(context, relation.parent().unwrap_or_default(), rights)?;
    let row_type = context.catalog.row_type(relation);
    Ok(row_type.map(|sql_type| (relation.id(), sql_type)))
}

impl TypePlanner for PostgresTypes {
    fn plan_type_field(&self, sql_type: &sql::DataType) -> PlanResult<Option<FieldRef>> {
        // A field without a name would keep the metadata of what is cast: a json would stay one as text.
        Ok(self
            .named(sql_type)?
            .map(|named| Arc::new(named.to_field("cast", true))))
    }
}
