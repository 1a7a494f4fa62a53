//! What functions may ask of the session and the server, for one statement.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::{ColumnStatistics, ScalarValue};
use datafusion::execution::memory_pool::MemoryPool;

use super::Engine;
use crate::catalog::model::{Function, Object, Oid, Privilege, Sequence};
use crate::context::interrupt::InterruptReason;
use crate::context::locks::Locks;
use crate::context::settings::{Settings, definition};
use crate::context::{QueryContext, SettingChange};
use crate::error::{Error, Result, SqlState};
use crate::functions::{ColumnNumbers, FunctionEnvironment};
use crate::storage::TableSnapshot;

/// One statement's surroundings for functions such as current_user and current_setting().
pub struct StatementEnvironment {
    engine: Arc<Engine>,
    context: Arc<QueryContext>,
    settings: Arc<Settings>,
}

impl StatementEnvironment {
    pub fn new(engine: Arc<Engine>, context: Arc<QueryContext>, settings: Arc<Settings>) -> StatementEnvironment {
        StatementEnvironment {
            engine,
            context,
            settings,
        }
    }
}

impl StatementEnvironment {
    /// The newest version that is known of a table, for who may know its numbers. They count hidden rows too: of a
    /// table with policies only a superuser learns them.
    fn known_snapshot(&self, relation: Oid) -> Option<Arc<TableSnapshot>> {
        let catalog = &self.context.catalog;
        let access = catalog.access(self.context.principal.role);
        let object = catalog.object(relation)?;
        let Object::Table(table) = object else { return None };
        let may_know = access.has(object, Privilege::Select) && (!table.is_governed() || access.is_superuser());
        let address = crate::binding::table_address(catalog, table)
            .ok()
            .filter(|_| may_know)?;
        self.engine.services.storage.table(&address).ok()?.cached_snapshot()
    }

    /// A superuser's session is signalled by superusers only, another by who has its role's privileges.
    fn may_signal(&self, login: Oid, terminate: bool) -> Result<()> {
        let catalog = &self.context.catalog;
        let access = catalog.access(self.context.principal.role);
        let (action, verb, object, done) = match terminate {
            true => (
                "terminate process",
                "terminate",
                "process",
                "process is being terminated",
            ),
            false => ("cancel query", "cancel", "query", "query is being canceled"),
        };
        let plural = if terminate { "processes" } else { "queries" };
        let denied = |detail: String| {
            let message = format!("permission denied to {action}");
            Err(Error::new(SqlState::InsufficientPrivilege, message).with_detail(detail))
        };
        if catalog.role(login).is_some_and(|role| role.superuser) && !access.is_superuser() {
            return denied(format!(
                "Only roles with the SUPERUSER attribute may {verb} {plural} of roles with the SUPERUSER attribute."
            ));
        }
        if !access.has_privileges_of(login) {
            return denied(format!(
                "Only roles with privileges of the role whose {done} or with privileges of the \
                 \"pg_signal_backend\" role may {verb} this {object}."
            ));
        }
        Ok(())
    }
}

impl FunctionEnvironment for StatementEnvironment {
    fn context(&self) -> &QueryContext {
        &self.context
    }

    fn setting(&self, name: &str) -> Option<String> {
        let changed = self.context.changed_settings.lock();
        let own = changed
            .iter()
            .rev()
            .find(|change| change.name.eq_ignore_ascii_case(name));
        own.map(|change| change.value.clone())
            .or_else(|| self.settings.shown(name))
    }

    fn set_setting(&self, name: &str, value: &str, local: bool) -> Result<String> {
        let superuser = self.context.catalog.access(self.context.principal.role).is_superuser();
        // Whom the session may act as is the session's to check.
        let is_role = ["role", "session_authorization"].contains(&name.to_ascii_lowercase().as_str());
        let canonical = match is_role {
            true => value.to_string(),
            false => self.settings.check(name, value, superuser)?,
        };
        let shown = definition(name).map_or_else(|| canonical.clone(), |found| found.shown(&canonical));
        let change = SettingChange {
            name: name.to_string(),
            value: shown.clone(),
            local,
        };
        self.context.changed_settings.lock().push(change);
        Ok(shown)
    }

    fn memory(&self) -> Option<Arc<dyn MemoryPool>> {
        Some(Arc::clone(&self.engine.runtime().memory_pool))
    }

    fn listening_channels(&self) -> Vec<String> {
        self.engine.notifications.channels(self.context.session.process_id)
    }

    fn next_value(&self, sequence: &Sequence) -> Result<i64> {
        let object = Object::Sequence(sequence.clone());
        let access = self.context.catalog.access(self.context.principal.role);
        // Who may insert into the table may number its rows.
        let table = sequence
            .owned_by
            .and_then(|(table, _)| self.context.catalog.object(table));
        let may_insert = table.is_some_and(|table| access.has_any_column(table, Privilege::Insert));
        if !may_insert && !access.has(&object, Privilege::Usage) && !access.has(&object, Privilege::Update) {
            return Err(Error::denied("sequence", &sequence.name));
        }
        let catalog = &self.engine.services.catalog;
        let next = catalog.next_value(sequence.id, &self.context.catalog);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(next))
    }

    fn set_value(&self, sequence: &Sequence, value: i64, is_called: bool) -> Result<()> {
        let object = Object::Sequence(sequence.clone());
        let access = self.context.catalog.access(self.context.principal.role);
        if !access.has(&object, Privilege::Update) {
            return Err(Error::denied("sequence", &sequence.name));
        }
        if !(sequence.minimum..=sequence.maximum).contains(&value) {
            let message = format!(
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                sequence.name, sequence.minimum, sequence.maximum
            );
            return Err(Error::new(SqlState::NumericValueOutOfRange, message));
        }
        let next = if is_called { sequence.after(value) } else { Some(value) };
        let set = self
            .engine
            .services
            .catalog
            .set_value(sequence.id, next, &self.context.catalog);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(set))
    }

    fn call_routine(&self, function: &Function, rows: Vec<Vec<ScalarValue>>) -> Result<Vec<ScalarValue>> {
        let routines = self.context.routines.as_ref();
        let routines = routines.ok_or_else(|| Error::internal("a routine was called outside a session"))?;
        let called = routines.call(&self.context, &self.settings, function, rows);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(called))
    }

    fn relation_size(&self, relation: Oid) -> Option<i64> {
        i64::try_from(self.known_snapshot(relation)?.size_bytes()).ok()
    }

    fn relation_rows(&self, relation: Oid) -> Option<i64> {
        i64::try_from(self.known_snapshot(relation)?.row_count()?).ok()
    }

    fn column_statistics(&self, relation: Oid) -> Vec<ColumnNumbers> {
        let Some(snapshot) = self.known_snapshot(relation) else {
            return vec![];
        };
        let Some(rows) = snapshot.row_count().map(|rows| rows as f64) else {
            return vec![];
        };
        let (schema, statistics) = (snapshot.schema(), snapshot.statistics());
        let columns = schema.fields().iter().zip(&statistics.column_statistics);
        let columns = columns.zip(snapshot.distinct_values());
        let numbers = |((field, column), distinct): ((&FieldRef, &ColumnStatistics), Option<usize>)| ColumnNumbers {
            name: field.name().clone(),
            rows,
            distinct: distinct.map(|values| values as f64),
            null_part: column.null_count.get_value().map(|nulls| *nulls as f64 / rows.max(1.0)),
        };
        let is_known = |column: &ColumnNumbers| column.distinct.is_some() || column.null_part.is_some();
        columns.map(numbers).filter(is_known).collect()
    }

    fn server_start(&self) -> DateTime<Utc> {
        self.engine.started()
    }

    fn server_address(&self) -> Option<(String, u16)> {
        let address: SocketAddr = self.engine.config.server.listen.0.first()?.parse().ok()?;
        Some((address.ip().to_string(), address.port()))
    }

    fn client_address(&self) -> Option<(String, u16)> {
        let client = self.context.session.client?;
        Some((client.ip().to_canonical().to_string(), client.port()))
    }

    fn locks(&self) -> Option<Arc<Locks>> {
        Some(Arc::clone(&self.engine.services.locks))
    }

    fn has_session(&self, process_id: i32) -> bool {
        self.engine.sessions.find(process_id).is_some()
    }

    fn signal_session(&self, process_id: i32, terminate: bool) -> Result<bool> {
        let Some(session) = self.engine.sessions.find(process_id) else {
            let message = format!("PID {process_id} is not a PostgreSQL backend process");
            self.context.warn(SqlState::Warning, message);
            return Ok(false);
        };
        self.may_signal(session.login, terminate)?;
        session.signal(match terminate {
            true => InterruptReason::Termination,
            false => InterruptReason::UserRequest,
        });
        Ok(true)
    }
}
