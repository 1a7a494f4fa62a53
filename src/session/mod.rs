//! One client: its settings, prepared statements, portals and transaction. The wire calls it in the
//! order in which messages arrive; a simple query is an unnamed statement and portal through the same calls.

mod beginning;
mod commands;
mod current_of;
mod cursor_rows;
mod cursors;
mod function_call;
mod identity;
mod listening;
mod lone_statement;
mod outlet;
mod parameters;
mod plpgsql;
mod portal;
mod prepared;
mod reading;
mod repetition;
mod routines;
mod row_calls;
mod schema;
mod search_path;
mod settings;
mod statements;
mod transactions;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;

pub use crate::execution::outcome::{Notice, NoticeSeverity, OutputColumn};
pub use crate::statement::ast::ParsedStatement;

use crate::catalog::CatalogSnapshot;
use crate::catalog::model::Oid;
use crate::context::QueryContext;
use crate::context::interrupt::{Interrupt, InterruptReason, TimeLimit};
use crate::context::routines::Routines;
use crate::context::sessions::{Entered, SessionHandle, SessionIdentity, SessionState};
use crate::context::settings::SessionSettings;
use crate::engine::Engine;
use crate::error::{Error, Result, SqlState};
use crate::execution::commands::copy_in::CopyIn;
use crate::execution::transaction::Transaction;
use crate::telemetry::QueryIdentity;
use crate::types::SqlType;
use crate::types::copy::CopyEncoder;
use crate::types::encoding::Encoding;
use crate::types::format::{Format, FormatSettings};
use beginning::Beginning;
pub use function_call::{Arguments, Callable, Called};
use identity::Identity;
use listening::Listening;
use lone_statement::Lone;
pub use outlet::NoticeOutlet;
use plpgsql::KeptRoutine;
use portal::Portal;
use prepared::{PreparedStatement, Texts};
pub use repetition::Answered;
use row_calls::RowCalls;
use search_path::SearchPath;
use transactions::Savepoint;

/// An authenticated client.
#[derive(Debug, Clone)]
pub struct Login {
    pub role: Oid,
    pub role_name: String,
    pub database: String,
    /// The rest of the startup packet: settings, `options`, `application_name` ….
    pub parameters: Vec<(String, String)>,
    pub peer: Option<SocketAddr>,
    pub process_id: i32,
    /// Its token is the running statement's; begun and ended by the wire.
    pub interrupt: Arc<Interrupt>,
}

/// A statement's text, or what `split` made of it.
#[derive(Debug)]
pub enum Source<Statement> {
    Text(String),
    Parsed(Statement),
}

/// What Describe of a statement answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementShape {
    pub parameters: Vec<SqlType>,
    /// `None` for a statement without rows.
    pub columns: Option<Arc<[OutputColumn]>>,
}

/// A portal's rows: their columns, and one format each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowShape {
    pub columns: Arc<[OutputColumn]>,
    pub formats: Arc<[Format]>,
}

/// A Bind message.
#[derive(Debug, Clone)]
pub struct Binding {
    pub portal: String,
    pub statement: String,
    pub parameters: Vec<Option<Bytes>>,
    /// None, one for all, or one each.
    pub parameter_formats: Vec<Format>,
    /// None, one for all, or one each.
    pub result_formats: Vec<Format>,
}

impl Binding {
    /// The unnamed portal of the unnamed statement, as the simple protocol uses it.
    pub fn unnamed() -> Binding {
        Binding {
            portal: String::new(),
            statement: String::new(),
            parameters: vec![],
            parameter_formats: vec![],
            result_formats: vec![],
        }
    }
}

/// What one step of a portal brought.
#[derive(Debug)]
pub enum Fetched {
    Rows(RowChunk),
    Suspended,
    /// The command tag.
    Complete(String),
    CopyIn {
        format: Format,
        columns: usize,
    },
    /// `Rows` follow: `Encoded` ones are CopyData messages.
    CopyOut(CopyOut),
    Empty,
}

/// COPY TO STDOUT is about to send its rows.
#[derive(Debug)]
pub struct CopyOut {
    pub format: Format,
    pub columns: usize,
    pub encoder: CopyEncoder,
}

/// Rows on their way to the client.
#[derive(Debug)]
pub enum RowChunk {
    Batch(datafusion::arrow::record_batch::RecordBatch),
    /// Messages as they go to the socket.
    Encoded {
        bytes: Bytes,
        rows: usize,
    },
}

/// One client's session.
pub struct Session {
    engine: Arc<Engine>,
    /// Its place among the connected sessions, which that of a client has.
    entered: Option<Entered>,
    handle: Arc<SessionHandle>,
    identity: Identity,
    database: Oid,
    database_name: Arc<str>,
    interrupt: Arc<Interrupt>,
    settings: SessionSettings,
    search_path: Option<SearchPath>,
    statements: HashMap<String, Arc<PreparedStatement>>,
    /// On the heap, since they are taken out and put back for each of their steps.
    portals: HashMap<String, Box<Portal>>,
    transaction: Transaction,
    savepoints: Vec<Savepoint>,
    listening: Listening,
    /// When the client sent what runs.
    arrived: DateTime<Utc>,
    /// The settings and the identity know of the open transaction.
    begun: bool,
    /// The open transaction read or wrote something: its modes stand.
    has_queried: bool,
    /// The client sent several statements in one simple query.
    in_script: bool,
    /// Statement lists of PL/pgSQL inside of each other.
    nesting: usize,
    /// The whole text of a simple query, as long as it runs.
    script: Option<Arc<str>>,
    notices: Vec<Notice>,
    outlet: Arc<NoticeOutlet>,
    /// Bytes of what RAISE said and the client has not been told yet.
    raised_bytes: usize,
    copy_in: Option<Box<CopyIn>>,
    /// statement_timeout of the running statement, wherever it waits.
    time_limit: Option<TimeLimit>,
    /// What ran since the last commit, outside a transaction block.
    lone: Option<Lone>,
    /// The last transaction, if it was a query answered from the result cache.
    answered: Option<Answered>,
    /// transaction_timeout of the open transaction.
    transaction_limit: Option<TimeLimit>,
    context: Option<Arc<QueryContext>>,
    /// Who runs the routines that statements call for their rows.
    row_calls: Option<Arc<dyn Routines>>,
    /// The statement whose rows call the routines that run here, which is another session's.
    around: Option<Arc<QueryContext>>,
    /// Calls inside of each other that run with the rights of their functions' owners.
    definers: usize,
    /// Routines that run here again, if they do for rows.
    kept_routines: HashMap<Oid, KeptRoutine>,
}

impl Session {
    /// Opens a session for an authenticated role. Unknown settings of the startup packet are errors, as
    /// in PostgreSQL; a missing CONNECT privilege is 42501.
    pub async fn start(engine: Arc<Engine>, login: Login) -> Result<Session> {
        let catalog = engine.services.refresh_catalog().await?;
        let database = catalog.resolve_database(&login.database)?;
        if !catalog.access(login.role).can_connect(database.id) {
            return Err(Error::denied("database", &database.name).with_detail("User does not have CONNECT privilege."));
        }
        let superuser = catalog.role(login.role).is_some_and(|role| role.superuser);
        let mut settings = SessionSettings::new(Arc::clone(&engine.default_settings));
        settings.set_internal("session_authorization", &login.role_name, false);
        settings.set_internal("is_superuser", if superuser { "on" } else { "off" }, false);
        let mut notices = vec![];
        let of_role = catalog.role(login.role).map_or(&[][..], |role| &role.settings);
        for (name, value) in of_role.iter().filter(|(name, _)| name != "role") {
            // What is no longer valid must not keep anybody out.
            if let Err(error) = settings.set_startup(name, value, true) {
                notices.push(Notice::warning(error.state(), error.message()));
            }
        }
        for (name, value) in &login.parameters {
            settings.set_startup(name, value, superuser)?;
        }
        let handle = SessionHandle::new(
            SessionIdentity {
                process_id: login.process_id,
                login: login.role,
                login_name: login.role_name.clone(),
                database: database.id,
                database_name: database.name.clone(),
                client: login.peer,
            },
            Arc::clone(&login.interrupt),
        );
        handle.rest(SessionState::Idle, &settings.current().application_name);
        let acts_as = of_role
            .iter()
            .find(|(name, role)| name == "role" && role != "none")
            .map(|(_, role)| role.clone());
        let outlet = Arc::<NoticeOutlet>::default();
        let row_calls = RowCalls::new(&engine, &login, &outlet);
        let entered = engine.sessions.enter(handle);
        let beginning = Beginning {
            engine,
            handle: Arc::clone(&entered.handle),
            identity: Identity::new(login.role, login.role_name.into()),
            database: database.id,
            database_name: database.name.as_str().into(),
            interrupt: login.interrupt,
            settings,
            outlet,
            row_calls: Some(Arc::new(row_calls)),
            arrived: Utc::now(),
        };
        let mut session = beginning.session();
        session.entered = Some(entered);
        session.notices = notices;
        if let Some(role) = acts_as {
            match session.set_role(Some(&role), false).await {
                Ok(()) => session.identity.start_as(role),
                Err(error) => session.notices.push(Notice::warning(error.state(), error.message())),
            }
        }
        Ok(session)
    }

    /// What the client is told once at its start.
    pub fn parameter_statuses(&mut self) -> Vec<(String, String)> {
        self.settings.report_all()
    }

    /// Reported settings that changed since the last call.
    pub fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        self.settings.take_changes()
    }

    /// What the client is to hear besides results, of the levels that it wants to hear of.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.raised_bytes = 0;
        let mut notices = self.outlet.take();
        notices.extend(self.take_wanted());
        notices
    }

    fn take_wanted(&mut self) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut self.notices);
        if !notices.is_empty() {
            let least = self.settings.current().client_min_messages;
            notices.retain(|notice| notice.severity.level().is_none_or(|level| level >= least));
        }
        notices
    }

    /// Lets the client hear at once what there is to hear.
    async fn tell(&mut self) {
        let notices = self.take_wanted();
        self.outlet.put(notices);
        // The connection has its turn.
        tokio::task::yield_now().await;
    }

    /// Where notices come out while a statement runs.
    pub fn notice_outlet(&self) -> Arc<NoticeOutlet> {
        Arc::clone(&self.outlet)
    }

    /// `I` idle, `T` in a transaction block, `E` in a failed one.
    pub fn transaction_status(&self) -> u8 {
        match (self.transaction.explicit, self.transaction.failed) {
            (true, true) => b'E',
            (true, false) => b'T',
            (false, _) => b'I',
        }
    }

    pub fn format_settings(&self) -> FormatSettings {
        self.settings.current().format.clone()
    }

    /// The client's character set; `None` is UTF-8.
    pub fn client_encoding(&self) -> Option<&'static Encoding> {
        self.settings.current().client_encoding
    }

    /// Splits a simple query into statements; several are one implicit transaction.
    pub fn split(&mut self, sql: &str) -> Result<Vec<ParsedStatement>> {
        let statements = self.read(sql);
        let hides = |statement: &&ParsedStatement| statement.shown_text() != statement.text;
        let shown = match &statements {
            Ok(statements) if statements.iter().any(|one| hides(&one)) => statements
                .iter()
                .map(ParsedStatement::shown_text)
                .collect::<Vec<_>>()
                .join("; "),
            _ => sql.to_string(),
        };
        self.show_running(&shown);
        let statements = statements?;
        self.script = Some(shown.into());
        self.in_script = statements.len() > 1;
        Ok(statements)
    }

    /// The end of a simple query or of a pipeline: an implicit transaction commits, portals outside a
    /// transaction block are gone.
    pub async fn sync(&mut self) -> Result<()> {
        self.in_script = false;
        self.answered = None;
        if self.transaction.explicit {
            return Ok(());
        }
        self.context = None;
        let lone = self.lone.take();
        if self.transaction.failed {
            self.roll_back();
            return Ok(());
        }
        match (self.commit().await, lone) {
            (Err(error), Some(Lone::Statement(lone))) if error.state() == SqlState::SerializationFailure => {
                Box::pin(self.repeat(lone, error)).await
            }
            (Ok(()), Some(Lone::Query(answered))) => {
                self.answered = Some(answered);
                Ok(())
            }
            (committed, _) => committed,
        }
    }

    /// A statement failed, wherever the error arose: the transaction is aborted.
    pub async fn failed(&mut self, error: &Error) {
        if let Some(context) = self.context.take() {
            self.engine.finish_record(&context.record, Some(error));
        }
        self.in_script = false;
        self.nesting = 0;
        self.lone = None;
        self.copy_in = None;
        self.time_limit = None;
        if self.transaction.explicit {
            self.transaction.failed = true;
            // What the savepoint found open is there again after ROLLBACK TO.
            let depth = self.savepoints.len();
            self.drop_portals(|portal| portal.held || portal.depth < depth);
        } else {
            self.roll_back();
        }
    }

    /// The client is about to hear that the session waits for it.
    pub fn rest(&mut self) {
        self.script = None;
        if self.transaction.explicit {
            self.limit_transaction();
        }
        let state = match self.transaction_status() {
            b'E' => SessionState::IdleInFailedTransaction,
            b'T' => SessionState::IdleInTransaction,
            _ => SessionState::Idle,
        };
        self.handle().rest(state, &self.settings.current().application_name);
    }

    /// How long the client may stay idle as it is, and what it is told after that.
    pub fn idle_limit(&self) -> Option<(Duration, Error)> {
        let settings = self.settings.current();
        let (limit, state, what) = match self.transaction.explicit {
            true => (
                settings.idle_in_transaction_session_timeout,
                SqlState::IdleInTransactionSessionTimeout,
                "idle-in-transaction",
            ),
            false => (
                settings.idle_session_timeout,
                SqlState::IdleSessionTimeout,
                "idle-session",
            ),
        };
        limit.map(|limit| {
            let message = format!("terminating connection due to {what} timeout");
            (limit, Error::new(state, message))
        })
    }

    fn handle(&self) -> &Arc<SessionHandle> {
        &self.handle
    }

    /// The text that a statement came in: of a simple query all of it, as PostgreSQL remembers it.
    fn source_of(&self, statement: &str) -> Arc<str> {
        self.script.clone().unwrap_or_else(|| statement.into())
    }

    /// Others see what the session runs from now on.
    fn show_running(&mut self, text: &str) {
        self.arrived = self.handle().run(text, &self.settings.current().application_name);
    }

    /// The newest catalog within the bound, with the transaction's own changes.
    async fn catalog(&mut self) -> Result<Arc<CatalogSnapshot>> {
        if let Some(around) = &self.around {
            return Ok(Arc::clone(&around.catalog));
        }
        let current = self.engine.services.refresh_catalog().await?;
        self.transaction.catalog(current)
    }

    /// After an error: whether the statement may begin anew, because it saw too old a catalog, which is newer now.
    /// `taken` are the changes that the transaction had before it.
    async fn catches_up(&mut self, context: &QueryContext, taken: u64) -> Result<bool> {
        if self.is_outdated_within(context) {
            return Ok(false);
        }
        if !context.outdated.load(Ordering::Relaxed) || !self.transaction.may_move_on(taken) {
            return Ok(false);
        }
        let newest = self.engine.services.catalog.refresh(Duration::ZERO).await?;
        Ok(newest.version() > context.committed.version())
    }

    /// What the next statement may know: the newest catalog within the bound, the settings' search path.
    async fn statement_context(&mut self, texts: &Texts) -> Result<Arc<QueryContext>> {
        if let Some(context) = self.context_within(texts) {
            self.context = Some(Arc::clone(&context));
            return Ok(context);
        }
        let transaction_start = self.transaction.start(self.arrived);
        self.handle().in_transaction_since(Some(transaction_start));
        let current = self.engine.services.refresh_catalog().await?;
        let committed = self.transaction.committed(Arc::clone(&current));
        let catalog = self.transaction.catalog(current)?;
        if catalog.role(self.identity.current().login).is_none() || catalog.role(self.identity.current().role).is_none()
        {
            return Err(Error::new(
                SqlState::InvalidAuthorization,
                format!("role \"{}\" no longer exists", self.identity.current().role_name),
            ));
        }
        let search_path = self.search_path(&catalog);
        let context = Arc::new(QueryContext {
            principal: self.identity.current().clone(),
            catalog,
            committed,
            outdated: Default::default(),
            database: self.database,
            database_name: Arc::clone(&self.database_name),
            search_path,
            cancel: self.interrupt.token(),
            transaction_start,
            statement_start: self.arrived,
            session: Arc::clone(self.handle()),
            pins: Arc::new(Mutex::new(self.transaction.pins())),
            own_writes: self.transaction.has_writes(),
            lock_timeout: self.settings.current().lock_timeout,
            record: self.engine.new_record(self.identity_of(texts)),
            changed_settings: Mutex::default(),
            changes_settings: Default::default(),
            warnings: Mutex::default(),
            messages: Mutex::default(),
            routines: self.row_calls.clone(),
            level: 0,
        });
        self.context = Some(Arc::clone(&context));
        Ok(context)
    }

    fn identity_of(&self, texts: &Texts) -> QueryIdentity {
        QueryIdentity {
            process_id: self.handle().process_id,
            login_name: Arc::clone(self.identity.login_name()),
            role_name: Arc::clone(&self.identity.current().role_name),
            database: Arc::clone(&self.database_name),
            application_name: Arc::clone(&self.settings.current().application_name),
            kind: texts.kind,
            text: Arc::clone(&texts.shown),
            fingerprint: texts.fingerprint,
        }
    }

    /// The statement's time begins to run out.
    fn start_clock(&mut self) {
        let timeout = self.settings.current().statement_timeout;
        self.time_limit = timeout.map(|timeout| self.interrupt.limit(timeout, InterruptReason::StatementTimeout));
        self.limit_transaction();
    }

    /// The transaction's time begins to run out with its first statement, or where the limit is set.
    fn limit_transaction(&mut self) {
        if self.transaction_limit.is_none() {
            let timeout = self.settings.current().transaction_timeout;
            let limit = |timeout| self.interrupt.limit(timeout, InterruptReason::TransactionTimeout);
            self.transaction_limit = timeout.map(limit);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.entered.is_none() {
            return;
        }
        let process_id = self.handle().process_id;
        self.engine.services.locks.release_transaction(process_id, 0);
        self.engine.services.locks.release_session(process_id);
        self.engine.notifications.forget(process_id);
        if let Some(temporary) = self.transaction.temporary() {
            self.engine.services.erase_all_temporary(process_id, temporary);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("role", &self.identity.current().role_name)
            .field("database", &self.database_name)
            .finish()
    }
}
