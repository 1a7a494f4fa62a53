//! Where in the client's text an error stands: the planner knows of columns only, so functions, literals and operators
//! are found again by what the message says of them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self as sql, Spanned, Visit, Visitor};

use super::names;
use super::rewrite::folded;
use crate::error::{Error, SqlState};

/// What a query's text names, with the position of each in characters from one.
#[derive(Default)]
pub(super) struct Positions {
    columns: Vec<(String, usize)>,
    functions: Vec<(String, usize)>,
    literals: Vec<(String, usize)>,
    operators: Vec<(String, usize)>,
}

impl Positions {
    pub fn of(query: &sql::Query) -> Positions {
        let mut positions = Positions::default();
        // Never breaks.
        let _ = query.visit(&mut positions);
        positions
    }

    /// The error with the position of what it speaks of, where that is known.
    pub fn place(&self, error: Error) -> Error {
        if error.position().is_some() {
            return error;
        }
        match self.find(&error) {
            Some(position) => error.at(position),
            None => error,
        }
    }

    fn find(&self, error: &Error) -> Option<usize> {
        let message = error.message();
        let first = |list: &[(String, usize)], wanted: &str| {
            list.iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, position)| *position)
        };
        match error.state() {
            SqlState::UndefinedFunction | SqlState::AmbiguousFunction => {
                if let Some(rest) = message.strip_prefix("function ") {
                    return first(&self.functions, rest.split('(').next()?);
                }
                let rest = message
                    .strip_prefix("operator does not exist: ")
                    .or_else(|| message.strip_prefix("operator is not unique: "))?;
                let sign = rest
                    .split(' ')
                    .find(|word| !word.starts_with(char::is_alphabetic) && !word.contains('('))?;
                first(&self.operators, sign)
            }
            SqlState::GroupingError => {
                let name = message.strip_prefix("column \"")?.split('"').next()?;
                first(&self.columns, name.rsplit('.').next()?)
            }
            SqlState::InvalidTextRepresentation
            | SqlState::InvalidDatetimeFormat
            | SqlState::DatetimeFieldOverflow
            | SqlState::NumericValueOutOfRange => {
                let (_, quoted) = message.split_once('"')?;
                first(&self.literals, quoted.rsplit_once('"')?.0)
            }
            _ => None,
        }
    }
}

impl Visitor for Positions {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &sql::Expr) -> ControlFlow<()> {
        let start = usize::try_from(expression.span().start.column).unwrap_or_default();
        match expression {
            sql::Expr::Identifier(name) if start > 0 => self.columns.push((folded(name), start)),
            sql::Expr::CompoundIdentifier(parts) if start > 0 => {
                self.columns.extend(parts.last().map(|name| (folded(name), start)));
            }
            sql::Expr::Function(function) if start > 0 => {
                let name = names::parts(&function.name).join(".");
                self.functions.push((name, start));
            }
            sql::Expr::Value(value) => {
                if let (true, sql::Value::SingleQuotedString(text) | sql::Value::Number(text, _)) =
                    (start > 0, &value.value)
                {
                    self.literals.push((text.clone(), start));
                }
            }
            sql::Expr::BinaryOp { left, op, right } => {
                let sign = op.to_string();
                let end = usize::try_from(left.span().end.column).unwrap_or_default();
                let next = usize::try_from(right.span().start.column).unwrap_or_default();
                // The sign stands between its sides, most often with a blank on either side.
                if end > 0 && next >= end + sign.chars().count() {
                    let blanks = next - end - sign.chars().count();
                    self.operators.push((sign, end + blanks / 2));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
