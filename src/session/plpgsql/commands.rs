//! Statements of SQL in a body: PERFORM, commands with INTO, EXECUTE, GET DIAGNOSTICS, COMMIT and ROLLBACK.

use super::Interpreter;
use super::evaluate::{Answer, Plan, RunningQuery, in_sql};
use super::values::Typed;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::Statement;
use crate::statement::plpgsql::{Dynamic, Into, Item, Reference, Sql, Target};
use crate::types::SqlType;

impl Interpreter<'_> {
    pub(super) async fn perform(&mut self, sql: &Sql) -> Result<()> {
        let Answer::Rows(mut rows) = self.run_sql(sql).await? else {
            return Ok(());
        };
        let count = rows.skip().await?;
        self.finish(rows).await?;
        self.row_count = count;
        self.set_found(count > 0)
    }

    pub(super) async fn command(&mut self, sql: &Sql, into: Option<&Into>) -> Result<()> {
        let word = sql
            .text
            .split(|character: char| !character.is_ascii_alphabetic())
            .next();
        if word.is_some_and(|word| word.eq_ignore_ascii_case("call")) {
            return self.call(sql).await;
        }
        match self.run_sql(sql).await? {
            Answer::Rows(rows) => {
                let is_query = matches!(rows.tag, "SELECT" | "FETCH");
                let Some(into) = into else {
                    let error = Error::syntax("query has no destination for result data");
                    return Err(match is_query {
                        true => error.with_hint("If you want to discard the results of a SELECT, use PERFORM instead."),
                        false => error,
                    });
                };
                let found = self.take_row(rows, into).await?;
                self.set_found(found)
            }
            Answer::Done(tag) => {
                if into.is_some() {
                    return Err(Error::syntax("INTO used with a command that cannot return data"));
                }
                let count = count_of(&tag);
                self.row_count = count.unwrap_or(0);
                let changes = ["INSERT", "UPDATE", "DELETE", "MERGE"]
                    .iter()
                    .any(|word| tag.starts_with(word));
                match (changes, count) {
                    (true, Some(count)) => self.set_found(count > 0),
                    _ => Ok(()),
                }
            }
        }
    }

    /// CALL: what the procedure gives back goes to the variables that its arguments are.
    async fn call(&mut self, sql: &Sql) -> Result<()> {
        let plan = self.plan(sql, false).await?;
        let Plan::Statement(planned) = plan.as_ref() else {
            return Err(Error::internal("a call is a variable"));
        };
        let Statement::Call(call) = &planned.statement.parsed.statement else {
            return Err(Error::internal("a statement that begins with CALL is none"));
        };
        let references = &planned.parameterized.references;
        let values = references.iter().map(|reference| Ok(self.referenced(reference)?.value));
        let values = values.collect::<Result<Vec<_>>>()?;
        let ends_transactions = self.ends_transactions && self.subtransactions == 0;
        self.descend()?;
        let called = self
            .session
            .call_procedure(&planned.statement, call, &values, ends_transactions)
            .await;
        self.session.nesting -= 1;
        let called = called.map_err(|error| in_sql(error, &sql.shown))?;
        let row = called.given.rows.into_iter().next().unwrap_or_default();
        let given = called.given.columns.into_iter().zip(row).zip(called.targets);
        for (((name, sql_type), value), target) in given {
            let target = match target.and_then(|number| references.get(number)).cloned() {
                Some(Reference::Variable(variable)) => Target { variable, field: None },
                Some(Reference::Field(variable, field)) => Target {
                    variable,
                    field: Some(field),
                },
                _ => {
                    return Err(Error::syntax(format!(
                        "procedure parameter \"{name}\" is an output parameter but corresponding argument is not writable"
                    )));
                }
            };
            self.assign(&target, Typed { sql_type, value })?;
        }
        Ok(())
    }

    /// EXECUTE leaves FOUND as it is.
    pub(super) async fn execute(&mut self, dynamic: &Dynamic, into: Option<&Into>) -> Result<()> {
        match (self.run_dynamic(dynamic).await?, into) {
            (Answer::Rows(rows), Some(into)) => {
                self.take_row(rows, into).await?;
            }
            (Answer::Rows(mut rows), None) => {
                self.row_count = rows.skip().await?;
                self.finish(rows).await?;
            }
            (Answer::Done(_), Some(_)) => {
                return Err(Error::syntax("INTO used with a command that cannot return data"));
            }
            (Answer::Done(tag), None) => self.row_count = count_of(&tag).unwrap_or(0),
        }
        Ok(())
    }

    /// INTO: the first row. Whether there was one.
    async fn take_row(&mut self, mut rows: RunningQuery, into: &Into) -> Result<bool> {
        let first = rows.next().await?;
        // What changes rows was meant for one.
        let only_one = into.strict || !matches!(rows.tag, "SELECT" | "FETCH");
        let more = match &first {
            Some(_) if only_one => rows.next().await?.is_some(),
            _ => false,
        };
        if more {
            let message = "query returned more than one row";
            let hint = "Make sure the query returns a single row, or use LIMIT 1.";
            return Err(Error::new(SqlState::TooManyRows, message).with_hint(hint));
        }
        let found = first.is_some();
        if !found && into.strict {
            return Err(Error::new(SqlState::NoDataFound, "query returned no rows"));
        }
        self.row_count = u64::from(found);
        match first {
            Some(row) => self.assign_row(&into.targets, Some((&rows.columns, row)))?,
            None => self.assign_row(&into.targets, None)?,
        }
        self.finish(rows).await?;
        Ok(found)
    }

    pub(super) fn diagnostics(&mut self, stacked: bool, items: &[(Target, Item)]) -> Result<()> {
        if stacked && self.caught.is_empty() {
            return Err(Error::new(
                SqlState::StackedDiagnosticsWithoutHandler,
                "GET STACKED DIAGNOSTICS cannot be used outside an exception handler",
            ));
        }
        for (target, item) in items {
            let value = match item {
                Item::RowCount => Typed {
                    sql_type: SqlType::Int8,
                    value: datafusion::common::ScalarValue::Int64(i64::try_from(self.row_count).ok()),
                },
                Item::Context => Typed::text(self.context()),
                item => Typed::text(self.of_caught(*item)),
            };
            self.assign(target, value)?;
        }
        Ok(())
    }

    fn of_caught(&self, item: Item) -> String {
        let Some(caught) = self.caught.last() else {
            return String::new();
        };
        let (error, subject) = (&caught.error, caught.error.subject());
        let text = match item {
            Item::State => Some(error.state().code()),
            Item::Message => Some(error.message()),
            Item::Detail => error.detail(),
            Item::Hint => error.hint(),
            Item::Column => subject.column.as_deref(),
            Item::Constraint => subject.constraint.as_deref(),
            Item::Table => subject.table.as_deref(),
            Item::Schema => subject.schema.as_deref(),
            Item::ExceptionContext => {
                let inner = error.context().map(|context| context + "\n").unwrap_or_default();
                return format!("{inner}{}", self.context_of(caught.place));
            }
            Item::DataType | Item::RowCount | Item::Context => None,
        };
        text.unwrap_or_default().to_string()
    }

    pub(super) async fn end_transaction(&mut self, commit: bool, chain: bool) -> Result<()> {
        if self.subtransactions > 0 {
            let verb = if commit { "commit" } else { "roll back" };
            let message = format!("cannot {verb} while a subtransaction is active");
            return Err(Error::new(SqlState::InvalidTransactionTermination, message));
        }
        if !self.ends_transactions {
            return Err(Error::new(
                SqlState::InvalidTransactionTermination,
                "invalid transaction termination",
            ));
        }
        self.session.end_routine_transaction(commit, chain).await
    }
}

/// The number at the end of a command tag.
fn count_of(tag: &str) -> Option<u64> {
    tag.rsplit(' ').next()?.parse().ok()
}
