//! `INTERVAL '…'`, `INTERVAL '3' DAY` and `INTERVAL '1-2' YEAR TO MONTH` as casts to a type with these fields, so that
//! PostgreSQL's reading of intervals applies.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, DateTimeField, Expr, Interval, IntervalFields, Value, VisitMut,
};

use super::syntax::replace_expressions;
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
        let (text, data_type) = literal_type(text, interval);
        let mut literal = literal.clone();
        literal.value = Value::SingleQuotedString(text);
        *expression = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(Expr::Value(literal)),
            data_type,
            array: false,
            format: None,
        };
        Ok(())
    })
}

/// The text of an interval's literal and the type that it is read as. Units that no type has, as Databricks' weeks, come
/// into the text.
pub(crate) fn literal_type(text: &str, interval: &Interval) -> (String, DataType) {
    let is_second = interval.leading_field == Some(DateTimeField::Second);
    let precision = interval
        .fractional_seconds_precision
        .or(interval.leading_precision.filter(|_| is_second));
    let fields = fields(interval);
    let text = match (&interval.leading_field, &fields) {
        (Some(unit), None) => format!("{text} {unit}").to_lowercase(),
        _ => text.to_string(),
    };
    (text, DataType::Interval { fields, precision })
}

/// The fields behind a literal, where an interval's type has them.
fn fields(interval: &Interval) -> Option<IntervalFields> {
    use DateTimeField::{Day, Hour, Minute, Month, Second, Year};
    Some(match (interval.leading_field.as_ref()?, &interval.last_field) {
        (Year, None) => IntervalFields::Year,
        (Year, Some(Month)) => IntervalFields::YearToMonth,
        (Month, None) => IntervalFields::Month,
        (Day, None) => IntervalFields::Day,
        (Day, Some(Hour)) => IntervalFields::DayToHour,
        (Day, Some(Minute)) => IntervalFields::DayToMinute,
        (Day, Some(Second)) => IntervalFields::DayToSecond,
        (Hour, None) => IntervalFields::Hour,
        (Hour, Some(Minute)) => IntervalFields::HourToMinute,
        (Hour, Some(Second)) => IntervalFields::HourToSecond,
        (Minute, None) => IntervalFields::Minute,
        (Minute, Some(Second)) => IntervalFields::MinuteToSecond,
        (Second, None) => IntervalFields::Second,
        _ => return None,
    })
}
