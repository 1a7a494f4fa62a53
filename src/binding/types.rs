//! Type names in SQL text → the Arrow types and metadata of `crate::types`.

use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast as sql;

use crate::types::SqlType;

#[derive(Debug)]
pub(crate) struct PostgresTypes;

impl TypePlanner for PostgresTypes {
    fn plan_type_field(&self, sql_type: &sql::DataType) -> PlanResult<Option<FieldRef>> {
        // Arrays and structs with inner types stay with the planner's own reading.
        match sql_type.to_string().replace("pg_catalog.", "").parse::<SqlType>() {
            Ok(named) => Ok(Some(Arc::new(named.to_field("", true)))),
            Err(_) => Ok(None),
        }
    }
}
