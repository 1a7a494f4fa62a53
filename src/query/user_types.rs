//! Users' types that a statement declares something as, or that a client gave to its parameters: their names and OIDs
//! become definitions before anything else happens.

use super::Request;
use crate::catalog::Scope;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::{ParsedStatement, Statement};
use crate::types::SqlType;

/// The statement and its parameters' types with definitions; `None` where nothing had to be looked up.
pub(super) fn defined(request: &Request<'_>) -> Result<Option<(ParsedStatement, Vec<Option<SqlType>>)>> {
    let declares_none = matches!(request.statement.statement, Statement::Query(_));
    if declares_none && !request.declared.iter().flatten().any(is_open) {
        return Ok(None);
    }
    let mut statement = request.statement.clone();
    let mut declared = request.declared.to_vec();
    let mut types = statement.statement.declared_types();
    types.extend(declared.iter_mut().flatten());
    types.retain(|sql_type| is_open(sql_type));
    if types.is_empty() {
        return Ok(None);
    }
    let context = request.context;
    let gives_rows = matches!(request.statement.statement, Statement::CreateFunction(_));
    let scope = Scope {
        database: context.database,
        search_path: &context.search_path,
    };
    for sql_type in types {
        *sql_type = match &*sql_type {
            SqlType::Stored(oid) => context.catalog.sql_type(*oid).ok_or_else(|| {
                let message = format!("type with OID {oid} does not exist");
                Error::new(SqlState::UndefinedObject, message)
            })?,
            named => match context.catalog.usable_type(scope, context.principal.role, named) {
                Err(error) if gives_rows && error.state() == SqlState::UndefinedObject => {
                    let of_relation = context.catalog.usable_row_type(scope, context.principal.role, named)?;
                    of_relation.ok_or(error)?
                }
                found => found?,
            },
        };
    }
    Ok(Some((statement, declared)))
}

fn is_open(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Named(_) | SqlType::Stored(_) => true,
        SqlType::Array(element) => is_open(element),
        _ => false,
    }
}
