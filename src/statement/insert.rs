//! INSERT INTO [TABLE] t [(columns)] VALUES … | query | DEFAULT VALUES, and Databricks' INSERT OVERWRITE.

use datafusion::sql::sqlparser::ast::{Expr, SetExpr, Value, With};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{ConflictAction, ConflictTarget, Insert, OnConflict, Overriding, Statement};
use super::reader::Reader;
use super::{target, update};
use crate::error::{Error, Result};

pub(super) fn insert(reader: &mut Reader, with: Option<With>) -> Result<Statement> {
    reader.expect(&["insert"])?;
    let overwrite = reader.accept(&["overwrite"]);
    if overwrite {
        reader.accept(&["into"]);
    } else {
        reader.expect(&["into"])?;
    }
    reader.accept(&["table"]);
    let position = reader.position();
    let table = reader.object_name()?;
    let alias = match reader.accept(&["as"]) {
        true => reader.name()?,
        false => table.last().to_string(),
    };
    let named = match starts_column_list(reader) {
        true => {
            reader.parenthesized(|reader| Ok((reader.position(), (reader.name()?, update::field_path(reader)?))))?
        }
        false => vec![],
    };
    let (positions, (columns, fields)): (Vec<_>, (Vec<_>, Vec<_>)) = named.into_iter().unzip();
    let overriding = overriding(reader)?;
    if let Some(word) = reader.accept_any(&["partition", "replace"]) {
        return Err(Error::unsupported(format!("INSERT … {}", word.to_uppercase())));
    }
    if reader.accept(&["by", "name"]) {
        return Err(
            Error::unsupported("INSERT … BY NAME").with_hint("List the columns: INSERT INTO t (a, b) SELECT ….")
        );
    }
    let mut defaults = vec![];
    let source = if reader.accept(&["default"]) {
        reader.expect(&["values"])?;
        None
    } else {
        let mut query = reader.query()?;
        target::put_before(with, &mut query);
        if let SetExpr::Values(values) = query.body.as_mut() {
            for (row, expressions) in values.rows.iter_mut().enumerate() {
                for (column, expression) in expressions.content.iter_mut().enumerate() {
                    if null_for_default(expression) {
                        defaults.push((row, column));
                    }
                }
            }
        }
        Some(query)
    };
    let on_conflict = match reader.accept(&["on", "conflict"]) {
        true => Some(on_conflict(reader)?),
        false => None,
    };
    Ok(Statement::Insert(Box::new(Insert {
        table,
        position,
        alias,
        columns,
        positions,
        fields,
        source,
        defaults,
        overwrite,
        overriding,
        on_conflict,
        returning: target::returning(reader)?,
    })))
}

/// [OVERRIDING SYSTEM | USER VALUE].
pub(super) fn overriding(reader: &mut Reader) -> Result<Overriding> {
    if !reader.accept(&["overriding"]) {
        return Ok(Overriding::Nothing);
    }
    let overriding = match reader.accept(&["user"]) {
        true => Overriding::UserValue,
        false => {
            reader.expect(&["system"])?;
            Overriding::SystemValue
        }
    };
    reader.expect(&["value"])?;
    Ok(overriding)
}

/// [(columns) | ON CONSTRAINT name] DO NOTHING | DO UPDATE SET … [WHERE …].
fn on_conflict(reader: &mut Reader) -> Result<OnConflict> {
    let target = if *reader.peek() == Token::LParen {
        let columns = reader.parenthesized(|reader| reader.name())?;
        if reader.peek_words(&["where"]) {
            return Err(Error::unsupported("ON CONFLICT with a partial index").at(reader.position()));
        }
        ConflictTarget::Columns(columns)
    } else if reader.accept(&["on", "constraint"]) {
        ConflictTarget::Constraint(reader.name()?)
    } else {
        ConflictTarget::Any
    };
    reader.expect(&["do"])?;
    if reader.accept(&["nothing"]) {
        let action = ConflictAction::Nothing;
        return Ok(OnConflict { target, action });
    }
    reader.expect(&["update", "set"])?;
    if target == ConflictTarget::Any {
        let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
        return Err(Error::syntax(message).with_hint("For example, ON CONFLICT (column_name)."));
    }
    let (columns, values) = update::assignments(reader, None)?;
    let condition = target::selection(reader)?.map(Box::new);
    let action = ConflictAction::Update {
        columns,
        values,
        condition,
    };
    Ok(OnConflict { target, action })
}

/// `(a, b)` are columns; `(SELECT …)` and `((SELECT …)` are the source.
fn starts_column_list(reader: &Reader) -> bool {
    *reader.peek() == Token::LParen
        && !matches!(reader.peek_nth(1), Token::LParen)
        && !matches!(reader.peek_nth(1), Token::Word(word)
            if word.quote_style.is_none() && matches!(word.value.as_str(), "select" | "with" | "values" | "table"))
}

/// Makes DEFAULT a NULL. Whether it was one.
fn null_for_default(expression: &mut Expr) -> bool {
    if let Expr::Identifier(name) = expression
        && name.quote_style.is_none()
        && name.value == "default"
    {
        *expression = Expr::Value(Value::Null.with_span(name.span));
        return true;
    }
    false
}
