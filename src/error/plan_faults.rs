//! Faults that the planner words in its own way, with PostgreSQL's SQLSTATE and words.

use super::{Error, SqlState, arrow_name_to_sql, first_line, lower_first};

/// What the planner says, and what PostgreSQL says of the same fault: (words that tell it, SQLSTATE, message; an
/// empty message keeps the planner's).
const PLAN_FAULTS: &[(&str, SqlState, &str)] = &[
    (
        "Aggregate functions are not allowed in the WHERE",
        SqlState::GroupingError,
        "aggregate functions are not allowed in WHERE",
    ),
    ("Aggregate functions are not allowed in", SqlState::GroupingError, ""),
    (
        "ggregate function calls cannot be nested",
        SqlState::GroupingError,
        "aggregate function calls cannot be nested",
    ),
    (
        "ggregate function calls cannot contain window",
        SqlState::GroupingError,
        "aggregate function calls cannot contain window function calls",
    ),
    (
        "LIMIT must be >= 0",
        SqlState::InvalidRowCountInLimit,
        "LIMIT must not be negative",
    ),
    (
        "OFFSET must be >=0",
        SqlState::InvalidRowCountInOffset,
        "OFFSET must not be negative",
    ),
    (
        "Expected LIMIT to be an integer",
        SqlState::InvalidTextRepresentation,
        "invalid input syntax for type bigint",
    ),
    (
        "Expected OFFSET to be an integer",
        SqlState::InvalidTextRepresentation,
        "invalid input syntax for type bigint",
    ),
    ("names given as column alias", SqlState::InvalidColumnReference, ""),
    ("must match initial ORDER BY", SqlState::InvalidColumnReference, ""),
    ("specified more than once", SqlState::DuplicateAlias, ""),
    (
        "invalid window frame: start bound",
        SqlState::WindowingError,
        "frame starting from following row cannot have preceding rows",
    ),
    ("Invalid window frame", SqlState::WindowingError, ""),
    ("Percentile value must be between", SqlState::NumericValueOutOfRange, ""),
    (
        "join condition should not be empty",
        SqlState::FeatureNotSupported,
        "this condition of a subquery is not supported yet",
    ),
];

pub(super) fn from_plan_message(message: &str) -> Error {
    let text = first_line(message);
    let between = |before: &str, after: &str| {
        let start = text.find(before)? + before.len();
        let length = text[start..].find(after)?;
        Some(text[start..start + length].to_string())
    };
    if text.starts_with("Invalid function") {
        let name = text.split('\'').nth(1).unwrap_or("?");
        return Error::new(SqlState::UndefinedFunction, format!("function {name} does not exist")).with_hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        );
    }
    if let Some(position) = between("Cannot find column with position ", " ") {
        let message = format!("GROUP BY position {position} is not in select list");
        return Error::new(SqlState::InvalidColumnReference, message);
    }
    if let Some(position) = between("column out of bounds, specified: ", ",") {
        let message = format!("ORDER BY position {position} is not in select list");
        return Error::new(SqlState::InvalidColumnReference, message);
    }
    if text.starts_with("Cannot create filter with non-boolean predicate") {
        let name = text.rsplit(' ').next().unwrap_or_default();
        let message = format!(
            "argument of WHERE must be type boolean, not type {}",
            arrow_name_to_sql(name)
        );
        return Error::new(SqlState::DatatypeMismatch, message);
    }
    if let Some(name) = between("requires a boolean expression, got ", "\0").or_else(|| {
        text.split_once("requires a boolean expression, got ")
            .map(|(_, name)| name.to_string())
    }) {
        let message = format!(
            "argument of NOT must be type boolean, not type {}",
            arrow_name_to_sql(&name)
        );
        return Error::new(SqlState::DatatypeMismatch, message);
    }
    if let Some(name) = text
        .strip_prefix("The window ")
        .and_then(|rest| rest.strip_suffix(" is not defined!"))
    {
        return Error::new(SqlState::UndefinedObject, format!("window \"{name}\" does not exist"));
    }
    if let Some(name) = text.strip_prefix("Invalid qualifier ") {
        let message = format!("missing FROM-clause entry for table \"{name}\"");
        return Error::new(SqlState::UndefinedTable, message);
    }
    for (words, state, message) in PLAN_FAULTS {
        if text.contains(words) {
            return Error::new(
                *state,
                if message.is_empty() {
                    lower_first(&text)
                } else {
                    message.to_string()
                },
            );
        }
    }
    let state = if text.contains("GROUP BY") || text.contains("must be part of") || text.contains("in an aggregate") {
        SqlState::GroupingError
    } else if text.contains("not found") && text.contains("table") {
        SqlState::UndefinedTable
    } else if text.contains("type_coercion")
        || text.contains("coerc")
        || text.contains("Cannot infer common")
        || text.contains("does not support zero arguments")
        || text.contains("signature")
        || text.contains("No function matches")
    {
        SqlState::UndefinedFunction
    } else {
        SqlState::SyntaxError
    };
    Error::new(state, lower_first(&text))
}
