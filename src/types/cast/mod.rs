//! Casts between SQL types as PostgreSQL makes them: on assignment to a column, or because the query
//! says CAST. What a cast does to a value is here; which casts a place allows is in `rules`.

mod assignment;
mod convert;
mod not_null;
mod number;
mod rules;
mod spelled;

pub use assignment::{Assignment, TargetColumn};
pub use not_null::{check_not_null, failing_row};
pub use rules::{CastContext, as_deep_as, as_deep_as_text};

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::format::FormatSettings;

/// 42804 for an expression that may not be assigned to a column.
pub fn check_assignable(column: &str, source: &SqlType, target: &SqlType) -> Result<()> {
    if rules::is_allowed(source, target.base(), CastContext::Assignment) {
        return Ok(());
    }
    if rules::dimensions(source) > rules::dimensions(target) && matches!(target, SqlType::Array(_)) {
        return Err(super::builder::too_many_dimensions());
    }
    let message = format!(
        "column \"{column}\" is of type {} but expression is of type {}",
        without_modifier(target),
        without_modifier(source)
    );
    Err(Error::new(SqlState::DatatypeMismatch, message).with_hint("You will need to rewrite or cast the expression."))
}

/// Casts an array; the result has the target's Arrow type. 42846 for a cast that does not exist.
pub fn cast_array(
    array: &ArrayRef,
    source: &SqlType,
    target: &SqlType,
    context: CastContext,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let (source, target) = (source.base(), target.base());
    if !rules::is_allowed(source, target, context) {
        let message = format!(
            "cannot cast type {} to {}",
            without_modifier(source),
            without_modifier(target)
        );
        return Err(Error::new(SqlState::CannotCoerce, message));
    }
    if source == target && array.data_type() == &target.to_arrow() {
        return Ok(Arc::clone(array));
    }
    convert::convert(array, source, target, context, settings)
}

/// A type as error messages name it: without length or precision.
fn without_modifier(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Numeric(_) => "numeric".to_string(),
        SqlType::Varchar(_) => "character varying".to_string(),
        SqlType::Bpchar(_) => "character".to_string(),
        SqlType::Spelled(_) => super::coercion::shown(sql_type),
        SqlType::Array(element) => format!("{}[]", without_modifier(element)),
        other => other.without_modifier().to_string(),
    }
}

#[cfg(test)]
mod tests;
