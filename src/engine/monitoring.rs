//! The server's own state for the tables of `system` and for the metrics.

use std::sync::{Arc, OnceLock, Weak};

use super::Engine;
use crate::catalog::model::Oid;
use crate::context::locks::LockStatus;
use crate::context::sessions::{SessionHandle, TransactionCounts};
use crate::context::settings::DEFINITIONS;
use crate::functions::FunctionEnvironment;
use crate::introspection::{CacheStatus, Monitoring, QueryRecord, SessionStatus, Setting};
use crate::telemetry::{CacheReading, MemoryReading, Readings, Stage};

/// Asks an engine that is attached once it is built.
#[derive(Default)]
pub struct EngineMonitoring {
    engine: OnceLock<Weak<Engine>>,
}

impl EngineMonitoring {
    pub(super) fn attach(&self, engine: &Arc<Engine>) {
        // Attached once, when the engine is built.
        let _ = self.engine.set(Arc::downgrade(engine));
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.get()?.upgrade()
    }
}

impl Monitoring for EngineMonitoring {
    fn queries(&self) -> Vec<QueryRecord> {
        let Some(engine) = self.engine() else { return vec![] };
        let micros = |time: std::time::Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let rows = engine.query_log.queries().into_iter().map(|query| QueryRecord {
            id: query.id,
            started: query.started,
            user_name: query.identity.login_name.to_string(),
            role_name: query.identity.role_name.to_string(),
            database: query.identity.database.to_string(),
            process_id: query.identity.process_id,
            application_name: query.identity.application_name.to_string(),
            fingerprint: format!("{:016x}", query.identity.fingerprint),
            statement: query.identity.text.to_string(),
            bind_micros: micros(query.time(Stage::Bind)),
            plan_micros: micros(query.time(Stage::Plan)),
            queue_micros: micros(query.time(Stage::Queue)),
            execute_micros: micros(query.time(Stage::Execute)),
            total_micros: micros(query.total),
            rows: query.rows as i64,
            bytes: query.bytes as i64,
            plan_cache: query.plan_cache.name().into(),
            result_cache: query.result_cache.name().into(),
            sqlstate: query.sqlstate.code().into(),
            message: query.message.clone(),
        });
        rows.collect()
    }

    fn caches(&self) -> Vec<CacheStatus> {
        let Some(engine) = self.engine() else { return vec![] };
        let status = |reading: CacheReading| CacheStatus {
            name: reading.name,
            entries: reading.entries as i64,
            bytes: reading.bytes as i64,
            capacity_bytes: reading.capacity as i64,
            hits: reading.hits as i64,
            misses: reading.misses as i64,
            evictions: 0,
        };
        engine.cache_readings().into_iter().map(status).collect()
    }

    fn sessions(&self) -> Vec<SessionStatus> {
        let Some(engine) = self.engine() else { return vec![] };
        let status = |session: Arc<SessionHandle>| {
            let activity = session.activity();
            SessionStatus {
                process_id: session.process_id,
                user: session.login,
                user_name: session.login_name.clone(),
                database: session.database,
                database_name: session.database_name.clone(),
                application_name: activity.application_name,
                client_address: session.client.map(|client| client.ip().to_canonical().to_string()),
                client_port: session.client.map(|client| i32::from(client.port())),
                started: session.started,
                transaction_started: activity.transaction_started,
                query_started: activity.query_started,
                state_changed: activity.state_changed,
                state: activity.state.name().to_string(),
                query: activity.query.to_string(),
            }
        };
        engine.sessions.all().into_iter().map(status).collect()
    }

    fn transactions(&self, database: Oid) -> TransactionCounts {
        let engine = self.engine();
        engine.map_or_else(TransactionCounts::default, |engine| {
            engine.sessions.transactions(database)
        })
    }

    fn locks(&self) -> Vec<LockStatus> {
        self.engine()
            .map_or_else(Vec::new, |engine| engine.services.locks.all())
    }

    fn settings(&self, environment: &dyn FunctionEnvironment) -> Vec<Setting> {
        let rows = DEFINITIONS.iter().map(|definition| {
            let bounds = definition.bounds();
            let value = environment.setting(definition.name).unwrap_or_default();
            Setting {
                name: definition.name.into(),
                unit: definition.unit().map(Into::into),
                category: definition.category.into(),
                description: definition.description.into(),
                context: definition.changed_by.name().into(),
                kind: definition.type_name().into(),
                source: if value == definition.shown(definition.default) {
                    "default"
                } else {
                    "session"
                }
                .into(),
                minimum: bounds.as_ref().map(|bounds| bounds.0.clone()),
                maximum: bounds.as_ref().map(|bounds| bounds.1.clone()),
                allowed: definition
                    .choices()
                    .unwrap_or_default()
                    .iter()
                    .map(|choice| choice.to_string())
                    .collect(),
                default: definition.shown(definition.default),
                reset: definition.shown(definition.default),
                value,
            }
        });
        rows.collect()
    }
}

impl Engine {
    /// Counters of all caches, in the order of the pipeline.
    pub fn cache_readings(&self) -> Vec<CacheReading> {
        let of = |name: &str, capacity: u64, (entries, bytes, hits, misses): (u64, u64, u64, u64)| CacheReading {
            name: name.into(),
            entries,
            bytes,
            capacity,
            hits,
            misses,
        };
        let mut readings = vec![
            of("plan", self.config.caches.plan.0, self.plan_cache.counters()),
            of(
                "result",
                self.config.caches.result.0 - super::states_share(&self.config),
                self.result_cache.counters(),
            ),
            of(
                "partial aggregate",
                super::states_share(&self.config),
                self.partial_aggregates.counters(),
            ),
        ];
        readings.extend(self.services.storage.caches().into_iter().map(|cache| CacheReading {
            name: cache.name.into(),
            entries: cache.entries,
            bytes: cache.bytes,
            capacity: cache.capacity,
            hits: cache.hits,
            misses: cache.misses,
        }));
        readings
    }
}

impl Readings for Engine {
    fn caches(&self) -> Vec<CacheReading> {
        self.cache_readings()
    }

    fn memory(&self) -> MemoryReading {
        use datafusion::execution::memory_pool::MemoryLimit;
        let pool = &self.runtime().memory_pool;
        let limit = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes as u64,
            _ => u64::MAX,
        };
        MemoryReading {
            reserved: pool.reserved() as u64,
            limit,
        }
    }
}
