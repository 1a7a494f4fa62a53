//! Function calls that SQL spells in ways of its own: LIKE … ESCAPE, EXTRACT, POSITION, SUBSTRING, TRIM, AT TIME ZONE.

use datafusion::sql::sqlparser::ast::{self as sql, Expr};

use super::analyzer::{Analyzer, not_covered};
use super::coercion::Place;
use super::expressions::{text_type, unknown, value_text};
use super::node::{Kind, Node};
use super::value_type::{BOOL, Type};
use crate::binding::literal_type;
use crate::error::Result;
use crate::types::SqlType;

impl Analyzer<'_> {
    pub fn special_call(&mut self, expression: &Expr) -> Result<Node> {
        match expression {
            Expr::Position { expr, r#in } => {
                let (wanted, text) = (self.expression(expr)?, self.expression(r#in)?);
                self.scalar_call("strpos", vec![text, wanted])
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let mut arguments = vec![self.expression(expr)?];
                match (substring_from, substring_for) {
                    (Some(from), length) => {
                        arguments.push(self.expression(from)?);
                        if let Some(length) = length {
                            arguments.push(self.expression(length)?);
                        }
                    }
                    (None, Some(length)) => {
                        arguments.push(Node::constant(super::value_type::INT4, 1));
                        arguments.push(self.expression(length)?);
                    }
                    (None, None) => return Err(not_covered("SUBSTRING without bounds")),
                }
                self.scalar_call("substring", arguments)
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters,
            } => {
                let name = match trim_where {
                    Some(sql::TrimWhereField::Leading) => "ltrim",
                    Some(sql::TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let mut arguments = vec![self.expression(expr)?];
                if let Some(what) = trim_what {
                    arguments.push(self.expression(what)?);
                }
                for what in trim_characters.iter().flatten() {
                    arguments.push(self.expression(what)?);
                }
                self.scalar_call(name, arguments)
            }
            Expr::SimilarTo {
                negated,
                expr,
                pattern,
                escape_char,
            } => {
                let value = self.expression(expr)?;
                let mut arguments = vec![self.expression(pattern)?];
                if let Some(escape) = escape_char {
                    arguments.push(unknown(value_text(&escape.value)?));
                }
                let pattern = self.scalar_call("similar_to_escape", arguments)?;
                self.binary(if *negated { "!~" } else { "~" }, value, pattern)
            }
            Expr::Ceil { expr, .. } => {
                let argument = self.expression(expr)?;
                self.scalar_call("ceil", vec![argument])
            }
            Expr::Floor { expr, .. } => {
                let argument = self.expression(expr)?;
                self.scalar_call("floor", vec![argument])
            }
            other => Err(not_covered(format!("the expression {other}"))),
        }
    }

    /// INTERVAL '1 day', with the unit outside the quotes too.
    pub fn interval(&mut self, interval: &sql::Interval) -> Result<Node> {
        let Expr::Value(value) = interval.value.as_ref() else {
            return Err(not_covered("an interval of an expression"));
        };
        let (text, data_type) = literal_type(&value_text(&value.value)?, interval);
        let sql_type: SqlType = data_type.to_string().parse()?;
        self.coerce(unknown(text), &Type::of_sql_type(&sql_type), Place::Explicit)
    }

    pub fn like(
        &mut self,
        operator: &str,
        negated: bool,
        value: &Expr,
        pattern: &Expr,
        escape: Option<&sql::ValueWithSpan>,
    ) -> Result<Node> {
        let value = self.expression(value)?;
        let mut pattern = self.expression(pattern)?;
        if let Some(escape) = escape {
            let escape = unknown(value_text(&escape.value)?);
            pattern = self.coerce(pattern, &text_type(), Place::Implicit)?;
            pattern = self.scalar_call("like_escape", vec![pattern, escape])?;
        }
        let name = if negated {
            format!("!{operator}")
        } else {
            operator.to_string()
        };
        let node = self.binary(&name, value, pattern)?;
        debug_assert!(node.ty.is(BOOL) || matches!(node.kind, Kind::Constant(_)));
        Ok(node)
    }
}
