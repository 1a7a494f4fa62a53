//! Faults that the planner words in its own way, with PostgreSQL's SQLSTATE and words.

use super::cast_faults::arrow_name_to_sql;
use super::{Error, SqlState, first_line, lower_first};

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
        "indow function calls cannot be nested",
        SqlState::WindowingError,
        "window function calls cannot be nested",
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
    (
        "to grouping function is not in grouping columns",
        SqlState::GroupingError,
        "arguments to GROUPING must be grouping expressions of the associated query level",
    ),
    ("nary operator '-' only supports", SqlState::UndefinedFunction, ""),
    ("does not support named arguments", SqlState::UndefinedFunction, ""),
    ("names given as column alias", SqlState::InvalidColumnReference, ""),
    ("must match initial ORDER BY", SqlState::InvalidColumnReference, ""),
    ("specified more than once", SqlState::DuplicateAlias, ""),
    (
        "nvalid window frame: start bound",
        SqlState::WindowingError,
        "frame starting from following row cannot have preceding rows",
    ),
    ("Invalid window frame", SqlState::WindowingError, ""),
    (
        "too many columns! The subquery should only return one column",
        SqlState::SyntaxError,
        "subquery must return only one column",
    ),
    (
        "Too many columns! The subquery should only return one column",
        SqlState::SyntaxError,
        "subquery must return only one column",
    ),
    (
        "For SELECT DISTINCT, ORDER BY expressions",
        SqlState::InvalidColumnReference,
        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
    ),
    (
        "RANGE requires exactly one ORDER BY column",
        SqlState::WindowingError,
        "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
    ),
    (
        "GROUPS requires an ORDER BY clause",
        SqlState::WindowingError,
        "GROUPS mode requires an ORDER BY clause",
    ),
    (
        "queries have different number of columns",
        SqlState::SyntaxError,
        "each UNION query must have the same number of columns",
    ),
    (
        "nconsistent data length across values list",
        SqlState::SyntaxError,
        "VALUES lists must all be the same length",
    ),
    ("Percentile value must be between", SqlState::NumericValueOutOfRange, ""),
    (
        "join condition should not be empty",
        SqlState::FeatureNotSupported,
        "this condition of a subquery is not supported yet",
    ),
];

fn undefined_function(call: &str) -> Error {
    // What a subscript is called here.
    if let Some(types) = call.strip_prefix("array_subscript(") {
        let subscripted = types.split(',').next().unwrap_or_default();
        let message = format!("cannot subscript type {subscripted} because it does not support subscripting");
        return Error::new(SqlState::DatatypeMismatch, message);
    }
    Error::new(SqlState::UndefinedFunction, format!("function {call} does not exist"))
        .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// `nullif(Int32)` with the names of SQL's types.
fn call_in_sql(call: &str) -> String {
    let Some((name, types)) = call.strip_suffix(')').and_then(|call| call.split_once('(')) else {
        return call.to_string();
    };
    // Commas stand within the layouts of types too.
    let mut depth = 0_usize;
    let types = types.split(|character: char| {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    let types: Vec<&str> = types.map(|name| arrow_name_to_sql(name.trim())).collect();
    format!("{name}({})", types.join(", "))
}

pub(super) fn from_plan_message(message: &str) -> Error {
    let text = first_line(message);
    let between = |before: &str, after: &str| {
        let start = text.find(before)? + before.len();
        let length = text[start..].find(after)?;
        Some(text[start..start + length].to_string())
    };
    if text.starts_with("Invalid function '") {
        return undefined_function(text.split('\'').nth(1).unwrap_or("?"));
    }
    // Our own refusal of the arguments, which the planner wrapped.
    if let Some(call) = between("External error: function ", " does not exist") {
        return undefined_function(&call);
    }
    if let Some(call) = between("argument types '", "'") {
        return undefined_function(&call_in_sql(&call));
    }
    if let Some(column) = between("column \"", "\" must appear in the GROUP BY clause or must be part of") {
        let message =
            format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
        return Error::new(SqlState::GroupingError, message);
    }
    if let Some((_, name)) = text.split_once("join condition must be boolean type, but got ") {
        let message = format!(
            "argument of JOIN/ON must be type boolean, not type {}",
            arrow_name_to_sql(name)
        );
        return Error::new(SqlState::DatatypeMismatch, message);
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
    if let Some((left, right)) = between("common type to coerce ", " in LIKE expression")
        .as_deref()
        .and_then(|types| types.split_once(" and "))
    {
        let (left, right) = (arrow_name_to_sql(left), arrow_name_to_sql(right));
        return Error::new(
            SqlState::UndefinedFunction,
            format!("operator does not exist: {left} ~~ {right}"),
        )
        .with_hint(
            "No operator matches the given name and argument types. You might need to add explicit type casts.",
        );
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
