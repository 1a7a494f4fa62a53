//! Parse, Bind, Describe, Execute and Close over a session's statements and portals.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::ScalarValue;

use super::current_of::{names_cursor, without_row};
use super::cursor_rows::Scrolling;
use super::cursors::Cursor;
use super::portal::{Portal, PortalState, RunningCopy, RunningRows, formats_for};
use super::prepared::{self, PreparedStatement, Texts};
use super::transactions::{ends_failure, refuse_in_failed_transaction};
use super::{Binding, Fetched, Notice, RowChunk, RowShape, Session, Source, StatementShape};
use crate::binding::WithRelation;
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, OutputColumn, Rows};
use crate::query::{self, Description, Memory, Request};
use crate::statement::ast::{ParsedStatement, Statement};
use crate::types::SqlType;
use crate::types::format::Format;

impl Session {
    /// Prepares a statement under a name; the empty name is replaced, any other must be new.
    pub async fn parse(&mut self, name: &str, source: Source<ParsedStatement>, parameter_oids: &[u32]) -> Result<()> {
        let parsed = match source {
            Source::Parsed(parsed) => parsed,
            Source::Text(text) => {
                let parsed = one_statement(self.read(&text)?)?;
                self.show_running(&parsed.shown_text());
                parsed
            }
        };
        self.prepare(name, parsed, declared_types(parameter_oids), None).await
    }

    pub(super) async fn describe(
        &mut self,
        parsed: &ParsedStatement,
        texts: &Texts,
        declared: &[Option<SqlType>],
        memory: &Memory,
    ) -> Result<Description> {
        if self.transaction.failed || !needs_catalog(&parsed.statement) {
            return self.describe_session_statement(parsed, declared);
        }
        if let Some(statement) = without_row(&parsed.statement) {
            let parsed = ParsedStatement {
                statement,
                ..parsed.clone()
            };
            return Box::pin(self.describe(&parsed, texts, declared, memory)).await;
        }
        // What a routine describes is a part of the statement that runs it.
        if self.nesting == 0 {
            self.start_clock();
        }
        if let Statement::Call(call) = &parsed.statement {
            return Box::pin(self.describe_call(parsed, call, declared)).await;
        }
        let called = match self.called_names(parsed, memory) {
            [] => None,
            names => Box::pin(self.with_calls(parsed, names, declared, None)).await?,
        };
        let Some(called) = called else {
            return self.describe_planned(parsed, texts, declared, &[], Some(memory)).await;
        };
        let mut described = self
            .describe_planned(&called.parsed, texts, &called.declared, &called.relations, None)
            .await?;
        described.parameters.truncate(called.own_parameters);
        Ok(described)
    }

    async fn describe_planned(
        &mut self,
        parsed: &ParsedStatement,
        texts: &Texts,
        declared: &[Option<SqlType>],
        relations: &[WithRelation],
        memory: Option<&Memory>,
    ) -> Result<Description> {
        let taken = self.transaction.changes_taken();
        loop {
            let context = self.statement_context(texts).await?;
            let request = Request {
                relations,
                ..self.request(&context, parsed, declared, memory)
            };
            let described = query::describe(&request).await;
            // Planning does not wait for anything: a cancel request that came meanwhile is noticed here.
            context.check_cancelled()?;
            match described {
                Err(_) if self.catches_up(&context, taken).await? => {}
                described => return described,
            }
        }
    }

    fn request<'a>(
        &'a self,
        context: &'a Arc<QueryContext>,
        statement: &'a ParsedStatement,
        declared: &'a [Option<SqlType>],
        memory: Option<&'a Memory>,
    ) -> Request<'a> {
        Request {
            engine: &self.engine,
            context,
            settings: self.settings.current(),
            statement,
            declared,
            relations: &[],
            keeps_rows: false,
            memory,
        }
    }

    pub async fn describe_statement(&mut self, name: &str) -> Result<StatementShape> {
        let statement = self.statement(name)?;
        let columns = match &statement.parsed.statement {
            Statement::Fetch(fetch) if !fetch.is_move => self.columns_of_cursor(&fetch.cursor),
            _ => statement.description.columns.clone(),
        };
        Ok(StatementShape {
            parameters: statement.description.parameters.clone(),
            columns,
        })
    }

    /// Binds parameters to a statement; the unnamed portal is replaced, any other must be new.
    pub async fn bind(&mut self, binding: Binding) -> Result<()> {
        let statement = self.statement(&binding.statement)?;
        if self.transaction.failed && !ends_failure(&statement.parsed.statement) {
            return Err(refuse_in_failed_transaction());
        }
        if !binding.portal.is_empty() {
            self.check_portal_is_new(&binding.portal)?;
        }
        let types = &statement.description.parameters;
        if binding.parameters.len() != types.len() {
            return Err(Error::new(
                SqlState::ProtocolViolation,
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                    binding.parameters.len(),
                    binding.statement,
                    types.len()
                ),
            ));
        }
        let parameters =
            Box::pin(self.read_parameters(&statement, &binding.parameters, &binding.parameter_formats)).await?;
        let mut result_formats = binding.result_formats;
        if let Statement::Fetch(fetch) = &statement.parsed.statement
            && result_formats.is_empty()
            && self.cursor_is_binary(&fetch.cursor)
        {
            result_formats.push(Format::Binary);
        }
        self.list_portal(&binding.portal, &statement.texts.shown, chrono::Utc::now());
        let portal = Portal {
            statement,
            parameters,
            result_formats,
            state: PortalState::Ready,
            cursor: None,
            depth: self.savepoints.len(),
            held: false,
        };
        self.portals.insert(binding.portal, Box::new(portal));
        Ok(())
    }

    /// The rows that a portal will return; `None` if it returns none.
    pub async fn describe_portal(&mut self, name: &str) -> Result<Option<RowShape>> {
        let portal = self.portal(name)?;
        let columns = match (&portal.cursor, &portal.statement.parsed.statement) {
            (Some(cursor), _) => Some(Arc::clone(&cursor.columns)),
            (None, Statement::Fetch(fetch)) if !fetch.is_move => self.columns_of_cursor(&fetch.cursor),
            _ => portal.statement.description.columns.clone(),
        };
        let Some(columns) = columns else { return Ok(None) };
        let formats = portal.formats_for(columns.len())?;
        Ok(Some(RowShape {
            columns,
            formats: formats.into(),
        }))
    }

    fn portal(&self, name: &str) -> Result<&Portal> {
        self.portals
            .get(name)
            .map(Box::as_ref)
            .ok_or_else(|| Error::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist")))
    }

    /// The next chunk of a portal; the first call executes it.
    pub async fn fetch(&mut self, name: &str, max_rows: u64) -> Result<Fetched> {
        // Taken out while it runs: a fetch that is dropped midway drops its work with it.
        let (own_name, mut portal) = self
            .portals
            .remove_entry(name)
            .ok_or_else(|| Error::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist")))?;
        if let PortalState::Ready = portal.state {
            self.start_clock();
        }
        if self.script.is_none() {
            self.show_running(&portal.statement.texts.shown);
        }
        let fetched = self.step(name, &mut portal, max_rows).await?;
        if let (Fetched::Rows(RowChunk::Encoded { bytes, rows }), Some(context)) = (&fetched, &self.context) {
            context.record.add_rows(*rows as u64);
            context.record.add_bytes(bytes.len() as u64);
        }
        if matches!(fetched, Fetched::Suspended) {
            self.time_limit = None;
        }
        if matches!(fetched, Fetched::Complete(_) | Fetched::Empty) {
            self.end_statement().await?;
            // A cursor may be moved back from its end.
            if portal.cursor.is_none() {
                portal.state = PortalState::Finished;
            }
            self.time_limit = None;
        }
        self.portals.insert(own_name, portal);
        Ok(fetched)
    }

    async fn step(&mut self, name: &str, portal: &mut Portal, max_rows: u64) -> Result<Fetched> {
        if let PortalState::Ready = portal.state {
            let statement = Arc::clone(&portal.statement);
            // On the heap, so that the calls that take the rows move none of it.
            match Box::pin(self.execute(name, &statement, portal)).await? {
                None => {}
                Some(fetched) => return Ok(fetched),
            }
        }
        match &mut portal.state {
            PortalState::Rows(rows) => rows.next(max_rows).await,
            PortalState::CopyOut(copy) => copy.next().await,
            PortalState::Finished => Ok(Fetched::Complete("SELECT 0".into())),
            PortalState::Ready => Err(Error::internal("a portal did not start")),
        }
    }

    /// Starts a portal's statement. `None` when rows follow.
    pub(super) async fn execute(
        &mut self,
        name: &str,
        statement: &Arc<PreparedStatement>,
        portal: &mut Portal,
    ) -> Result<Option<Fetched>> {
        let parsed = &statement.parsed;
        if self.transaction.failed && !ends_failure(&parsed.statement) {
            return Err(refuse_in_failed_transaction());
        }
        if let Statement::Empty = parsed.statement {
            return Ok(Some(Fetched::Empty));
        }
        self.ensure_begun()?;
        if let Statement::DeclareCursor(declare) = &parsed.statement {
            Box::pin(self.declare_cursor(statement, declare, &portal.parameters)).await?;
            return Ok(Some(Fetched::Complete("DECLARE CURSOR".into())));
        }
        let own = match &parsed.statement {
            Statement::Query(_) => None,
            Statement::Call(call) => Some(Box::pin(self.run_call(statement, call, &portal.parameters)).await?),
            _ => Box::pin(self.run_session_statement(parsed, &portal.result_formats)).await?,
        };
        let outcome = match own {
            Some(outcome) => outcome,
            // SQL may fetch from a named portal, in other formats than the result cache keeps.
            None if !name.is_empty() => {
                self.run_kept(statement, &portal.parameters, &portal.result_formats)
                    .await?
            }
            None => {
                self.run_statement(statement, &portal.parameters, &portal.result_formats)
                    .await?
            }
        };
        self.note_lone(statement, portal, &outcome);
        match outcome {
            Outcome::Done(tag) => Ok(Some(Fetched::Complete(tag))),
            Outcome::Rows(rows) => {
                let formats = portal.formats_for(rows.columns.len())?;
                let settings = &self.settings.current().format;
                portal.state = PortalState::Rows(match rows.rows {
                    Rows::Stream { stream, .. } if !name.is_empty() && rows.tag == "SELECT" => {
                        let cursor = portal.cursor.insert(Cursor {
                            rows: self.cursor_rows(stream, Scrolling::None),
                            columns: rows.columns,
                            binary: false,
                            hold: false,
                            scanned: None,
                            changed: None,
                        });
                        RunningRows::of_cursor(cursor, &formats, settings)?
                    }
                    _ => RunningRows::new(rows, &formats, settings)?,
                });
                Ok(None)
            }
            Outcome::CopyOut(rows, options) => {
                let copy = RunningCopy::new(rows, &options, self.settings.current())?;
                portal.state = PortalState::CopyOut(copy);
                Ok(None)
            }
            Outcome::CopyIn(mut copy) => {
                copy.of_client(self.settings.current().client_encoding)?;
                let fetched = Fetched::CopyIn {
                    format: copy.format(),
                    columns: copy.column_count(),
                };
                self.copy_in = Some(copy);
                Ok(Some(fetched))
            }
        }
    }

    /// A statement that reads or changes the warehouse: through the pipeline.
    pub(super) async fn run_statement(
        &mut self,
        statement: &PreparedStatement,
        parameters: &[ScalarValue],
        result_formats: &[Format],
    ) -> Result<Outcome> {
        self.run_in_pipeline(statement, parameters, result_formats, false).await
    }

    /// A statement inside of a routine: the same doors as for a client's, and its rows as rows.
    pub(super) async fn run_embedded(
        &mut self,
        statement: &PreparedStatement,
        parameters: &[ScalarValue],
    ) -> Result<Outcome> {
        self.ensure_begun()?;
        // On the heap: routines nest, and so do the polls of what they run.
        if let Statement::Call(call) = &statement.parsed.statement {
            return Box::pin(self.run_call(statement, call, parameters)).await;
        }
        match Box::pin(self.run_session_statement(&statement.parsed, &[])).await? {
            Some(outcome) => Ok(outcome),
            None => Box::pin(self.run_kept(statement, parameters, &[])).await,
        }
    }

    /// The same for rows that several statements may share.
    async fn run_kept(
        &mut self,
        statement: &PreparedStatement,
        parameters: &[ScalarValue],
        result_formats: &[Format],
    ) -> Result<Outcome> {
        self.run_in_pipeline(statement, parameters, result_formats, true).await
    }

    async fn run_in_pipeline(
        &mut self,
        statement: &PreparedStatement,
        parameters: &[ScalarValue],
        result_formats: &[Format],
        keeps_rows: bool,
    ) -> Result<Outcome> {
        self.ensure_begun()?;
        self.has_queried = true;
        if names_cursor(&statement.parsed.statement)
            && let Some(current) = Box::pin(self.with_current_row(statement, parameters)).await?
        {
            let placed = self.run_in_pipeline(&current.statement, &current.parameters, result_formats, keeps_rows);
            let outcome = Box::pin(placed).await?;
            self.settle_current_row(&current, &outcome)?;
            return Ok(outcome);
        }
        let columns = statement
            .description
            .columns
            .as_ref()
            .map_or(0, |columns| columns.len());
        let formats = formats_for(result_formats, columns).unwrap_or_default();
        let called = match self.called_names(&statement.parsed, &statement.memory) {
            [] => None,
            names => {
                let called = self.with_calls(&statement.parsed, names, &statement.declared, Some(parameters));
                Box::pin(called).await?
            }
        };
        self.transaction.command = statement.parsed.statement.written_command();
        let taken = self.transaction.changes_taken();
        let parameters = called.as_ref().map_or(parameters, |called| &called.parameters);
        let outcome = loop {
            let context = self.statement_context(&statement.texts).await?;
            let request = Request {
                engine: &self.engine,
                context: &context,
                settings: self.settings.current(),
                statement: called.as_ref().map_or(&statement.parsed, |called| &called.parsed),
                declared: called.as_ref().map_or(&statement.declared, |called| &called.declared),
                relations: called.as_ref().map_or(&[], |called| &called.relations),
                // What a call gave is for nobody else.
                keeps_rows: keeps_rows || called.is_some(),
                memory: called.is_none().then_some(&statement.memory),
            };
            // In its place while it is used: a statement that is dropped midway must not take the block with it.
            let (transaction, notices) = (&mut self.transaction, &mut self.notices);
            let outcome = query::run(&request, parameters, &formats, transaction, notices).await;
            match outcome {
                Err(_) if Box::pin(self.catches_up(&context, taken)).await? => {}
                outcome => {
                    self.transaction.keep_pins(&context.pins.lock());
                    break outcome?;
                }
            }
        };
        // The digits of a call's numerics are known once it was made.
        self.check_shape(statement, &outcome, called.is_some())?;
        Ok(outcome)
    }

    /// Takes over what a statement left behind that ended well.
    pub(super) async fn end_statement(&mut self) -> Result<()> {
        if let Some(context) = self.context.take() {
            self.settle(&context).await?;
            self.engine.finish_record(&context.record, None);
        }
        Ok(())
    }

    /// What a statement's functions changed holds from now on.
    pub(super) async fn settle(&mut self, context: &QueryContext) -> Result<()> {
        self.pass_on(context);
        self.apply_changed_settings(context).await?;
        self.listen_to_functions(context);
        Ok(())
    }

    /// What functions of a statement that ended warned of and want said.
    fn listen_to_functions(&mut self, context: &QueryContext) {
        let warnings = std::mem::take(&mut *context.warnings.lock());
        self.notices.extend(
            warnings
                .into_iter()
                .map(|(state, message)| Notice::warning(state, message)),
        );
        for message in std::mem::take(&mut *context.messages.lock()) {
            self.listening.notify(message);
        }
    }

    /// A statement described once must not change its columns under the client.
    fn check_shape(&self, statement: &PreparedStatement, outcome: &Outcome, without_modifiers: bool) -> Result<()> {
        let (Outcome::Rows(rows), Some(described)) = (outcome, &statement.description.columns) else {
            return Ok(());
        };
        let as_described = |(now, then): (&OutputColumn, &OutputColumn)| {
            let same_type = match without_modifiers {
                true => now.sql_type.oid() == then.sql_type.oid(),
                // The fields of a composite type may have changed since: it is the same type.
                false => now.sql_type == then.sql_type || prepared::same_rows(&now.sql_type, &then.sql_type),
            };
            same_type && now.name == then.name
        };
        let same = Arc::ptr_eq(&rows.columns, described)
            || (rows.columns.len() == described.len() && rows.columns.iter().zip(described.iter()).all(as_described));
        if same {
            return Ok(());
        }
        Err(
            Error::new(SqlState::FeatureNotSupported, "cached plan must not change result type")
                .with_hint("Prepare the statement again.")
                // asyncpg and pgjdbc prepare again when they read this name.
                .in_routine("RevalidateCachedQuery"),
        )
    }

    /// Feeds COPY FROM STDIN.
    pub async fn copy_data(&mut self, data: Bytes) -> Result<()> {
        match &mut self.copy_in {
            Some(copy) => copy.feed(&data).await,
            None => Err(Error::new(SqlState::ProtocolViolation, "no COPY is in progress")),
        }
    }

    /// Ends COPY FROM STDIN with its command tag.
    pub async fn copy_done(&mut self) -> Result<String> {
        let copy = self.copy_in.take();
        let copy = copy.ok_or_else(|| Error::new(SqlState::ProtocolViolation, "no COPY is in progress"))?;
        let (table, write, rows, notice) = copy.finish().await?;
        self.notices.extend(notice);
        self.transaction.add_write(&table, write).await?;
        Box::pin(self.compare_due()).await?;
        Ok(format!("COPY {rows}"))
    }

    /// The client gave its COPY up.
    pub async fn copy_fail(&mut self, _message: &str) {
        self.copy_in = None;
    }

    pub fn close_portal(&mut self, name: &str) -> Result<()> {
        self.portals.remove(name);
        self.handle().cursors.lock().remove(name);
        Ok(())
    }

    fn describe_session_statement(
        &self,
        parsed: &ParsedStatement,
        declared: &[Option<SqlType>],
    ) -> Result<Description> {
        let parameters = declared
            .iter()
            .map(|declared| declared.clone().unwrap_or(SqlType::Text))
            .collect();
        let columns: Option<Arc<[OutputColumn]>> = match &parsed.statement {
            Statement::Show { name } => Some(self.columns_of_show(name)?.into()),
            Statement::Execute { name, .. } => self.statement(name)?.description.columns.clone(),
            Statement::Fetch(fetch) if !fetch.is_move => self.columns_of_cursor(&fetch.cursor),
            _ => None,
        };
        Ok(Description { parameters, columns })
    }
}

pub(super) fn one_statement(mut statements: Vec<ParsedStatement>) -> Result<ParsedStatement> {
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Ok(ParsedStatement {
            statement: Statement::Empty,
            text: String::new(),
            parameter_count: 0,
        }),
        (Some(_), false) => Err(Error::syntax(
            "cannot insert multiple commands into a prepared statement",
        )),
    }
}

/// The types of these OIDs; what PostgreSQL does not have is for the catalog to say.
fn declared_types(oids: &[u32]) -> Vec<Option<SqlType>> {
    let declared = oids.iter().map(|oid| match SqlType::from_oid(*oid) {
        _ if *oid == 0 => None,
        Some(SqlType::Unknown) => None,
        Some(sql_type) => Some(sql_type),
        None => Some(SqlType::Stored(*oid)),
    });
    declared.collect()
}

/// Whether describing a statement means planning it.
fn needs_catalog(statement: &Statement) -> bool {
    use Statement::*;
    matches!(
        statement,
        Query(_)
            | WithChanges(_)
            | Explain { .. }
            | Insert(_)
            | Update(_)
            | Delete(_)
            | Merge(_)
            | Copy(_)
            | CreateTable(_)
            | DeclareCursor(_)
            | Call(_)
            | DescribeTable { .. }
            | DescribeDetail { .. }
            | DescribeHistory { .. }
            | Optimize(_)
            | Restore(_)
    )
}
