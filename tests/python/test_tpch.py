"""TPC-H's 22 queries give DuckDB's answers: over both protocols, with the caches on and off.

The reference is computed here, by DuckDB over the very Parquet files that the Delta tables consist of;
which files those are is read by the `deltalake` package. The scale is TPCH_SCALE (0.1).
"""

import datetime
import decimal
import math
import pathlib

import deltalake
import duckdb
import pytest

QUERIES = sorted((pathlib.Path(__file__).resolve().parents[2] / "bench" / "tpch").glob("q*.sql"))
KEY_COLUMNS = {
    "l_orderkey": "lineitem", "o_orderkey": "orders", "c_custkey": "customer", "p_partkey": "part",
    "s_suppkey": "supplier", "ps_partkey": "partsupp", "n_nationkey": "nation", "r_regionkey": "region",
}


@pytest.fixture(scope="module")
def reference(sample):
    database = duckdb.connect()
    for log in pathlib.Path(sample.warehouse).rglob("_delta_log"):
        table = deltalake.DeltaTable(str(log.parent))
        name = KEY_COLUMNS.get(table.schema().fields[0].name)
        if name is not None:
            files = [uri.removeprefix("file://") for uri in table.file_uris()]
            database.execute(f"create view {name} as select * from read_parquet({files!r})")
    found = {row[0] for row in database.execute("select view_name from duckdb_views() where not internal").fetchall()}
    assert found == set(KEY_COLUMNS.values())
    return database


@pytest.fixture(scope="module", params=["caches", "no-caches"])
def session(request, sample):
    with sample.connect() as connection:
        connection.execute("set search_path = sample")
        if request.param == "no-caches":
            connection.execute("set boathouse.result_cache = off")
            connection.execute("set boathouse.plan_cache = off")
        yield connection


def comparable(value):
    """Numbers of any type by their value, dates without a time, text as it is."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, decimal.Decimal)):
        return float(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value.rstrip()


def assert_same_rows(actual, expected):
    assert len(actual) == len(expected)
    for actual_row, expected_row in zip(actual, expected, strict=True):
        assert len(actual_row) == len(expected_row)
        for left, right in zip(map(comparable, actual_row), map(comparable, expected_row), strict=True):
            if isinstance(left, float) and isinstance(right, float):
                assert math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-6), (actual_row, expected_row)
            else:
                assert left == right, (actual_row, expected_row)


@pytest.mark.parametrize("protocol", ["simple", "extended", "extended-binary"])
@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_query(session, reference, query, protocol):
    text = query.read_text()
    expected = reference.execute(text).fetchall()
    cursor = session.cursor(binary=protocol == "extended-binary")
    for _ in range(2):
        actual = cursor.execute(text, prepare=protocol != "simple").fetchall()
        assert_same_rows(actual, expected)


def test_row_counts(sample, reference):
    with sample.connect() as connection:
        for table in KEY_COLUMNS.values():
            counted = connection.execute(f"select count(*) from sample.{table}").fetchone()
            assert counted == reference.execute(f"select count(*) from {table}").fetchone()
