//! Type names of the syntax tree → types of pg_type.

use datafusion::sql::sqlparser::ast::DataType;

use super::analyzer::not_covered;
use super::value_type::{BPCHAR, INT4, NAME, Type, VARCHAR};
use crate::error::Result;
use crate::functions::builtin::builtin_type_named;
use crate::types::SqlType;

/// The type that a cast or declaration names.
pub(super) fn type_of(data_type: &DataType) -> Result<Type> {
    named(&data_type.to_string()).ok_or_else(|| not_covered(format!("the type {data_type}")))
}

fn named(text: &str) -> Option<Type> {
    let text = text.trim();
    if let Some(inner) = text.strip_suffix(']') {
        return named(inner.rsplit_once('[')?.0)?.array();
    }
    let lower = text.to_lowercase();
    if let Some(domain) = lower.strip_prefix("information_schema.") {
        return Some(match domain {
            "sql_identifier" => Type::of(NAME),
            "cardinal_number" => Type::of(INT4),
            "character_data" => Type::of(VARCHAR),
            "yes_or_no" => Type::with_modifier(VARCHAR, 7),
            _ => return None,
        });
    }
    let (plain, qualified) = match lower.strip_prefix("pg_catalog.") {
        Some(plain) => (plain, true),
        None => (lower.as_str(), false),
    };
    let unquoted = plain.trim_matches('"');
    if unquoted == "char" && !qualified && unquoted == plain {
        return Some(Type::with_modifier(BPCHAR, 5));
    }
    if let Some(builtin) = builtin_type_named(unquoted) {
        return Some(Type::of(builtin.oid));
    }
    plain
        .parse::<SqlType>()
        .ok()
        .map(|sql_type| Type::of_sql_type(&sql_type))
}
