//! Routines that a statement calls for its rows. They run in a session of their own inside of the one whose statement waits
//! for them: with its settings, as the role that the statement runs as, over the versions of catalog and tables that the
//! statement reads, and it changes nothing but settings. Notices come out where the client's session has them.

use std::collections::HashMap;
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

impl Session {
    /// What a function gives for rows of arguments; one that is not volatile is called once for rows that are alike.
    async fn call_for_rows(&mut self, function: &Function, rows: Vec<Vec<ScalarValue>>) -> Result<Vec<ScalarValue>> {
        let volatility = function.script.as_ref().map(|script| script.volatility);
        let is_volatile = volatility.is_none_or(|volatility| volatility == Volatility::Volatile);
        let columns = binding::function_columns(function);
        let mut known: HashMap<Vec<ScalarValue>, ScalarValue> = HashMap::new();
        let mut values = Vec::with_capacity(rows.len());
        for arguments in rows {
            let arguments = self.as_given(function, arguments)?;
            if let Some(value) = known.get(&arguments) {
                values.push(value.clone());
                continue;
            }
            let key = (!is_volatile).then(|| arguments.clone());
            let call = RoutineCall {
                function,
                arguments,
                columns: columns.clone(),
                ends_transactions: false,
            };
            let given = self.run_routine(call).await?;
            let value = given.rows.into_iter().next().and_then(|row| row.into_iter().next());
            let value = value.unwrap_or(ScalarValue::Null);
            if let Some(key) = key {
                known.insert(key, value.clone());
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Arguments in the layouts of a routine's variables: a numeric has the digits that it is shown with.
    fn as_given(&self, function: &Function, arguments: Vec<ScalarValue>) -> Result<Vec<ScalarValue>> {
        let settings = self.format_settings();
        let values = arguments.into_iter().zip(&function.arguments);
        let values = values.map(|(value, argument)| match &argument.sql_type {
            SqlType::Numeric(None) if !value.is_null() => {
                let sql_type = SqlType::Numeric(None);
                exact_numeric(&Typed { sql_type, value }, &settings)
            }
            _ => Ok(value),
        });
        values.collect()
    }

    /// The context of a statement inside of a routine that is called for rows; `None` for one of the client.
    pub(super) fn context_within(&mut self, texts: &super::Texts) -> Option<Arc<QueryContext>> {
        let around = Arc::clone(self.around.as_ref()?);
        let search_path = self.search_path(&around.catalog);
        let record = self.engine.new_record(self.identity_of(texts));
        let principal = self.identity.current().clone();
        Some(Arc::new(around.inside(
            principal,
            search_path,
            self.interrupt.token(),
            record,
        )))
    }

    /// Tells the statement around the routine what a statement inside of it wants done when that one ends.
    pub(super) fn pass_on(&self, context: &QueryContext) {
        let Some(around) = &self.around else { return };
        around.warnings.lock().append(&mut context.warnings.lock());
        around.messages.lock().append(&mut context.messages.lock());
    }

    /// Whether a statement saw too old a catalog inside of a routine that is called for rows: then the one around it did.
    pub(super) fn is_outdated_within(&self, context: &QueryContext) -> bool {
        let Some(around) = &self.around else { return false };
        if context.outdated.load(Ordering::Relaxed) {
            around.outdated.store(true, Ordering::Relaxed);
        }
        true
    }

    /// Refuses what only the client's session could do, while its statement runs.
    pub(super) fn check_within(&self, statement: &Statement) -> Result<()> {
        use Statement::*;
        let command = match statement {
            _ if self.around.is_none() => return Ok(()),
            Set { .. } | SetTransaction { .. } | SetRole { .. } | SetSessionAuthorization { .. } => "SET",
            Reset { .. } => "RESET",
            Prepare { .. } => "PREPARE",
            Deallocate { .. } => "DEALLOCATE",
            Fetch(_) => "FETCH",
            CloseCursor { .. } => "CLOSE",
            Listen { .. } => "LISTEN",
            Unlisten { .. } => "UNLISTEN",
            Notify { .. } => "NOTIFY",
            SetConstraints { .. } => "SET CONSTRAINTS",
            LockTable(_) => "LOCK TABLE",
            Discard(_) => "DISCARD",
            _ => return Ok(()),
        };
        let message = format!("{command} in a function that a query calls for each of its rows");
        Err(Error::unsupported(message).with_hint("Call the function in a loop, with PERFORM, in a DO block."))
    }
}
