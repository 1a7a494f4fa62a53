//! Routines that a statement calls for its rows. They run in a session of their own inside of the one whose statement waits
//! for them: with its settings, as the role that the statement runs as, over the versions of catalog and tables that the
//! statement reads, and it changes nothing but settings. Notices come out where the client's session has them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::common::ScalarValue;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::beginning::Beginning;
use super::plpgsql::{RoutineCall, Typed, exact_numeric};
use super::{Login, NoticeOutlet, Session};
use crate::binding;
use crate::catalog::model::{Function, Oid, Volatility};
use crate::context::QueryContext;
use crate::context::interrupt::Interrupt;
use crate::context::routines::Routines;
use crate::context::settings::{SessionSettings, Settings};
use crate::engine::Engine;
use crate::error::{Error, Result, SqlState};
use crate::execution::transaction::Transaction;
use crate::session::identity::Identity;
use crate::statement::ast::Statement;
use crate::types::SqlType;

/// Statements that wait for each other's rows.
const MOST_LEVELS: usize = 32;

/// What the routines of one client's statements run with.
pub(super) struct RowCalls {
    engine: Arc<Engine>,
    /// Who logged in.
    login: (Oid, Arc<str>),
    interrupt: Arc<Interrupt>,
    outlet: Arc<NoticeOutlet>,
}

impl fmt::Debug for RowCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowCalls")
    }
}

impl Routines for RowCalls {
    fn call<'a>(
        &'a self,
        statement: &'a Arc<QueryContext>,
        settings: &'a Arc<Settings>,
        function: &'a Function,
        rows: Vec<Vec<ScalarValue>>,
    ) -> BoxFuture<'a, Result<Vec<ScalarValue>>> {
        async move {
            if statement.level >= MOST_LEVELS {
                return Err(Error::new(SqlState::StatementTooComplex, "stack depth limit exceeded"));
            }
            let mut session = self.session_within(statement, settings);
            let called = session.call_for_rows(function, rows).await;
            session.tell().await;
            called
        }
        .boxed()
    }
}

impl RowCalls {
    pub fn new(engine: &Arc<Engine>, login: &Login, outlet: &Arc<NoticeOutlet>) -> RowCalls {
        RowCalls {
            engine: Arc::clone(engine),
            login: (login.role, login.role_name.as_str().into()),
            interrupt: Arc::clone(&login.interrupt),
            outlet: Arc::clone(outlet),
        }
    }

    fn session_within(&self, statement: &Arc<QueryContext>, settings: &Arc<Settings>) -> Session {
        let (login, login_name) = self.login.clone();
        let mut identity = Identity::new(login, login_name);
        identity.set(statement.principal.clone(), false);
        let mut within = SessionSettings::new(Arc::clone(settings));
        within.begin();
        let beginning = Beginning {
            engine: Arc::clone(&self.engine),
            handle: Arc::clone(&statement.session),
            identity,
            database: statement.database,
            database_name: Arc::clone(&statement.database_name),
            interrupt: Arc::clone(&self.interrupt),
            settings: within,
            outlet: Arc::clone(&self.outlet),
            row_calls: statement.routines.clone(),
            arrived: statement.statement_start,
        };
        let mut session = beginning.session();
        session.transaction = Transaction::within_statement();
        (session.begun, session.has_queried) = (true, true);
        session.around = Some(Arc::clone(statement));
        session
    }
}
