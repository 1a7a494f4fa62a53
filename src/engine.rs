//! The long-lived services of a server, built once from the configuration, and what a statement borrows of
//! them: a planning session, binding services, a record.

mod environment;
mod monitoring;

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::config::SessionConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};

use crate::binding::BindingServices;
use crate::catalog::{Catalog, CatalogOptions, scram};
use crate::config::Config;
use crate::context::QueryContext;
use crate::context::notifications::Notifications;
use crate::context::sessions::Sessions;
use crate::context::settings::{ReadFreshness, Settings};
use crate::error::{Error, Result};
use crate::execution::admission::Admission;
use crate::execution::memory::QueryMemory;
use crate::execution::services::Services;
use crate::functions;
use crate::introspection::VirtualTables;
use crate::planning::{PlanCache, PlanningSession, rules};
use crate::result_cache::{PartialAggregates, ResultCache};
use crate::storage::{FileLayout, Freshness, ScanOptions, Storage, StorageLimits};
use crate::telemetry::{Metrics, QueryIdentity, QueryLog, QueryRecord};

pub use environment::StatementEnvironment;

/// Statements that system.queries remembers.
const QUERY_LOG_LENGTH: usize = 10_000;

pub struct Engine {
    pub config: Config,
    pub services: Arc<Services>,
    pub admission: Arc<Admission>,
    pub plan_cache: PlanCache,
    pub result_cache: Arc<ResultCache>,
    pub partial_aggregates: Arc<PartialAggregates>,
    pub metrics: Arc<Metrics>,
    pub query_log: QueryLog,
    /// Who is connected.
    pub sessions: Arc<Sessions>,
    pub notifications: Notifications,
    /// Settings that every session starts with.
    pub default_settings: Arc<Settings>,
    /// Functions, rules, options and runtime, shared by all statements.
    base: Arc<SessionState>,
    system_tables: Arc<VirtualTables>,
    started: chrono::DateTime<chrono::Utc>,
}

/// What opening a warehouse did besides opening it.
#[derive(Debug, Default)]
pub struct Opened {
    /// The password that was made for `admin` on an empty warehouse, to be shown once.
    pub new_admin_password: Option<String>,
}

impl Engine {
    /// Opens the warehouse; on an empty one it creates the superuser `admin`.
    pub async fn open(config: Config) -> Result<(Arc<Engine>, Opened)> {
        let (storage, catalog) = open_warehouse(&config).await?;
        let opened = bootstrap(&catalog, &config).await?;
        Ok((Engine::assemble(config, storage, catalog)?, opened))
    }

    /// Opens the warehouse as it is and writes nothing; `None` where nothing has been made yet.
    pub async fn open_existing(config: Config) -> Result<Option<Arc<Engine>>> {
        let (storage, catalog) = open_warehouse(&config).await?;
        if catalog.is_empty() {
            return Ok(None);
        }
        Engine::assemble(config, storage, catalog).map(Some)
    }

    fn assemble(config: Config, storage: Arc<Storage>, catalog: Arc<Catalog>) -> Result<Arc<Engine>> {
        let local = storage.url().scheme() == "file";
        let runtime = runtime(&config)?;
        let services = Services {
            catalog,
            storage,
            locks: Arc::default(),
            disk: Arc::clone(&runtime.disk_manager),
            catalog_freshness: config.catalog.freshness.0,
            read_freshness: if local {
                Duration::ZERO
            } else {
                config.storage.freshness.0
            },
        };
        let monitoring = Arc::new(monitoring::EngineMonitoring::default());
        let engine = Arc::new(Engine {
            admission: Admission::new(queries_at_once(&config)),
            plan_cache: PlanCache::new(config.caches.plan.0),
            result_cache: Arc::new(ResultCache::new(config.caches.result.0 - states_share(&config))),
            partial_aggregates: Arc::new(PartialAggregates::new(states_share(&config))),
            metrics: Arc::new(Metrics::new()?),
            query_log: QueryLog::new(QUERY_LOG_LENGTH),
            sessions: Arc::default(),
            notifications: Notifications::default(),
            default_settings: Arc::new(Settings::default()),
            base: Arc::new(base_state(runtime, config.execution.target_partitions)),
            system_tables: Arc::new(VirtualTables::new(Arc::clone(&monitoring) as _)),
            started: chrono::Utc::now(),
            services: Arc::new(services),
            config,
        });
        monitoring.attach(&engine);
        Ok(engine)
    }

    /// What binding needs for this statement.
    pub fn binding_services(&self, settings: &Settings) -> BindingServices {
        let freshness = match settings.read_freshness {
            ReadFreshness::Bounded if !self.services.read_freshness.is_zero() => {
                Freshness::Within(self.services.read_freshness)
            }
            _ => Freshness::Strict,
        };
        BindingServices {
            base: Arc::clone(&self.base),
            storage: Arc::clone(&self.services.storage),
            system_tables: Arc::clone(&self.system_tables) as _,
            freshness,
            format: settings.format.clone(),
            with_relations: vec![],
        }
    }

    /// DataFusion's view of this statement: the shared state with the statement's own options.
    pub fn planning_session(
        self: &Arc<Self>,
        context: &Arc<QueryContext>,
        settings: &Arc<Settings>,
    ) -> PlanningSession {
        let environment = Arc::new(StatementEnvironment::new(
            Arc::clone(self),
            Arc::clone(context),
            Arc::clone(settings),
        ));
        let mut config = self.base.config().clone();
        if let Some(partitions) = settings.target_partitions {
            config = config.with_target_partitions(partitions);
        }
        config.set_extension(Arc::new(ScanOptions {
            hot_columns: settings.hot_columns,
        }));
        functions::install_environment(config.options_mut(), environment);
        let session = PlanningSession::new(Arc::clone(&self.base), config, context.transaction_start);
        match settings.fused_operators {
            true => session,
            false => session.with_stock_operators(),
        }
    }

    /// DataFusion's view of work that no statement asked for.
    pub fn upkeep_session(&self) -> PlanningSession {
        let config = self.base.config().clone();
        PlanningSession::new(Arc::clone(&self.base), config, chrono::Utc::now())
    }

    /// What the running server tells about itself.
    pub fn monitoring(&self) -> &dyn crate::introspection::Monitoring {
        self.system_tables.monitoring()
    }

    /// A record for a statement that begins.
    pub fn new_record(&self, identity: QueryIdentity) -> Arc<QueryRecord> {
        Arc::new(QueryRecord::new(identity))
    }

    /// Closes a statement's record: it goes to system.queries and the metrics.
    pub fn finish_record(&self, record: &QueryRecord, error: Option<&Error>) {
        let finished = self.query_log.push(record.finish(error));
        self.metrics.observe(&finished);
    }

    pub fn started(&self) -> chrono::DateTime<chrono::Utc> {
        self.started
    }

    /// The runtime of all statements: its memory pool and spill files.
    pub fn runtime(&self) -> &Arc<RuntimeEnv> {
        self.base.runtime_env()
    }
}

/// The part of the results' bytes that kept states of aggregations get.
fn states_share(config: &Config) -> u64 {
    config.caches.result.0 / 4
}

async fn open_warehouse(config: &Config) -> Result<(Arc<Storage>, Arc<Catalog>)> {
    let options: Vec<(String, String)> = config.warehouse.options.clone().into_iter().collect();
    let limits = StorageLimits {
        snapshot_cache: config.caches.snapshot.0,
        footer_cache: config.caches.footer.0,
        vector_cache: config.caches.deletion_vector.0,
        hot_columns: config.caches.hot_columns.bytes(available_memory()),
        disk_blocks: config.caches.disk.0,
        disk_folder: config.caches.disk_folder.clone(),
        commit_deadline: config.storage.commit_deadline.0,
        layout: FileLayout {
            file_bytes: config.storage.file_size.0,
            row_group_rows: config.storage.row_group_rows.max(1),
            compression: FileLayout::compression(&config.storage.compression)?,
        },
    };
    let storage = Storage::open(&config.warehouse.url, &options, &limits)?;
    let catalog = Catalog::open(Arc::new(storage.log_store()), CatalogOptions::default()).await?;
    storage.decide_by(Arc::clone(&catalog) as _);
    Ok((storage, catalog))
}

async fn bootstrap(catalog: &Arc<Catalog>, config: &Config) -> Result<Opened> {
    if !catalog.is_empty() {
        return Ok(Opened::default());
    }
    let (password, made) = match &config.admin_password {
        Some(secret) => (secret.0.clone(), None),
        None => {
            let password = random_password();
            (password.clone(), Some(password))
        }
    };
    let created = catalog.bootstrap(Some(scram::verifier_for(&password)?)).await?;
    Ok(Opened {
        new_admin_password: made.filter(|_| created),
    })
}

/// Twenty characters that nobody mistakes for one another.
pub fn random_password() -> String {
    const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    // Of 64 random bits the remainder's bias does not matter.
    (0..20)
        .map(|_| char::from(ALPHABET[(rand::random::<u64>() % ALPHABET.len() as u64) as usize]))
        .collect()
}

fn runtime(config: &Config) -> Result<Arc<RuntimeEnv>> {
    let limit = usize::try_from(config.memory.limit.bytes(available_memory())).unwrap_or(usize::MAX);
    let mode = match config.memory.spill_dir.as_str() {
        "" => DiskManagerMode::OsTmpDirectory,
        folder => DiskManagerMode::Directories(vec![folder.into()]),
    };
    let disk = DiskManagerBuilder::default()
        .with_mode(mode)
        .with_max_temp_directory_size(config.memory.spill_limit.0);
    Ok(RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(QueryMemory::new(limit)))
        .with_disk_manager_builder(disk)
        .build_arc()?)
}

/// Bytes of memory of the machine, or of the container that confines us.
fn available_memory() -> u64 {
    let confined = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    });
    const FALLBACK: u64 = 4 << 30;
    let machine = machine.unwrap_or(FALLBACK);
    confined.map_or(machine, |confined| confined.min(machine))
}

fn queries_at_once(config: &Config) -> usize {
    const EACH_CORE: usize = 4;
    match config.execution.max_concurrent {
        0 => EACH_CORE * std::thread::available_parallelism().map_or(1, usize::from),
        queries => queries,
    }
}

/// One state for all statements: DataFusion's functions and rules, and ours. `partitions` of 0 is one for
/// each core.
fn base_state(runtime: Arc<RuntimeEnv>, partitions: usize) -> SessionState {
    let mut config = SessionConfig::new()
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    if partitions > 0 {
        config = config.with_target_partitions(partitions);
    }
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    // Rows of a subquery that has an order keep it, as long as nothing else orders them.
    options.sql_parser.enable_subquery_sort_elimination = false;
    options.execution.parquet.schema_force_view_types = true;
    options.execution.parquet.pushdown_filters = false;
    options.execution.collect_statistics = true;
    // `x IS TRUE` is never NULL for the logical plan, while its operator says that it may be: no reason to refuse it.
    options.execution.skip_physical_aggregate_schema_check = true;
    // `planning::join_order` has chosen the sides, and knows more of what they yield.
    options.optimizer.join_reordering = false;
    // One table for all partitions: dividing millions of probing rows by hash to spread a small table costs more.
    options.optimizer.repartition_joins = false;
    // It skips rows by the bounds of those aggregates alone whose argument is a column, though others want them.
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // Whole numbers in a range of so many are looked up by position instead of by hash: two megabytes at most.
    options.execution.perfect_hash_join_small_build_threshold = 512 << 10;
    // Where half of the rows are groups of their own, grouping them twice is wasted.
    options.execution.skip_partial_aggregation_probe_ratio_threshold = 0.5;
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        // Asked in their order: ours decide before DataFusion's own.
        .with_expr_planners(functions::expression_planners())
        .with_default_features()
        .with_optimizer_rules(rules::optimizer())
        .with_physical_optimizer_rules(vec![rules::physical()]);
    for rule in rules::analyzer() {
        builder = builder.with_analyzer_rule(rule);
    }
    let mut state = builder.build();
    {
        use datafusion::execution::FunctionRegistry;
        for function in functions::scalar_functions() {
            // A name that is taken is replaced: ours is PostgreSQL's meaning of it.
            let _ = state.register_udf(Arc::clone(function));
        }
        for function in functions::aggregate_functions() {
            let _ = state.register_udaf(function);
        }
        for function in functions::window_functions() {
            let _ = state.register_udwf(function);
        }
    }
    state
}
