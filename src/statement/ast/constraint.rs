//! Constraints as they are written.

use super::ObjectName;
use crate::catalog::model::{ForeignKeyTerms, Timing};

/// A constraint of a table or of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableConstraint {
    pub name: Option<String>,
    pub rule: ConstraintDefinition,
    /// ENFORCED or NOT ENFORCED.
    pub enforced: Option<bool>,
    pub timing: Timing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConstraintDefinition {
    PrimaryKey(Vec<String>),
    Unique {
        columns: Vec<String>,
        nulls_not_distinct: bool,
    },
    ForeignKey {
        columns: Vec<String>,
        table: ObjectName,
        referenced: Vec<String>,
        terms: ForeignKeyTerms,
        /// What ON DELETE SET NULL or SET DEFAULT names.
        set_columns: Vec<String>,
    },
    /// The condition's text.
    Check(String),
}
