//! A statement that the client sends once more at once, and whose answer is kept. All that decides whether it may be answered
//! so is done anew, by the calls that every statement takes: the newest catalog, the role, the versions of the tables. What
//! follows from the answer alone, its messages, the wire then takes from the last time.

use std::sync::Arc;

use datafusion::common::ScalarValue;

use super::Session;
use super::portal::Portal;
use super::prepared::PreparedStatement;
use crate::error::Result;
use crate::query::{self, Request};
use crate::result_cache::EncodedRows;
use crate::types::format::Format;

/// Bytes of rows that a session holds on to at most, whatever the result cache gives up.
const LARGEST: usize = 16 * 1024;

/// A transaction of one statement that was answered from the result cache, and changed nothing.
#[derive(Debug)]
pub struct Answered {
    statement: Arc<PreparedStatement>,
    parameters: Vec<ScalarValue>,
    /// One for each column.
    formats: Vec<Format>,
    rows: Arc<EncodedRows>,
    /// The text that it came in.
    source: Arc<str>,
}

impl Answered {
    /// `None` for an answer that is not worth its memory.
    pub(super) fn of(
        statement: &Arc<PreparedStatement>,
        portal: &Portal,
        columns: usize,
        rows: &Arc<EncodedRows>,
        source: Arc<str>,
    ) -> Option<Answered> {
        let formats = portal.formats_for(columns).ok()?;
        (rows.size() <= LARGEST).then(|| Answered {
            statement: Arc::clone(statement),
            parameters: portal.parameters.clone(),
            formats,
            rows: Arc::clone(rows),
            source,
        })
    }
}

impl Session {
    /// What ran between the last two times that the client was waited for, if that was one such statement.
    pub fn take_answered(&mut self) -> Option<Answered> {
        self.answered.take()
    }

    /// Whether the statement would be answered with the very rows of the last time. Then it has run once more; if not,
    /// nothing has happened. To be asked when nothing else ran since.
    pub async fn answers_again(&mut self, answered: &Answered) -> Result<bool> {
        if self.transaction.explicit {
            return Ok(false);
        }
        let statement = &answered.statement;
        self.start_clock();
        self.show_running(&answered.source);
        self.ensure_begun()?;
        let context = self.statement_context(&statement.texts).await?;
        let request = Request {
            engine: &self.engine,
            context: &context,
            settings: self.settings.current(),
            statement: &statement.parsed,
            declared: &statement.declared,
            relations: &[],
            keeps_rows: false,
            memory: Some(&statement.memory),
        };
        let rows = query::kept_answer(&request, &answered.parameters, &answered.formats).await?;
        if !rows.is_some_and(|rows| Arc::ptr_eq(&rows, &answered.rows)) {
            self.context = None;
            return Ok(false);
        }
        context.record.add_rows(answered.rows.row_count as u64);
        context.record.add_bytes(answered.rows.size() as u64);
        self.end_statement().await?;
        self.time_limit = None;
        self.sync().await?;
        Ok(true)
    }
}
