"""psycopg2: client-side parameters, execute_values, named cursors, COPY, cancel."""

import psycopg2
import psycopg2.extras
import pytest


@pytest.fixture
def connection(url):
    opened = psycopg2.connect(url)
    yield opened
    opened.close()


def test_values_and_arrays(connection):
    cursor = connection.cursor()
    cursor.execute("select %s, %s, %s, %s", (1, "it's", [1, 2], None))
    assert cursor.fetchone() == (1, "it's", [1, 2], None)


def test_execute_values_and_named_cursor(connection):
    cursor = connection.cursor()
    cursor.execute("create table by_psycopg2 (id int, name text)")
    rows = [(number, f"name {number}") for number in range(100)]
    psycopg2.extras.execute_values(cursor, "insert into by_psycopg2 values %s", rows)
    connection.commit()
    named = connection.cursor(name="server_side")
    named.itersize = 30
    named.execute("select id, name from by_psycopg2 order by id")
    assert list(named) == rows
    connection.commit()
    cursor.execute("drop table by_psycopg2")
    connection.commit()


def test_rollback_undoes_tables(connection):
    cursor = connection.cursor()
    cursor.execute("create table undone (n int)")
    connection.rollback()
    with pytest.raises(psycopg2.errors.UndefinedTable):
        cursor.execute("select * from undone")
