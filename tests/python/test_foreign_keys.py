"""Foreign keys: what errors say and what they do not, COPY, and that no two sessions or servers leave a row without
what it refers to."""

import threading

import psycopg
import pytest

from server_process import Server
from test_servers import eventually

NOT_PRESENT = psycopg.errors.ForeignKeyViolation


def test_errors_name_keys_and_tables(connection):
    connection.execute("create table owner (id int primary key)")
    connection.execute("create table thing (id int, owner_id int references owner)")
    connection.execute("insert into owner values (1)")
    connection.execute("insert into thing values (1, 1)")
    with pytest.raises(NOT_PRESENT) as caught:
        connection.execute("insert into thing values (2, 7)")
    said = caught.value.diag
    assert said.message_primary == (
        'insert or update on table "thing" violates foreign key constraint "thing_owner_id_fkey"')
    assert said.message_detail == 'Key (owner_id)=(7) is not present in table "owner".'
    assert (said.schema_name, said.table_name, said.constraint_name) == ("public", "thing", "thing_owner_id_fkey")
    with pytest.raises(NOT_PRESENT) as caught:
        connection.execute("delete from owner")
    said = caught.value.diag
    assert said.message_primary == (
        'update or delete on table "owner" violates foreign key constraint "thing_owner_id_fkey" on table "thing"')
    assert said.message_detail == 'Key (id)=(1) is still referenced from table "thing".'
    assert (said.table_name, said.constraint_name) == ("thing", "thing_owner_id_fkey")


def test_who_may_not_read_a_key_is_not_shown_it(server):
    with server.connect() as admin:
        admin.execute("create role blind login password 'x'")
        admin.execute("create table secret_owner (id int primary key)")
        admin.execute("create table secret_thing (id int, owner_id int references secret_owner)")
        admin.execute("insert into secret_owner values (41)")
        admin.execute("insert into secret_thing values (1, 41)")
        admin.execute("grant insert on secret_thing to blind")
        admin.execute("grant delete on secret_owner to blind")
    with server.connect(user="blind", password="x") as blind:
        with pytest.raises(NOT_PRESENT) as caught:
            blind.execute("insert into secret_thing values (2, 7)")
        assert caught.value.diag.message_detail == 'Key is not present in table "secret_owner".'
        with pytest.raises(NOT_PRESENT) as caught:
            blind.execute("delete from secret_owner")
        assert caught.value.diag.message_detail == 'Key is still referenced from table "secret_thing".'


def test_copy(connection):
    connection.execute("create table copied_owner (id int primary key)")
    connection.execute("create table copied_thing (id int, owner_id int references copied_owner)")
    connection.execute("insert into copied_owner select generate_series(1, 1000)")

    def copy(rows):
        with connection.cursor().copy("copy copied_thing from stdin") as copy:
            for row in rows:
                copy.write_row(row)

    copy([(number, number) for number in range(1, 1001)] + [(0, None)])
    with pytest.raises(NOT_PRESENT):
        copy([(1, 1), (2, 1001)])
    assert connection.execute("select count(*) from copied_thing").fetchone() == (1001,)
    with pytest.raises(NOT_PRESENT), connection.transaction():
        copy([(1, 1001)])
        pytest.fail("the COPY of a block is compared before the block ends")
    with connection.transaction():
        connection.execute("insert into copied_owner values (1001)")
        copy([(1, 1001)])
    assert connection.execute("select count(*) from copied_thing").fetchone() == (1002,)


def test_many_rows(connection):
    connection.execute("create table many_owner (id bigint primary key)")
    connection.execute("create table many_thing (id int, owner_id int references many_owner on delete cascade)")
    connection.execute("insert into many_owner select generate_series(1, 400000)")
    connection.execute("insert into many_thing select n, n from generate_series(1, 400000) n")
    with pytest.raises(NOT_PRESENT):
        connection.execute("insert into many_thing select n, n from generate_series(2, 400001) n")
    connection.execute("delete from many_owner where id % 2 = 0")
    assert connection.execute("select count(*) from many_thing").fetchone() == (200000,)
    connection.execute("truncate many_owner cascade")
    assert connection.execute("select count(*) from many_thing").fetchone() == (0,)


@pytest.mark.parametrize("parent_first", [True, False])
@pytest.mark.parametrize("change", ["delete from crossed_owner where id = 1", "update crossed_owner set id = 9 where id = 1"])
def test_blocks_that_cross(server, parent_first, change):
    """One takes a row away, the other refers to it; neither has seen the other."""
    with server.connect() as one, server.connect() as other:
        one.execute("drop table if exists crossed_thing, crossed_owner")
        one.execute("create table crossed_owner (id int primary key)")
        one.execute("create table crossed_thing (id int, owner_id int references crossed_owner)")
        one.execute("insert into crossed_owner values (1), (2)")
        one.execute("begin")
        other.execute("begin")
        one.execute(change)
        other.execute("insert into crossed_thing values (1, 1)")
        first, second = (one, other) if parent_first else (other, one)
        first.execute("commit")
        with pytest.raises((NOT_PRESENT, psycopg.errors.SerializationFailure)):
            second.execute("commit")
        assert_whole(one, "crossed")
        # What does not meet commits side by side.
        one.execute("begin")
        other.execute("begin")
        one.execute("insert into crossed_owner values (20)")
        other.execute("insert into crossed_thing values (2, 2)")
        one.execute("commit")
        other.execute("commit")
        assert_whole(one, "crossed")


def test_a_block_that_brings_both(connection):
    connection.execute("create table both_owner (id int primary key)")
    connection.execute("create table both_thing (id int, owner_id int references both_owner)")
    with connection.transaction():
        connection.execute("insert into both_owner values (1), (2)")
        connection.execute("insert into both_thing values (1, 1), (2, 2)")
    with connection.transaction():
        connection.execute("delete from both_thing where owner_id = 2")
        connection.execute("delete from both_owner where id = 2")
    assert connection.execute("select count(*) from both_thing").fetchone() == (1,)
    assert_whole(connection, "both")


def test_many_sessions(server):
    """Rows come and what they refer to goes, at random and by statements on their own."""
    with server.connect() as admin:
        admin.execute("create table raced_owner (id int primary key)")
        admin.execute("create table raced_thing (id int, owner_id int references raced_owner)")
        admin.execute("insert into raced_owner select generate_series(1, 30)")
    unexpected = []

    def work(number):
        with server.connect() as session:
            for turn in range(1, 31):
                key = (turn * 7 + number) % 30 + 1
                statement = f"delete from raced_owner where id = {key}"
                if number % 2:
                    statement = f"insert into raced_thing values ({number}, {key})"
                try:
                    session.execute(statement)
                except (NOT_PRESENT, psycopg.errors.SerializationFailure):
                    pass
                except psycopg.Error as error:
                    unexpected.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unexpected == []
    with server.connect() as admin:
        assert_whole(admin, "raced")


def test_two_servers(tmp_path):
    with Server(tmp_path / "data") as one, Server(tmp_path / "data") as other:
        with one.connect() as first, other.connect() as second:
            first.execute("create table far_owner (id int primary key)")
            first.execute("create table far_thing (id int, owner_id int references far_owner)")
            first.execute("insert into far_owner values (1), (2), (3)")
            eventually(lambda: second.execute("select count(*) from far_thing").fetchone(), (0,))
        for key, (deleter, inserter) in enumerate([(one, other), (other, one)], start=1):
            with deleter.connect() as deletes, inserter.connect() as inserts:
                eventually(lambda: inserts.execute("select count(*) from far_owner").fetchone(), (4 - key,))
                deletes.execute("begin")
                inserts.execute("begin")
                deletes.execute(f"delete from far_owner where id = {key}")
                inserts.execute(f"insert into far_thing values (1, {key})")
                deletes.execute("commit")
                with pytest.raises((NOT_PRESENT, psycopg.errors.SerializationFailure)):
                    inserts.execute("commit")
                assert_whole(deletes, "far")


def assert_whole(connection, name):
    lost = connection.execute(
        f"select count(*) from {name}_thing t where owner_id is not null "
        f"and not exists (select 1 from {name}_owner o where o.id = t.owner_id)").fetchone()
    assert lost == (0,)
