//! PL/pgSQL at work: a body's statements one after the other, each embedded one through the same doors as a client's:
//! bound, governed and planned anew by name and rights, with variables as its parameters.

mod blocks;
mod commands;
mod evaluate;
mod kinds;
mod loops;
mod raise;
mod stack;
mod values;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::Session;
use crate::error::{Error, Result};
use crate::session::prepared::Texts;
use crate::statement::ast::{Inline, ParsedStatement};
use crate::statement::plpgsql::{Routine, parse};
use evaluate::Plan;
use values::{Kind, Value};

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
    steps: u32,
}

impl Session {
    /// DO.
    pub(super) fn run_inline<'a>(
        &'a mut self,
        parsed: &'a ParsedStatement,
        inline: &'a Inline,
    ) -> BoxFuture<'a, Result<()>> {
        let outermost = self.nesting == 0;
        let recorded = async move {
            let context = self.statement_context(&Texts::of(parsed)).await?;
            let ran = self.interpret_inline(inline).await;
            self.engine.finish_record(&context.record, ran.as_ref().err());
            self.context = None;
            ran
        };
        match outermost {
            true => stack::outermost(recorded.boxed()).boxed(),
            false => recorded.boxed(),
        }
    }

    async fn interpret_inline(&mut self, inline: &Inline) -> Result<()> {
        const NAME: &str = "inline_code_block";
        let routine = parse(&inline.body, NAME).map_err(|error| match (error.position(), inline.offset) {
            (Some(position), Some(offset)) => error.at(position + offset),
            (Some(_), None) => error.in_statement(&inline.body),
            (None, _) => error,
        })?;
        let ends_transactions = !self.in_block();
        let mut interpreter = Interpreter {
            kinds: vec![],
            values: vec![],
            plans: vec![],
            routine: Arc::new(routine),
            name: NAME.to_string(),
            place: (1, "statement block"),
            row_count: 0,
            caught: vec![],
            subtransactions: 0,
            ends_transactions,
            steps: 0,
            session: self,
        };
        interpreter.run().await
    }
}

impl Interpreter<'_> {
    /// Runs the body; errors say where in it they arose.
    async fn run(&mut self) -> Result<()> {
        let routine = Arc::clone(&self.routine);
        self.kinds = vec![Kind::Open; routine.variables.len()];
        self.values = vec![Value::null(); routine.variables.len()];
        self.plans = vec![None; routine.texts];
        let nesting = self.session.nesting;
        let ran = async {
            self.set_found(false)?;
            self.block(&routine.body).await
        }
        .await;
        self.session.nesting = nesting;
        match ran {
            Ok(_) => Ok(()),
            Err(error) => Err(error.within(self.context())),
        }
    }

    /// The line of CONTEXT for what runs now.
    fn context(&self) -> String {
        self.context_of(self.place)
    }

    fn context_of(&self, (line, what): (usize, &'static str)) -> String {
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
