//! What a statement is called in the record of statements: few words, so that they can label metrics.

use super::ast::{Alter, ObjectKind, ParsedStatement, RoutineChange, Statement};

impl Statement {
    /// The statement's kind in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            Statement::Query(_) => "select",
            Statement::WithChanges(with) => with.main.statement.kind(),
            Statement::Explain { .. } => "explain",
            Statement::Insert(_) => "insert",
            Statement::Update(_) => "update",
            Statement::Delete(_) => "delete",
            Statement::Merge(_) => "merge",
            Statement::Copy(_) => "copy",
            Statement::Truncate { .. } => "truncate",
            Statement::Analyze(_) => "analyze",
            Statement::Vacuum(_) => "vacuum",
            Statement::Optimize(_) => "optimize",
            Statement::Restore(_) => "restore",
            Statement::CreateDatabase { .. }
            | Statement::CreateSchema(_)
            | Statement::CreateTable(_)
            | Statement::CreateView { .. }
            | Statement::CreateMaterializedView(_)
            | Statement::CreateIndex(_)
            | Statement::CreateFunction(_)
            | Statement::CreateRole { .. }
            | Statement::CreateSequence { .. }
            | Statement::CreateEnum { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateComposite(_)
            | Statement::CreateExtension { .. }
            | Statement::CreateExternalLocation { .. } => "create",
            Statement::RefreshMaterializedView(_) => "refresh",
            Statement::Reindex(_) => "reindex",
            Statement::Drop { .. } | Statement::DropRoutines(_) | Statement::DropOwned { .. } => "drop",
            Statement::ChangeRoutine {
                change: RoutineChange::Comment(_),
                ..
            } => "comment",
            Statement::Alter { .. } | Statement::ChangeRoutine { .. } | Statement::ReassignOwned { .. } => "alter",
            Statement::Grant(_) | Statement::GrantRole { .. } | Statement::DefaultPrivileges(_) => "grant",
            Statement::Comment { .. } => "comment",
            Statement::DescribeTable { .. } | Statement::DescribeDetail { .. } | Statement::DescribeHistory { .. } => {
                "describe"
            }
            Statement::Set { .. }
            | Statement::SetRole { .. }
            | Statement::SetSessionAuthorization { .. }
            | Statement::SetTransaction { .. }
            | Statement::SetConstraints { .. }
            | Statement::Reset { .. }
            | Statement::Discard(_) => "set",
            Statement::Show { .. } => "show",
            Statement::Begin(_)
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::RollbackTo { .. }
            | Statement::LockTable(_) => "transaction",
            Statement::DeclareCursor(_) | Statement::Fetch(_) | Statement::CloseCursor { .. } => "cursor",
            Statement::Listen { .. } | Statement::Unlisten { .. } | Statement::Notify { .. } => "notify",
            Statement::Do(_) => "do",
            Statement::Checkpoint | Statement::Load { .. } => "server",
            Statement::Call(_) => "call",
            Statement::Prepare { .. } | Statement::Execute { .. } | Statement::Deallocate { .. } => "prepare",
            Statement::Empty => "empty",
        }
    }
}

impl Statement {
    /// The command as a read-only transaction names it; empty for what only reads.
    pub fn written_command(&self) -> &'static str {
        match self {
            Statement::Insert(_) => "INSERT",
            Statement::Update(_) => "UPDATE",
            Statement::Delete(_) => "DELETE",
            Statement::Copy(_) => "COPY FROM",
            Statement::Truncate { .. } => "TRUNCATE TABLE",
            Statement::CreateDatabase { .. } => "CREATE DATABASE",
            Statement::CreateSchema(_) => "CREATE SCHEMA",
            Statement::CreateTable(create) if create.query.is_some() => "CREATE TABLE AS",
            Statement::CreateTable(_) => "CREATE TABLE",
            Statement::CreateView { .. } => "CREATE VIEW",
            Statement::CreateMaterializedView(_) => "CREATE MATERIALIZED VIEW",
            Statement::RefreshMaterializedView(_) => "REFRESH MATERIALIZED VIEW",
            Statement::CreateIndex(_) => "CREATE INDEX",
            Statement::CreateFunction(create) => match create.is_procedure() {
                true => "CREATE PROCEDURE",
                false => "CREATE FUNCTION",
            },
            Statement::CreateEnum { .. } | Statement::CreateComposite(_) => "CREATE TYPE",
            Statement::CreateDomain(_) => "CREATE DOMAIN",
            Statement::CreateRole { .. } => "CREATE ROLE",
            Statement::Drop { kind, .. } => match kind {
                ObjectKind::Database => "DROP DATABASE",
                ObjectKind::Schema => "DROP SCHEMA",
                ObjectKind::Table => "DROP TABLE",
                ObjectKind::View => "DROP VIEW",
                ObjectKind::MaterializedView => "DROP MATERIALIZED VIEW",
                ObjectKind::Sequence => "DROP SEQUENCE",
                ObjectKind::Index => "DROP INDEX",
                ObjectKind::Type => "DROP TYPE",
                ObjectKind::Domain => "DROP DOMAIN",
                ObjectKind::Role => "DROP ROLE",
                _ => "DROP",
            },
            Statement::DropRoutines(drop) => drop.kind().command("DROP"),
            Statement::ChangeRoutine {
                change: RoutineChange::Comment(_),
                ..
            } => "COMMENT",
            Statement::ChangeRoutine { routine, .. } => routine.kind.command("ALTER"),
            Statement::Alter { .. } => "ALTER TABLE",
            Statement::Grant(grant) if grant.revoke => "REVOKE",
            Statement::Grant(_) => "GRANT",
            Statement::DefaultPrivileges(_) => "ALTER DEFAULT PRIVILEGES",
            Statement::DropOwned { .. } => "DROP OWNED",
            Statement::ReassignOwned { .. } => "REASSIGN OWNED",
            Statement::GrantRole { revoke: true, .. } => "REVOKE ROLE",
            Statement::GrantRole { .. } => "GRANT ROLE",
            Statement::Comment { .. } => "COMMENT",
            Statement::Optimize(_) => "OPTIMIZE",
            Statement::Restore(_) => "RESTORE",
            _ => "",
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
            Statement::CreateFunction(create) if create.body.to_ascii_lowercase().contains("password") => {
                super::normalized_text(self)
            }
            Statement::Do(inline) if inline.body.to_ascii_lowercase().contains("password") => {
                super::normalized_text(self)
            }
            _ => self.text.clone(),
        }
    }
}
