"""R: DBI with RPostgreSQL, and dbplyr, which writes SQL of its own for joins, summaries and windows."""

import os
import pathlib
import subprocess

from server_process import ADMIN_PASSWORD

SCRIPT = pathlib.Path(__file__).parent / "client.R"


def test_r(demo, program):
    environment = {**os.environ, "PGPORT": str(demo.port), "PGPASSWORD": ADMIN_PASSWORD}
    done = subprocess.run(
        [program("Rscript"), str(SCRIPT)], capture_output=True, text=True, timeout=150, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
