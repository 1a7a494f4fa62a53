//! Where in the client's text an error stands: the planner knows of columns only, so functions, literals and operators
//! are found again by what the message says of them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self as sql, Spanned, Visit, Visitor};

use super::names;
use super::rewrite::{folded, is_aggregate};
use crate::error::{Error, SqlState};
use crate::statement::ast::Statement;
use crate::types::json;

/// An error of a statement's planning with the place of the literal that it speaks of, which nothing but execution looked at
/// closely.
pub fn placed(statement: &Statement, error: Error) -> Error {
    if error.position().is_some() {
        return error;
    }
    let query = match statement {
        Statement::Query(query) => Some(query.as_ref()),
        Statement::Insert(insert) => insert.source.as_deref(),
        Statement::Update(update) => Some(update.rows.as_ref()),
        Statement::Delete(delete) => Some(delete.rows.as_ref()),
        Statement::Merge(merge) => Some(merge.rows.as_ref()),
        _ => None,
    };
    match query {
        Some(query) => Positions::of(query).place(error),
        None => error,
    }
}

/// What a query's text names, with the position of each in characters from one.
#[derive(Default)]
pub(super) struct Positions {
    columns: Vec<(String, usize)>,
    functions: Vec<(String, usize)>,
    literals: Vec<(String, usize)>,
    operators: Vec<(String, usize)>,
    /// Numbers of output columns that rows are grouped by, and that they are sorted by.
    grouping: Vec<(String, usize)>,
    sorting: Vec<(String, usize)>,
    /// Texts that are cast to json.
    json: Vec<(String, usize)>,
    /// Relations that columns and wildcards are qualified by.
    qualifiers: Vec<(String, usize)>,
    /// Conditions, by the clause that they are of.
    conditions: Vec<(String, usize)>,
    /// Tables that have another name in the query, and that name.
    aliases: Vec<(String, String)>,
    /// The aggregates in WHERE.
    aggregates: Vec<usize>,
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
        let position = error.position().or_else(|| self.find(&error));
        let error = self.aliased(&error).unwrap_or(error);
        match position {
            Some(position) => error.at(position),
            None => error,
        }
    }

    /// What PostgreSQL says of a column that is qualified by the name of a table which has another one in the query.
    fn aliased(&self, error: &Error) -> Option<Error> {
        let name = missing_relation(error)?;
        let (_, alias) = self.aliases.iter().find(|(table, _)| table == name)?;
        let message = format!("invalid reference to FROM-clause entry for table \"{name}\"");
        let hint = format!("Perhaps you meant to reference the table alias \"{alias}\".");
        Some(Error::new(SqlState::UndefinedTable, message).with_hint(hint))
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
            SqlState::GroupingError if message == "aggregate functions are not allowed in WHERE" => {
                self.aggregates.first().copied()
            }
            SqlState::UndefinedTable => first(&self.qualifiers, missing_relation(error)?),
            SqlState::DatatypeMismatch => {
                let (clause, _) = message
                    .strip_prefix("argument of ")?
                    .split_once(" must be type boolean")?;
                first(&self.conditions, clause)
            }
            SqlState::GroupingError => {
                let name = message.strip_prefix("column \"")?.split('"').next()?;
                first(&self.columns, name.rsplit('.').next()?)
            }
            SqlState::InvalidColumnReference => {
                let (list, rest) = match message.strip_prefix("GROUP BY position ") {
                    Some(rest) => (&self.grouping, rest),
                    None => (&self.sorting, message.strip_prefix("ORDER BY position ")?),
                };
                first(list, rest.split(' ').next()?)
            }
            SqlState::InvalidTextRepresentation if message == "invalid input syntax for type json" => {
                let bad = self.json.iter().find(|(text, _)| json::check(text).is_err());
                bad.map(|(_, position)| *position)
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

/// The relation that a column is qualified by and that no FROM has.
fn missing_relation(error: &Error) -> Option<&str> {
    let rest = error.message().strip_prefix("missing FROM-clause entry for table \"")?;
    rest.strip_suffix('"')
}

/// Collects the aggregates of a condition, outside of its subqueries.
struct Aggregates<'a> {
    places: &'a mut Vec<usize>,
}

impl Visitor for Aggregates<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &sql::Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expression: &sql::Expr) -> ControlFlow<()> {
        if let sql::Expr::Function(function) = expression
            && function.over.is_none()
            && names::parts(&function.name)
                .last()
                .is_some_and(|name| is_aggregate(name))
        {
            self.places.extend(start_of(expression));
        }
        ControlFlow::Continue(())
    }
}

/// Where an expression of the client's text begins.
fn start_of(expression: &sql::Expr) -> Option<usize> {
    usize::try_from(expression.span().start.column)
        .ok()
        .filter(|start| *start > 0)
}

/// A literal number or text, and where it stands.
fn literal(expression: &sql::Expr) -> Option<(String, usize)> {
    let start = usize::try_from(expression.span().start.column).ok()?;
    match expression {
        sql::Expr::Value(value) if start > 0 => match &value.value {
            sql::Value::SingleQuotedString(text) | sql::Value::Number(text, _) => Some((text.clone(), start)),
            _ => None,
        },
        _ => None,
    }
}

impl Visitor for Positions {
    type Break = ();

    fn pre_visit_query(&mut self, query: &sql::Query) -> ControlFlow<()> {
        if let Some(sql::OrderByKind::Expressions(keys)) = query.order_by.as_ref().map(|order| &order.kind) {
            self.sorting.extend(keys.iter().filter_map(|key| literal(&key.expr)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &sql::Select) -> ControlFlow<()> {
        if let sql::GroupByExpr::Expressions(keys, _) = &select.group_by {
            self.grouping.extend(keys.iter().filter_map(literal));
        }
        for item in &select.projection {
            if let sql::SelectItem::QualifiedWildcard(sql::SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && let Some(last) = name.0.last().and_then(|part| part.as_ident())
            {
                let start = usize::try_from(last.span.start.column).unwrap_or_default();
                self.qualifiers.extend((start > 0).then(|| (folded(last), start)));
            }
        }
        for (condition, clause) in [(&select.selection, "WHERE"), (&select.having, "HAVING")] {
            let start = condition.as_ref().and_then(start_of);
            self.conditions.extend(start.map(|start| (clause.to_string(), start)));
        }
        if let Some(condition) = &select.selection {
            // Breaks at a subquery, whose aggregates are its own.
            let _ = condition.visit(&mut Aggregates {
                places: &mut self.aggregates,
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &sql::TableFactor) -> ControlFlow<()> {
        if let sql::TableFactor::Table {
            name,
            alias: Some(alias),
            ..
        } = factor
            && let Some(table) = names::parts(name).pop()
            && table != folded(&alias.name)
        {
            self.aliases.push((table, folded(&alias.name)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &sql::Expr) -> ControlFlow<()> {
        let start = usize::try_from(expression.span().start.column).unwrap_or_default();
        match expression {
            sql::Expr::Identifier(name) if start > 0 => self.columns.push((folded(name), start)),
            sql::Expr::CompoundIdentifier(parts) if start > 0 => {
                self.columns.extend(parts.last().map(|name| (folded(name), start)));
                let qualifier = parts.len().checked_sub(2).and_then(|place| parts.get(place));
                self.qualifiers.extend(qualifier.map(|name| (folded(name), start)));
            }
            sql::Expr::TypedString(typed) => {
                let place = usize::try_from(typed.value.span.start.column).unwrap_or_default();
                if let (sql::Value::SingleQuotedString(text), 1..) = (&typed.value.value, place) {
                    self.literals.push((text.clone(), place));
                }
            }
            sql::Expr::Case {
                operand: None,
                conditions,
                ..
            } => {
                let places = conditions.iter().filter_map(|when| start_of(&when.condition));
                self.conditions
                    .extend(places.map(|place| ("CASE/WHEN".to_string(), place)));
            }
            sql::Expr::UnaryOp {
                op: sql::UnaryOperator::Not,
                expr,
            } => self
                .conditions
                .extend(start_of(expr).map(|place| ("NOT".to_string(), place))),
            sql::Expr::Function(function) if start > 0 => {
                let name = names::parts(&function.name).join(".");
                self.functions.push((name, start));
                let filter = function.filter.as_deref().and_then(start_of);
                self.conditions
                    .extend(filter.map(|place| ("FILTER".to_string(), place)));
            }
            sql::Expr::Value(_) => self.literals.extend(literal(expression)),
            sql::Expr::Cast {
                expr,
                data_type: sql::DataType::JSON | sql::DataType::JSONB,
                ..
            } => self.json.extend(literal(expr)),
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
