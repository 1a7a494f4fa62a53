"""dbt with the Postgres adapter: seed, run, run again, full refresh, snapshot, test and docs of a small project; many
models at once, with grants and descriptions, under the eyes of readers; a run that is interrupted."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from server_process import ADMIN_PASSWORD

PROJECT = pathlib.Path(__file__).parent / "dbt_project"


@pytest.fixture(scope="module")
def dbt(demo, tmp_path_factory):
    """Runs a dbt command on a copy of the project and returns the outcome of each node."""
    folder = tmp_path_factory.mktemp("dbt") / "project"
    shutil.copytree(PROJECT, folder)
    profile = {
        "type": "postgres", "host": "127.0.0.1", "port": demo.port, "user": "admin", "password": ADMIN_PASSWORD,
        "dbname": "boathouse", "schema": "analytics", "threads": 2,
    }
    profiles = {"boathouse": {"target": "test", "outputs": {"test": profile}}}
    (folder / "profiles.yml").write_text(json.dumps(profiles))

    def run(*arguments):
        program = pathlib.Path(sys.executable).with_name("dbt")
        done = subprocess.run(
            [str(program), *arguments, "--profiles-dir", str(folder)], cwd=folder, capture_output=True, text=True,
            timeout=150,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
        return {result["unique_id"].split(".")[2]: result["status"] for result in results}

    return run


def test_a_project_from_seed_to_docs(dbt, demo):
    assert dbt("seed") == {"segments": "success"}
    assert set(dbt("run").values()) == {"success"}
    with demo.connect() as connection:
        before = connection.execute("select count(*), max(day) from analytics.daily_orders").fetchone()
        # The second run is incremental: it finds the days that the first left out.
        assert set(dbt("run").values()) == {"success"}
        after = connection.execute("select count(*), max(day) from analytics.daily_orders").fetchone()
        assert after[0] > before[0] and after[1] > before[1]
        assert set(dbt("snapshot").values()) == {"success"}
        connection.execute("update analytics.segments set priority = 9 where segment = 'MACHINERY'")
        assert set(dbt("snapshot").values()) == {"success"}
        history = connection.execute(
            "select priority, dbt_valid_to is null from analytics.segments_history "
            "where segment = 'MACHINERY' order by dbt_valid_from"
        ).fetchall()
        assert history == [(5, False), (9, True)]
    assert set(dbt("seed", "--full-refresh").values()) == {"success"}
    assert set(dbt("run", "--full-refresh").values()) == {"success"}
    outcomes = dbt("test")
    assert len(outcomes) == 6 and set(outcomes.values()) == {"pass"}
    with demo.connect() as connection:
        comment = connection.execute("select obj_description('analytics.segment_totals'::regclass)").fetchone()
        assert comment == ("Customers and their balance by market segment.",)


def test_materialized_views_are_refreshed_and_changed_in_place(dbt, demo):
    def indexes(connection):
        query = "select indexdef from pg_indexes where tablename = 'kept_totals' order by split_part(indexdef, ' USING ', 2)"
        return [definition.split(" USING ")[1] for (definition,) in connection.execute(query)]

    dbt("seed")
    assert dbt("run", "--select", "+kept_totals", "--full-refresh")["kept_totals"] == "success"
    with demo.connect() as connection:
        made = connection.execute("select 'analytics.kept_totals'::regclass::oid").fetchone()
        assert indexes(connection) == ["btree (segment, customers)", "hash (segment)"]
        assert dbt("run", "--select", "kept_totals")["kept_totals"] == "success"
        variables = json.dumps({"more_indexes": True})
        assert dbt("run", "--select", "kept_totals", "--vars", variables)["kept_totals"] == "success"
        assert indexes(connection) == ["btree (balance)", "btree (segment, customers)", "hash (segment)"]
        assert connection.execute("select 'analytics.kept_totals'::regclass::oid").fetchone() == made
        dbt("run", "--select", "kept_totals", "--full-refresh")
        rows = connection.execute("select count(*) from analytics.kept_totals").fetchone()
        assert rows == (5,)


def test_docs_see_every_relation(dbt, demo, tmp_path_factory):
    dbt("seed")
    dbt("run")
    dbt("docs", "generate")
    [catalog] = tmp_path_factory.getbasetemp().rglob("catalog.json")
    nodes = json.loads(catalog.read_text())["nodes"]
    assert {"model.boathouse_tests.customers", "model.boathouse_tests.segment_totals"} <= nodes.keys()
    columns = nodes["model.boathouse_tests.segment_totals"]["columns"]
    assert list(columns) == ["priority", "segment", "customers", "balance"]


# A project of many models over one slow source

MODELS = 24


@pytest.fixture
def project(demo, tmp_path):
    """A folder of a project with MODELS tables and views; the model `endless` runs only when it is named."""
    with demo.connect() as connection:
        if not connection.execute("select 1 from pg_roles where rolname = 'dbt_reader'").fetchone():
            connection.execute("create role dbt_reader login password 'reader'")
            connection.execute("grant connect on database boathouse to dbt_reader")
    profile = {
        "type": "postgres", "host": "127.0.0.1", "port": demo.port, "user": "admin", "password": ADMIN_PASSWORD,
        "dbname": "boathouse", "schema": "many", "threads": 8,
    }
    (tmp_path / "profiles.yml").write_text(json.dumps({"many": {"target": "test", "outputs": {"test": profile}}}))
    settings = {
        "name": "many", "version": "1.0", "profile": "many",
        "models": {"many": {"+grants": {"select": ["dbt_reader"]}, "+persist_docs": {"relation": True, "columns": True}}},
    }
    (tmp_path / "dbt_project.yml").write_text(json.dumps(settings))
    models = tmp_path / "models"
    models.mkdir()
    described = []
    for number in range(MODELS):
        kind = ("table", "view", "incremental")[number % 3]
        source = "sample.nation" if number < 3 else f"{{{{ ref('model_{number - 3}') }}}}"
        (models / f"model_{number}.sql").write_text(
            f"{{{{ config(materialized='{kind}') }}}} select n_nationkey, n_name from {source} "
            f"{{% if is_incremental() %}} where false {{% endif %}}"
        )
        columns = [{"name": "n_name", "description": f"The name in {number}."}]
        described.append({"name": f"model_{number}", "description": f"Model {number}; it's one.", "columns": columns})
    (models / "schema.yml").write_text(json.dumps({"version": 2, "models": described}))
    endless = "select sum(a.n * b.n) as total from generate_series(1, 1000000) a(n), generate_series(1, 1000000) b(n)"
    (models / "endless.sql").write_text("{{ config(materialized='table', tags=['endless']) }} " + endless)
    return tmp_path


def dbt_command(project, *arguments):
    program = pathlib.Path(sys.executable).with_name("dbt")
    return [str(program), *arguments, "--profiles-dir", str(project), "--project-dir", str(project)]


def run_models(project, *arguments):
    done = subprocess.run(
        dbt_command(project, "run", "--exclude", "tag:endless", *arguments), capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_eight_threads_and_readers_that_see_no_gap(demo, project):
    run_models(project)
    with demo.connect() as connection:
        connection.execute("grant usage on schema many to dbt_reader")
    stop, seen, failures = threading.Event(), [0], []

    def read(model):
        with demo.connect(user="dbt_reader", password="reader") as connection:
            while not stop.is_set():
                try:
                    count = connection.execute(f"select count(*) from many.model_{model}").fetchone()[0]
                    seen[0] += 1
                    if count != 25:
                        failures.append(f"model_{model} has {count} rows")
                except psycopg.Error as error:
                    failures.append(str(error))

    # Not a view of a view: dbt drops those with what they read, until they are made again.
    readers = [threading.Thread(target=read, args=[model]) for model in (0, 1, 2, 3, 21)]
    for reader in readers:
        reader.start()
    try:
        run_models(project, "--full-refresh")
        run_models(project)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not failures, failures[:3]
    assert seen[0] > 50
    with demo.connect() as connection:
        for model in range(MODELS):
            described = connection.execute(
                "select obj_description(oid), col_description(oid, 2), has_table_privilege('dbt_reader', oid, 'select') "
                "from pg_class where oid = %s::regclass", [f"many.model_{model}"]
            ).fetchone()
            assert described == (f"Model {model}; it's one.", f"The name in {model}.", True)
        left = connection.execute("select relname from pg_class where relname like '%\\_\\_dbt\\_%'").fetchall()
        assert left == []


def test_an_interrupted_run_leaves_nothing_running(demo, project):
    running = subprocess.Popen(
        dbt_command(project, "run", "--select", "tag:endless"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    active = "select count(*) from pg_stat_activity where state = 'active' and query like '%%as total from generate_series%%' " \
             "and pid <> pg_backend_pid()"
    with demo.connect() as connection:
        def wait_for(number):
            deadline = time.monotonic() + 60
            while connection.execute(active).fetchone()[0] != number:
                assert time.monotonic() < deadline, f"waited for {number}"
                time.sleep(0.1)

        wait_for(1)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=60)
        assert running.returncode != 0, said
        wait_for(0)
        assert connection.execute("select to_regclass('many.endless')").fetchone() == (None,)
