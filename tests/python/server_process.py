"""A Boathouse process for tests: started on a free loopback port, reached with psycopg, always ended."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import psycopg

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ADMIN_PASSWORD = "python-tests"
STARTUP_SECONDS = 60


def binary():
    """The server as `make test` built it."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    return pathlib.Path(os.environ.get("BOATHOUSE_BINARY", target / "release" / "boathouse"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`boathouse serve` (or another subcommand) on one warehouse."""

    def __init__(self, warehouse, *, subcommand="serve", arguments=(), environment=None, config=None, wait=True,
                 startup_seconds=STARTUP_SECONDS):
        self.warehouse = str(warehouse)
        self.port = free_port()
        self.metrics_port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="boathouse-test-")
        self.log_path = pathlib.Path(self.folder.name) / "server.log"
        self.environment = {
            **os.environ, "BOATHOUSE_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "BOATHOUSE_METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}", **(environment or {}),
        }
        self.startup_seconds = startup_seconds
        self.command = [str(binary()), subcommand, "--warehouse", self.warehouse, "--listen", f"127.0.0.1:{self.port}"]
        if config is not None:
            config_path = pathlib.Path(self.folder.name) / "boathouse.toml"
            config_path.write_text(config)
            self.command += ["--config", str(config_path)]
        self.command += list(arguments)
        self.process = None
        if wait:
            self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )
        deadline = time.monotonic() + self.startup_seconds
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            try:
                self.connect().close()
                return self
            except psycopg.OperationalError as error:
                # The warehouse was made with another password: waiting changes nothing.
                if time.monotonic() > deadline or "authentication failed" in str(error):
                    self.kill()
                    raise AssertionError(f"no answer: {error}\n{self.log()}") from error
                time.sleep(0.05)

    def conninfo(self, **overrides):
        parameters = {
            "host": "127.0.0.1", "port": self.port, "user": "admin", "password": ADMIN_PASSWORD,
            "dbname": "boathouse", "connect_timeout": 10, **overrides,
        }
        return psycopg.conninfo.make_conninfo(**parameters)

    def connect(self, autocommit=True, **overrides):
        return psycopg.connect(self.conninfo(**overrides), autocommit=autocommit)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def resident_kilobytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def kill(self):
        """As a power cut would: SIGKILL, nothing said."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, seconds=20):
        """Asks for a graceful end and returns the exit code."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()


def run_boathouse(*arguments, environment=None, seconds=60):
    """Runs a subcommand to its end: (exit code, what it printed)."""
    completed = subprocess.run(
        [str(binary()), *arguments], env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, text=True,
    )
    return completed.returncode, completed.stdout
