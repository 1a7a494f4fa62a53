//! UPDATE t SET a = x, (b, c) = (y, z) [FROM …] [WHERE …] [RETURNING …].

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, Value, With};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{AssignedColumn, Statement, Update};
use super::reader::Reader;
use super::target::{self, call};
use crate::error::{Error, Result, SqlState};
use crate::functions::{ASSIGNED_FIELD, ASSIGNED_PART, ASSIGNED_SLICE};

pub(super) fn update(reader: &mut Reader, with: Option<With>) -> Result<Statement> {
    reader.expect(&["update"])?;
    let target::Target { name, position, from } = target::target(reader, &["set"])?;
    reader.expect(&["set"])?;
    let (columns, mut items) = assignments(reader, target::alias(&from))?;
    let mut from = vec![from];
    if reader.accept(&["from"]) {
        from.extend(reader.tables()?);
    }
    let selection = target::selection(reader)?;
    let returned = target::returning(reader)?;
    let returning = !returned.is_empty();
    items.extend(returned);
    Ok(Statement::Update(Update {
        table: name,
        position,
        columns,
        rows: target::rows(reader, with, items, from, selection)?,
        returning,
    }))
}

/// What follows SET: the columns and, one for each, the items that compute their values.
/// A part of a column is changed in its value before, which `relation` qualifies.
pub(super) fn assignments(
    reader: &mut Reader,
    relation: Option<Ident>,
) -> Result<(Vec<AssignedColumn>, Vec<SelectItem>)> {
    let mut columns: Vec<AssignedColumn> = vec![];
    let mut items: Vec<SelectItem> = vec![];
    loop {
        for (Target { name, part, position }, value) in assignment(reader)? {
            let known = columns.iter().position(|known| known.name == name && !known.default);
            let value = match (part, known.and_then(|known| items.get_mut(known))) {
                (None, _) => value,
                // Several parts of one column are changed one after the other.
                (Some(part), Some(SelectItem::ExprWithAlias { expr, .. })) if is_assigned(expr) => {
                    let whole = std::mem::replace(expr, Expr::Value(Value::Null.into()));
                    *expr = part.assigned(whole, value)?;
                    continue;
                }
                (Some(part), _) => {
                    let column = Ident::with_quote('"', &name);
                    let whole = match &relation {
                        Some(relation) => Expr::CompoundIdentifier(vec![relation.clone(), column]),
                        None => Expr::Identifier(column),
                    };
                    Some(part.assigned(whole, value)?)
                }
            };
            if columns.iter().any(|known| known.name == name) {
                let message = format!("multiple assignments to same column \"{name}\"");
                return Err(Error::new(SqlState::SyntaxError, message));
            }
            let default = value.is_none();
            let value = value.unwrap_or_else(|| Expr::Value(Value::Null.into()));
            items.push(target::item(value, columns.len()));
            columns.push(AssignedColumn {
                name,
                default,
                position,
            });
        }
        if !reader.accept_token(&Token::Comma) {
            return Ok((columns, items));
        }
    }
}

/// One assignment; a value of `None` is DEFAULT.
fn assignment(reader: &mut Reader) -> Result<Vec<(Target, Option<Expr>)>> {
    if *reader.peek() != Token::LParen {
        let name = column(reader)?;
        reader.expect_token(&Token::Eq)?;
        return Ok(vec![(name, value(reader)?)]);
    }
    let names = reader.parenthesized(column)?;
    reader.expect_token(&Token::Eq)?;
    let is_row = reader.accept(&["row"]);
    let begins_query = |reader: &Reader| {
        matches!(reader.peek_nth(1), Token::Word(word)
            if word.quote_style.is_none() && matches!(word.value.as_str(), "select" | "with" | "values"))
    };
    let values = if *reader.peek() == Token::LParen && (is_row || !begins_query(reader)) {
        reader.parenthesized(value)?
    } else if *reader.peek() == Token::LParen {
        reader.expect_token(&Token::LParen)?;
        let query = reader.query()?;
        reader.expect_token(&Token::RParen)?;
        columns_of(&query, names.len())?.into_iter().map(Some).collect()
    } else {
        let message = "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
        return Err(Error::unsupported(message));
    };
    if values.len() != names.len() {
        let message = "number of columns does not match number of values";
        return Err(Error::new(SqlState::SyntaxError, message));
    }
    Ok(names.into_iter().zip(values).collect())
}

/// What a value goes to.
struct Target {
    name: String,
    part: Option<Part>,
    position: usize,
}

/// The part of a column that changes.
enum Part {
    Element(Vec<Expr>),
    Slice(Box<[Expr; 2]>),
    /// A field, by its name, in fields.
    Field(Vec<String>),
}

impl Part {
    fn assigned(self, whole: Expr, value: Option<Expr>) -> Result<Expr> {
        let Some(value) = value else {
            let message = match self {
                Part::Field(_) => "cannot set a subfield to DEFAULT",
                Part::Element(_) | Part::Slice(_) => "cannot set an array element to DEFAULT",
            };
            return Err(Error::new(SqlState::FeatureNotSupported, message));
        };
        Ok(match self {
            Part::Element(subscripts) => call(ASSIGNED_PART, [vec![whole, value], subscripts].concat()),
            Part::Field(path) => {
                let names = path.into_iter().map(Value::SingleQuotedString);
                let names = names.map(|name| Expr::Value(name.into())).collect();
                call(ASSIGNED_FIELD, [vec![whole, value], names].concat())
            }
            Part::Slice(bounds) => {
                let [from, to] = *bounds;
                call(ASSIGNED_SLICE, vec![whole, value, from, to])
            }
        })
    }
}

/// Whether a value assigns a part of its column already.
fn is_assigned(value: &Expr) -> bool {
    matches!(value, Expr::Function(function)
        if [ASSIGNED_PART, ASSIGNED_SLICE, ASSIGNED_FIELD].contains(&function.name.to_string().as_str()))
}

fn column(reader: &mut Reader) -> Result<Target> {
    let position = reader.position();
    let name = reader.name()?;
    let path = field_path(reader)?;
    if !path.is_empty() {
        if *reader.peek() == Token::LBracket {
            return Err(Error::unsupported("assignment to an element of a field"));
        }
        let part = Some(Part::Field(path));
        return Ok(Target { name, part, position });
    }
    let mut subscripts = vec![];
    while reader.accept_token(&Token::LBracket) {
        let from = reader.expression()?;
        if reader.accept_token(&Token::Colon) {
            let to = reader.expression()?;
            reader.expect_token(&Token::RBracket)?;
            if !subscripts.is_empty() || *reader.peek() == Token::LBracket {
                return Err(Error::unsupported("assignment to a slice of several dimensions"));
            }
            let part = Some(Part::Slice(Box::new([from, to])));
            return Ok(Target { name, part, position });
        }
        reader.expect_token(&Token::RBracket)?;
        subscripts.push(from);
    }
    let part = (!subscripts.is_empty()).then_some(Part::Element(subscripts));
    Ok(Target { name, part, position })
}

/// `.a.b` behind a column's name.
pub(super) fn field_path(reader: &mut Reader) -> Result<Vec<String>> {
    let mut path = vec![];
    while reader.accept_token(&Token::Period) {
        path.push(reader.name()?);
    }
    Ok(path)
}

/// An expression; `None` is DEFAULT.
pub(super) fn value(reader: &mut Reader) -> Result<Option<Expr>> {
    match reader.accept(&["default"]) {
        true => Ok(None),
        false => reader.expression().map(Some),
    }
}

/// One scalar subquery for each column of a subquery that gives several.
fn columns_of(query: &Query, count: usize) -> Result<Vec<Expr>> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Err(Error::unsupported(
            "a row of several columns from VALUES or a set operation",
        ));
    };
    let is_plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if !select.projection.iter().all(is_plain) || select.distinct.is_some() {
        return Err(Error::unsupported("a row of several columns from * or DISTINCT").with_hint("List the columns."));
    }
    if select.projection.len() != count {
        let message = "number of columns does not match number of values";
        return Err(Error::new(SqlState::SyntaxError, message));
    }
    let column = |position: usize| {
        let mut one = query.clone();
        if let SetExpr::Select(select) = one.body.as_mut() {
            select.projection = vec![select.projection[position].clone()];
        }
        Expr::Subquery(Box::new(one))
    };
    Ok((0..count).map(column).collect())
}
