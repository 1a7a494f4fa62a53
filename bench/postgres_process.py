"""The machine's PostgreSQL on a temporary folder, as a yardstick."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import psycopg

from server_process import free_port


class Postgres:
    """Trust authentication, loopback only, the defaults otherwise."""

    def __enter__(self):
        versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
        programs = max(versions, key=lambda path: int(path.parts[-3])).parent
        self.folder = tempfile.mkdtemp(prefix="boathouse-postgres-")
        prefix = []
        if os.getuid() == 0:
            # It refuses to run as root.
            shutil.chown(self.folder, "postgres")
            prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        data = f"{self.folder}/data"
        subprocess.run(
            [*prefix, programs / "initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-D", data],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )
        self.port = free_port()
        self.process = subprocess.Popen(
            [*prefix, programs / "postgres", "-D", data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
             "-c", "unix_socket_directories="],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )
        for _ in range(200):
            try:
                psycopg.connect(self.conninfo()).close()
                return self
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise RuntimeError("PostgreSQL does not answer")

    def conninfo(self):
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    def __exit__(self, *_):
        # SIGINT is PostgreSQL's fast shutdown.
        self.process.send_signal(2)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
