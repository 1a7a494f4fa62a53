//! Blocks, their variables and handlers, and the statements that steer: IF, CASE, RETURN.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::values::{Kind, Typed, Value};
use super::{Caught, Flow, Interpreter};
use crate::error::{Error, Result, SqlState};
use crate::statement::plpgsql::{Action, Block, Condition, Handlers, Step};
use crate::types::SqlType;

impl Interpreter<'_> {
    /// Statements one after the other, until one leaves them.
    pub(super) fn steps<'a>(&'a mut self, steps: &'a [Step]) -> BoxFuture<'a, Result<Flow>> {
        async move {
            self.descend()?;
            for step in steps {
                self.breathe().await?;
                self.place = (step.line, step.action.name());
                match self.step(&step.action).await? {
                    Flow::Next => {}
                    flow => {
                        self.session.nesting -= 1;
                        return Ok(flow);
                    }
                }
            }
            self.session.nesting -= 1;
            Ok(Flow::Next)
        }
        .boxed()
    }

    async fn step(&mut self, action: &Action) -> Result<Flow> {
        match action {
            Action::Null => {}
            Action::Block(block) => return self.block(block).await,
            Action::Assign { target, value } => {
                let value = self.evaluate(value).await?;
                self.assign(target, value)?;
            }
            Action::If { branches, otherwise } => {
                for (condition, steps) in branches {
                    if self.is_true(condition).await? {
                        return self.steps(steps).await;
                    }
                }
                return self.steps(otherwise).await;
            }
            Action::Case {
                subject,
                branches,
                otherwise,
            } => {
                if let Some((variable, value)) = subject {
                    let value = self.evaluate(value).await?;
                    self.set_kind(*variable, Kind::Scalar(value.sql_type.clone()));
                    self.set_value(*variable, Value::Scalar(value.value));
                }
                for (condition, steps) in branches {
                    if self.is_true(condition).await? {
                        return self.steps(steps).await;
                    }
                }
                return match otherwise {
                    Some(steps) => self.steps(steps).await,
                    None => Err(Error::new(SqlState::CaseNotFound, "case not found")
                        .with_hint("CASE statement is missing ELSE part.")),
                };
            }
            Action::Loop {
                label,
                condition,
                steps,
            } => return self.endless(label, condition, steps).await,
            Action::ForNumbers { .. } => return self.for_numbers(action).await,
            Action::ForRows {
                label,
                targets,
                rows,
                steps,
            } => return self.for_rows(label, targets, rows, steps).await,
            Action::ForElements {
                label,
                target,
                array,
                steps,
            } => return self.for_elements(label, target, array, steps).await,
            Action::Leave {
                continues,
                label,
                condition,
            } => {
                let leaves = match condition {
                    Some(condition) => self.is_true(condition).await?,
                    None => true,
                };
                if leaves {
                    let (continues, label) = (*continues, label.clone());
                    return Ok(Flow::Leave { continues, label });
                }
            }
            Action::Return(value) => {
                if let Some(value) = value {
                    self.return_value(value).await?;
                }
                return Ok(Flow::Return);
            }
            Action::ReturnNext(value) => self.return_next(value.as_ref()).await?,
            Action::ReturnQuery(rows) => self.return_query(rows).await?,
            Action::Statement { sql, is_result: true } => self.return_statement(sql).await?,
            Action::Statement { sql, is_result: false } => self.run_and_forget(sql).await?,
            Action::Perform(sql) => self.perform(sql).await?,
            Action::Command { sql, into } => self.command(sql, into.as_ref()).await?,
            Action::Execute { dynamic, into } => self.execute(dynamic, into.as_ref()).await?,
            Action::Diagnostics { stacked, items } => self.diagnostics(*stacked, items)?,
            Action::Raise(raise) => self.raise(raise).await?,
            Action::Assert { condition, message } => self.assert(condition, message.as_ref()).await?,
            Action::Commit { chain } => self.end_transaction(true, *chain).await?,
            Action::Rollback { chain } => self.end_transaction(false, *chain).await?,
        }
        Ok(Flow::Next)
    }

    /// BEGIN … END with its variables; a block with handlers is a subtransaction.
    pub(super) fn block<'a>(&'a mut self, block: &'a Block) -> BoxFuture<'a, Result<Flow>> {
        async move {
            self.initialize(block).await?;
            let flow = match &block.handlers {
                None => self.steps(&block.steps).await?,
                Some(handlers) => self.guarded(block, handlers).await?,
            };
            Ok(match flow {
                Flow::Leave {
                    continues: false,
                    label: Some(label),
                } if block.label.as_ref() == Some(&label) => Flow::Next,
                flow => flow,
            })
        }
        .boxed()
    }

    /// Gives a block's variables their types and first values.
    async fn initialize(&mut self, block: &Block) -> Result<()> {
        let routine = Arc::clone(&self.routine);
        for variable in &block.declared {
            let Some(declared) = routine.variables.get(*variable) else {
                continue;
            };
            self.place = (block.line, "during statement block local variable initialization");
            let kind = self.kind_of(&declared.declared).await?;
            self.values[*variable] = kind.empty()?;
            self.kinds[*variable] = kind;
            self.place = (declared.line, "during statement block local variable initialization");
            if let Some(default) = &declared.default {
                let value = self.evaluate(default).await?;
                self.assign_variable(*variable, value)?;
            }
        }
        Ok(())
    }

    async fn guarded(&mut self, block: &Block, handlers: &Handlers) -> Result<Flow> {
        let savepoint = self.session.begin_subtransaction();
        let nesting = self.session.nesting;
        self.subtransactions += 1;
        let ran = self.steps(&block.steps).await;
        self.subtransactions -= 1;
        let error = match ran {
            Ok(flow) => {
                self.session.end_subtransaction(savepoint);
                return Ok(flow);
            }
            Err(error) => error,
        };
        // Whoever stops the statement stops all of it.
        if self.session.interrupt.reason().is_some() {
            return Err(error);
        }
        self.session.nesting = nesting;
        let code = error.state().code();
        let handler = handlers.handlers.iter().find(|handler| {
            let mut conditions = handler.conditions.iter();
            conditions.any(|condition| catches(condition, code))
        });
        let Some(handler) = handler else { return Err(error) };
        self.session.undo_subtransaction(savepoint);
        for (variable, text) in [(handlers.sqlstate, code), (handlers.sqlerrm, error.message())] {
            self.set_kind(variable, Kind::Scalar(SqlType::Text));
            self.set_value(variable, Value::Scalar(Typed::text(text).value));
        }
        let place = self.place;
        self.caught.push(Caught { error, place });
        let flow = self.steps(&handler.steps).await;
        self.caught.pop();
        flow
    }
}

/// Whether a condition is about this SQLSTATE. Some errors are caught by their name only, and what became of a
/// commit nobody may forget.
fn catches(condition: &Condition, code: &str) -> bool {
    const NEVER: [&str; 1] = ["40003"];
    const BY_NAME: [&str; 2] = ["57014", "P0004"];
    if NEVER.contains(&code) {
        return false;
    }
    match condition {
        Condition::Others => !BY_NAME.contains(&code),
        Condition::State(state) => {
            let class = state.strip_suffix("000");
            state == code || class.is_some_and(|class| code.starts_with(class))
        }
    }
}
