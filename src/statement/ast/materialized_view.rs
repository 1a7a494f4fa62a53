//! CREATE MATERIALIZED VIEW and REFRESH.

use datafusion::sql::sqlparser::ast as sql;

use super::ObjectName;

#[derive(Debug, Clone)]
pub struct CreateMaterializedView {
    pub name: ObjectName,
    pub if_not_exists: bool,
    /// Names for the query's first columns.
    pub columns: Vec<String>,
    pub query: Box<sql::Query>,
    pub query_text: String,
    pub with_no_data: bool,
}

#[derive(Debug, Clone)]
pub struct RefreshMaterializedView {
    pub name: ObjectName,
    pub concurrently: bool,
    pub with_no_data: bool,
}
