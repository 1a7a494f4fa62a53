//! CREATE INDEX and REINDEX.

use super::ObjectName;

#[derive(Debug, Clone)]
pub struct CreateIndex {
    pub name: Option<String>,
    pub if_not_exists: bool,
    pub concurrently: bool,
    pub unique: bool,
    pub nulls_not_distinct: bool,
    pub table: ObjectName,
    pub method: Option<String>,
    pub keys: Vec<IndexKeyDefinition>,
    pub included: Vec<String>,
    /// The condition's text.
    pub condition: Option<String>,
}

#[derive(Debug, Clone)]
pub struct IndexKeyDefinition {
    pub of: IndexedDefinition,
    pub operator_class: Option<String>,
    pub descending: bool,
    /// Where the statement says.
    pub nulls_first: Option<bool>,
}

#[derive(Debug, Clone)]
pub enum IndexedDefinition {
    Column(String),
    /// An expression's text, and what its column is called.
    Expression {
        text: String,
        name: String,
    },
}

/// REINDEX, by what it names: there is nothing to build again.
#[derive(Debug, Clone)]
pub enum Reindex {
    Index(ObjectName),
    Table(ObjectName),
    Schema(String),
    Database(Option<String>),
}
