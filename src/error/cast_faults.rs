//! What Arrow's casts say of a value that they cannot convert, in PostgreSQL's words.

use super::{Error, SqlState, first_line, lower_first};

pub(super) fn from_message(message: &str) -> Error {
    // "Cannot cast string 'abc' to value of Int32 type"
    if let Some((value, target)) = message
        .strip_prefix("Cannot cast string '")
        .and_then(|rest| rest.split_once("' to value of "))
    {
        let target = target.trim_end_matches(" type");
        let name = arrow_name_to_sql(target);
        let state = if name == "date" || name.starts_with("timestamp") {
            SqlState::InvalidDatetimeFormat
        } else {
            SqlState::InvalidTextRepresentation
        };
        return Error::new(state, format!("invalid input syntax for type {name}: \"{value}\""));
    }
    if message.contains("verflow") || message.contains("out of range") || message.starts_with("Can't cast value") {
        let target = message.rsplit("to type ").next().unwrap_or_default();
        return Error::new(
            SqlState::NumericValueOutOfRange,
            match arrow_name_to_sql(target.trim_end_matches('.')) {
                whole @ ("smallint" | "integer" | "bigint") => format!("{whole} out of range"),
                _ if message.contains("Decimal") => "numeric field overflow".to_string(),
                _ => "value out of range".to_string(),
            },
        );
    }
    if message.starts_with("Error parsing timestamp") || message.contains("Date32") {
        return Error::new(
            SqlState::InvalidDatetimeFormat,
            lower_first(first_line(message).as_str()),
        );
    }
    Error::new(SqlState::InvalidTextRepresentation, lower_first(&first_line(message)))
}

pub(super) fn arrow_name_to_sql(name: &str) -> &str {
    match name {
        "Boolean" => "boolean",
        "Int8" | "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" => "bigint",
        "Utf8" | "Utf8View" | "LargeUtf8" => "text",
        "Float32" => "real",
        "Float64" => "double precision",
        "Date32" | "Date64" => "date",
        other if other.starts_with("Timestamp") => "timestamp",
        other if other.starts_with("Decimal") => "numeric",
        other => other,
    }
}
