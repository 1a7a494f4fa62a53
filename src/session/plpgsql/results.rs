//! What a routine takes and gives: arguments become variables, RETURN and output arguments become rows of the columns that
//! the declaration names.

use datafusion::common::ScalarValue;

use super::Interpreter;
use super::evaluate::{Answer, RunningQuery};
use super::values::{Kind, Typed, Value, fields_of, null_of};
use crate::catalog::model::{Function, Language, OutputMode};
use crate::error::{Error, Result, SqlState};
use crate::statement::plpgsql::{Returns, Rows as RowsOf, Signature, Sql};
use crate::types::SqlType;

/// What the rows of one call may take.
const MOST_BYTES: usize = 256 << 20;

/// A column of a routine's rows.
pub(in crate::session) type DeclaredColumn = (String, SqlType);

/// The rows that a routine gave.
#[derive(Debug, Default)]
pub(in crate::session) struct Given {
    pub columns: Vec<DeclaredColumn>,
    pub rows: Vec<Vec<ScalarValue>>,
    is_set: bool,
    /// Each row is the fields of one value.
    is_row: bool,
    /// The parameters that are given back, by place.
    outputs: Vec<usize>,
    bytes: usize,
}

impl Given {
    pub fn new(function: &Function, columns: Vec<DeclaredColumn>) -> Given {
        let is_row =
            function.outputs().is_empty() && matches!(function.returns.base(), SqlType::Composite(_) | SqlType::Record);
        Given {
            columns,
            is_set: function.is_set(),
            is_row,
            ..Given::default()
        }
    }

    /// What a strict function gives for NULL.
    pub fn nothing(mut self) -> Result<Given> {
        if !self.is_set {
            let nulls = self.nulls()?;
            self.rows.push(nulls);
        }
        Ok(self)
    }

    fn nulls(&self) -> Result<Vec<ScalarValue>> {
        self.columns.iter().map(|(_, sql_type)| null_of(sql_type)).collect()
    }

    fn push(&mut self, row: Vec<ScalarValue>) -> Result<()> {
        self.bytes += row.iter().map(ScalarValue::size).sum::<usize>();
        if self.bytes > MOST_BYTES {
            let message = "the rows of a function take too much memory";
            return Err(Error::new(SqlState::OutOfMemory, message)
                .with_hint("Give fewer rows, or write them to a temporary table."));
        }
        self.rows.push(row);
        Ok(())
    }
}

/// What the body of a routine has to know of its declaration.
pub(super) fn signature(function: &Function, language: Language) -> Signature {
    let parameters = function.parameters().into_iter();
    // A body in SQL knows its arguments only.
    let known = parameters.filter(|parameter| {
        language == Language::PlPgSql || !matches!(parameter.mode, Some(OutputMode::Out | OutputMode::Table))
    });
    Signature {
        name: function.name.clone(),
        parameters: known
            .map(|parameter| (parameter.name.to_string(), parameter.sql_type.clone()))
            .collect(),
        returns: Returns::of(
            function.is_procedure(),
            function.is_set(),
            !function.outputs().is_empty(),
            &function.returns,
        ),
    }
}

/// The places of the arguments among the parameters that the body knows.
pub(super) fn inputs(function: &Function, language: Language) -> Vec<usize> {
    match language {
        Language::Sql => (0..function.arguments.len()).collect(),
        Language::PlPgSql => {
            let parameters = function.parameters();
            let taken = parameters.iter().enumerate();
            taken
                .filter(|(_, parameter)| !matches!(parameter.mode, Some(OutputMode::Out | OutputMode::Table)))
                .map(|(place, _)| place)
                .collect()
        }
    }
}

/// The places of those that are given back.
pub(super) fn outputs(function: &Function) -> Vec<usize> {
    let parameters = function.parameters();
    let given = parameters.iter().enumerate();
    given
        .filter(|(_, parameter)| parameter.mode.is_some())
        .map(|(place, _)| place)
        .collect()
}

impl Interpreter<'_> {
    /// Gives the parameters their types, and those that are taken their values.
    pub(super) async fn take_arguments(&mut self, arguments: Vec<(usize, Typed)>) -> Result<()> {
        let routine = std::sync::Arc::clone(&self.routine);
        for variable in &routine.parameters {
            let Some(declared) = routine.variables.get(*variable) else {
                continue;
            };
            let kind = self.kind_of(&declared.declared).await?;
            self.set_value(*variable, kind.empty()?);
            self.set_kind(*variable, kind);
        }
        for (place, value) in arguments {
            if let Some(variable) = routine.parameters.get(place) {
                self.assign_variable(*variable, value)?;
            }
        }
        Ok(())
    }

    pub(super) fn outputs(&mut self, places: &[usize]) {
        self.given.outputs = places.to_vec();
    }

    /// RETURN with a value.
    pub(super) async fn return_value(&mut self, sql: &Sql) -> Result<()> {
        let value = self.evaluate(sql).await?;
        let row = self.row_of(value)?;
        self.given.rows = vec![row];
        Ok(())
    }

    /// RETURN NEXT: a value, or what the output arguments are now.
    pub(super) async fn return_next(&mut self, sql: Option<&Sql>) -> Result<()> {
        let row = match sql {
            Some(sql) => {
                let value = self.evaluate(sql).await?;
                self.row_of(value)?
            }
            None => self.row_of_outputs()?,
        };
        self.given.push(row)
    }

    /// RETURN QUERY.
    pub(super) async fn return_query(&mut self, rows: &RowsOf) -> Result<()> {
        let mut rows = self.rows(rows).await?;
        self.check_structure(&rows)?;
        let mut count = 0;
        while let Some(row) = rows.next().await? {
            self.breathe().await?;
            count += 1;
            let row = self.cast_row(&rows, row)?;
            self.given.push(row)?;
        }
        self.finish(rows).await?;
        self.row_count = count;
        self.set_found(count > 0)
    }

    /// The last statement of a body in SQL: its rows are the function's.
    pub(super) async fn return_statement(&mut self, sql: &Sql) -> Result<()> {
        let mut rows = match self.run_sql(sql).await? {
            Answer::Rows(rows) => rows,
            Answer::Done(_) => {
                return Err(mismatch(
                    &self.given,
                    "Function's final statement must be SELECT or INSERT/UPDATE/DELETE/MERGE RETURNING.",
                ));
            }
        };
        let (is, should) = (rows.columns.len(), self.given.columns.len());
        let is_one_row = self.given.is_row && is == 1 && should != 1;
        if is != should && !is_one_row {
            return Err(mismatch(
                &self.given,
                match (should, is > should) {
                    (1, _) => "Final statement must return exactly one column.",
                    (_, true) => "Final statement returns too many columns.",
                    (_, false) => "Final statement returns too few columns.",
                },
            ));
        }
        while let Some(row) = rows.next().await? {
            self.breathe().await?;
            let row = match (is_one_row, row.as_slice(), rows.columns.as_slice()) {
                (true, [value], [column]) => self.row_of(Typed {
                    sql_type: column.declared_type(),
                    value: value.clone(),
                })?,
                _ => self.cast_row(&rows, row)?,
            };
            self.given.push(row)?;
            if !self.given.is_set {
                rows.skip().await?;
            }
        }
        self.finish(rows).await
    }

    /// A statement of SQL whose rows nobody takes.
    pub(super) async fn run_and_forget(&mut self, sql: &Sql) -> Result<()> {
        match self.run_sql(sql).await? {
            Answer::Rows(mut rows) => {
                rows.skip().await?;
                self.finish(rows).await
            }
            Answer::Done(_) => Ok(()),
        }
    }

    /// The end of the body, by RETURN or behind its last statement.
    pub(super) fn come_to_an_end(&mut self) -> Result<()> {
        if self.given.is_set {
            return Ok(());
        }
        match self.routine.returns {
            _ if !self.given.outputs.is_empty() && self.language == Language::PlPgSql => {
                let row = self.row_of_outputs()?;
                self.given.rows = vec![row];
            }
            Returns::Value if self.given.rows.is_empty() && self.language == Language::PlPgSql => {
                let message = "control reached end of function without RETURN";
                self.place = (0, "");
                return Err(Error::new(SqlState::FunctionWithoutReturn, message));
            }
            // An empty text, as void is shown; SQL's is NULL.
            Returns::Void if self.language == Language::PlPgSql => {
                self.given.rows = vec![vec![ScalarValue::Utf8View(Some(String::new()))]];
            }
            _ if self.given.rows.is_empty() => {
                let nulls = self.given.nulls()?;
                self.given.rows = vec![nulls];
            }
            _ => {}
        }
        Ok(())
    }

    /// A value as a row of the function's columns.
    fn row_of(&self, value: Typed) -> Result<Vec<ScalarValue>> {
        if !self.given.is_row {
            let [(_, sql_type)] = self.given.columns.as_slice() else {
                return Err(Error::internal("a value is returned where a row is"));
            };
            return Ok(vec![self.cast(value, sql_type)?]);
        }
        if value.value.is_null() {
            return self.given.nulls();
        }
        let Some((columns, values)) = fields_of(&value)? else {
            let message = "cannot return non-composite value from function returning composite type";
            return Err(Error::new(SqlState::DatatypeMismatch, message));
        };
        if columns.len() != self.given.columns.len() {
            let message = "returned record type does not match expected record type";
            let detail = format!(
                "Number of returned columns ({}) does not match expected column count ({}).",
                columns.len(),
                self.given.columns.len()
            );
            return Err(Error::new(SqlState::DatatypeMismatch, message).with_detail(detail));
        }
        let fields = columns.iter().zip(values).zip(&self.given.columns);
        let fields = fields.map(|((column, value), (_, sql_type))| {
            let sql_type_of_value = column.declared_type();
            let value = Typed {
                sql_type: sql_type_of_value,
                value,
            };
            self.cast(value, sql_type)
        });
        fields.collect()
    }

    fn row_of_outputs(&self) -> Result<Vec<ScalarValue>> {
        let routine = &self.routine;
        let variables = self
            .given
            .outputs
            .iter()
            .filter_map(|place| routine.parameters.get(*place));
        let values = variables.zip(&self.given.columns).map(|(variable, (_, sql_type))| {
            let from = match self.kinds.get(*variable) {
                Some(Kind::Scalar(sql_type)) => sql_type.clone(),
                _ => return Err(Error::unsupported("output arguments that are rows in PL/pgSQL")),
            };
            match self.values.get(*variable) {
                Some(Value::Scalar(value)) => self.cast(
                    Typed {
                        sql_type: from,
                        value: value.clone(),
                    },
                    sql_type,
                ),
                _ => null_of(sql_type),
            }
        });
        values.collect()
    }

    fn cast_row(&self, rows: &RunningQuery, row: Vec<ScalarValue>) -> Result<Vec<ScalarValue>> {
        let columns = rows.columns.iter().zip(row).zip(&self.given.columns);
        let values = columns.map(|((column, value), (_, sql_type))| {
            let sql_type_of_value = column.declared_type();
            self.cast(
                Typed {
                    sql_type: sql_type_of_value,
                    value,
                },
                sql_type,
            )
        });
        values.collect()
    }

    /// RETURN QUERY casts nothing.
    fn check_structure(&self, rows: &RunningQuery) -> Result<()> {
        let refused = |detail: String| {
            let message = "structure of query does not match function result type";
            Err(Error::new(SqlState::DatatypeMismatch, message).with_detail(detail))
        };
        let (is, should) = (rows.columns.len(), self.given.columns.len());
        if is != should {
            return refused(format!(
                "Number of returned columns ({is}) does not match expected column count ({should})."
            ));
        }
        for (place, (column, (_, expected))) in rows.columns.iter().zip(&self.given.columns).enumerate() {
            let returned = column.declared_type();
            if returned.oid() != expected.oid() {
                return refused(format!(
                    "Returned type {returned} does not match expected type {expected} in column {}.",
                    place + 1
                ));
            }
        }
        Ok(())
    }
}

fn mismatch(given: &Given, detail: &str) -> Error {
    let returns = match given.columns.as_slice() {
        [(_, only)] => only.to_string(),
        _ => "record".to_string(),
    };
    let message = format!("return type mismatch in function declared to return {returns}");
    Error::new(SqlState::InvalidFunctionDefinition, message).with_detail(detail)
}
