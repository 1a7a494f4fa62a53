//! DELETE FROM t [USING …] [WHERE …] [RETURNING …].

use datafusion::sql::sqlparser::ast::{Expr, Value, With};

use super::ast::{Delete, Statement};
use super::reader::Reader;
use super::target;
use crate::error::Result;

pub(super) fn delete(reader: &mut Reader, with: Option<With>) -> Result<Statement> {
    reader.expect(&["delete", "from"])?;
    let target::Target { name, position, from } = target::target(reader, &["using", "where", "returning"])?;
    let mut from = vec![from];
    if reader.accept(&["using"]) {
        from.extend(reader.tables()?);
    }
    let selection = target::selection(reader)?;
    let mut items = target::returning(reader)?;
    let returning = !items.is_empty();
    if !returning {
        items.push(target::item(Expr::Value(Value::Null.into()), 0));
    }
    Ok(Statement::Delete(Delete {
        table: name,
        position,
        rows: target::rows(reader, with, items, from, selection)?,
        returning,
    }))
}
