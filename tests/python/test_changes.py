"""UPDATE and DELETE as other engines see them, under concurrent writers, and under kill -9."""

import threading

import deltalake
import psycopg
import pytest

from server_process import Server
from test_durability import delta_table
from test_servers import eventually


def rows_of(warehouse, column):
    table = delta_table(warehouse, column).to_pyarrow_table()
    return sorted(zip(*[table.column(name).to_pylist() for name in table.column_names]), key=repr)


def count_of(server, table):
    with server.connect() as connection:
        try:
            return connection.execute(f"select count(*) from {table}").fetchone()[0]
        except psycopg.errors.UndefinedTable:
            return None


def test_another_reader_sees_every_change(tmp_path):
    with Server(tmp_path / "data") as server, server.connect() as connection:
        connection.execute("create table changed (id int not null, region text, amount numeric(38,2)) partitioned by (region)")
        connection.execute("insert into changed select g, 'r' || g % 3, g from generate_series(1, 30) g")
        connection.execute("update changed set amount = 12345678901234567890123456789012345.67, region = 'moved' where id = 7")
        connection.execute("update changed set amount = null where id > 25")
        connection.execute("delete from changed where id % 5 = 0")
        connection.execute("delete from changed where region = 'r1'")
        ours = connection.execute("select id, amount, region from changed").fetchall()
        table = delta_table(tmp_path / "data", "id").to_pyarrow_table()
        theirs = [tuple(table.column(name)[row].as_py() for name in ("id", "amount", "region")) for row in range(table.num_rows)]
        assert sorted(map(repr, ours)) == sorted(map(repr, theirs))
        # Statistics of rewritten files find the row that they must find.
        found = connection.execute("select id from changed where amount = 12345678901234567890123456789012345.67").fetchall()
        assert found == [(7,)]
        versions = connection.execute("select count(*) from (select 1 from changed version as of 1) t").fetchone()
        assert versions == (30,)
        before = delta_table(tmp_path / "data", "id").version()
        connection.execute("update changed set amount = 0 where id = -1")
        connection.execute("delete from changed where id = -1")
        assert delta_table(tmp_path / "data", "id").version() == before


def test_no_update_is_lost(tmp_path):
    """Every connection adds to the same rows; the sum tells."""
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table counter (id int, n bigint)")
            connection.execute("insert into counter select g, 0 from generate_series(1, 4) g")

        def add(times):
            with server.connect() as connection:
                for number in range(times):
                    connection.execute("update counter set n = n + 1 where id = %s", [number % 4 + 1])
                    connection.execute("insert into counter values (100, 0)")

        threads = [threading.Thread(target=add, args=(8,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with server.connect() as connection:
            assert connection.execute("select sum(n), count(*) from counter").fetchone() == (32, 36)


def test_two_servers_never_overwrite_each_other(tmp_path):
    """Another process is noticed at the commit: 40001, and the statement done again."""
    with Server(tmp_path / "data") as first, Server(tmp_path / "data") as second:
        with first.connect() as connection:
            connection.execute("create table counter (id int, n bigint)")
            connection.execute("insert into counter values (1, 0)")
        eventually(lambda: count_of(second, "counter"), 1)
        done, lock = [0], threading.Lock()

        def add(server):
            with server.connect() as connection:
                for _ in range(10):
                    while True:
                        try:
                            connection.execute("update counter set n = n + 1")
                            break
                        except psycopg.errors.SerializationFailure:
                            pass
                    with lock:
                        done[0] += 1

        threads = [threading.Thread(target=add, args=(server,)) for server in (first, second, first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with first.connect() as connection:
            assert connection.execute("select n from counter").fetchone() == (done[0],)


def test_updates_survive_kill(tmp_path):
    """The sum of two rows never changes, whatever moment the server dies at."""
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table account (id int, n bigint)")
            connection.execute("insert into account values (1, 1000), (2, 1000)")
        for round_number in range(6):
            if round_number:
                server.start()

            def move():
                try:
                    with server.connect() as connection:
                        while True:
                            connection.execute("update account set n = n + case id when 1 then -1 else 1 end")
                except psycopg.Error:
                    pass

            thread = threading.Thread(target=move)
            thread.start()
            threading.Event().wait(0.4)
            server.kill()
            thread.join()
        server.start()
        with server.connect() as connection:
            assert connection.execute("select sum(n), count(*) from account").fetchone() == (2000, 2)
        assert sum(row[1] for row in rows_of(tmp_path / "data", "id")) == 2000


def test_no_number_is_given_twice(tmp_path):
    """Two servers number rows of one table at the same time, and again after a kill."""
    with Server(tmp_path / "data") as first, Server(tmp_path / "data") as second:
        with first.connect() as connection:
            connection.execute("create table numbered (id bigserial primary key, who text)")
        eventually(lambda: count_of(second, "numbered"), 0)
        numbers, lock = [], threading.Lock()

        def add(server, who):
            with server.connect() as connection:
                for _ in range(8):
                    rows = connection.execute(
                        "insert into numbered (who) select %s from generate_series(1, 20) returning id", [who]
                    ).fetchall()
                    with lock:
                        numbers.extend(row[0] for row in rows)

        def run():
            threads = [threading.Thread(target=add, args=pair) for pair in ((first, "a"), (second, "b"), (first, "c"))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        run()
        first.kill()
        first.start()
        run()
        assert len(numbers) == 2 * 3 * 8 * 20
        assert len(set(numbers)) == len(numbers)


def test_a_table_says_where_it_lies(tmp_path):
    """DESCRIBE DETAIL leads other readers to the table; it is for the owner, because sizes tell of hidden rows."""
    with Server(tmp_path / "warehouse") as server, server.connect() as connection:
        connection.execute("create table sold (day date, amount int) partitioned by (day)")
        connection.execute("insert into sold values ('2024-01-01', 1), ('2024-01-02', 2)")
        cursor = connection.execute("describe detail sold")
        detail = dict(zip((column.name for column in cursor.description), cursor.fetchone(), strict=True))
        assert (detail["format"], detail["name"]) == ("delta", "boathouse.public.sold")
        assert (detail["partitionColumns"], detail["numFiles"]) == (["day"], 2)
        table = deltalake.DeltaTable(detail["location"].removeprefix("file://"))
        assert str(table.metadata().id) == detail["id"]
        assert sorted(table.to_pyarrow_table()["amount"].to_pylist()) == [1, 2]
        sizes = table.get_add_actions(flatten=True).column("size_bytes").to_pylist()
        assert sum(sizes) == detail["sizeInBytes"]
        connection.execute("create role reader")
        connection.execute("grant select on sold to reader")
        connection.execute("set role reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("describe detail sold")
