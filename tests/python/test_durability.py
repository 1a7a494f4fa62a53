"""kill -9 in the middle of writing: nothing acknowledged is lost, nothing partial is visible."""

import pathlib
import random
import threading

import deltalake
import psycopg
import pytest

from server_process import Server

ROUNDS = 20
ROWS_A_BATCH = 5


def write_until_killed(server, writer, acknowledged, attempted, lock):
    """Inserts batches until the server is gone; a batch counts once its INSERT was acknowledged."""
    number = 0
    try:
        with server.connect() as connection:
            while True:
                batch = (writer, len(attempted), number)
                identifier = hash(batch) & 0x7FFF_FFFF_FFFF
                with lock:
                    attempted.add(identifier)
                values = ", ".join(f"({identifier}, {row})" for row in range(ROWS_A_BATCH))
                connection.execute(f"insert into durable values {values}")
                with lock:
                    acknowledged.add(identifier)
                number += 1
    except psycopg.Error:
        pass


def delta_table(warehouse, column):
    for log in pathlib.Path(warehouse).rglob("_delta_log"):
        table = deltalake.DeltaTable(str(log.parent))
        if table.schema().fields[0].name == column:
            return table
    raise AssertionError("no such Delta table")


def test_acknowledged_inserts_survive_kill(tmp_path):
    acknowledged, attempted, lock = set(), set(), threading.Lock()
    generator = random.Random(7)
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table durable (batch bigint, position int)")
        for round_number in range(ROUNDS):
            if round_number:
                server.start()
            writers = [
                threading.Thread(target=write_until_killed, args=(server, writer, acknowledged, attempted, lock))
                for writer in range(2)
            ]
            for thread in writers:
                thread.start()
            threading.Event().wait(generator.uniform(0.1, 0.8))
            server.kill()
            for thread in writers:
                thread.join()
        server.start()
        with server.connect() as connection:
            rows = connection.execute("select batch, count(*), count(distinct position) from durable group by batch").fetchall()
            total = connection.execute("select count(*) from durable").fetchone()[0]
        stored = {batch for batch, _, _ in rows}
        assert len(acknowledged) >= ROUNDS
        assert acknowledged <= stored, f"{len(acknowledged - stored)} acknowledged batches are lost"
        assert stored <= attempted
        partial = [row for row in rows if row[1:] != (ROWS_A_BATCH, ROWS_A_BATCH)]
        assert partial == []
        independent = delta_table(tmp_path / "data", "batch").to_pyarrow_table()
        assert independent.num_rows == total
        assert set(independent.column("batch").to_pylist()) == stored


def change_families_until_killed(server, kind, generator):
    """Rows that refer, rows of both tables at once, and keys that go with whatever refers to them."""
    refused = (psycopg.errors.ForeignKeyViolation, psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation)
    try:
        with server.connect() as connection:
            while True:
                parent, new = generator.randint(1, 20), generator.randint(1000, 1 << 30)
                try:
                    if kind == "refer":
                        connection.execute("insert into child values (%s, %s)", [new, parent])
                    elif kind == "both":
                        with connection.transaction():
                            connection.execute("insert into parent values (%s)", [new])
                            connection.execute("insert into child values (%s, %s)", [new, new])
                    else:
                        connection.execute("delete from parent where id = %s", [parent])
                        connection.execute("insert into parent values (%s)", [parent])
                except refused:
                    pass
    except psycopg.Error:
        pass


def test_foreign_keys_survive_kill(tmp_path):
    generator = random.Random(11)
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table parent (id int primary key)")
            connection.execute("create table child (id int, parent_id int references parent on delete cascade)")
            connection.execute("insert into parent select generate_series(1, 20)")
        for _ in range(4):
            writers = [
                threading.Thread(target=change_families_until_killed, args=(server, kind, random.Random(number)))
                for number, kind in enumerate(["refer", "refer", "both", "cascade"])
            ]
            for thread in writers:
                thread.start()
            threading.Event().wait(generator.uniform(0.8, 1.5))
            server.kill()
            for thread in writers:
                thread.join()
            server.start()
            with server.connect() as connection:
                one = lambda query: connection.execute(query).fetchone()[0]
                assert one("select count(*) from child where parent_id not in (select id from parent)") == 0
                assert one("select count(*) - count(distinct id) from parent") == 0
                # Of both or of neither.
                assert one("select count(*) from parent where id >= 1000 and id not in (select parent_id from child)") == 0
                written = one("select count(*) from child where id = parent_id")
        assert written > 0


def test_definitions_survive_kill(tmp_path):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create schema kept")
            connection.execute("create table kept.t (a int)")
            connection.execute("insert into kept.t values (1), (2), (3)")
            connection.execute("create function kept.odd(a int) returns boolean return a % 2 = 1")
            connection.execute("alter table kept.t set row filter kept.odd on (a)")
            connection.execute("create role keeper login password 'kept'")
            connection.execute("grant usage on schema kept to keeper")
            connection.execute("grant select on kept.t to keeper")
        server.kill()
        server.start()
        with server.connect(user="keeper", password="kept") as connection:
            assert connection.execute("select a from kept.t order by a").fetchall() == [(1,), (3,)]


def test_a_restart_keeps_object_identifiers(tmp_path):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table stable (a int)")
            before = connection.execute("select 'stable'::regclass::oid").fetchone()
        server.stop()
        server.start()
        with server.connect() as connection:
            assert connection.execute("select 'stable'::regclass::oid").fetchone() == before


def test_a_loss_inside_a_transaction_leaves_nothing(tmp_path):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table before_loss (a int)")
        lost = server.connect(autocommit=False)
        lost.execute("insert into before_loss values (1)")
        lost.execute("create table inside_loss (a int)")
        server.kill()
        server.start()
        with server.connect() as connection:
            assert connection.execute("select count(*) from before_loss").fetchone() == (0,)
            with pytest.raises(psycopg.errors.UndefinedTable):
                connection.execute("select * from inside_loss")
