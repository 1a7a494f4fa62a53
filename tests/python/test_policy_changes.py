"""Policies, privileges and names that change while sessions go on: prepared statements, open transactions and cursors."""

import psycopg
import pytest

PASSWORD = "reader"


@pytest.fixture
def administrator(own_server):
    with own_server.connect() as connection:
        for statement in [
            f"create role reader login password '{PASSWORD}'",
            "create table kept (id int primary key, place text, amount int)",
            "insert into kept values (1, 'north', 10), (2, 'south', 20)",
            "create view kept_view as select id, place, amount, amount + 1 as more from kept",
            "grant select, insert, update, delete on kept, kept_view to reader",
            "create function in_the_north(place text) returns boolean return current_user <> 'reader' or place = 'north'",
            "create function hidden(amount int) returns int return case when current_user <> 'reader' then amount else 0 end",
        ]:
            connection.execute(statement)
        yield connection


@pytest.fixture
def reader(own_server, administrator):
    with own_server.connect(user="reader", password=PASSWORD) as connection:
        for statement in [
            "prepare rows_of as select * from kept_view order by id",
            "prepare change (text) as update kept_view set place = $1 where amount = 10 returning id, more",
            "prepare raising as update kept set amount = amount + 1 returning id",
            "prepare merging as merge into kept_view v using (values (1), (2)) s(n) on v.id = s.n when matched then delete",
        ]:
            connection.execute(statement)
        yield connection


def govern(administrator):
    administrator.execute("alter table kept set row filter in_the_north on (place)")
    administrator.execute("alter table kept alter column amount set mask hidden")


def test_prepared_statements_keep_to_new_policies(administrator, reader):
    assert reader.execute("execute rows_of").fetchall() == [(1, "north", 10, 11), (2, "south", 20, 21)]
    assert reader.execute("execute change ('north')").fetchall() == [(1, 11)]
    govern(administrator)
    assert reader.execute("execute rows_of").fetchall() == [(1, "north", 0, 1)]
    assert reader.execute("execute change ('south')").fetchall() == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("execute raising")
    with reader.transaction(force_rollback=True):
        assert reader.execute("execute merging").rowcount == 1
    administrator.execute("alter table kept drop row filter")
    assert reader.execute("execute rows_of").fetchall() == [(1, "north", 0, 1), (2, "south", 0, 1)]
    administrator.execute("revoke update on kept_view from reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("execute change ('north')")
    assert administrator.execute("select * from kept order by id").fetchall() == [(1, "north", 10), (2, "south", 20)]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_policies_reach_open_transactions(administrator, reader, isolation):
    reader.execute(f"begin isolation level {isolation}")
    assert len(reader.execute("execute rows_of").fetchall()) == 2
    reader.execute("declare before cursor for select id, amount from kept order by id")
    assert reader.execute("fetch 1 from before").fetchall() == [(1, 10)]
    govern(administrator)
    assert reader.execute("execute rows_of").fetchall() == [(1, "north", 0, 1)]
    assert reader.execute("update kept_view set place = 'south' returning id, amount").fetchall() == [(1, 0)]
    assert reader.execute("select count(*) from kept").fetchone() == (0,)
    # As in PostgreSQL, a cursor goes on with the plan that it was opened with.
    assert reader.execute("fetch all from before").fetchall() == [(2, 20)]
    reader.execute("rollback")
    assert reader.execute("execute merging").rowcount == 1


def test_a_view_that_is_replaced(administrator, reader):
    assert reader.execute("execute change ('north')").fetchall() == [(1, 11)]
    administrator.execute(
        "create or replace view kept_view as select id, place, amount, amount * 2 as more from kept where id > 1 with check option"
    )
    assert reader.execute("execute rows_of").fetchall() == [(2, "south", 20, 40)]
    assert reader.execute("execute change ('west')").fetchall() == []
    with pytest.raises(psycopg.errors.WithCheckOptionViolation):
        reader.execute("insert into kept_view (id, place) values (0, 'north')")
    administrator.execute("create table other (id int, place text, amount int)")
    administrator.execute("create or replace view kept_view as select id, place, amount, id as more from other")
    assert reader.execute("execute rows_of").fetchall() == []
    assert reader.execute("execute merging").rowcount == 0
    assert reader.execute("insert into kept_view (id, place, amount) values (7, 'x', 10)").rowcount == 1
    assert reader.execute("execute change ('y')").fetchall() == [(7, 7)]
    assert administrator.execute("select count(*) from kept").fetchone() == (2,)


def test_a_temporary_table_takes_a_prepared_name(reader):
    reader.execute("prepare direct as update kept set amount = 0 returning id")
    reader.execute("create temp table kept (id int, place text, amount int)")
    assert reader.execute("execute direct").fetchall() == []
    assert reader.execute("execute rows_of").fetchall() == [(1, "north", 10, 11), (2, "south", 20, 21)]
    reader.execute("drop table kept")
    with reader.transaction(force_rollback=True):
        assert reader.execute("execute direct").fetchall() == [(1,), (2,)]
