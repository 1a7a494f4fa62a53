//! A prepared statement: its text, the parameter types that the client declared, and its shape.

use crate::query::Description;
use crate::statement::ast::ParsedStatement;
use crate::types::SqlType;

#[derive(Debug)]
pub(crate) struct PreparedStatement {
    pub parsed: ParsedStatement,
    /// Types that the client gave; `None` was left to us.
    pub declared: Vec<Option<SqlType>>,
    pub description: Description,
}
