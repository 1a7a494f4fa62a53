"""dbt with the Postgres adapter: seed, run, run again, full refresh, snapshot, test and docs of a small project."""

import json
import pathlib
import shutil
import subprocess
import sys

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
