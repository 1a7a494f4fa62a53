//! Connects the sqllogictest runner to a server by tokio-postgres, over either protocol. Values are
//! written as PostgreSQL's text output writes them; NULL as `NULL`, the empty string as `(empty)`.

use std::fmt;

use futures::{StreamExt, pin_mut};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, SimpleQueryMessage};

use crate::binary_value::Rendered;
use crate::server::connect;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Query messages: text results.
    Simple,
    /// Parse, Describe, Bind, Execute: binary results.
    Extended,
}

/// How the SQL tests reach a server.
#[derive(Debug, Clone)]
pub struct Mode {
    pub protocol: Protocol,
    /// Statements that every new session runs first.
    pub session_setup: &'static [&'static str],
    /// Runs each query twice and reports the second answer, which a cache then gives.
    pub repeat_queries: bool,
}

pub struct SqlDriver {
    client: Client,
    mode: Mode,
}

impl SqlDriver {
    pub async fn connect(config: Config, mode: Mode) -> Result<SqlDriver, DriverError> {
        let client = connect(&config).await?;
        for statement in mode.session_setup {
            client.batch_execute(statement).await?;
        }
        Ok(SqlDriver { client, mode })
    }

    async fn run_once(&self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DriverError> {
        match self.mode.protocol {
            Protocol::Simple => self.run_simple(sql).await,
            Protocol::Extended => self.run_extended(sql).await,
        }
    }

    async fn run_simple(&self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DriverError> {
        let mut rows = Vec::new();
        let mut columns = None;
        let mut affected = 0;
        for message in self.client.simple_query(sql).await? {
            match message {
                SimpleQueryMessage::RowDescription(description) => columns = Some(description.len()),
                SimpleQueryMessage::Row(row) => {
                    rows.push(
                        (0..row.len())
                            .map(|index| written(row.get(index).map(str::to_string)))
                            .collect(),
                    );
                }
                SimpleQueryMessage::CommandComplete(count) => affected = count,
                _ => {}
            }
        }
        Ok(match columns {
            Some(count) => DBOutput::Rows {
                types: vec![DefaultColumnType::Any; count],
                rows,
            },
            None => DBOutput::StatementComplete(affected),
        })
    }

    async fn run_extended(&self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DriverError> {
        let statement = self.client.prepare(sql).await?;
        if statement.columns().is_empty() {
            return Ok(DBOutput::StatementComplete(self.client.execute(&statement, &[]).await?));
        }
        let types = statement
            .columns()
            .iter()
            .map(|column| column_type(column.type_()))
            .collect();
        let stream = self.client.query_raw(&statement, Vec::<i32>::new()).await?;
        pin_mut!(stream);
        let mut rows = Vec::new();
        while let Some(row) = stream.next().await {
            let row = row?;
            let value = |index| {
                row.try_get::<_, Option<Rendered>>(index)
                    .map(|value| value.map(|value| value.0))
            };
            rows.push(
                (0..row.len())
                    .map(|index| value(index).map(written))
                    .collect::<Result<_, _>>()?,
            );
        }
        Ok(DBOutput::Rows { types, rows })
    }
}

#[async_trait::async_trait]
impl AsyncDB for SqlDriver {
    type Error = DriverError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DriverError> {
        let first_word = sql.split_whitespace().next().unwrap_or_default().to_lowercase();
        let asks = ["select", "with", "values", "table"].contains(&first_word.as_str());
        // Run again these would change more, or give another number.
        let runs_once = [" into ", "delete from ", "nextval("]
            .iter()
            .any(|part| sql.contains(part));
        if self.mode.repeat_queries && asks && !runs_once {
            self.run_once(sql).await?;
        }
        self.run_once(sql).await
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        match self.mode.protocol {
            Protocol::Simple => "postgres",
            Protocol::Extended => "postgres-extended",
        }
    }

    fn error_sql_state(error: &DriverError) -> Option<String> {
        error.0.code().map(|code| code.code().to_string())
    }
}

fn written(value: Option<String>) -> String {
    match value {
        None => "NULL".into(),
        Some(text) if text.is_empty() => "(empty)".into(),
        Some(text) => text,
    }
}

fn column_type(sql_type: &Type) -> DefaultColumnType {
    match *sql_type {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => DefaultColumnType::Integer,
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

/// What the server said, or the client library; printed with everything that the server sent.
#[derive(Debug)]
pub struct DriverError(tokio_postgres::Error);

impl From<tokio_postgres::Error> for DriverError {
    fn from(error: tokio_postgres::Error) -> Self {
        DriverError(error)
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(report) = self.0.as_db_error() else {
            return write!(f, "{:?}", self.0);
        };
        write!(
            f,
            "{}: {} ({})",
            report.severity(),
            report.message(),
            report.code().code()
        )?;
        if let Some(detail) = report.detail() {
            write!(f, " DETAIL: {detail}")?;
        }
        if let Some(hint) = report.hint() {
            write!(f, " HINT: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DriverError {}
