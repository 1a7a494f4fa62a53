//! A warehouse in a temporary folder with the TPC-H sample, and a superuser's session in it.

use boathouse::config::{self, Override};
use boathouse::demo::{self, Loader, SCHEMA, SessionLoader};
use boathouse::engine::Engine;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// As in the server: planning recurses with a statement's nesting.
const WORKER_STACK_BYTES: usize = 32 << 20;

pub struct Warehouse {
    runtime: Runtime,
    session: SessionLoader,
    _folder: TempDir,
}

impl Warehouse {
    /// Makes the sample at `scale` and starts a session that sees it.
    pub fn with_sample(scale: f64) -> Warehouse {
        let folder = TempDir::new().expect("a temporary folder");
        let url = Override {
            flag: "--warehouse".into(),
            key: "warehouse.url".into(),
            value: folder.path().display().to_string(),
        };
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .thread_stack_size(WORKER_STACK_BYTES)
            .build()
            .expect("a runtime");
        let session = runtime.block_on(async {
            let (engine, _) = Engine::open(config::load(None, &[url])?).await?;
            let mut session = SessionLoader::open(engine).await?;
            demo::prepare(&mut session, scale, "unused").await?;
            session.execute(&format!("SET search_path = {SCHEMA}")).await?;
            Ok::<_, boathouse::error::Error>(session)
        });
        Warehouse {
            runtime,
            session: session.expect("a warehouse with the sample"),
            _folder: folder,
        }
    }

    /// Runs a statement and drops its rows.
    pub fn run(&mut self, sql: &str) {
        self.runtime
            .block_on(self.session.execute(sql))
            .unwrap_or_else(|error| panic!("{sql}: {}", error.message()));
    }
}

/// The scale of the sample: a little where each benchmark runs once.
pub fn scale() -> f64 {
    match std::env::args().any(|argument| argument == "--bench") {
        true => 0.1,
        false => 0.01,
    }
}
