//! current_setting() and set_config().

use datafusion::logical_expr::Volatility;

use super::datum::Datum;
use super::row_function::{Argument, RowFunction};
use crate::error::{Error, SqlState};
use crate::types::SqlType;

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        RowFunction::stable(
            "current_setting",
            &[&[Argument::Text], &[Argument::Text, Argument::Bool]],
            SqlType::Text,
            |call, row| {
                let name = row.first().and_then(Datum::as_text).unwrap_or_default();
                let may_miss = row.get(1).and_then(Datum::as_bool).unwrap_or(false);
                match call.environment()?.setting(name) {
                    Some(value) => Ok(value.into()),
                    None if may_miss => Ok(Datum::Null),
                    None => {
                        let message = format!("unrecognized configuration parameter \"{name}\"");
                        Err(Error::new(SqlState::UndefinedObject, message))
                    }
                }
            },
        ),
        RowFunction::immutable(
            "set_config",
            &[&[Argument::Text, Argument::Text, Argument::Bool]],
            SqlType::Text,
            |call, row| {
                let name = row.first().and_then(Datum::as_text).unwrap_or_default();
                let value = row.get(1).and_then(Datum::as_text).unwrap_or_default();
                let local = row.get(2).and_then(Datum::as_bool).unwrap_or(false);
                call.environment()?.set_setting(name, value, local).map(Datum::from)
            },
        )
        .called_on_null()
        .with_volatility(Volatility::Volatile),
    ]
}
