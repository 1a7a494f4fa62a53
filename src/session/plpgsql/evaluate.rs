//! Embedded SQL: variables become parameters, and the statement goes the way that a client's goes.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::Interpreter;
use super::values::{Kind, Typed, Value, as_parameter, no_field, not_assigned, value_at};
use crate::catalog::model::Language;
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, OutputColumn, RowSet, Rows};
use crate::query::Memory;
use crate::session::prepared::{PreparedStatement, Texts};
use crate::statement::ast::{ParsedStatement, Statement};
use crate::statement::plpgsql::{Dynamic, Parameterized, Reference, Rows as RowsOf, Shape, Sql, parameterized};
use crate::types::SqlType;

/// How a text of the body is run.
pub(super) enum Plan {
    /// The expression is a variable.
    Variable(Reference),
    Statement(Planned),
}

pub(super) struct Planned {
    pub statement: Arc<PreparedStatement>,
    pub parameterized: Parameterized,
    /// What the records held that it names.
    shapes: Vec<(usize, Shape)>,
}

/// The rows of a statement that runs.
pub(in crate::session) struct RunningQuery {
    pub columns: Vec<OutputColumn>,
    pub tag: &'static str,
    stream: SendableRecordBatchStream,
    batch: Option<RecordBatch>,
    row: usize,
    context: Option<Arc<QueryContext>>,
    /// What CONTEXT shows where it fails.
    text: Option<String>,
}

/// What came of a statement.
pub(super) enum Answer {
    Rows(RunningQuery),
    /// Its command tag.
    Done(String),
}

impl RunningQuery {
    pub fn new(rows: RowSet, context: Option<Arc<QueryContext>>) -> Result<RunningQuery> {
        match rows.rows {
            Rows::Stream { stream, .. } => Ok(RunningQuery {
                columns: carried(&rows.columns, &stream.schema()),
                tag: rows.tag,
                stream,
                batch: None,
                row: 0,
                context,
                text: None,
            }),
            Rows::Encoded(_) => Err(Error::internal("an embedded query was answered from the result cache")),
        }
    }

    pub async fn next(&mut self) -> Result<Option<Vec<ScalarValue>>> {
        loop {
            if let Some(batch) = &self.batch
                && self.row < batch.num_rows()
            {
                let columns = batch.columns().iter().zip(&self.columns);
                let values = columns.map(|(array, column)| value_at(array, self.row, &column.declared_type()));
                let values = values.collect::<Result<Vec<_>>>()?;
                self.row += 1;
                return Ok(Some(values));
            }
            self.row = 0;
            self.batch = self.next_batch().await?;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
    }

    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let next = self.stream.next().await.transpose();
        next.map_err(|error| match &self.text {
            Some(text) => in_sql(Error::from(error), text),
            None => Error::from(error),
        })
    }

    /// Passes the other rows; answers how many there were.
    pub async fn skip(&mut self) -> Result<u64> {
        let mut rows = match self.batch.take() {
            Some(batch) => batch.num_rows() - self.row,
            None => 0,
        };
        while let Some(batch) = self.next_batch().await? {
            rows += batch.num_rows();
        }
        Ok(rows as u64)
    }
}

impl Interpreter<'_> {
    /// The value of an expression; NULL for a query without rows.
    pub(super) async fn evaluate(&mut self, sql: &Sql) -> Result<Typed> {
        let plan = self.plan(sql, true).await.map_err(|error| inside(error, &sql.shown))?;
        let planned = match plan.as_ref() {
            Plan::Variable(reference) => return self.referenced(reference),
            Plan::Statement(planned) => planned,
        };
        let place = self.place;
        let mut rows = match self.run_planned(planned, &sql.shown).await? {
            Answer::Rows(rows) => rows,
            Answer::Done(_) => return Err(Error::syntax("query did not return data")),
        };
        let [column] = rows.columns.as_slice() else {
            let message = format!("query returned {} columns", rows.columns.len());
            return Err(Error::syntax(message).within(format!("query: {}", sql.shown)));
        };
        let sql_type = column.declared_type();
        let value = match rows.next().await? {
            Some(row) => row.into_iter().next().unwrap_or(ScalarValue::Null),
            None => ScalarValue::try_from(&sql_type.to_arrow())?,
        };
        if rows.skip().await? > 0 {
            let message = "query returned more than one row";
            return Err(Error::new(SqlState::CardinalityViolation, message));
        }
        match (planned.parameterized.reads_tables, &rows.context) {
            (false, Some(context)) => self.session.settle(context).await?,
            _ => self.finish(rows).await?,
        }
        self.place = place;
        Ok(Typed { sql_type, value })
    }

    /// Whether a condition is true; NULL is not.
    pub(super) async fn is_true(&mut self, sql: &Sql) -> Result<bool> {
        let value = self.evaluate(sql).await?;
        Ok(self.cast(value, &SqlType::Bool)? == ScalarValue::Boolean(Some(true)))
    }

    /// What a statement of the body answers.
    pub(super) async fn run_sql(&mut self, sql: &Sql) -> Result<Answer> {
        let plan = self.plan(sql, false).await.map_err(|error| inside(error, &sql.shown))?;
        match plan.as_ref() {
            Plan::Statement(planned) => {
                let answer = self.run_planned(planned, &sql.shown).await;
                shown_as(answer, &sql.shown)
            }
            Plan::Variable(_) => Err(Error::internal("a statement is a variable")),
        }
    }

    async fn run_planned(&mut self, planned: &Planned, shown: &str) -> Result<Answer> {
        let references = planned.parameterized.references.iter();
        let values = references.map(|reference| Ok(self.referenced(reference)?.value));
        let values = values.collect::<Result<Vec<_>>>()?;
        let answer = self.run_prepared(&planned.statement, &values).await;
        answer.map_err(|error| match error.position() {
            Some(position) => {
                let position = planned.parameterized.written_position(position);
                inside(error.at(position), shown)
            }
            None => error,
        })
    }

    /// The rows that a loop goes through.
    pub(super) async fn rows(&mut self, rows: &RowsOf) -> Result<RunningQuery> {
        let answer = match rows {
            RowsOf::Query(sql) => self.run_sql(sql).await?,
            RowsOf::Execute(dynamic) => self.run_dynamic(dynamic).await?,
        };
        match answer {
            Answer::Rows(rows) => Ok(RunningQuery { text: None, ..rows }),
            Answer::Done(tag) => {
                let message = format!(
                    "cannot open {} query as cursor",
                    tag.split(' ').next().unwrap_or_default()
                );
                Err(Error::new(SqlState::InvalidCursorDefinition, message))
            }
        }
    }

    /// EXECUTE: the text's statements, the last one's answer.
    pub(super) async fn run_dynamic(&mut self, dynamic: &Dynamic) -> Result<Answer> {
        let text = self.evaluate(&dynamic.text).await?;
        let settings = self.session.format_settings();
        let Some(text) = text.shown(&settings)? else {
            let message = "query string argument of EXECUTE is null";
            return Err(Error::new(SqlState::NullValueNotAllowed, message));
        };
        let mut values = vec![];
        let mut declared = vec![];
        for value in &dynamic.using {
            let value = as_parameter(self.evaluate(value).await?);
            declared.push(Some(value.sql_type));
            values.push(value.value);
        }
        let mut answer = Answer::Done(String::new());
        for parsed in self.session.read(&text).map_err(|error| inside(error, &text))? {
            if parsed.parameter_count > declared.len() {
                let message = format!("there is no parameter ${}", parsed.parameter_count);
                return Err(Error::new(SqlState::UndefinedParameter, message));
            }
            match &parsed.statement {
                Statement::Begin(_)
                | Statement::Commit { .. }
                | Statement::Rollback { .. }
                | Statement::Savepoint { .. }
                | Statement::ReleaseSavepoint { .. }
                | Statement::RollbackTo { .. } => {
                    return Err(Error::new(
                        SqlState::FeatureNotSupported,
                        "EXECUTE of transaction commands is not implemented",
                    ));
                }
                Statement::CreateTable(_) if !parsed.text.trim_start().to_ascii_lowercase().starts_with("create") => {
                    return Err(Error::new(
                        SqlState::FeatureNotSupported,
                        "EXECUTE of SELECT ... INTO is not implemented",
                    )
                    .with_hint("You might want to use EXECUTE ... INTO or EXECUTE CREATE TABLE ... AS instead."));
                }
                _ => {}
            }
            if let Answer::Rows(mut rows) = answer {
                rows.skip().await?;
                self.finish(rows).await?;
            }
            let shown = parsed.text.clone();
            let statement = PreparedStatement::undescribed(parsed, declared.clone());
            let ran = self.run_prepared(&statement, &values).await;
            answer = shown_as(ran, &shown)?;
        }
        Ok(answer)
    }

    /// Runs a statement through the session.
    async fn run_prepared(&mut self, statement: &PreparedStatement, values: &[ScalarValue]) -> Result<Answer> {
        let refused = match &statement.parsed.statement {
            Statement::Begin(_)
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::RollbackTo { .. } => Some(match self.language {
                Language::PlPgSql => "unsupported transaction command in PL/pgSQL",
                Language::Sql => "transaction commands are not allowed in an SQL function",
            }),
            Statement::Copy(_) => Some(match self.language {
                Language::PlPgSql => "cannot COPY to/from client in PL/pgSQL",
                Language::Sql => "cannot COPY to/from client in an SQL function",
            }),
            Statement::DeclareCursor(_) => return Err(Error::unsupported("DECLARE CURSOR in PL/pgSQL")),
            _ => None,
        };
        if let Some(message) = refused {
            return Err(Error::new(SqlState::FeatureNotSupported, message));
        }
        self.descend()?;
        let notices = self.session.notices.len();
        let outcome = self.session.run_embedded(statement, values).await;
        self.session.nesting -= 1;
        let context = self.session.context.take();
        let place = format!("SQL statement \"{}\"\n{}", statement.parsed.text, self.context());
        for notice in self.session.notices.iter_mut().skip(notices) {
            match &mut notice.context {
                Some(context) => *context = format!("{context}\n{place}"),
                context => *context = Some(place.clone()),
            }
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                if let Some(context) = context {
                    self.session.engine.finish_record(&context.record, Some(&error));
                }
                return Err(error);
            }
        };
        match outcome {
            Outcome::Rows(rows) => Ok(Answer::Rows(RunningQuery::new(rows, context)?)),
            Outcome::Done(tag) => {
                if let Some(context) = context {
                    self.end(&context).await?;
                }
                Ok(Answer::Done(tag))
            }
            Outcome::CopyOut(..) | Outcome::CopyIn(_) => Err(Error::internal("an embedded statement copies")),
        }
    }

    /// The end of a query.
    pub(super) async fn finish(&mut self, rows: RunningQuery) -> Result<()> {
        match &rows.context {
            Some(context) => self.end(context).await,
            None => Ok(()),
        }
    }

    /// Takes over what a statement left behind, and closes its record.
    async fn end(&mut self, context: &QueryContext) -> Result<()> {
        self.session.settle(context).await?;
        self.session.engine.finish_record(&context.record, None);
        Ok(())
    }

    /// The value of a variable or a record's field.
    pub(super) fn referenced(&self, reference: &Reference) -> Result<Typed> {
        let variable = reference.variable();
        let name = self
            .routine
            .variables
            .get(variable)
            .map_or("", |variable| &variable.name);
        match (reference, self.values.get(variable)) {
            (Reference::Variable(_), Some(Value::Scalar(value))) => Ok(as_parameter(Typed {
                sql_type: match self.kinds.get(variable) {
                    Some(Kind::Scalar(sql_type)) => sql_type.clone(),
                    _ => SqlType::Unknown,
                },
                value: value.clone(),
            })),
            (Reference::Field(_, field), Some(Value::Record(Some(fields)))) => {
                let found = fields.iter().find(|other| other.name == *field);
                let found = found.map(|field| as_parameter(field.typed.clone()));
                found.ok_or_else(|| no_field(name, field))
            }
            (Reference::Nth(_, index), Some(Value::Record(Some(fields)))) => {
                let found = fields.get(*index).map(|field| as_parameter(field.typed.clone()));
                found.ok_or_else(|| not_assigned(name))
            }
            _ => Err(not_assigned(name)),
        }
    }

    /// The plan of a text, made when it first runs and again when records got other fields.
    pub(super) async fn plan(&mut self, sql: &Sql, is_expression: bool) -> Result<Arc<Plan>> {
        if let Some(Some(plan)) = self.plans.get(sql.number)
            && self.still_holds(plan)
        {
            return Ok(Arc::clone(plan));
        }
        let routine = Arc::clone(&self.routine);
        let mut parameterized = parameterized(sql, &routine.names, &|variable| self.shape(variable))?;
        let mut declared = vec![];
        for reference in &parameterized.references {
            declared.push(Some(self.referenced(reference)?.sql_type));
        }
        let plan = match parameterized.references.as_slice() {
            [reference] if is_expression && is_lone_variable(&parameterized.text) => Plan::Variable(reference.clone()),
            _ => {
                if self.language == Language::Sql {
                    let columns = self.which_are_columns(&parameterized, &declared).await?;
                    parameterized = parameterized.with_columns(&sql.text, &columns);
                } else {
                    self.settle_doubts(&parameterized, &declared).await?;
                }
                let mut shapes = vec![];
                for reference in &parameterized.references {
                    shapes.push((reference.variable(), self.shape(reference.variable())));
                }
                let statement = PreparedStatement::undescribed(one_statement(&parameterized.text)?, declared);
                Plan::Statement(Planned {
                    statement: Arc::new(statement),
                    parameterized,
                    shapes,
                })
            }
        };
        let plan = Arc::new(plan);
        if let Some(slot) = self.plans.get_mut(sql.number) {
            *slot = Some(Arc::clone(&plan));
        }
        Ok(plan)
    }

    fn still_holds(&self, plan: &Plan) -> bool {
        let Plan::Statement(planned) = plan else { return true };
        let same_shapes = planned
            .shapes
            .iter()
            .all(|(variable, shape)| self.shape(*variable) == *shape);
        let mut types = planned.parameterized.references.iter().zip(&planned.statement.declared);
        same_shapes
            && types.all(|(reference, declared)| {
                let now = self.referenced(reference);
                now.is_ok_and(|now| Some(&now.sql_type) == declared.as_ref())
            })
    }

    /// Of each doubtful name whether it is a column's: left in its place, it can be planned.
    async fn which_are_columns(
        &mut self,
        parameterized: &Parameterized,
        declared: &[Option<SqlType>],
    ) -> Result<Vec<bool>> {
        let mut columns = vec![];
        for doubt in &parameterized.doubts {
            let parsed = one_statement(&doubt.text)?;
            let texts = Texts::of(&parsed);
            let described = Box::pin(self.session.describe(&parsed, &texts, declared, &Memory::default())).await;
            self.session.context = None;
            columns.push(described.is_ok());
        }
        Ok(columns)
    }

    /// 42702 for a name that is a variable's and a column's.
    async fn settle_doubts(&mut self, parameterized: &Parameterized, declared: &[Option<SqlType>]) -> Result<()> {
        let columns = self.which_are_columns(parameterized, declared).await?;
        for (doubt, is_column) in parameterized.doubts.iter().zip(columns) {
            if is_column {
                let message = format!("column reference \"{}\" is ambiguous", doubt.name);
                return Err(Error::new(SqlState::AmbiguousColumn, message)
                    .with_detail("It could refer to either a PL/pgSQL variable or a table column.")
                    .at(doubt.position));
            }
        }
        Ok(())
    }
}

pub(in crate::session) fn one_statement(text: &str) -> Result<ParsedStatement> {
    let mut statements = crate::statement::parse(text)?;
    statements
        .pop()
        .ok_or_else(|| Error::internal("an embedded statement is empty"))
}

fn is_lone_variable(text: &str) -> bool {
    text.strip_prefix("SELECT ").is_some_and(|expression| {
        let expression = expression.trim();
        // A select list that is a variable calls its output by the variable's name.
        expression == "$1"
            || expression.starts_with("$1 AS ")
                && !expression.contains([',', '(', '\n'])
                && expression.split_whitespace().count() == 3
    })
}

/// An error with a position in this text, which the client did not send.
fn inside(error: Error, text: &str) -> Error {
    match (error.position(), error.inner_statement()) {
        (Some(_), None) => error.in_statement(text),
        _ => error,
    }
}

/// The same for a statement; an error without a position names it as the place where it arose.
pub(super) fn in_sql(error: Error, text: &str) -> Error {
    match error.position() {
        Some(_) => inside(error, text),
        None => error.within(format!("SQL statement \"{text}\"")),
    }
}

/// The answer of a statement, whose errors say so, those of its rows too.
fn shown_as(answer: Result<Answer>, text: &str) -> Result<Answer> {
    match answer {
        Ok(Answer::Rows(rows)) => Ok(Answer::Rows(RunningQuery {
            text: Some(text.to_string()),
            ..rows
        })),
        Err(error) => Err(in_sql(error, text)),
        done => done,
    }
}

/// Columns with the types that their values have: names of the catalog's objects are carried as text.
fn carried(columns: &[OutputColumn], schema: &Schema) -> Vec<OutputColumn> {
    let is_text = |layout: &DataType| matches!(layout, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let columns = columns.iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match &column.sql_type {
        SqlType::Numeric(_) => column.clone(),
        sql_type if is_text(field.data_type()) && !is_text(&sql_type.to_arrow()) => OutputColumn {
            sql_type: SqlType::Text,
            ..column.clone()
        },
        _ => column.clone(),
    });
    columns.collect()
}
