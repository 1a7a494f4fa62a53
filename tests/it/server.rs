//! A Boathouse process with a warehouse of its own, gone when the test ends.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

pub const ADMIN_PASSWORD: &str = "integration-tests";
const STARTUP_LIMIT: Duration = Duration::from_secs(60);

pub struct Server {
    process: Child,
    pub port: u16,
    folder: TempDir,
}

impl Server {
    /// Starts `boathouse serve` on an empty local warehouse and waits until it answers.
    pub async fn start() -> Server {
        Server::start_with(&[]).await
    }

    /// The same with trust authentication, so that a raw socket gets past the login.
    pub async fn start_with_trust() -> Server {
        Server::start_with(&[("BOATHOUSE_SERVER_TRUST_LOOPBACK", "true")]).await
    }

    async fn start_with(environment: &[(&str, &str)]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let log = File::create(folder.path().join("server.log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_boathouse"))
            .args(["serve", "--warehouse"])
            .arg(folder.path().join("warehouse"))
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .env("BOATHOUSE_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("BOATHOUSE_METRICS_LISTEN", "")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Server { process, port, folder };
        server.wait_until_ready().await;
        server
    }

    async fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            match self.try_connect("boathouse").await {
                Ok(_) => return,
                Err(error) if begun.elapsed() > STARTUP_LIMIT => panic!("no answer: {error}\n{}", self.log()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// What the server printed and logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// True until the process ends.
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("admin")
            .password(ADMIN_PASSWORD)
            .dbname(database);
        config
    }

    pub async fn connect(&self, database: &str) -> Client {
        self.try_connect(database)
            .await
            .unwrap_or_else(|error| panic!("{error:?}\n{}", self.log()))
    }

    async fn try_connect(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        connect(&self.config(database)).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed kill means that the process is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Connects and drives the connection on a task of its own.
pub async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A loopback port that nothing listens on right now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
