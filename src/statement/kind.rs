//! What a statement is called in the record of statements: few words, so that they can label metrics.

use super::ast::{Alter, ParsedStatement, Statement};

impl Statement {
    /// The statement's kind in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            Statement::Query(_) => "select",
            Statement::Explain { .. } => "explain",
            Statement::Insert(_) => "insert",
            Statement::Update(_) => "update",
            Statement::Delete(_) => "delete",
            Statement::Copy(_) => "copy",
            Statement::Truncate { .. } => "truncate",
            Statement::CreateDatabase { .. }
            | Statement::CreateSchema { .. }
            | Statement::CreateTable(_)
            | Statement::CreateView { .. }
            | Statement::CreateFunction(_)
            | Statement::CreateRole { .. }
            | Statement::CreateExternalLocation { .. } => "create",
            Statement::Drop { .. } => "drop",
            Statement::Alter { .. } => "alter",
            Statement::Grant(_) | Statement::GrantRole { .. } => "grant",
            Statement::Comment { .. } => "comment",
            Statement::DescribeTable { .. } | Statement::DescribeHistory { .. } => "describe",
            Statement::Set { .. }
            | Statement::SetRole { .. }
            | Statement::SetSessionAuthorization { .. }
            | Statement::SetTransaction { .. }
            | Statement::Reset { .. }
            | Statement::Discard(_) => "set",
            Statement::Show { .. } => "show",
            Statement::Begin { .. } | Statement::Commit { .. } | Statement::Rollback { .. } => "transaction",
            Statement::Prepare { .. } | Statement::Execute { .. } | Statement::Deallocate { .. } => "prepare",
            Statement::Empty => "empty",
        }
    }
}

impl ParsedStatement {
    /// The text as records and logs may keep it: without a password.
    pub fn shown_text(&self) -> String {
        match &self.statement {
            Statement::CreateRole { .. }
            | Statement::Alter {
                alter: Alter::Role { .. },
                ..
            } => super::normalized_text(self),
            _ => self.text.clone(),
        }
    }
}
