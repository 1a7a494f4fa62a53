//! `INTERVAL '…'`, `INTERVAL '3' DAY` and `INTERVAL '1-2' YEAR TO MONTH` as casts, so that PostgreSQL's reading of
//! intervals applies; the last field named is the smallest that is kept.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, DateTimeField, Expr, Interval, Value, VisitMut};

use super::syntax::{call, replace_expressions};
use crate::error::{Error, Result};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        let Expr::Interval(interval) = &*expression else {
            return Ok(());
        };
        let Expr::Value(literal) = interval.value.as_ref() else {
            return Ok(());
        };
        let text = match &literal.value {
            Value::SingleQuotedString(text) => text,
            // Databricks writes the number without quotes.
            Value::Number(text, _) if interval.leading_field.is_some() => text,
            _ => return Err(Error::syntax("an interval needs a quoted text or a field")),
        };
        let last = interval.last_field.as_ref().or(interval.leading_field.as_ref());
        let mut literal = literal.clone();
        literal.value = Value::SingleQuotedString(spelled(text.trim(), interval, last));
        let mut value = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(Expr::Value(literal)),
            data_type: plain_type(),
            array: false,
            format: None,
        };
        if let Some(last) = last.filter(|last| **last != DateTimeField::Second && !is_number(text)) {
            let field = Expr::value(Value::SingleQuotedString(last.to_string().to_lowercase()));
            value = call("date_trunc", vec![field, value]);
        }
        let is_second = interval.leading_field == Some(DateTimeField::Second);
        let places = interval
            .fractional_seconds_precision
            .or(interval.leading_precision.filter(|_| is_second));
        if let Some(places) = places {
            let places = Expr::value(Value::Number(places.to_string(), false));
            value = call("rounded_time", vec![value, places]);
        }
        *expression = value;
        Ok(())
    })
}

/// The type without a precision.
pub(super) fn plain_type() -> DataType {
    DataType::Interval {
        fields: None,
        precision: None,
    }
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok()
}

/// The text with the units that the fields tell.
fn spelled(text: &str, interval: &Interval, last: Option<&DateTimeField>) -> String {
    let Some(last) = last else {
        return text.to_string();
    };
    if is_number(text) {
        return format!("{text} {last}").to_lowercase();
    }
    match (&interval.leading_field, last) {
        (Some(DateTimeField::Day), DateTimeField::Hour) => match text.split_once(' ') {
            Some((days, hours)) if is_number(days) && is_number(hours) => {
                format!("{days} days {} hours", hours.trim())
            }
            _ => text.to_string(),
        },
        (Some(DateTimeField::Minute), DateTimeField::Second) if text.matches(':').count() == 1 => {
            match text.strip_prefix('-') {
                Some(positive) => format!("-0:{positive}"),
                None => format!("0:{text}"),
            }
        }
        _ => text.to_string(),
    }
}
