//! What a session begins with: all else in it is empty until statements come.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::listening::Listening;
use super::{NoticeOutlet, Session};
use crate::catalog::model::Oid;
use crate::context::interrupt::Interrupt;
use crate::context::routines::Routines;
use crate::context::sessions::SessionHandle;
use crate::context::settings::SessionSettings;
use crate::engine::Engine;
use crate::execution::transaction::Transaction;
use crate::session::identity::Identity;

/// Who a session is of, where, and with which settings.
pub(super) struct Beginning {
    pub engine: Arc<Engine>,
    pub handle: Arc<SessionHandle>,
    pub identity: Identity,
    pub database: Oid,
    pub database_name: Arc<str>,
    pub interrupt: Arc<Interrupt>,
    pub settings: SessionSettings,
    pub outlet: Arc<NoticeOutlet>,
    pub row_calls: Option<Arc<dyn Routines>>,
    pub arrived: DateTime<Utc>,
}

impl Beginning {
    pub fn session(self) -> Session {
        Session {
            engine: self.engine,
            entered: None,
            handle: self.handle,
            identity: self.identity,
            database: self.database,
            database_name: self.database_name,
            interrupt: self.interrupt,
            settings: self.settings,
            search_path: None,
            statements: HashMap::new(),
            portals: HashMap::new(),
            transaction: Transaction::default(),
            savepoints: vec![],
            listening: Listening::default(),
            arrived: self.arrived,
            begun: false,
            has_queried: false,
            in_script: false,
            nesting: 0,
            script: None,
            notices: vec![],
            outlet: self.outlet,
            raised_bytes: 0,
            copy_in: None,
            time_limit: None,
            lone: None,
            answered: None,
            transaction_limit: None,
            context: None,
            row_calls: self.row_calls,
            around: None,
            definers: 0,
            kept_routines: HashMap::new(),
        }
    }
}
