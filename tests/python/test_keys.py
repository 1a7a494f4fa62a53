"""Enforced keys: what errors say, and that no two sessions or servers bring the same key."""

import threading

import psycopg
import pytest

from server_process import Server
from test_servers import eventually


def test_the_error_names_key_and_value(connection):
    connection.execute("create table named (id int primary key, code text, unique (code, id))")
    connection.execute("insert into named values (1, 'a'), (2, 'b')")
    with pytest.raises(psycopg.errors.UniqueViolation) as caught:
        connection.execute("insert into named values (2, 'c')")
    said = caught.value.diag
    assert said.message_primary == 'duplicate key value violates unique constraint "named_pkey"'
    assert said.message_detail == "Key (id)=(2) already exists."
    assert (said.schema_name, said.table_name, said.constraint_name) == ("public", "named", "named_pkey")
    connection.execute("create table twice (code text, n int)")
    connection.execute("insert into twice values ('x, y', 1), ('x, y', 1)")
    with pytest.raises(psycopg.errors.UniqueViolation) as caught:
        connection.execute("create unique index twice_key on twice (code, n)")
    assert caught.value.diag.message_primary == 'could not create unique index "twice_key"'
    assert caught.value.diag.message_detail == "Key (code, n)=(x, y, 1) is duplicated."


def test_copy_is_held_to_keys(connection):
    connection.execute("create table copied (id int primary key, note text)")

    def copy(rows):
        with connection.cursor().copy("copy copied from stdin") as copy:
            for row in rows:
                copy.write_row(row)

    copy([(1, "a"), (2, "b")])
    with pytest.raises(psycopg.errors.UniqueViolation) as caught:
        copy([(3, "a"), (2, "b")])
    assert caught.value.diag.message_detail == "Key (id)=(2) already exists."
    assert caught.value.diag.constraint_name == "copied_pkey"
    with pytest.raises(psycopg.errors.UniqueViolation):
        copy([(3, "a"), (3, "b")])
    assert connection.execute("select count(*) from copied").fetchone() == (2,)


def test_many_rows(connection):
    connection.execute("create table many (id bigint primary key, code text unique)")
    connection.execute("insert into many select n, 'c' || n from generate_series(1, 600000) n")
    for rows in ("select n, null from generate_series(600000, 1200000) n", "values (7, null)",
                 "select n % 400000 + 700000, null from generate_series(1, 400001) n",
                 "select n, 'c' || (n - 700000) from generate_series(700001, 1000000) n"):
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(f"insert into many {rows}")
    connection.execute("insert into many select n, 'c' || n from generate_series(600001, 900000) n")
    connection.execute("update many set id = -id")
    connection.execute("update many set id = id + 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("update many set id = id / 2")
    assert connection.execute("select count(*), count(distinct id) from many").fetchone() == (900000, 900000)


def test_a_hidden_row_tells_that_its_key_exists_and_no_more(own_server):
    with own_server.connect() as admin:
        admin.execute("create role clerk login password 'c'")
        admin.execute("create table hidden (id int primary key, region text, code text unique)")
        admin.execute("insert into hidden values (1, 'north', 'secret'), (2, 'south', 'open')")
        admin.execute("create function southern(region text) returns boolean return region = 'south' or is_member('admin')")
        admin.execute("alter table hidden set row filter southern on (region)")
        admin.execute("grant select, insert, update on hidden to clerk")
        with own_server.connect(user="clerk", password="c") as clerk:
            assert clerk.execute("select id from hidden").fetchall() == [(2,)]
            for statement in ("insert into hidden values (1, 'south', 'x')", "update hidden set id = 1",
                              "insert into hidden values (1, 'south', 'y') on conflict do nothing",
                              "update hidden set code = 'secret'"):
                with pytest.raises(psycopg.errors.UniqueViolation) as caught:
                    clerk.execute(statement)
                assert caught.value.diag.message_detail is None
                assert "secret" not in str(caught.value)
        # Who may not read the key is not shown it either.
        admin.execute("create table unread (id int primary key)")
        admin.execute("insert into unread values (1)")
        admin.execute("grant insert on unread to clerk")
        with own_server.connect(user="clerk", password="c") as clerk:
            with pytest.raises(psycopg.errors.UniqueViolation) as caught:
                clerk.execute("insert into unread values (1)")
            assert caught.value.diag.message_detail is None


def test_keys_of_external_tables_are_declared_only(own_server, tmp_path):
    with own_server.connect() as admin:
        admin.execute(f"create external location outside url 'file://{tmp_path}/outside'")
        place = f"location 'file://{tmp_path}/outside/t'"
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            admin.execute(f"create table outer_rows (id int primary key enforced) using delta {place}")
        admin.execute(f"create table outer_rows (id int primary key) using delta {place}")
        admin.execute("insert into outer_rows values (1), (1)")
        seen = admin.execute("select enforced from information_schema.table_constraints where table_name = 'outer_rows'"
                             " and constraint_type = 'PRIMARY KEY'")
        assert seen.fetchall() == [("NO",)]


def race(connections, insert):
    """Each connection inserts the same keys in an order of its own; answers how many inserts took effect."""
    taken = []

    def run(place, connection):
        for n in range(40):
            key = (n * 7 + place * 13) % 40
            while True:
                try:
                    connection.execute(insert, (key, f"writer {place}"))
                    taken.append(key)
                except psycopg.errors.SerializationFailure:
                    continue
                except psycopg.errors.UniqueViolation:
                    pass
                break

    threads = [threading.Thread(target=run, args=job) for job in enumerate(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(taken)


def test_sessions_and_servers_never_bring_one_key_twice(tmp_path):
    with Server(tmp_path / "data") as first, Server(tmp_path / "data") as second:
        with first.connect() as one, second.connect() as two:
            one.execute("create table raced (id int primary key, who text)")
            eventually(lambda: two.execute("select count(*) from raced").fetchone(), (0,))
            sessions = [first.connect(), first.connect(), second.connect(), second.connect()]
            assert race(sessions, "insert into raced values (%s, %s)") == list(range(40))
            for session in sessions:
                session.close()
            eventually(lambda: two.execute("select count(*), count(distinct id) from raced").fetchone(), (40, 40))


def test_a_commit_meets_keys_that_came_meanwhile(own_server):
    with own_server.connect() as one, own_server.connect() as two:
        one.autocommit = two.autocommit = False
        one.execute("create table met (id int primary key)")
        one.commit()
        one.execute("insert into met values (1)")
        two.execute("insert into met values (2)")
        two.commit()
        one.commit()
        one.execute("insert into met values (3)")
        two.execute("insert into met values (3)")
        two.commit()
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            one.commit()
        assert caught.value.diag.message_detail == "Key (id)=(3) already exists."
        one.rollback()
        one.execute("update met set id = 5 where id = 1")
        two.execute("insert into met values (5)")
        two.commit()
        with pytest.raises(psycopg.errors.UniqueViolation):
            one.commit()
        one.rollback()
        # Rows that came before a key, in a transaction that knows nothing of it.
        one.execute("create table keyless (id int)")
        one.commit()
        one.execute("insert into keyless values (1), (1)")
        two.execute("alter table keyless add primary key (id)")
        two.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            one.commit()
