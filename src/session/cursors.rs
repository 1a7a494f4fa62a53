//! SQL's cursors over the same portals that the protocol has: DECLARE makes one, FETCH and MOVE work on any,
//! CLOSE ends any. A cursor WITH HOLD goes on reading after its transaction: the versions it reads stay.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use tokio::sync::Mutex;

use super::Session;
use super::current_of::{ChangedRow, ScannedTable, scanned_table};
use super::cursor_rows::{CursorRows, Scrolling, stream_of};
use super::portal::{Portal, PortalState, RunningRows};
use super::prepared::PreparedStatement;
use super::transactions::outside_block;
use crate::context::sessions::CursorStatus;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, OutputColumn, RowSet, Rows};
use crate::statement::ast::{DeclareCursor, Fetch};
use crate::types::format::Format;

/// What makes a portal a cursor: rows that FETCH and the protocol's Execute both move through.
pub(crate) struct Cursor {
    pub rows: Arc<Mutex<CursorRows>>,
    pub columns: Arc<[OutputColumn]>,
    pub binary: bool,
    pub hold: bool,
    /// The table whose rows WHERE CURRENT OF changes.
    pub scanned: Option<ScannedTable>,
    /// What it made of the row that the cursor stood on last.
    pub changed: Option<ChangedRow>,
}

impl Session {
    /// DECLARE: the query is planned and started; nothing of it is computed before a FETCH.
    pub(super) async fn declare_cursor(
        &mut self,
        statement: &Arc<PreparedStatement>,
        declare: &DeclareCursor,
        parameters: &[ScalarValue],
    ) -> Result<()> {
        if !declare.hold && !self.in_block() {
            return Err(outside_block("DECLARE CURSOR"));
        }
        self.check_portal_is_new(&declare.name)?;
        let Outcome::Rows(rows) = self.run_statement(statement, parameters, &[]).await? else {
            return Err(Error::internal("a cursor's query has no rows"));
        };
        let Rows::Stream { stream, .. } = rows.rows else {
            return Err(Error::internal("a cursor was answered from the result cache"));
        };
        let scrolling = match declare.scroll {
            Some(true) => Scrolling::Full,
            None => Scrolling::Little,
            Some(false) => Scrolling::None,
        };
        let scanned = scanned_table(&declare.query, &rows.columns);
        let cursor = Cursor {
            rows: self.cursor_rows(stream, scrolling),
            columns: rows.columns,
            binary: declare.binary,
            hold: declare.hold,
            scanned,
            changed: None,
        };
        let status = CursorStatus {
            name: declare.name.clone(),
            statement: self.source_of(&statement.parsed.text).to_string(),
            holdable: declare.hold,
            binary: declare.binary,
            scrollable: declare.scroll != Some(false),
            created: Utc::now(),
        };
        let result_formats = if declare.binary { vec![Format::Binary] } else { vec![] };
        let running = RunningRows::of_cursor(&cursor, &result_formats, &self.settings.current().format)?;
        let portal = Portal {
            statement: Arc::clone(statement),
            parameters: parameters.to_vec(),
            result_formats,
            state: PortalState::Rows(running),
            cursor: Some(cursor),
            depth: self.savepoints.len(),
            held: false,
        };
        self.portals.insert(declare.name.clone(), Box::new(portal));
        self.handle().cursors.lock().insert(declare.name.clone(), status);
        Ok(())
    }

    /// Rows that a portal of that name and SQL share.
    pub(super) fn cursor_rows(
        &self,
        stream: SendableRecordBatchStream,
        scrolling: Scrolling,
    ) -> Arc<Mutex<CursorRows>> {
        let pool = &self.engine.runtime().memory_pool;
        Arc::new(Mutex::new(CursorRows::new(stream, scrolling, pool)))
    }

    /// FETCH and MOVE.
    pub(super) async fn fetch_cursor(&mut self, fetch: &Fetch) -> Result<Outcome> {
        self.start_portal(&fetch.cursor).await?;
        let cursor = self.cursor(&fetch.cursor)?;
        let (rows, columns) = (Arc::clone(&cursor.rows), Arc::clone(&cursor.columns));
        let mut guard = rows.lock().await;
        let movement = guard.begin(fetch.direction, fetch.is_move).await?;
        if fetch.is_move {
            let passed = guard.skip(movement).await?;
            return Ok(Outcome::Done(format!("MOVE {passed}")));
        }
        drop(guard);
        let stream = stream_of(rows, movement).await;
        Ok(Outcome::Rows(RowSet {
            columns,
            rows: Rows::Stream { stream, fill: None },
            tag: "FETCH",
        }))
    }

    /// The columns of a cursor, with the format of one that is BINARY; `None` where there is no such cursor,
    /// which the FETCH will say itself.
    pub(super) fn columns_of_cursor(&self, name: &str) -> Option<Arc<[OutputColumn]>> {
        let portal = self.portals.get(name)?;
        match &portal.cursor {
            Some(cursor) => Some(Arc::clone(&cursor.columns)),
            None => portal.statement.description.columns.clone(),
        }
    }

    pub(super) fn cursor_is_binary(&self, name: &str) -> bool {
        let cursor = self.portals.get(name).and_then(|portal| portal.cursor.as_ref());
        cursor.is_some_and(|cursor| cursor.binary)
    }

    /// CLOSE name, CLOSE ALL.
    pub(super) fn close_cursor(&mut self, name: Option<&str>) -> Result<&'static str> {
        match name {
            None => {
                self.drop_portals(|_| false);
                Ok("CLOSE CURSOR ALL")
            }
            Some(name) => {
                let portal = self.portals.remove(name).ok_or_else(|| missing(name))?;
                self.handle().cursors.lock().remove(name);
                drop(portal);
                Ok("CLOSE CURSOR")
            }
        }
    }

    /// Drops the portals that `keep` does not want.
    pub(super) fn drop_portals(&mut self, keep: impl Fn(&Portal) -> bool) {
        // Inside of a routine that is called for rows there are none, and the client's stay.
        if self.around.is_some() {
            return;
        }
        self.portals.retain(|_, portal| keep(portal));
        let portals = &self.portals;
        self.handle.cursors.lock().retain(|name, _| portals.contains_key(name));
    }

    /// At COMMIT cursors WITH HOLD become the session's.
    pub(super) fn hold_cursors(&mut self) {
        for portal in self.portals.values_mut() {
            if portal.cursor.as_ref().is_some_and(|cursor| cursor.hold) {
                portal.held = true;
                portal.depth = 0;
            }
        }
    }

    /// Notes a portal of the protocol among the cursors; the unnamed one is nobody's to fetch from.
    pub(super) fn list_portal(&self, name: &str, statement: &str, created: DateTime<Utc>) {
        if name.is_empty() {
            return;
        }
        let status = CursorStatus {
            name: name.to_string(),
            statement: statement.to_string(),
            holdable: false,
            binary: false,
            scrollable: true,
            created,
        };
        self.handle().cursors.lock().insert(name.to_string(), status);
    }

    pub(super) fn check_portal_is_new(&self, name: &str) -> Result<()> {
        match self.portals.contains_key(name) {
            true => Err(Error::new(
                SqlState::DuplicateCursor,
                format!("cursor \"{name}\" already exists"),
            )),
            false => Ok(()),
        }
    }

    fn cursor(&self, name: &str) -> Result<&Cursor> {
        let portal = self.portals.get(name).ok_or_else(|| missing(name))?;
        portal.cursor.as_ref().ok_or_else(|| {
            Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("portal \"{name}\" cannot be run"),
            )
        })
    }

    /// A portal of the protocol that has not run yet starts with the first FETCH from it.
    async fn start_portal(&mut self, name: &str) -> Result<()> {
        let portal = self.portals.get(name).filter(|_| !name.is_empty());
        let portal = portal.ok_or_else(|| missing(name))?;
        if !matches!(portal.state, PortalState::Ready) || portal.statement.description.columns.is_none() {
            return Ok(());
        }
        let Some(mut portal) = self.portals.remove(name) else {
            return Ok(());
        };
        let statement = Arc::clone(&portal.statement);
        Box::pin(self.execute(name, &statement, &mut portal)).await?;
        self.portals.insert(name.to_string(), portal);
        Ok(())
    }
}

pub(super) fn missing(name: &str) -> Error {
    Error::new(SqlState::InvalidCursorName, format!("cursor \"{name}\" does not exist"))
}
