//! Prepared statements, of the protocol and of PREPARE: their texts, parameter types and shape; EXECUTE and
//! DEALLOCATE.

use std::sync::Arc;

use chrono::Utc;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::Expr;

use super::Session;
use super::transactions::{ends_failure, refuse_in_failed_transaction};
use crate::binding;
use crate::context::sessions::PreparedStatus;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::Outcome;
use crate::query::{Description, Memory};
use crate::statement::ast::{CreateTable, ParsedStatement, Statement};
use crate::types::SqlType;
use crate::types::format::Format;
use crate::types::parse::parse_value;

#[derive(Debug)]
pub(crate) struct PreparedStatement {
    pub parsed: ParsedStatement,
    pub texts: Texts,
    /// Types that the client gave; `None` was left to us.
    pub declared: Vec<Option<SqlType>>,
    pub description: Description,
    pub memory: Memory,
}

impl PreparedStatement {
    /// A statement that runs inside another one, which nobody asks for its columns.
    pub fn undescribed(parsed: ParsedStatement, declared: Vec<Option<SqlType>>) -> PreparedStatement {
        PreparedStatement {
            texts: Texts::of(&parsed),
            parsed,
            declared,
            description: Description {
                parameters: vec![],
                columns: None,
            },
            memory: Memory::default(),
        }
    }
}

/// How a statement appears in the record of statements; made once, however often it runs.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    pub kind: &'static str,
    pub shown: Arc<str>,
    pub fingerprint: u64,
}

impl Texts {
    pub fn of(statement: &ParsedStatement) -> Texts {
        Texts {
            kind: statement.statement.kind(),
            shown: statement.shown_text().into(),
            fingerprint: crate::statement::fingerprint(statement),
        }
    }
}

impl Session {
    /// Prepares a statement; the empty name is replaced, any other must be new. `sql` is the text of PREPARE.
    pub(super) async fn prepare(
        &mut self,
        name: &str,
        parsed: ParsedStatement,
        declared: Vec<Option<SqlType>>,
        sql: Option<&str>,
    ) -> Result<()> {
        if !name.is_empty() && self.statements.contains_key(name) {
            return Err(Error::new(
                SqlState::DuplicatePreparedStatement,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        if self.transaction.failed && !ends_failure(&parsed.statement) {
            return Err(refuse_in_failed_transaction());
        }
        let texts = Texts::of(&parsed);
        let memory = Memory::default();
        let description = self.describe(&parsed, &texts, &declared, &memory).await?;
        if !name.is_empty() {
            let types = |types: Vec<SqlType>| types.iter().map(SqlType::oid).collect();
            let columns = description.columns.as_ref();
            let status = PreparedStatus {
                name: name.to_string(),
                statement: sql.unwrap_or(&texts.shown).to_string(),
                prepared: Utc::now(),
                parameters: types(description.parameters.clone()),
                results: columns.map(|columns| columns.iter().map(|column| column.sql_type.oid()).collect()),
                from_sql: sql.is_some(),
            };
            self.handle().prepared.lock().insert(name.to_string(), status);
        }
        let prepared = PreparedStatement {
            parsed,
            texts,
            declared,
            description,
            memory,
        };
        self.statements.insert(name.to_string(), Arc::new(prepared));
        Ok(())
    }

    pub(super) fn statement(&self, name: &str) -> Result<Arc<PreparedStatement>> {
        self.statements.get(name).cloned().ok_or_else(|| {
            let shown = if name.is_empty() {
                "unnamed prepared statement does not exist".to_string()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            Error::new(SqlState::InvalidSqlStatementName, shown)
        })
    }

    /// EXECUTE: the named statement with constant arguments, through the same path as a portal.
    pub(super) async fn execute_prepared(
        &mut self,
        name: &str,
        arguments: &[Expr],
        result_formats: &[Format],
    ) -> Result<Outcome> {
        let statement = self.statement(name)?;
        let parameters = self.arguments(name, &statement, arguments).await?;
        let inner = Box::pin(self.run_session_statement(&statement.parsed, result_formats)).await?;
        match inner {
            Some(outcome) => Ok(outcome),
            None => self.run_statement(&statement, &parameters, result_formats).await,
        }
    }

    /// EXPLAIN EXECUTE: the named statement in the place of EXECUTE.
    pub(super) async fn explain_prepared(
        &mut self,
        parsed: &ParsedStatement,
        name: &str,
        arguments: &[Expr],
    ) -> Result<Outcome> {
        let statement = self.statement(name)?;
        let parameters = self.arguments(name, &statement, arguments).await?;
        let mut explain = parsed.clone();
        if let Statement::Explain { statement: inner, .. } = &mut explain.statement {
            **inner = statement.parsed.statement.clone();
        }
        self.run_around(explain, &statement, &parameters).await
    }

    /// CREATE TABLE AS EXECUTE: the named query in the place of EXECUTE.
    pub(super) async fn create_from_prepared(
        &mut self,
        parsed: &ParsedStatement,
        create: &CreateTable,
        name: &str,
        arguments: &[Expr],
    ) -> Result<Outcome> {
        let statement = self.statement(name)?;
        let Statement::Query(query) = &statement.parsed.statement else {
            return Err(Error::new(
                SqlState::WrongObjectType,
                "prepared statement is not a SELECT",
            ));
        };
        let create = CreateTable {
            query: Some(query.clone()),
            execute: None,
            ..create.clone()
        };
        let parameters = self.arguments(name, &statement, arguments).await?;
        let parsed = ParsedStatement {
            statement: Statement::CreateTable(create),
            ..parsed.clone()
        };
        self.run_around(parsed, &statement, &parameters).await
    }

    /// Runs a statement that holds a prepared one.
    async fn run_around(
        &mut self,
        parsed: ParsedStatement,
        inner: &PreparedStatement,
        parameters: &[ScalarValue],
    ) -> Result<Outcome> {
        let around = PreparedStatement::undescribed(parsed, inner.declared.clone());
        self.run_statement(&around, parameters, &[]).await
    }

    /// The values of EXECUTE's arguments, as the statement's parameters.
    async fn arguments(
        &mut self,
        name: &str,
        statement: &PreparedStatement,
        arguments: &[Expr],
    ) -> Result<Vec<ScalarValue>> {
        let types = &statement.description.parameters;
        if arguments.len() != types.len() {
            return Err(Error::new(
                SqlState::SyntaxError,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .with_detail(format!(
                "Expected {} parameters but got {}.",
                types.len(),
                arguments.len()
            )));
        }
        let mut parameters = vec![];
        if arguments.is_empty() {
            return Ok(parameters);
        }
        let context = self.statement_context(&statement.texts).await?;
        let services = self.engine.binding_services(self.settings.current());
        for (argument, sql_type) in arguments.iter().zip(types) {
            let value = binding::bind_constant(&services, &context, argument.clone()).await?;
            parameters.push(match value.try_as_str().flatten() {
                Some(text) => parse_value(sql_type, text, &self.format_settings())?,
                None => value.cast_to(&sql_type.to_arrow())?,
            });
        }
        Ok(parameters)
    }

    pub(super) fn deallocate(&mut self, name: &str) -> Result<()> {
        self.statement(name)?;
        self.close_statement(name)
    }

    pub(super) fn deallocate_all(&mut self) {
        self.statements.clear();
        self.handle().prepared.lock().clear();
    }

    /// Forgets a statement, if there is one of the name.
    pub fn close_statement(&mut self, name: &str) -> Result<()> {
        self.statements.remove(name);
        self.handle().prepared.lock().remove(name);
        Ok(())
    }
}

/// Whether both are one composite type, or arrays of it.
pub(super) fn same_rows(one: &SqlType, other: &SqlType) -> bool {
    match (one, other) {
        (SqlType::Composite(_), SqlType::Composite(_)) => one.oid() == other.oid(),
        (SqlType::Array(one), SqlType::Array(other)) => same_rows(one, other),
        _ => false,
    }
}
