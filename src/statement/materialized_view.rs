//! CREATE MATERIALIZED VIEW and REFRESH MATERIALIZED VIEW.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{CreateMaterializedView, RefreshMaterializedView, Statement};
use super::create::properties;
use super::create_table::with_no_data;
use super::reader::Reader;
use crate::error::{Error, Result};

/// What stands behind CREATE MATERIALIZED VIEW. The access method, storage parameters and the tablespace say how
/// PostgreSQL would keep the rows.
pub(super) fn create(reader: &mut Reader) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = reader.object_name()?;
    let columns = match reader.peek() {
        Token::LParen => reader.parenthesized(|reader| reader.name())?,
        _ => vec![],
    };
    if reader.accept(&["using"]) {
        reader.name()?;
    }
    if reader.accept(&["with"]) {
        properties(reader)?;
    }
    if reader.accept(&["tablespace"]) {
        reader.name()?;
    }
    reader.expect(&["as"])?;
    let start = reader.position();
    let query = reader.query()?;
    let query_text = reader.text_since(start).to_string();
    let with_no_data = with_no_data(reader)?;
    Ok(Statement::CreateMaterializedView(CreateMaterializedView {
        name,
        if_not_exists,
        columns,
        query,
        query_text,
        with_no_data,
    }))
}

/// REFRESH MATERIALIZED VIEW [CONCURRENTLY] name [WITH [NO] DATA].
pub(super) fn refresh(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["refresh"])?;
    if !reader.accept(&["materialized", "view"]) {
        return Err(Error::unsupported("REFRESH of anything but a materialized view")
            .with_hint("Tables are always read at their current version."));
    }
    let concurrently = reader.accept(&["concurrently"]);
    let name = reader.object_name()?;
    let with_no_data = with_no_data(reader)?;
    if concurrently && with_no_data {
        return Err(Error::syntax(
            "REFRESH options CONCURRENTLY and WITH NO DATA cannot be used together",
        ));
    }
    Ok(Statement::RefreshMaterializedView(RefreshMaterializedView {
        name,
        concurrently,
        with_no_data,
    }))
}
