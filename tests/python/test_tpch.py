"""TPC-H's 22 queries give DuckDB's answers: over both protocols, with the caches on and off.

The reference is computed here, by DuckDB over the very Parquet files that the Delta tables consist of;
which files those are is read by the `deltalake` package. TPCH_SCALES names the scales (0.1 and 1).
"""

import os

import duckdb
import pytest

from same_rows import assert_same_rows
from server_process import Server
from tpch_data import QUERIES, TABLES, parquet_files

SCALES = os.environ.get("TPCH_SCALES", "0.1 1").split()


@pytest.fixture(scope="module", params=SCALES, ids=lambda scale: f"scale-{scale}")
def tpch(request, tmp_path_factory):
    """A demo's server at one scale."""
    folder = tmp_path_factory.mktemp("tpch") / "data"
    arguments = ["--scale", request.param]
    with Server(folder, subcommand="demo", arguments=arguments, startup_seconds=1200) as demo:
        yield demo


@pytest.fixture(scope="module")
def reference(tpch):
    database = duckdb.connect()
    files = parquet_files(tpch.warehouse)
    assert files.keys() == TABLES
    for name, paths in files.items():
        database.execute(f"create view {name} as select * from read_parquet({paths!r})")
    return database


@pytest.fixture(scope="module", params=["caches", "no-caches"])
def session(request, tpch):
    with tpch.connect() as connection:
        connection.execute("set search_path = sample")
        if request.param == "no-caches":
            connection.execute("set boathouse.result_cache = off")
            connection.execute("set boathouse.plan_cache = off")
        yield connection


@pytest.mark.parametrize("protocol", ["simple", "extended", "extended-binary"])
@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_query(session, reference, query, protocol):
    text = query.read_text()
    expected = reference.execute(text).fetchall()
    cursor = session.cursor(binary=protocol == "extended-binary")
    for _ in range(2):
        actual = cursor.execute(text, prepare=protocol != "simple").fetchall()
        assert_same_rows(actual, expected)


def test_row_counts(tpch, reference):
    with tpch.connect() as connection:
        for table in TABLES:
            counted = connection.execute(f"select count(*) from sample.{table}").fetchone()
            assert counted == reference.execute(f"select count(*) from {table}").fetchone()
