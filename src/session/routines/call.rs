//! CALL: the procedure's statements, and a row of what it gives back.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{FunctionArg, Query, Visit, Visitor};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::arguments::Given;
use super::{Resolved, require_execute, routines_named, rows, undefined_procedure};
use crate::binding;
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, OutputColumn};
use crate::query::Description;
use crate::session::Session;
use crate::session::plpgsql::{Given as Rows, RoutineCall, one_statement};
use crate::session::prepared::{PreparedStatement, Texts};
use crate::statement::ast::{Call, ParsedStatement};
use crate::types::SqlType;

/// What a procedure gave back.
pub(in crate::session) struct Called {
    pub given: Rows,
    /// For each column, the parameter of the statement that its argument is.
    pub targets: Vec<Option<usize>>,
}

impl Session {
    /// What a CALL takes and gives.
    pub(in crate::session) async fn describe_call(
        &mut self,
        parsed: &ParsedStatement,
        call: &Call,
        declared: &[Option<SqlType>],
    ) -> Result<Description> {
        let given = Given { parsed, declared };
        let resolved = self.procedure(call, &given).await?;
        let types = self.parameter_types(&resolved, &given).await?;
        let columns = resolved.columns.iter();
        let columns: Vec<OutputColumn> = columns
            .map(|(name, sql_type)| OutputColumn::new(name, sql_type.clone()))
            .collect();
        Ok(Description {
            parameters: types.into_iter().map(|known| known.unwrap_or(SqlType::Text)).collect(),
            columns: (!columns.is_empty()).then(|| columns.into()),
        })
    }

    /// CALL by a client.
    pub(in crate::session) fn run_call<'a>(
        &'a mut self,
        statement: &'a PreparedStatement,
        call: &'a Call,
        parameters: &'a [ScalarValue],
    ) -> BoxFuture<'a, Result<Outcome>> {
        async move {
            let ends_transactions = !self.in_block();
            let context = self.statement_context(&statement.texts).await?;
            let called = self
                .call_procedure(statement, call, parameters, ends_transactions)
                .await;
            self.context = None;
            self.engine.finish_record(&context.record, called.as_ref().err());
            let given = called?.given;
            match given.columns.is_empty() {
                true => Ok(Outcome::Done("CALL".to_string())),
                false => Ok(Outcome::Rows(rows::row_set(given, "CALL")?)),
            }
        }
        .boxed()
    }

    /// Finds the procedure, evaluates its arguments and runs it.
    pub(in crate::session) async fn call_procedure(
        &mut self,
        statement: &PreparedStatement,
        call: &Call,
        parameters: &[ScalarValue],
        ends_transactions: bool,
    ) -> Result<Called> {
        let given = Given {
            parsed: &statement.parsed,
            declared: &statement.declared,
        };
        let resolved = self.procedure(call, &given).await?;
        let arguments = self.argument_values(&resolved, &given, parameters).await?;
        let Resolved {
            function,
            targets,
            columns,
            ..
        } = resolved;
        let given = self
            .run_routine(RoutineCall {
                function: &function,
                arguments,
                columns,
                ends_transactions,
            })
            .await?;
        Ok(Called { given, targets })
    }

    async fn procedure(&mut self, call: &Call, given: &Given<'_>) -> Result<Resolved> {
        if has_subquery(&call.arguments) {
            let message = "cannot use subquery in CALL argument";
            return Err(Error::new(SqlState::FeatureNotSupported, message));
        }
        let context = self.lookup_context().await?;
        let found = routines_named(&context, &call.name.0)?;
        let (procedures, functions): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.is_procedure());
        let name = call.name.0.join(".");
        let resolved = self.resolve(procedures, &name, &call.arguments, given).await;
        if let Some(resolved) = resolved.map_err(undefined_procedure)? {
            require_execute(&context, &resolved.function)?;
            return Ok(resolved);
        }
        for function in functions {
            if binding::placed_arguments(&call.arguments, &function.arguments)?.is_some() {
                let message = format!("{} is not a procedure", function.signature());
                return Err(Error::new(SqlState::WrongObjectType, message).with_hint("To call a function, use SELECT."));
            }
        }
        let shown = self.shown_types(&call.arguments, given).await;
        let message = format!("procedure {name}({shown}) does not exist");
        Err(Error::new(SqlState::UndefinedFunction, message).with_hint(
            "No procedure matches the given name and argument types. You might need to add explicit type casts.",
        ))
    }

    /// The context of looking names up, which no statement's record is about. It is of now: what was revoked meanwhile is.
    pub(super) async fn lookup_context(&mut self) -> Result<Arc<QueryContext>> {
        let around = self.context.take();
        let texts = Texts::of(&one_statement("SELECT 1")?);
        let context = self.statement_context(&texts).await;
        self.context = around;
        context
    }
}

fn has_subquery(arguments: &[FunctionArg]) -> bool {
    struct Subqueries;
    impl Visitor for Subqueries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    arguments
        .iter()
        .any(|argument| argument.visit(&mut Subqueries).is_break())
}
