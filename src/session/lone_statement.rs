//! A statement that is a transaction of its own and answered with nothing but its tag: when another server's commit
//! made its commit impossible, it runs again, and the client need not.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::ScalarValue;

use super::Session;
use super::portal::Portal;
use super::prepared::PreparedStatement;
use super::repetition::Answered;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, RowSet, Rows};
use crate::statement::ast::Statement;

/// Runs after the first one.
const MOST_REPETITIONS: u32 = 5;
/// The longest pause before the first repetition.
const PAUSE: Duration = Duration::from_millis(50);

/// What an implicit transaction consists of.
pub(super) enum Lone {
    Statement(LoneStatement),
    /// A query, answered from the result cache.
    Query(Answered),
    /// More than one statement, or one that does not bear repeating.
    Other,
}

pub(super) struct LoneStatement {
    statement: Arc<PreparedStatement>,
    parameters: Vec<ScalarValue>,
    tag: String,
}

impl Session {
    /// Remembers what ran outside a transaction block.
    pub(super) fn note_lone(&mut self, statement: &Arc<PreparedStatement>, portal: &Portal, outcome: &Outcome) {
        let is_first = self.lone.is_none() && !self.in_block();
        self.lone = Some(match outcome {
            Outcome::Done(tag) if is_first && writes(&statement.parsed.statement) => Lone::Statement(LoneStatement {
                statement: Arc::clone(statement),
                parameters: portal.parameters.clone(),
                tag: tag.clone(),
            }),
            Outcome::Rows(RowSet {
                columns,
                rows: Rows::Encoded(rows),
                ..
            }) if is_first => {
                let source = self.script.as_ref().unwrap_or(&statement.texts.shown);
                Answered::of(statement, portal, columns.len(), rows, Arc::clone(source))
                    .map_or(Lone::Other, Lone::Query)
            }
            _ => Lone::Other,
        });
    }

    /// Runs the statement and commits it until nobody is in the way. The client may have its tag already, so one that
    /// does something else by now fails with `error`, the first run's.
    pub(super) async fn repeat(&mut self, lone: LoneStatement, error: Error) -> Result<()> {
        for repetition in 1..=MOST_REPETITIONS {
            tokio::time::sleep(PAUSE.mul_f64(f64::from(repetition) * rand::random::<f64>())).await;
            let outcome = self.run_statement(&lone.statement, &lone.parameters, &[]).await?;
            if !matches!(&outcome, Outcome::Done(tag) if *tag == lone.tag) {
                break;
            }
            self.end_statement().await?;
            match self.commit().await {
                Err(conflict) if conflict.state() == SqlState::SerializationFailure => {}
                committed => return committed,
            }
        }
        self.roll_back();
        Err(error)
    }
}

fn writes(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_)
            | Statement::Truncate { .. }
    )
}
