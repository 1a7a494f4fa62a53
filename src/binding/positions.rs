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
    let error = match query {
        Some(query) => Positions::of(query).place(error),
        None => error,
    };
    match error.position() {
        Some(_) => error,
        None => match place_in_change(statement, &error) {
            Some(position) => error.at(position),
            None => error,
        },
    }
}

/// Where an error of INSERT, UPDATE, DELETE or MERGE stands that is about the table or what is assigned to its columns.
fn place_in_change(statement: &Statement, error: &Error) -> Option<usize> {
    let message = error.message();
    let (table, position) = match statement {
        Statement::Insert(insert) => (&insert.table, insert.position),
        Statement::Update(update) => (&update.table, update.position),
        Statement::Delete(delete) => (&delete.table, delete.position),
        Statement::Merge(merge) => (&merge.table, merge.position),
        _ => return None,
    };
    match error.state() {
        SqlState::UndefinedTable => {
            let name = message.strip_prefix("relation \"")?.strip_suffix("\" does not exist")?;
            (name == table.0.join(".")).then_some(position)
        }
        SqlState::DatatypeMismatch => {
            let (column, _) = message.strip_prefix("column \"")?.split_once("\" is of type ")?;
            value_of(statement, column)
        }
        SqlState::SyntaxError => {
            let Statement::Insert(insert) = statement else {
                return None;
            };
            let given = row_of(insert.source.as_deref()?)?;
            match message {
                "INSERT has more target columns than expressions" => insert.positions.get(given.len()).copied(),
                "INSERT has more expressions than target columns" if !insert.columns.is_empty() => {
                    given.get(insert.columns.len()).copied().flatten()
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Where the value stands that is assigned to the column.
fn value_of(statement: &Statement, column: &str) -> Option<usize> {
    match statement {
        Statement::Insert(insert) => {
            let place = insert.columns.iter().position(|name| name == column)?;
            row_of(insert.source.as_deref()?)?.get(place).copied().flatten()
        }
        Statement::Update(update) => {
            let place = update.columns.iter().position(|assigned| assigned.name == column)?;
            row_of(&update.rows)?.get(place).copied().flatten()
        }
        _ => None,
    }
}

/// Where each of a query's columns is computed, if its text is one row of VALUES or a select list without `*`.
fn row_of(query: &sql::Query) -> Option<Vec<Option<usize>>> {
    columns_of(&query.body)
}

fn columns_of(body: &sql::SetExpr) -> Option<Vec<Option<usize>>> {
    match body {
        sql::SetExpr::Query(query) => row_of(query),
        sql::SetExpr::SetOperation { left, .. } => columns_of(left),
        sql::SetExpr::Values(values) => match values.rows.as_slice() {
            [row] => Some(row.content.iter().map(start_of).collect()),
            _ => None,
        },
        sql::SetExpr::Select(select) => {
            let places = select.projection.iter().map(|item| match item {
                sql::SelectItem::UnnamedExpr(value) | sql::SelectItem::ExprWithAlias { expr: value, .. } => {
                    Some(start_of(value))
                }
                _ => None,
            });
            places.collect()
        }
        _ => None,
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
    /// The aggregates within another's arguments.
    nested: Vec<usize>,
    /// Types that values are cast to, and windows that calls are over, where they have names of their own.
    types: Vec<(String, usize)>,
    windows: Vec<(String, usize)>,
    /// The right sides of set operations that have not as many columns as the left ones.
    uneven: Vec<usize>,
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
        let position = self.find_inside(&error).or(error.position());
        let position = position.or_else(|| self.find(&error));
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

    /// Where an error stands that the planner tells the place of something around.
    fn find_inside(&self, error: &Error) -> Option<usize> {
        match error.message() {
            "aggregate function calls cannot be nested" => self.nested.first().copied(),
            "each UNION query must have the same number of columns" => self.uneven.first().copied(),
            _ => None,
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
            SqlState::GroupingError if message == "aggregate functions are not allowed in WHERE" => {
                self.aggregates.first().copied()
            }
            SqlState::UndefinedTable => first(&self.qualifiers, missing_relation(error)?),
            SqlState::UndefinedObject => {
                let (kind, rest) = message.split_once(" \"")?;
                let name = rest.strip_suffix("\" does not exist")?;
                match kind {
                    "type" => first(&self.types, name),
                    "window" => first(&self.windows, name),
                    _ => None,
                }
            }
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

/// Where a name of the client's text begins.
fn place_of(name: &sql::Ident) -> Option<usize> {
    usize::try_from(name.span.start.column).ok().filter(|start| *start > 0)
}

/// Where the right side of a set operation begins, if the two have not as many columns and both are written out.
fn uneven(left: &sql::SetExpr, right: &sql::SetExpr) -> Option<usize> {
    if let sql::SetExpr::SetOperation {
        left: first,
        right: second,
        ..
    } = left
        && let Some(place) = uneven(first, second)
    {
        return Some(place);
    }
    let (before, after) = (columns_of(left)?, columns_of(right)?);
    match before.len() == after.len() {
        true => None,
        false => after.first().copied().flatten(),
    }
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
        if let sql::SetExpr::SetOperation { left, right, .. } = query.body.as_ref() {
            self.uneven.extend(uneven(left, right));
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
                if is_aggregate(&name) && function.over.is_none() {
                    let places = &mut self.nested;
                    // Breaks at a subquery, whose aggregates are its own.
                    let _ = function.args.visit(&mut Aggregates { places });
                }
                self.functions.push((name, start));
                if let Some(sql::WindowType::NamedWindow(window)) = &function.over {
                    self.windows
                        .extend(place_of(window).map(|place| (folded(window), place)));
                }
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
            sql::Expr::Cast {
                data_type: sql::DataType::Custom(name, _),
                ..
            } => {
                let first = name.0.first().and_then(|part| part.as_ident());
                if let Some(place) = first.and_then(place_of) {
                    self.types.push((names::parts(name).join("."), place));
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
