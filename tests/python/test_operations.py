"""Health, metrics, logs, caches and the record of statements: what an operator looks at."""

import json
import urllib.error
import urllib.request

import psycopg
import pytest

from server_process import Server


def fetch(server, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}{path}", timeout=10) as answer:
        return answer.status, answer.read().decode()


def test_health_and_readiness(server):
    assert fetch(server, "/health")[0] == 200
    assert fetch(server, "/ready")[0] == 200
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(server, "/nosuch")
    assert caught.value.code == 404


def test_metrics_are_prometheus_text(server):
    with server.connect() as connection:
        connection.execute("select 1")
    status, text = fetch(server, "/metrics")
    assert status == 200
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert samples and all(line.startswith("boathouse_") or line.startswith("process_") for line in samples)
    assert all(len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) is not None for line in samples)


def test_json_logs(tmp_path):
    with Server(tmp_path / "data", environment={"BOATHOUSE_LOG_FORMAT": "json"}) as server:
        with server.connect() as connection:
            with pytest.raises(psycopg.Error):
                connection.execute("select * from nosuch")
        server.stop()
        lines = [line for line in server.log().splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        assert {"timestamp", "level"} <= json.loads(line).keys()


def test_passwords_stay_out_of_logs_and_catalog(tmp_path):
    environment = {"BOATHOUSE_LOG_LEVEL": "debug"}
    with Server(tmp_path / "data", environment=environment) as server:
        with server.connect() as connection:
            connection.execute("create role secretive login password 'Tr0ub4dor'")
            connection.execute("alter role secretive password 'c0rrecth0rse'")
            record = connection.execute("select * from system.queries").fetchall()
        server.stop()
        written = server.log() + repr(record)
        for entry in (tmp_path / "data" / "_boathouse").rglob("*.json"):
            written += entry.read_text()
    assert "Tr0ub4dor" not in written and "c0rrecth0rse" not in written


def test_caches_are_visible(connection):
    connection.execute("create table cached (n int)")
    connection.execute("insert into cached values (1), (2)")

    def hits():
        return dict(connection.execute("select name, hits from system.caches").fetchall())

    connection.execute("select sum(n) from cached").fetchall()
    before = hits()
    for _ in range(3):
        assert connection.execute("select sum(n) from cached").fetchall() == [(3,)]
    after = hits()
    assert {"plan", "result"} <= after.keys()
    assert after["result"] >= before["result"] + 2
    connection.execute("set boathouse.result_cache = off")
    before = hits()
    connection.execute("select sum(n) from cached").fetchall()
    assert hits()["result"] == before["result"]


def test_explain_analyze_names_the_caches(connection):
    connection.execute("create table explained as select 1 as n")
    connection.execute("select n from explained").fetchall()
    plan = "\n".join(row[0] for row in connection.execute("explain analyze select n from explained").fetchall())
    assert "cache" in plan.lower(), plan


def test_statements_are_recorded(connection):
    connection.execute("select 41 + 1 as recorded_here").fetchall()
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("select 7 / 0 as recorded_failure")
    columns = [column.name for column in connection.execute("select * from system.queries limit 0").description]
    assert "sqlstate" in columns
    failed = connection.execute("select count(*) from system.queries where sqlstate = '22012'").fetchone()
    assert failed[0] >= 1


def test_a_query_over_the_memory_limit_fails_alone(tmp_path):
    config = '[memory]\nlimit = "64MB"\nspill_limit = "1MB"\n'
    with Server(tmp_path / "data", config=config) as server:
        with server.connect() as greedy, server.connect() as other:
            with pytest.raises(psycopg.Error) as caught:
                greedy.execute(
                    "select count(*) from (select repeat('x', 500) || n as pad from generate_series(1, 2000000) g(n) "
                    "group by 1) t"
                ).fetchall()
            assert caught.value.sqlstate in ("53200", "53100", "53400"), caught.value
            assert other.execute("select 1").fetchone() == (1,)
            assert greedy.execute("select 1").fetchone() == (1,)


def test_graceful_stop_says_so(own_server):
    connection = own_server.connect()
    assert own_server.stop() == 0
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")


def test_demo_governs(tmp_path):
    """The tour of the README: the analyst sees fewer rows and masked values."""
    with (
        Server(tmp_path / "data", subcommand="demo", arguments=["--scale", "0.01"], startup_seconds=300) as sample,
        sample.connect() as admin,
    ):
        log = sample.log()
        assert "analyst" in log and "psql" in log
        tables = admin.execute(
            "select count(*) from information_schema.tables where table_schema = 'sample' and table_type = 'BASE TABLE'"
        ).fetchone()
        assert tables == (8,)
        whole = admin.execute("select count(*) from sample.customer").fetchone()[0]
        admin.execute("set role analyst")
        part = admin.execute("select count(*) from sample.customer").fetchone()[0]
        assert 0 < part < whole
