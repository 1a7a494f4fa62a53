//! Runs `sql-tests/**/*.slt` over the wire: simple and extended protocol, with the caches on and off.
//! Files under `sql-tests/compat/` run against the machine's PostgreSQL as well, over both protocols; those
//! under `sql-tests/gaps/` run there only: what PostgreSQL does and Boathouse does not do alike yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqllogictest::Runner;
use tokio_postgres::Config;

use crate::postgres::Postgres;
use crate::server::{Server, connect};
use crate::sql_driver::{Mode, Protocol, SqlDriver};

/// A file that takes longer has met a statement that never ends.
const FILE_LIMIT: Duration = Duration::from_secs(120);
/// Failures of one file that are printed; later ones usually follow from the first.
const SHOWN_FAILURES: usize = 100;
/// The folder of what is not there yet.
const GAPS: &str = "gaps";
const CACHES_OFF: &[&str] = &[
    "SET boathouse.result_cache = off",
    "SET boathouse.plan_cache = off",
    "SET boathouse.hot_columns = off",
    "SET boathouse.partial_aggregates = off",
    "SET boathouse.fused_operators = off",
];

fn cached(protocol: Protocol) -> Mode {
    Mode {
        protocol,
        session_setup: &[],
        repeat_queries: true,
    }
}

fn uncached(protocol: Protocol) -> Mode {
    Mode {
        protocol,
        session_setup: CACHES_OFF,
        repeat_queries: false,
    }
}

#[tokio::test]
async fn simple_protocol_with_caches() {
    on_boathouse(cached(Protocol::Simple)).await;
}

#[tokio::test]
async fn simple_protocol_without_caches() {
    on_boathouse(uncached(Protocol::Simple)).await;
}

#[tokio::test]
async fn extended_protocol_with_caches() {
    on_boathouse(cached(Protocol::Extended)).await;
}

#[tokio::test]
async fn extended_protocol_without_caches() {
    on_boathouse(uncached(Protocol::Extended)).await;
}

#[tokio::test]
async fn postgresql_agrees_over_simple_protocol() {
    on_postgresql(Protocol::Simple).await;
}

#[tokio::test]
async fn postgresql_agrees_over_extended_protocol() {
    on_postgresql(Protocol::Extended).await;
}

async fn on_boathouse(mode: Mode) {
    let server = Server::start().await;
    let files = test_files(Path::new(""))
        .into_iter()
        .filter(|file| !file.starts_with(root().join(GAPS)));
    run_files(files.collect(), &server.config("boathouse"), mode).await;
}

async fn on_postgresql(protocol: Protocol) {
    let postgres = Postgres::start().await;
    let mode = Mode {
        protocol,
        session_setup: &[],
        repeat_queries: false,
    };
    let files = [test_files(Path::new("compat")), test_files(Path::new(GAPS))].concat();
    run_files(files, &postgres.config("postgres"), mode).await;
}

/// Runs the files, each in a new database of its own.
async fn run_files(files: Vec<PathBuf>, maintenance: &Config, mode: Mode) {
    assert!(!files.is_empty(), "no tests below sql-tests/");
    let administrator = connect(maintenance).await.unwrap();
    let mut failures = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let database = format!("slt_{number}");
        administrator
            .batch_execute(&format!("CREATE DATABASE {database}"))
            .await
            .unwrap();
        let mut own_config = maintenance.clone();
        own_config.dbname(&database);
        let outcome = tokio::time::timeout(FILE_LIMIT, run_file(file, own_config, mode.clone())).await;
        failures.extend(outcome.unwrap_or_else(|_| vec![format!("{} does not end", file.display())]));
    }
    assert!(
        failures.is_empty(),
        "{} failures\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

async fn run_file(file: &Path, config: Config, mode: Mode) -> Vec<String> {
    let mut runner = Runner::new(|| SqlDriver::connect(config.clone(), mode.clone()));
    let records = match sqllogictest::parse_file(file) {
        Ok(records) => records,
        Err(error) => return vec![error.to_string()],
    };
    let mut failures = Vec::new();
    for record in records {
        if let Err(error) = runner.run_async(record).await {
            failures.push(error.display(false).to_string());
        }
    }
    runner.shutdown_async().await;
    if failures.len() > SHOWN_FAILURES {
        let hidden = failures.len() - SHOWN_FAILURES;
        failures.truncate(SHOWN_FAILURES);
        failures.push(format!("… and {hidden} more in {}", file.display()));
    }
    failures
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sql-tests")
}

/// Every test below a folder of `sql-tests/`, in the order of their names.
fn test_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root().join(folder)) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(test_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            found.push(path);
        }
    }
    found.sort();
    found
}
