//! `substring(text from 'pattern')` is the pattern's first match; the planner knows positions only.

use datafusion::sql::sqlparser::ast::{Expr, Value, VisitMut};

use super::syntax::{call, replace_expressions};
use crate::error::Result;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        if let Expr::Substring {
            expr,
            substring_from: Some(pattern),
            substring_for: None,
            ..
        } = expression
            && let Expr::Value(value) = pattern.as_ref()
            && matches!(
                value.value,
                Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)
            )
        {
            *expression = call("substring_regex", vec![expr.as_ref().clone(), pattern.as_ref().clone()]);
        }
        Ok(())
    })
}
