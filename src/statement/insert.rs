//! INSERT INTO [TABLE] t [(columns)] VALUES … | query | DEFAULT VALUES, and Databricks' INSERT OVERWRITE.

use datafusion::sql::sqlparser::ast::{Expr, SetExpr, Value, With};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{Insert, Statement};
use super::reader::Reader;
use super::target;
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
    let table = reader.object_name()?;
    if reader.accept(&["as"]) {
        return Err(Error::unsupported("an alias in INSERT"));
    }
    let columns = if starts_column_list(reader) {
        reader.parenthesized(|reader| reader.name())?
    } else {
        vec![]
    };
    if let Some(word) = reader.accept_any(&["partition", "replace", "overriding"]) {
        return Err(Error::unsupported(format!("INSERT … {}", word.to_uppercase())));
    }
    if reader.accept(&["by", "name"]) {
        return Err(
            Error::unsupported("INSERT … BY NAME").with_hint("List the columns: INSERT INTO t (a, b) SELECT ….")
        );
    }
    let source = if reader.accept(&["default"]) {
        reader.expect(&["values"])?;
        None
    } else {
        let mut query = reader.query()?;
        target::put_before(with, &mut query);
        if let SetExpr::Values(values) = query.body.as_mut() {
            for expression in values.rows.iter_mut().flat_map(|row| row.content.iter_mut()) {
                null_for_default(expression);
            }
        }
        Some(query)
    };
    if reader.peek_words(&["on", "conflict"]) {
        return Err(Error::unsupported("INSERT … ON CONFLICT")
            .with_hint("Tables have no unique constraints here: leave out known rows with WHERE NOT EXISTS (…)."));
    }
    if reader.peek_words(&["returning"]) {
        return Err(Error::unsupported("INSERT … RETURNING"));
    }
    Ok(Statement::Insert(Insert {
        table,
        columns,
        source,
        overwrite,
    }))
}

/// `(a, b)` are columns; `(SELECT …)` and `((SELECT …)` are the source.
fn starts_column_list(reader: &Reader) -> bool {
    *reader.peek() == Token::LParen
        && !matches!(reader.peek_nth(1), Token::LParen)
        && !matches!(reader.peek_nth(1), Token::Word(word)
            if word.quote_style.is_none() && matches!(word.value.as_str(), "select" | "with" | "values" | "table"))
}

/// No column has a default value, so DEFAULT means NULL.
fn null_for_default(expression: &mut Expr) {
    if let Expr::Identifier(name) = expression
        && name.quote_style.is_none()
        && name.value == "default"
    {
        *expression = Expr::Value(Value::Null.with_span(name.span));
    }
}
