//! One client: its settings, prepared statements, portals and transaction. The wire calls it in the
//! order in which messages arrive; a simple query is an unnamed statement and portal through the same calls.

mod commands;
mod portal;
mod prepared;
mod statements;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use parking_lot::Mutex;

pub use crate::execution::outcome::{Notice, NoticeSeverity, OutputColumn};
pub use crate::statement::ast::ParsedStatement;

use crate::catalog::model::Oid;
use crate::catalog::{Author, Committer};
use crate::context::interrupt::{Interrupt, TimeLimit};
use crate::context::settings::SessionSettings;
use crate::context::{Principal, QueryContext};
use crate::engine::Engine;
use crate::error::{Error, Result, SqlState};
use crate::execution::commands::copy_in::CopyIn;
use crate::execution::transaction::Transaction;
use crate::telemetry::QueryIdentity;
use crate::types::SqlType;
use crate::types::copy::CopyEncoder;
use crate::types::format::{Format, FormatSettings};
use portal::Portal;
use prepared::{PreparedStatement, Texts};

/// An authenticated client.
#[derive(Debug, Clone)]
pub struct Login {
    pub role: Oid,
    pub role_name: String,
    pub database: String,
    /// The rest of the startup packet: settings, `options`, `application_name` ….
    pub parameters: Vec<(String, String)>,
    pub peer: Option<IpAddr>,
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
    pub columns: Option<Vec<OutputColumn>>,
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
    principal: Principal,
    database: Oid,
    database_name: String,
    process_id: i32,
    interrupt: Arc<Interrupt>,
    settings: SessionSettings,
    statements: HashMap<String, Arc<PreparedStatement>>,
    portals: HashMap<String, Portal>,
    transaction: Transaction,
    notices: Vec<Notice>,
    copy_in: Option<Box<CopyIn>>,
    /// statement_timeout of the running statement, wherever it waits.
    time_limit: Option<TimeLimit>,
    context: Option<Arc<QueryContext>>,
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
        for (name, value) in &login.parameters {
            settings.set_startup(name, value, superuser)?;
        }
        let principal = Principal {
            login: login.role,
            login_name: login.role_name.clone(),
            role: login.role,
            role_name: login.role_name,
        };
        Ok(Session {
            principal,
            database: database.id,
            database_name: database.name.clone(),
            process_id: login.process_id,
            interrupt: login.interrupt,
            settings,
            statements: HashMap::new(),
            portals: HashMap::new(),
            transaction: Transaction::default(),
            notices: vec![],
            copy_in: None,
            time_limit: None,
            context: None,
            engine,
        })
    }

    /// What the client is told once at its start.
    pub fn parameter_statuses(&mut self) -> Vec<(String, String)> {
        self.settings.report_all()
    }

    /// Reported settings that changed since the last call.
    pub fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        self.settings.take_changes()
    }

    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
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

    /// Splits a simple query into statements.
    pub fn split(&mut self, sql: &str) -> Result<Vec<ParsedStatement>> {
        crate::statement::parse(sql)
    }

    /// The end of a simple query or of a pipeline: an implicit transaction commits, portals outside a
    /// transaction block are gone.
    pub async fn sync(&mut self) -> Result<()> {
        if self.transaction.explicit {
            return Ok(());
        }
        self.portals.clear();
        self.context = None;
        if self.transaction.failed {
            self.roll_back();
            return Ok(());
        }
        self.commit().await
    }

    /// A statement failed, wherever the error arose: the transaction is aborted.
    pub async fn failed(&mut self, error: &Error) {
        if let Some(context) = self.context.take() {
            self.engine.finish_record(&context.record, Some(error));
        }
        self.copy_in = None;
        self.time_limit = None;
        self.portals.clear();
        if self.transaction.explicit {
            self.transaction.failed = true;
        } else {
            self.roll_back();
        }
    }

    async fn commit(&mut self) -> Result<()> {
        let interrupt = Arc::clone(&self.interrupt);
        let _hold = interrupt.hold();
        let services = Arc::clone(&self.engine.services);
        let committer = self.committer();
        match self.transaction.commit(&services, committer).await {
            Ok(()) => {
                self.settings.commit();
                Ok(())
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    fn roll_back(&mut self) {
        self.transaction.clear();
        self.settings.rollback();
        self.portals.clear();
    }

    /// What the next statement may know: the newest catalog within the bound, the settings' search path.
    async fn statement_context(&mut self, texts: &Texts) -> Result<Arc<QueryContext>> {
        let current = self.engine.services.refresh_catalog().await?;
        let transaction_start = self.transaction.start();
        let catalog = self.transaction.catalog(current);
        if catalog.role(self.principal.login).is_none() || catalog.role(self.principal.role).is_none() {
            return Err(Error::new(
                SqlState::InvalidAuthorization,
                format!("role \"{}\" no longer exists", self.principal.role_name),
            ));
        }
        let search_path = catalog.search_path(self.database, &self.settings.current().search_path, self.principal.role);
        let context = Arc::new(QueryContext {
            principal: self.principal.clone(),
            catalog,
            database: self.database,
            database_name: self.database_name.clone(),
            search_path,
            cancel: self.interrupt.token(),
            transaction_start,
            statement_start: Utc::now(),
            process_id: self.process_id,
            pins: Mutex::new(self.transaction.pins()),
            own_writes: self.transaction.has_writes(),
            record: self.engine.new_record(self.identity_of(texts)),
            changed_settings: Mutex::default(),
        });
        self.context = Some(Arc::clone(&context));
        Ok(context)
    }

    fn identity_of(&self, texts: &Texts) -> QueryIdentity {
        QueryIdentity {
            process_id: self.process_id,
            login_name: self.principal.login_name.clone(),
            role_name: self.principal.role_name.clone(),
            database: self.database_name.clone(),
            application_name: self.settings.current().application_name.clone(),
            kind: texts.kind,
            text: texts.shown.to_string(),
            normalized_text: texts.normalized.to_string(),
            fingerprint: texts.fingerprint,
        }
    }

    fn committer(&self) -> Committer {
        let author = |role: Oid, name: &str| Author {
            id: role,
            name: name.to_string(),
        };
        let acting = self.principal.role != self.principal.login;
        Committer {
            login: author(self.principal.login, &self.principal.login_name),
            acting_as: acting.then(|| author(self.principal.role, &self.principal.role_name)),
        }
    }

    /// The statement's time begins to run out.
    fn start_clock(&mut self) {
        let timeout = self.settings.current().statement_timeout;
        self.time_limit = timeout.map(|timeout| self.interrupt.limit(timeout));
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("role", &self.principal.role_name)
            .field("database", &self.database_name)
            .finish()
    }
}

/// 25P02 in a failed transaction block.
fn refuse_in_failed_transaction() -> Error {
    Error::new(
        SqlState::InFailedSqlTransaction,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}
