"""OPTIMIZE beside writers, other Delta readers and kill -9: the rows stay, and nobody is refused without cause."""

import threading

import psycopg
import pytest

from server_process import Server
from test_durability import delta_table


def rows_of(connection):
    return connection.execute("select count(*), sum(n), count(distinct n) from compacted").fetchone()


def test_appends_and_optimize_do_not_meet(tmp_path):
    stopped, failures, appended = threading.Event(), [], []

    def append(server, writer):
        try:
            with server.connect() as connection:
                number = 0
                while not stopped.is_set() or number < 10:
                    connection.execute(f"insert into compacted values ({writer * 1_000_000 + number})")
                    appended.append(writer * 1_000_000 + number)
                    number += 1
        except psycopg.Error as error:
            failures.append(error)

    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table compacted (n bigint)")
            writers = [threading.Thread(target=append, args=(server, writer)) for writer in range(2)]
            for thread in writers:
                thread.start()
            for _ in range(15):
                connection.execute("optimize compacted")
            stopped.set()
            for thread in writers:
                thread.join()
            assert failures == []
            assert rows_of(connection) == (len(appended), sum(appended), len(appended))
            connection.execute("optimize compacted zorder by (n)")
            version, files = connection.execute("optimize compacted").fetchone()[1:3]
            assert (version, files) == (None, 0)
        table = delta_table(tmp_path / "data", "n")
        assert len(table.files() if hasattr(table, "files") else table.file_uris()) == 1
        assert sorted(table.to_pyarrow_table().column("n").to_pylist()) == sorted(appended)
        # What was can still be read, by others too. The first OPTIMIZE with something to do follows two appends.
        table.load_as_version(2)
        assert table.to_pyarrow_table().num_rows == 2


def test_a_change_of_the_same_rows_is_told_or_done(tmp_path):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table compacted (n bigint)")
            for n in range(20):
                connection.execute(f"insert into compacted values ({n})")
        refused = []

        def optimize():
            with server.connect() as connection:
                for _ in range(10):
                    try:
                        connection.execute("optimize compacted zorder by (n)")
                    except psycopg.errors.SerializationFailure as error:
                        refused.append(error)

        thread = threading.Thread(target=optimize)
        thread.start()
        with server.connect() as connection:
            for n in range(0, 20, 2):
                while True:
                    try:
                        connection.execute(f"delete from compacted where n = {n}")
                        break
                    except psycopg.errors.SerializationFailure:
                        continue
            thread.join()
            assert rows_of(connection) == (10, 100, 10)


def test_killed_while_it_writes(tmp_path):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table compacted (n bigint)")
            for part in range(8):
                connection.execute(
                    f"insert into compacted select i from generate_series({part * 20_000}, {part * 20_000 + 19_999}) i"
                )
        expected = (160_000, sum(range(160_000)), 160_000)
        for delay in (0.02, 0.05, 0.1, 0.2, 0.4):

            def optimize():
                try:
                    with server.connect() as connection:
                        while True:
                            connection.execute("optimize compacted zorder by (n)")
                except psycopg.Error:
                    pass

            thread = threading.Thread(target=optimize)
            thread.start()
            threading.Event().wait(delay)
            server.kill()
            thread.join()
            server.start()
            with server.connect() as connection:
                assert rows_of(connection) == expected
            assert delta_table(tmp_path / "data", "n").to_pyarrow_table().num_rows == expected[0]


def test_restored_rows_are_the_old_ones(tmp_path):
    with Server(tmp_path / "data") as server, server.connect() as connection:
        connection.execute("create table compacted (n bigint)")
        connection.execute("insert into compacted values (1), (2)")
        connection.execute("update compacted set n = n + 10")
        connection.execute("optimize compacted")
        restored = connection.execute("restore table compacted to version as of 1").fetchone()
        assert restored[1:4] == (1, 1, 1)
        assert rows_of(connection) == (2, 3, 2)
        assert sorted(delta_table(tmp_path / "data", "n").to_pyarrow_table().column("n").to_pylist()) == [1, 2]
        connection.execute("update compacted set n = 0")
        connection.execute("vacuum compacted retain 0 hours")
        with pytest.raises(psycopg.errors.UndefinedFile):
            connection.execute("restore table compacted to version as of 2")
        assert rows_of(connection) == (2, 0, 1)
