"""pgbench: its own tables and its built-in transaction over four of them, then reads in all three query modes and
updates."""

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


def test_built_in_transaction(pgbench, demo):
    with demo.connect() as connection:
        connection.execute("insert into pgbench_tellers select n, 1, 0 from generate_series(1, 10) n")
        report = pgbench("-s", "1", "-c", "4", "-t", "5")
        assert "number of transactions actually processed: 20/20" in report
        sums = connection.execute(
            "select (select sum(bbalance) from pgbench_branches), (select sum(tbalance) from pgbench_tellers),"
            " (select sum(delta) from pgbench_history), (select count(*) from pgbench_history)"
        ).fetchone()
        assert sums[0] == sums[1] == sums[2] and sums[3] == 20


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
