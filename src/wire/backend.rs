//! What the wire asks of the layers below it, as traits: roles to log in as, and a session to run
//! statements in. The server binds them to the engine; the tests of this module to a scripted session.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::catalog::model::Oid;
use crate::catalog::scram::Key;
pub use crate::context::notifications::Notification;
use crate::error::{Error, Result};
pub use crate::session::{
    Answered, Arguments, Binding, Callable, Called, CopyOut, Fetched, Login, Notice, NoticeOutlet, NoticeSeverity,
    OutputColumn, RowChunk, RowShape, Source, StatementShape,
};
use crate::types::encoding::Encoding;
use crate::types::format::FormatSettings;

/// Finds roles and opens sessions.
pub trait Service: Send + Sync + 'static {
    type Session: Backend;

    fn find_role(&self, name: &str) -> impl Future<Output = Result<Option<LoginRole>>> + Send;

    fn has_database(&self, name: &str) -> impl Future<Output = Result<bool>> + Send;

    /// What the verifiers of unknown users derive from. Must outlive restarts and be the same on every
    /// server of a warehouse, or a changed salt tells that a user is unknown.
    fn mock_secret(&self) -> Key;

    fn open(&self, login: Login) -> impl Future<Output = Result<Self::Session>> + Send;
}

/// What a login needs to know of a role.
#[derive(Debug, Clone)]
pub struct LoginRole {
    pub id: Oid,
    pub superuser: bool,
    pub login: bool,
    /// PostgreSQL's spelling of a SCRAM-SHA-256 verifier.
    pub verifier: Option<String>,
    /// Microseconds since 1970 UTC after which the password no longer works.
    pub valid_until: Option<i64>,
    /// -1: no limit.
    pub connection_limit: i32,
}

/// One client's session. The wire calls it in the order in which messages arrive. Every future may be
/// dropped before it ends, unless it holds its interrupt off.
pub trait Backend: Send + 'static {
    /// A statement that was parsed but not planned.
    type Statement: Send;
    /// What a statement is known by that was answered from what is kept.
    type Answered: Send + Sync;

    /// What the client is told once at its start.
    fn parameter_statuses(&mut self) -> Vec<(String, String)>;
    /// Reported settings that changed since the last call.
    fn take_parameter_changes(&mut self) -> Vec<(String, String)>;
    fn take_notices(&mut self) -> Vec<Notice>;
    /// Where notices come out while `fetch` runs.
    fn notice_outlet(&self) -> Option<Arc<NoticeOutlet>> {
        None
    }
    /// `I`, `T` or `E`.
    fn transaction_status(&self) -> u8;
    fn format_settings(&self) -> FormatSettings;
    /// The client's character set; `None` is UTF-8.
    fn client_encoding(&self) -> Option<&'static Encoding> {
        None
    }

    /// Splits a simple query into statements; each becomes the unnamed statement in turn.
    fn split(&mut self, sql: &str) -> Result<Vec<Self::Statement>>;
    fn parse(
        &mut self,
        name: &str,
        source: Source<Self::Statement>,
        parameter_oids: &[u32],
    ) -> impl Future<Output = Result<()>> + Send;
    fn describe_statement(&mut self, name: &str) -> impl Future<Output = Result<StatementShape>> + Send;
    fn bind(&mut self, binding: Binding) -> impl Future<Output = Result<()>> + Send;
    /// The rows that a portal will return; `None` if it returns none.
    fn describe_portal(&mut self, name: &str) -> impl Future<Output = Result<Option<RowShape>>> + Send;
    /// The next chunk of a portal. Called with the same limit until the answer is not `Rows`; one
    /// execution returns at most `max_rows` rows (0: all) and then `Suspended`.
    fn fetch(&mut self, portal: &str, max_rows: u64) -> impl Future<Output = Result<Fetched>> + Send;

    fn copy_data(&mut self, data: Bytes) -> impl Future<Output = Result<()>> + Send;
    /// Ends COPY FROM STDIN with its command tag.
    fn copy_done(&mut self) -> impl Future<Output = Result<String>> + Send;
    /// The client gave its COPY up; what was copied must not stay.
    fn copy_fail(&mut self, message: &str) -> impl Future<Output = ()> + Send;

    /// The function of this OID; what it is not to be called for, `call_function` says.
    fn find_function(&mut self, oid: u32) -> impl Future<Output = Result<Callable>> + Send;
    /// Calls it with as many arguments as it has, as SELECT would.
    fn call_function(
        &mut self,
        function: Callable,
        arguments: Arguments,
    ) -> impl Future<Output = Result<Called>> + Send;

    fn close_statement(&mut self, name: &str) -> Result<()>;
    fn close_portal(&mut self, name: &str) -> Result<()>;
    /// The end of a simple query or of a pipeline: an implicit transaction commits.
    fn sync(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// The client is about to hear that the session waits for it.
    fn rest(&mut self) {}
    /// What other sessions told this one since the last call.
    fn take_notifications(&mut self) -> Vec<Notification> {
        vec![]
    }
    /// Rung when there is something for `take_notifications`.
    fn notification_bell(&self) -> Option<Arc<Notify>> {
        None
    }
    /// How long the client may stay idle in the state it is in, and what it is told after that.
    fn idle_limit(&self) -> Option<(Duration, Error)> {
        None
    }
    /// What ran between the last two times that the client was waited for, if that was one statement outside a transaction
    /// block, which was answered from what is kept and changed nothing.
    fn take_answered(&mut self) -> Option<Self::Answered>;
    /// Whether the statement, sent once more, would be answered with the very rows of the last time. Then it has run; if not,
    /// nothing has happened.
    fn answers_again(&mut self, answered: &Self::Answered) -> impl Future<Output = Result<bool>> + Send;
    /// A statement failed with this error, wherever it arose: the transaction is aborted.
    fn failed(&mut self, error: &Error) -> impl Future<Output = ()> + Send;
}
