//! Which rows LIMIT and OFFSET keep where their counts are computed.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::overload::{OverloadedFunction, rows};
use crate::error::{Error, Result, SqlState};

/// `within_limit(place, skipped, kept)`: whether the row at this place, counted from one, is among those that are kept
/// behind the skipped ones. NULL stands for no limit.
pub const WITHIN_LIMIT: &str = "within_limit";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let within = rows("(int8, int8, int8) bool", |_, row| {
        let place = count(&row[0], "place", SqlState::InternalError)?.unwrap_or_default();
        let skipped = count(&row[1], "OFFSET", SqlState::InvalidRowCountInOffset)?.unwrap_or_default();
        let kept = count(&row[2], "LIMIT", SqlState::InvalidRowCountInLimit)?;
        Ok((place > skipped && kept.is_none_or(|kept| place - skipped <= kept)).into())
    });
    vec![OverloadedFunction::immutable(
        WITHIN_LIMIT,
        vec![within.called_on_null()],
    )]
}

fn count(value: &Datum, clause: &str, negative: SqlState) -> Result<Option<i64>> {
    match value {
        Datum::Int(count) if *count < 0 => Err(Error::new(negative, format!("{clause} must not be negative"))),
        Datum::Int(count) => Ok(Some(*count)),
        _ => Ok(None),
    }
}
