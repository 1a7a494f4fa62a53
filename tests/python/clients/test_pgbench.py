"""pgbench: its own tables, then reads in all three query modes and updates. Its built-in transaction writes to
four tables at once, which Boathouse refuses."""

import os
import subprocess

import pytest

from server_process import ADMIN_PASSWORD

ACCOUNTS = 1000
UPDATE = "\\set aid random(1, 1000)\nUPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;\n"


@pytest.fixture(scope="module")
def pgbench(demo, program):
    environment = {**os.environ, "PGPASSWORD": ADMIN_PASSWORD}
    connection = ["-h", "127.0.0.1", "-p", str(demo.port), "-U", "admin"]

    def run(*arguments):
        done = subprocess.run(
            [program("pgbench"), *connection, *arguments, "boathouse"], capture_output=True, text=True, timeout=150,
            env=environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("-i", "-I", "dt", "-s", "1")
    with demo.connect() as opened:
        opened.execute("insert into pgbench_branches select 1, 0")
        opened.execute(f"insert into pgbench_accounts select n, 1, 0, '' from generate_series(1, {ACCOUNTS}) n")
    return run


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_reads(pgbench, mode):
    report = pgbench("-n", "-S", "-M", mode, "-c", "4", "-t", "25")
    assert "number of transactions actually processed: 100/100" in report
    assert "number of failed transactions: 0" in report


@pytest.mark.parametrize("mode", ["simple", "prepared"])
def test_updates(pgbench, demo, tmp_path, mode):
    script = tmp_path / "update.sql"
    script.write_text(UPDATE)
    with demo.connect() as connection:
        before = connection.execute("select sum(abalance) from pgbench_accounts").fetchone()[0]
        report = pgbench("-n", "-f", str(script), "-M", mode, "-c", "2", "-t", "5")
        assert "number of transactions actually processed: 10/10" in report
        after = connection.execute("select sum(abalance) from pgbench_accounts").fetchone()[0]
    assert after == before + 10
