//! `INTERVAL '…'` and `INTERVAL '3' DAY` as casts, so that PostgreSQL's reading of intervals applies.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, Value, VisitMut};

use super::syntax::replace_expressions;
use crate::error::Result;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        let Expr::Interval(interval) = &*expression else {
            return Ok(());
        };
        let Expr::Value(literal) = interval.value.as_ref() else {
            return Ok(());
        };
        let Value::SingleQuotedString(text) = &literal.value else {
            return Ok(());
        };
        if interval.last_field.is_some() || interval.fractional_seconds_precision.is_some() {
            return Ok(());
        }
        let text = match &interval.leading_field {
            None => text.clone(),
            Some(field) if text.trim().parse::<f64>().is_ok() => format!("{} {field}", text.trim()).to_lowercase(),
            Some(_) => return Ok(()),
        };
        let mut literal = literal.clone();
        literal.value = Value::SingleQuotedString(text);
        *expression = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(Expr::Value(literal)),
            data_type: DataType::Interval {
                fields: None,
                precision: None,
            },
            array: false,
            format: None,
        };
        Ok(())
    })
}
