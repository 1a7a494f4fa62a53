//! Arguments → Config → Engine → server; nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use boathouse::config::{self, Config, Override};
use boathouse::demo::{self, ANALYST, SessionLoader};
use boathouse::engine::{Engine, Opened, random_password};
use boathouse::error::Result;
use boathouse::{server, telemetry};
use clap::{Args, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A SQL warehouse over Delta Lake that speaks PostgreSQL.
///
/// Point it at a folder or a bucket; psql, BI tools and every PostgreSQL driver connect to it, and row
/// filters and column masks hold on every path to the data.
///
/// Begin with `boathouse demo`: it makes a local warehouse with sample data and prints what to paste.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a warehouse.
    ///
    /// An empty warehouse gets the superuser `admin`, with the password in BOATHOUSE_ADMIN_PASSWORD, or one
    /// that is made and printed once. SIGTERM or Ctrl-C stops the server after running statements finish.
    Serve(Common),
    /// Serve a local warehouse with TPC-H sample data.
    ///
    /// Makes the schema `sample` with the eight TPC-H tables, the roles `admin` and `analyst`, one row filter
    /// and one column mask, once; then serves it. README.md has the tour.
    Demo {
        /// TPC-H scale factor of the sample: 0.1 is about 100 MB of raw data.
        #[arg(long, default_value_t = 0.1)]
        scale: f64,
        #[command(flatten)]
        common: Common,
    },
    /// Read the configuration and open the warehouse, say what is wrong, and exit.
    Check {
        /// Print every setting with its default and its meaning, and exit.
        #[arg(long)]
        defaults: bool,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct Common {
    /// A TOML file over the built-in defaults (config/default.toml documents every key).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the warehouse lies: a folder, file://, s3://, az:// or gs://.
    #[arg(long, value_name = "URL")]
    warehouse: Option<String>,
    /// Address to listen on for PostgreSQL clients.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Any other setting.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl Common {
    fn load(&self) -> Result<Config> {
        let mut overrides = vec![];
        let mut add = |flag: &str, key: &str, value: &Option<String>| {
            if let Some(value) = value {
                overrides.push(Override {
                    flag: flag.into(),
                    key: key.into(),
                    value: value.clone(),
                });
            }
        };
        add("--warehouse", "warehouse.url", &self.warehouse);
        add("--listen", "server.listen", &self.listen);
        for setting in &self.set {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            overrides.push(Override {
                flag: "--set".into(),
                key: key.into(),
                value: value.into(),
            });
        }
        config::load(self.config.as_deref(), &overrides)
    }
}

/// Planning recurses with the nesting of a statement; catalog queries of clients nest deeper than the
/// usual two megabytes carry.
const WORKER_STACK_BYTES: usize = 32 << 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let outcome = match runtime.enable_all().thread_stack_size(WORKER_STACK_BYTES).build() {
        Ok(runtime) => runtime.block_on(run(arguments.command)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("boathouse: {}", error.message());
            for line in [error.detail(), error.hint()].into_iter().flatten() {
                eprintln!("  {line}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Serve(common) => {
            let (engine, opened) = open(&common).await?;
            if let Some(password) = &opened.new_admin_password {
                println!("Created the superuser admin with the password {password} (shown once).");
            }
            serve(engine, |address| println!("Listening on {address}. Stop with Ctrl-C.")).await
        }
        Command::Demo { scale, common } => demo(scale, &common).await,
        Command::Check { defaults: true, .. } => {
            print!("{}", config::DEFAULTS);
            Ok(())
        }
        Command::Check { common, .. } => {
            let config = common.load()?;
            telemetry::init_log(&config.log)?;
            let url = config.warehouse.url.clone();
            let state = match Engine::open_existing(config).await? {
                Some(_) => "opens",
                None => "is empty; `boathouse serve` will make it",
            };
            println!("The configuration is valid and the warehouse at {url} {state}.");
            Ok(())
        }
    }
}

async fn open(common: &Common) -> Result<(Arc<Engine>, Opened)> {
    let config = common.load()?;
    telemetry::init_log(&config.log)?;
    Engine::open(config).await
}

async fn serve(engine: Arc<Engine>, announce: impl Fn(&SocketAddr)) -> Result<()> {
    server::run(engine, |addresses| addresses.iter().for_each(announce)).await
}

async fn demo(scale: f64, common: &Common) -> Result<()> {
    let (engine, opened) = open(common).await?;
    let analyst_password = random_password();
    let mut loader = SessionLoader::open(Arc::clone(&engine)).await?;
    let made = demo::prepare(&mut loader, scale, &analyst_password).await?;
    drop(loader);
    serve(engine, |address| {
        println!("Boathouse serves the schema \"sample\". Paste one of these into another terminal:\n");
        let line = |role: &str, password: Option<&str>| {
            let (host, port) = (address.ip(), address.port());
            let password = password
                .map(|password| format!(" password={password}"))
                .unwrap_or_default();
            println!("  psql \"host={host} port={port} dbname=boathouse user={role}{password}\"");
        };
        line("admin", opened.new_admin_password.as_deref());
        line(ANALYST, made.then_some(analyst_password.as_str()));
        if !made {
            println!("\nThe passwords were printed when the sample was made.");
        }
        println!("\nadmin sees every customer; analyst sees one market segment and no telephone number in full.");
        println!("Stop with Ctrl-C.");
    })
    .await
}
