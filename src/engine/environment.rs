//! What functions may ask of the session and the server, for one statement.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Engine;
use crate::catalog::model::{Oid, Privilege};
use crate::context::QueryContext;
use crate::context::settings::Settings;
use crate::error::{Error, Result, SqlState};
use crate::functions::FunctionEnvironment;

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
        if self.settings.shown(name).is_none() && !name.contains('.') {
            let message = format!("unrecognized configuration parameter \"{name}\"");
            return Err(Error::new(SqlState::UndefinedObject, message));
        }
        let change = crate::context::SettingChange {
            name: name.to_string(),
            value: value.to_string(),
            local,
        };
        self.context.changed_settings.lock().push(change);
        Ok(value.to_string())
    }

    fn relation_size(&self, relation: Oid) -> Option<i64> {
        let object = self.context.catalog.object(relation)?;
        let access = self.context.catalog.access(self.context.principal.role);
        let crate::catalog::model::Object::Table(table) = object else {
            return None;
        };
        // The size counts hidden rows: only the owner of a governed table learns it.
        let may_know = if table.is_governed() {
            access.owns(object)
        } else {
            access.has(object, Privilege::Select)
        };
        if !may_know {
            return None;
        }
        let address = crate::binding::table_address(&self.context.catalog, table).ok()?;
        let snapshot = self.engine.services.storage.table(&address).ok()?.cached_snapshot()?;
        i64::try_from(snapshot.size_bytes()).ok()
    }

    fn server_start(&self) -> DateTime<Utc> {
        self.engine.started()
    }

    fn server_address(&self) -> Option<(String, u16)> {
        let address: SocketAddr = self.engine.config.server.listen.0.first()?.parse().ok()?;
        Some((address.ip().to_string(), address.port()))
    }
}
