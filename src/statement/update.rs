//! UPDATE t SET a = x, (b, c) = (y, z) [FROM …] [WHERE …] [RETURNING …].

use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, SetExpr, Value, With};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{AssignedColumn, Statement, Update};
use super::reader::Reader;
use super::target;
use crate::error::{Error, Result, SqlState};

pub(super) fn update(reader: &mut Reader, with: Option<With>) -> Result<Statement> {
    reader.expect(&["update"])?;
    let (table, from) = target::target(reader, &["set"])?;
    reader.expect(&["set"])?;
    let (columns, mut items) = assignments(reader)?;
    let mut from = vec![from];
    if reader.accept(&["from"]) {
        from.extend(reader.tables()?);
    }
    let selection = target::selection(reader)?;
    let returned = target::returning(reader)?;
    let returning = !returned.is_empty();
    items.extend(returned);
    Ok(Statement::Update(Update {
        table,
        columns,
        rows: target::rows(reader, with, items, from, selection)?,
        returning,
    }))
}

/// What follows SET: the columns and, one for each, the items that compute their values.
pub(super) fn assignments(reader: &mut Reader) -> Result<(Vec<AssignedColumn>, Vec<SelectItem>)> {
    let mut columns: Vec<AssignedColumn> = vec![];
    let mut items = vec![];
    loop {
        for (name, value) in assignment(reader)? {
            if columns.iter().any(|known| known.name == name) {
                let message = format!("multiple assignments to same column \"{name}\"");
                return Err(Error::new(SqlState::SyntaxError, message));
            }
            let default = value.is_none();
            let value = value.unwrap_or_else(|| Expr::Value(Value::Null.into()));
            items.push(target::item(value, columns.len()));
            columns.push(AssignedColumn { name, default });
        }
        if !reader.accept_token(&Token::Comma) {
            return Ok((columns, items));
        }
    }
}

/// One assignment; a value of `None` is DEFAULT.
fn assignment(reader: &mut Reader) -> Result<Vec<(String, Option<Expr>)>> {
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

fn column(reader: &mut Reader) -> Result<String> {
    let name = reader.name()?;
    if matches!(reader.peek(), Token::Period | Token::LBracket) {
        return Err(Error::unsupported("assignment to a part of a column")
            .with_hint("SET takes plain column names, without the table's."));
    }
    Ok(name)
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
