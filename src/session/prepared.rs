//! A prepared statement: its text, the parameter types that the client declared, and its shape.

use std::sync::Arc;

use crate::query::Description;
use crate::statement::ast::ParsedStatement;
use crate::types::SqlType;

#[derive(Debug)]
pub(crate) struct PreparedStatement {
    pub parsed: ParsedStatement,
    pub texts: Texts,
    /// Types that the client gave; `None` was left to us.
    pub declared: Vec<Option<SqlType>>,
    pub description: Description,
}

/// How a statement appears in the record of statements; made once, however often it runs.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    pub kind: &'static str,
    pub shown: Arc<str>,
    pub normalized: Arc<str>,
    pub fingerprint: u64,
}

impl Texts {
    pub fn of(statement: &ParsedStatement) -> Texts {
        Texts {
            kind: statement.statement.kind(),
            shown: statement.shown_text().into(),
            normalized: crate::statement::normalized_text(statement).into(),
            fingerprint: crate::statement::fingerprint(statement),
        }
    }
}
