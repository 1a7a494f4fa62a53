//! What functions may ask of the session and the server. It travels in the configuration of one
//! statement (`ScalarFunctionArgs::config_options`), never inside a function: so all sessions share
//! one set of functions, and a cached plan holds nobody's identity.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::execution::memory_pool::MemoryPool;

use crate::catalog::model::{Function, Oid, Sequence};
use crate::context::QueryContext;
use crate::context::locks::Locks;
use crate::error::{Error, Result, SqlState};

/// What is known of the values in a column of a table.
#[derive(Debug, Clone)]
pub struct ColumnNumbers {
    pub name: String,
    /// Rows of the table.
    pub rows: f64,
    /// About how many different values there are.
    pub distinct: Option<f64>,
    /// The part of the rows that is NULL.
    pub null_part: Option<f64>,
}

/// The session and server as one statement's functions see them.
pub trait FunctionEnvironment: Send + Sync {
    /// Who asks, in which database, against which catalog.
    fn context(&self) -> &QueryContext;

    /// The setting's value as SHOW prints it; `None` for a name that nothing defines.
    fn setting(&self, name: &str) -> Option<String>;

    /// set_config(): the new value as SHOW prints it. `local` lasts until the transaction's end.
    fn set_setting(&self, name: &str, value: &str, local: bool) -> Result<String> {
        let _ = (value, local);
        Err(Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!("parameter \"{name}\" cannot be changed now"),
        ))
    }

    /// Bytes of the current version of a table, where that is known and the principal may know it.
    fn relation_size(&self, relation: Oid) -> Option<i64> {
        let _ = relation;
        None
    }

    /// How many rows a table has, for who may know it.
    fn relation_rows(&self, relation: Oid) -> Option<i64> {
        let _ = relation;
        None
    }

    /// What is known of the values in a table's columns, for who may know it.
    fn column_statistics(&self, relation: Oid) -> Vec<ColumnNumbers> {
        let _ = relation;
        vec![]
    }

    /// When the server started; the statement's start where nobody knows better.
    fn server_start(&self) -> DateTime<Utc> {
        self.context().statement_start
    }

    /// Address and port that the client reached; `None` on a local socket.
    fn server_address(&self) -> Option<(String, u16)> {
        None
    }

    /// Address and port that the client came from; `None` on a local socket.
    fn client_address(&self) -> Option<(String, u16)> {
        None
    }

    /// nextval(): 42501 for who may not use the sequence.
    fn next_value(&self, sequence: &Sequence) -> Result<i64> {
        Err(Error::unsupported(format!("sequence \"{}\" here", sequence.name)))
    }

    /// setval(): what nextval() goes on from.
    fn set_value(&self, sequence: &Sequence, value: i64, is_called: bool) -> Result<()> {
        let _ = (value, is_called);
        Err(Error::unsupported(format!("sequence \"{}\" here", sequence.name)))
    }

    /// What a routine gives for each of these rows of arguments.
    fn call_routine(&self, function: &Function, rows: Vec<Vec<ScalarValue>>) -> Result<Vec<ScalarValue>> {
        let _ = rows;
        Err(Error::unsupported(format!(
            "a call of function {} here",
            function.signature()
        )))
    }

    /// The memory of all queries; `None` outside a server.
    fn memory(&self) -> Option<Arc<dyn MemoryPool>> {
        None
    }

    /// Advisory locks; `None` outside a server.
    fn locks(&self) -> Option<Arc<Locks>> {
        None
    }

    /// The channels that the session listens to.
    fn listening_channels(&self) -> Vec<String> {
        vec![]
    }

    /// Whether a session of this process id is connected.
    fn has_session(&self, process_id: i32) -> bool {
        let _ = process_id;
        false
    }

    /// pg_cancel_backend() and, with `terminate`, pg_terminate_backend(): whether a session was signalled.
    fn signal_session(&self, process_id: i32, terminate: bool) -> Result<bool> {
        let _ = (process_id, terminate);
        Err(Error::unsupported("signalling another session"))
    }
}

/// The environment inside `ConfigOptions`.
#[derive(Clone)]
struct EnvironmentOption(Arc<dyn FunctionEnvironment>);

impl fmt::Debug for EnvironmentOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvironmentOption")
    }
}

impl ConfigExtension for EnvironmentOption {
    const PREFIX: &'static str = "boathouse";
}

impl ExtensionOptions for EnvironmentOption {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> DataFusionResult<()> {
        Err(Error::internal(format!("{key} is no engine option")).into())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        vec![]
    }
}

/// Gives one statement's functions their surroundings; done once for each statement, on its own options.
pub fn install_environment(options: &mut ConfigOptions, environment: Arc<dyn FunctionEnvironment>) {
    options.extensions.insert(EnvironmentOption(environment));
}

/// The environment that `install_environment` gave, if planning is already for one session.
pub fn environment(options: &ConfigOptions) -> Option<&dyn FunctionEnvironment> {
    options
        .extensions
        .get::<EnvironmentOption>()
        .map(|option| option.0.as_ref())
}
