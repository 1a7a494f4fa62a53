//! CREATE DOMAIN and ALTER DOMAIN, parsed.

use super::ObjectName;
use crate::types::SqlType;

/// CREATE DOMAIN.
#[derive(Debug, Clone)]
pub struct CreateDomain {
    pub name: ObjectName,
    pub base: SqlType,
    /// The text of DEFAULT's expression.
    pub default: Option<String>,
    pub not_null: bool,
    /// Each CHECK with the name it is given.
    pub checks: Vec<(Option<String>, String)>,
}

/// What ALTER DOMAIN changes that only domains have.
#[derive(Debug, Clone)]
pub enum DomainAction {
    /// `None` is DROP DEFAULT.
    SetDefault(Option<String>),
    SetNotNull(bool),
    /// `not_valid`: rows that exist are not looked at.
    AddCheck {
        name: Option<String>,
        condition: String,
        not_valid: bool,
    },
    DropConstraint {
        name: String,
        if_exists: bool,
    },
    RenameConstraint {
        from: String,
        to: String,
    },
    /// What was added NOT VALID.
    Validate(String),
}
