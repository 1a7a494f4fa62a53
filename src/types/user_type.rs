//! Types that users define. A type of the catalog travels with its whole definition: in a field's metadata, so that
//! values can be read, ordered and shown without asking the catalog; in the catalog's log as its OID alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CompositeType, SqlType, polymorphic, quote_identifier};
use crate::error::{Error, Result, SqlState};

/// The OIDs of arrays of users' types begin here, above all that are handed out.
pub const ARRAY_TYPES: u32 = 0x6000_0000;
/// The OIDs of the types of rows begin here: those of relations and of composite types, which are relations too.
pub const ROW_TYPES: u32 = 0x4000_0000;

/// An enumeration: its labels in their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnumType {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    pub labels: Vec<String>,
}

impl EnumType {
    /// Where a label stands among the others.
    pub fn position(&self, label: &str) -> Option<usize> {
        self.labels.iter().position(|known| known == label)
    }

    /// 22P02 for a text that is no label.
    pub fn check<'a>(&self, text: &'a str) -> Result<&'a str> {
        match self.position(text) {
            Some(_) => Ok(text),
            None => Err(Error::new(
                SqlState::InvalidTextRepresentation,
                format!(
                    "invalid input value for enum {}: \"{text}\"",
                    quote_identifier(&self.name)
                ),
            )),
        }
    }
}

/// A type with rules of its own. Its values are carried, compared and shown as those of the type below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainType {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    pub base: SqlType,
}

const ENUM: &str = "enum ";
const COMPOSITE: &str = "composite ";
const STORED: &str = "type ";

impl SqlType {
    /// The definition for a field's metadata.
    pub(super) fn to_metadata(&self) -> String {
        match self {
            SqlType::Enum(definition) => format!("{ENUM}{}", serde_json::json!(definition)),
            SqlType::Domain(domain) => domain.base.to_metadata(),
            SqlType::Composite(composite) => format!("{COMPOSITE}{}", composite.to_metadata()),
            SqlType::Array(element) => format!("{}[]", element.to_metadata()),
            other => other.to_string(),
        }
    }

    pub(super) fn from_metadata(text: &str) -> Option<SqlType> {
        if let Some(definition) = text.strip_prefix(ENUM)
            && let Ok(definition) = serde_json::from_str(definition)
        {
            return Some(SqlType::Enum(Arc::new(definition)));
        }
        if let Some(composite) = text.strip_prefix(COMPOSITE).and_then(CompositeType::from_metadata) {
            return Some(SqlType::Composite(Arc::new(composite)));
        }
        match text.strip_suffix("[]") {
            Some(element) => Some(SqlType::Array(Box::new(SqlType::from_metadata(element)?))),
            None => text.parse().ok(),
        }
    }

    /// What the catalog's log keeps.
    pub(super) fn to_stored(&self) -> String {
        match self {
            SqlType::Enum(definition) => format!("{STORED}{}", definition.oid),
            SqlType::Domain(domain) => format!("{STORED}{}", domain.oid),
            SqlType::Composite(composite) => format!("{STORED}{}", composite.relation),
            SqlType::Stored(oid) => format!("{STORED}{oid}"),
            SqlType::Array(element) => format!("{}[]", element.to_stored()),
            other => other.to_string(),
        }
    }

    pub(super) fn from_stored(text: &str) -> Result<SqlType> {
        if let Some(element) = text.strip_suffix("[]") {
            return Ok(SqlType::Array(Box::new(SqlType::from_stored(element)?)));
        }
        match text.strip_prefix(STORED).and_then(|oid| oid.parse().ok()) {
            Some(oid) => Ok(SqlType::Stored(oid)),
            None => polymorphic::named(text).map_or_else(|| text.parse(), Ok),
        }
    }

    /// The catalog's object that this is the type of, or is an array of.
    pub fn user_type(&self) -> Option<u32> {
        match self {
            SqlType::Enum(definition) => Some(definition.oid),
            SqlType::Domain(domain) => Some(domain.oid),
            SqlType::Composite(composite) => Some(composite.relation),
            SqlType::Stored(oid) => Some(*oid),
            SqlType::Array(element) => element.user_type(),
            _ => None,
        }
    }

    /// The type whose values these are: below all domains.
    pub fn base(&self) -> &SqlType {
        match self {
            SqlType::Domain(domain) => domain.base.base(),
            other => other,
        }
    }

    /// The type that values travel as: nothing in it is a domain.
    pub fn carried(&self) -> SqlType {
        match self {
            SqlType::Domain(domain) => domain.base.carried(),
            SqlType::Array(element) => SqlType::Array(Box::new(element.carried())),
            other => other.clone(),
        }
    }

    /// The same type with what `replace` makes of its innermost element.
    pub fn try_map_element<E>(&self, replace: &mut impl FnMut(&SqlType) -> Result<SqlType, E>) -> Result<SqlType, E> {
        match self {
            SqlType::Array(element) => Ok(SqlType::Array(Box::new(element.try_map_element(replace)?))),
            other => replace(other),
        }
    }
}
