"""ANALYZE of tables that others wrote: they read on, its findings outlive the server, and kill -9 damages nothing."""

import itertools
import random
import threading

import deltalake
import duckdb
import psycopg
import pyarrow
import pytest

from server_process import Server

ROWS = 3000
FINDINGS = "_delta_log/_boathouse/distinct_values.json"


def batch(start, rows=ROWS):
    numbers = range(start, start + rows)
    return pyarrow.table({"k": list(numbers), "few": [f"name {number % 12}" for number in numbers]})


@pytest.fixture
def foreign(tmp_path):
    """A table of three files, made by deltalake."""
    location = tmp_path / "lake" / "t"
    for start in range(0, 3 * ROWS, ROWS):
        deltalake.write_deltalake(str(location), batch(start), mode="append")
    return location


def register(connection, location):
    connection.execute(f"create external location lake url 'file://{location.parent}'")
    connection.execute(f"create table t location 'file://{location}'")


def counted(connection):
    """Different values of each column, as pg_stats has them: less than 0 is a part of the rows."""
    rows = connection.execute(
        "select attname, n_distinct, c.reltuples from pg_stats s join pg_class c on c.relname = s.tablename "
        "where tablename = 't'"
    ).fetchall()
    return {name: -found * tuples if found < 0 else found for name, found, tuples in rows if found}


def assert_counted(connection, keys):
    found = counted(connection)
    assert abs(found["k"] - keys) < keys / 4 and abs(found["few"] - 12) <= 2, found


def assert_whole(connection, location, rows):
    assert connection.execute("select count(*), count(distinct k) from t").fetchone() == (rows, rows)
    table = deltalake.DeltaTable(str(location))
    assert table.to_pyarrow_table().num_rows == rows
    files = [str(location / file) for file in table.file_uris()]
    assert duckdb.connect().execute("select count(distinct k) from read_parquet(?)", [files]).fetchone() == (rows,)


def test_others_read_on_and_the_findings_stay(tmp_path, foreign):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            notices = []
            connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
            register(connection, foreign)
            connection.execute("select count(*) from t")
            assert counted(connection) == {}
            connection.execute("analyze verbose t")
            assert "3 of 3 files read, containing 9000 rows" in notices[-1]
            assert_counted(connection, 3 * ROWS)
            connection.execute("analyze verbose t")
            assert "0 of 3 files read" in notices[-1]
            assert_whole(connection, foreign, 3 * ROWS)
        assert deltalake.DeltaTable(str(foreign)).version() == 2
        server.stop()
        server.start()
        with server.connect() as connection:
            connection.execute("select count(*) from t")
            assert_counted(connection, 3 * ROWS)
            # What others append and take away is a matter of files.
            deltalake.write_deltalake(str(foreign), batch(10 * ROWS), mode="append")
            connection.execute("analyze t (k)")
            assert_counted(connection, 4 * ROWS)
            deltalake.DeltaTable(str(foreign)).optimize.compact()
            connection.execute("select count(*) from t")
            assert counted(connection) == {}
            connection.execute("vacuum analyze t")
            assert_counted(connection, 4 * ROWS)
            assert_whole(connection, foreign, 4 * ROWS)
        table = deltalake.DeltaTable(str(foreign))
        table.create_checkpoint()
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        assert (foreign / FINDINGS).exists()


def test_a_kill_during_analyze_leaves_the_table_whole(tmp_path, foreign):
    generator = random.Random(5)
    starts = itertools.count(10 * ROWS, ROWS)
    rows = 3 * ROWS
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            register(connection, foreign)
        for _ in range(8):
            deltalake.write_deltalake(str(foreign), batch(next(starts)), mode="append")
            rows += ROWS

            def analyze():
                try:
                    with server.connect() as connection:
                        while True:
                            connection.execute("analyze t")
                            for file in foreign.glob(FINDINGS):
                                file.unlink(missing_ok=True)
                except psycopg.Error:
                    pass

            thread = threading.Thread(target=analyze)
            thread.start()
            threading.Event().wait(generator.uniform(0.02, 0.4))
            server.kill()
            thread.join()
            server.start()
            with server.connect() as connection:
                assert_whole(connection, foreign, rows)
                connection.execute("analyze t")
                assert_counted(connection, rows)


def test_own_files_are_never_read_again(own_server):
    with own_server.connect() as connection:
        notices = []
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute("create table t as select n as k, 'name ' || n % 12 as few from generate_series(1, 9000) n")
        assert_counted(connection, 9000)
        connection.execute("update t set k = k + 1000000 where k <= 3000")
        connection.execute("insert into t select n, 'name 1' from generate_series(20001, 21000) n")
        connection.execute("delete from t where k between 20001 and 20500")
        connection.execute("optimize t")
        connection.execute("analyze verbose t")
        assert " 0 of 1 files read" in notices[-1], notices
        assert_counted(connection, 9500)
