//! Routines at work, PL/pgSQL's and SQL's: a body's statements one after the other, each embedded one through the same
//! doors as a client's: bound, governed and planned anew by name and rights, with variables as its parameters.

mod blocks;
mod commands;
mod evaluate;
mod kinds;
mod loops;
mod raise;
mod results;
mod stack;
mod surroundings;
mod values;

use std::sync::Arc;

use datafusion::common::ScalarValue;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::Session;
use crate::catalog::model::{Argument, Function, Language, Script};
use crate::error::{Error, Result};
use crate::session::prepared::Texts;
use crate::statement::ast::{Inline, ParsedStatement};
use crate::statement::plpgsql::{Routine, Signature, of_sql, parse};
use evaluate::Plan;
use values::{Kind, Value};

pub(super) use evaluate::{RunningQuery, one_statement};
pub(super) use results::{DeclaredColumn, Given};
pub(super) use values::{Typed, as_parameter, cast_value, exact_numeric, null_of};

/// Steps after which others get their turn.
const STEPS_IN_A_ROW: u32 = 64;

/// What comes after a step.
enum Flow {
    Next,
    /// EXIT and CONTINUE, on the way to their loop.
    Leave {
        continues: bool,
        label: Option<String>,
    },
    Return,
}

/// An error that a handler is at work on, and where it arose.
struct Caught {
    error: Error,
    place: (usize, &'static str),
}

/// One call of a routine.
struct Interpreter<'s> {
    session: &'s mut Session,
    routine: Arc<Routine>,
    /// As CONTEXT shows it.
    name: String,
    kinds: Vec<Kind>,
    values: Vec<Value>,
    /// Of each text of SQL, once it ran.
    plans: Vec<Option<Arc<Plan>>>,
    /// The line and the name of the statement that runs.
    place: (usize, &'static str),
    row_count: u64,
    caught: Vec<Caught>,
    /// Blocks with handlers that are open.
    subtransactions: usize,
    /// COMMIT and ROLLBACK have a transaction of their own to end.
    ends_transactions: bool,
    language: Language,
    given: Given,
    steps: u32,
    /// No other block or routine waits for this one.
    is_outermost: bool,
}

/// What is kept of a routine for its next call.
pub(super) struct KeptRoutine {
    routine: Arc<Routine>,
    plans: Vec<Option<Arc<Plan>>>,
    /// The types that it was called with, which of a polymorphic one the next call need not have.
    arguments: Vec<Argument>,
}

impl KeptRoutine {
    fn new(routine: Routine) -> KeptRoutine {
        KeptRoutine {
            plans: vec![None; routine.texts],
            routine: Arc::new(routine),
            arguments: vec![],
        }
    }
}

/// A call of a function or procedure.
pub(super) struct RoutineCall<'a> {
    pub function: &'a Function,
    /// Of its input arguments, each of the argument's type.
    pub arguments: Vec<ScalarValue>,
    /// What its rows are.
    pub columns: Vec<DeclaredColumn>,
    pub ends_transactions: bool,
}

impl Session {
    /// DO.
    pub(super) fn run_inline<'a>(
        &'a mut self,
        parsed: &'a ParsedStatement,
        inline: &'a Inline,
    ) -> BoxFuture<'a, Result<()>> {
        let recorded = async move {
            let context = self.statement_context(&Texts::of(parsed)).await?;
            let ran = self.interpret_inline(inline).await;
            self.engine.finish_record(&context.record, ran.as_ref().err());
            self.context = None;
            ran
        };
        stack::measured(recorded.boxed()).boxed()
    }

    async fn interpret_inline(&mut self, inline: &Inline) -> Result<()> {
        const NAME: &str = "inline_code_block";
        let routine =
            parse(&inline.body, &Signature::of_block()).map_err(|error| match (error.position(), inline.offset) {
                (Some(position), Some(offset)) => error.at(position + offset),
                (Some(_), None) => error.in_statement(&inline.body),
                (None, _) => error,
            })?;
        let ends_transactions = !self.in_block();
        let mut interpreter = Interpreter::new(self, KeptRoutine::new(routine), NAME.to_string());
        interpreter.ends_transactions = ends_transactions;
        interpreter.run(vec![], &[]).await
    }

    /// Runs a function's or a procedure's statements.
    pub(super) fn run_routine<'a>(&'a mut self, call: RoutineCall<'a>) -> BoxFuture<'a, Result<Given>> {
        stack::measured(self.interpret(call).boxed()).boxed()
    }

    async fn interpret(&mut self, call: RoutineCall<'_>) -> Result<Given> {
        let function = call.function;
        let given = Given::new(function, call.columns);
        let is_strict = function.query.as_ref().is_some_and(|query| query.is_strict);
        if is_strict && call.arguments.iter().any(ScalarValue::is_null) {
            return given.nothing();
        }
        let language = function.script.as_ref().map_or(Language::Sql, |script| script.language);
        let signature = results::signature(function, language);
        let name = match language {
            Language::PlPgSql => function.signature(),
            Language::Sql => format!("\"{}\"", function.name),
        };
        let routine = match self.kept_routines.remove(&function.id) {
            Some(kept) if kept.arguments == function.arguments => kept,
            _ => {
                let routine = match language {
                    Language::PlPgSql => parse(&function.body, &signature),
                    Language::Sql => of_sql(&function.body, &signature),
                };
                KeptRoutine::new(routine.map_err(|error| error.in_statement(&function.body))?)
            }
        };
        let has_surroundings = function.script.as_ref().is_some_and(Script::has_surroundings);
        let surrounded = self.surrounded(function).await?;
        let mut interpreter = Interpreter::new(&mut *surrounded.session, routine, name);
        interpreter.language = language;
        interpreter.given = given;
        interpreter.ends_transactions = call.ends_transactions && !has_surroundings;
        let takes = results::inputs(function, language);
        let arguments: Vec<(usize, Typed)> = takes
            .into_iter()
            .zip(&function.arguments)
            .zip(call.arguments)
            .map(|((place, argument), value)| {
                let sql_type = argument.sql_type.clone();
                (place, Typed { sql_type, value })
            })
            .collect();
        let outputs = results::outputs(function);
        interpreter.run(arguments, &outputs).await?;
        let Interpreter {
            session,
            routine,
            plans,
            given,
            ..
        } = interpreter;
        // For rows it is called again at once, and over the same catalog.
        if session.around.is_some() {
            session.kept_routines.insert(
                function.id,
                KeptRoutine {
                    routine,
                    plans,
                    arguments: function.arguments.clone(),
                },
            );
        }
        Ok(given)
    }
}

impl<'s> Interpreter<'s> {
    fn new(session: &'s mut Session, kept: KeptRoutine, name: String) -> Interpreter<'s> {
        let KeptRoutine { routine, plans, .. } = kept;
        Interpreter {
            kinds: vec![Kind::Open; routine.variables.len()],
            values: vec![Value::null(); routine.variables.len()],
            plans,
            routine,
            name,
            place: (1, "statement block"),
            row_count: 0,
            caught: vec![],
            subtransactions: 0,
            ends_transactions: false,
            language: Language::PlPgSql,
            given: Given::default(),
            steps: 0,
            is_outermost: false,
            session,
        }
    }
}

impl Interpreter<'_> {
    /// Runs the body with these values for parameters by their places; `outputs` are the places of those that are given
    /// back. Errors say where in the body they arose.
    async fn run(&mut self, arguments: Vec<(usize, Typed)>, outputs: &[usize]) -> Result<()> {
        let routine = Arc::clone(&self.routine);
        let nesting = self.session.nesting;
        self.is_outermost = nesting == 0;
        let ran = async {
            self.set_found(false)?;
            self.take_arguments(arguments).await?;
            self.outputs(outputs);
            self.block(&routine.body).await?;
            self.come_to_an_end()
        }
        .await;
        self.session.nesting = nesting;
        ran.map_err(|error| error.within(self.context()))
    }

    /// The line of CONTEXT for what runs now.
    fn context(&self) -> String {
        self.context_of(self.place)
    }

    fn context_of(&self, (line, what): (usize, &'static str)) -> String {
        if self.language == Language::Sql {
            return format!("SQL function {} statement {line}", self.name);
        }
        if line == 0 {
            return format!("PL/pgSQL function {}", self.name);
        }
        let join = if what.starts_with("during") { "" } else { "at " };
        format!("PL/pgSQL function {} line {line} {join}{what}", self.name)
    }

    /// Lets others run now and then, and ends with whoever wants the statement to end.
    async fn breathe(&mut self) -> Result<()> {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS_IN_A_ROW) {
            tokio::task::yield_now().await;
        }
        match self.session.interrupt.reason() {
            Some(reason) => Err(reason.error()),
            None => Ok(()),
        }
    }

    /// Goes one level deeper.
    fn descend(&mut self) -> Result<()> {
        stack::check_depth()?;
        self.session.nesting += 1;
        Ok(())
    }
}
