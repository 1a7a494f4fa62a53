//! Type names in SQL text → the Arrow types and metadata of `crate::types`.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast as sql;

use super::names;
use crate::types::{SqlType, unknown_type};

/// The types that a text may name: PostgreSQL's, and these of the catalog.
#[derive(Debug, Default)]
pub(crate) struct PostgresTypes {
    users: HashMap<Vec<String>, SqlType>,
}

impl PostgresTypes {
    pub fn new(users: HashMap<Vec<String>, SqlType>) -> PostgresTypes {
        PostgresTypes { users }
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

impl TypePlanner for PostgresTypes {
    fn plan_type_field(&self, sql_type: &sql::DataType) -> PlanResult<Option<FieldRef>> {
        // A field without a name would keep the metadata of what is cast: a json would stay one as text.
        Ok(self
            .named(sql_type)?
            .map(|named| Arc::new(named.to_field("cast", true))))
    }
}
