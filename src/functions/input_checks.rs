//! pg_input_is_valid() and pg_input_error_info(): whether a type's input reads a text, and what it says if not.

use super::datum::Datum;
use super::row_function::{Argument, Call, RowFunction};
use crate::error::{Error, Result, SqlState};
use crate::types::parse::parse_value;
use crate::types::{FormatSettings, SqlType};

const TEXTS: &[&[Argument]] = &[&[Argument::Text, Argument::Text]];

pub(super) fn functions() -> Vec<RowFunction> {
    let stable = RowFunction::stable;
    vec![
        stable("pg_input_is_valid", TEXTS, SqlType::Bool, |call, row| {
            Ok(fault(call, row)?.is_none().into())
        }),
        // The columns of pg_input_error_info().
        stable("pg_input_error_message", TEXTS, SqlType::Text, |call, row| {
            Ok(fault(call, row)?.map(|error| error.message().to_string()).into())
        }),
        stable("pg_input_error_detail", TEXTS, SqlType::Text, |call, row| {
            Ok(fault(call, row)?
                .and_then(|error| error.detail().map(str::to_string))
                .into())
        }),
        stable("pg_input_error_hint", TEXTS, SqlType::Text, |call, row| {
            Ok(fault(call, row)?
                .and_then(|error| error.hint().map(str::to_string))
                .into())
        }),
        stable("pg_input_error_code", TEXTS, SqlType::Text, |call, row| {
            Ok(fault(call, row)?.map(|error| error.state().code().to_string()).into())
        }),
    ]
}

/// What the type's input says of the text, if it does not read it.
fn fault(call: &Call<'_>, row: &[Datum]) -> Result<Option<Error>> {
    let text = |index: usize| row.get(index).and_then(Datum::as_text).unwrap_or_default();
    let sql_type: SqlType = text(1).parse().map_err(|_| {
        let message = format!("type \"{}\" does not exist", text(1));
        Error::new(SqlState::UndefinedObject, message)
    })?;
    let settings = FormatSettings {
        time_zone: super::patterns::zone(call),
        ..FormatSettings::default()
    };
    Ok(parse_value(&sql_type, text(0), &settings).err())
}
