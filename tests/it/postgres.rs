//! The machine's own PostgreSQL in a temporary folder: what compatibility tests are measured against.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::Config;

use crate::server::{connect, free_port};

const STARTUP_LIMIT: Duration = Duration::from_secs(60);

pub struct Postgres {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Postgres {
    /// Makes a cluster with trust authentication, in UTC, and starts it on a free loopback port.
    pub async fn start() -> Postgres {
        let programs = newest_installation();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        if runs_as_root() {
            // PostgreSQL refuses to run as root; its own user must reach the folder.
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            fs::create_dir(&data).unwrap();
            must_succeed(Command::new("chown").arg("postgres").arg(&data));
        }
        let mut initdb = unprivileged(&programs.join("initdb"));
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--no-sync",
            "-D",
        ]);
        must_succeed(initdb.arg(&data));
        let port = free_port();
        let process = unprivileged(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args([
                "-p",
                &port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args(["-c", "fsync=off", "-c", "timezone=UTC"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let postgres = Postgres {
            process,
            port,
            _folder: folder,
        };
        let begun = Instant::now();
        while let Err(error) = connect(&postgres.config("postgres")).await {
            assert!(begun.elapsed() < STARTUP_LIMIT, "PostgreSQL does not answer: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        postgres
    }

    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("postgres")
            .dbname(database);
        config
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT ends the server's children with it; SIGKILL would leave them behind.
        let _ = Command::new("kill")
            .args(["-QUIT", &self.process.id().to_string()])
            .status();
        let _ = self.process.wait();
    }
}

/// The folder of programs of the highest version under /usr/lib/postgresql.
fn newest_installation() -> PathBuf {
    let version = |folder: &Path| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let folders = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let newest = folders
        .filter(|folder| folder.join("bin/initdb").exists())
        .max_by_key(|folder| version(folder));
    newest
        .expect("no PostgreSQL under /usr/lib/postgresql: `make tools` installs it")
        .join("bin")
}

fn unprivileged(program: &Path) -> Command {
    if runs_as_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(program)
            .current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn runs_as_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

fn must_succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
