//! CREATE SCHEMA, which may bring what belongs into it.

use super::{ObjectName, ParsedStatement};

#[derive(Debug, Clone)]
pub struct CreateSchema {
    pub name: ObjectName,
    pub if_not_exists: bool,
    pub owner: Option<String>,
    /// Statements that make what belongs into the schema, in the order in which they run.
    pub elements: Vec<ParsedStatement>,
}
