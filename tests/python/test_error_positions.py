"""Where in the statement's text an error is: the numbers are PostgreSQL's."""

import psycopg
import pytest

TABLE = "create temp table p (id int primary key, n numeric(5,2), s text, d date)"

PLACES = [
    ("update nosuch set a = 1", "42P01", "8"),
    ("update nosuch as n set a = 1 where n.x = 2", "42P01", "8"),
    ("delete from nosuch where a = 1", "42P01", "13"),
    ("insert into nosuch (a) select 1", "42P01", "13"),
    ("merge into nosuch using p on true when matched then delete", "42P01", "12"),
    ("insert into p (id, n) values (1)", "42601", "20"),
    ("insert into p (id) values (1, 2)", "42601", "31"),
    ("insert into p (id, n) select 1", "42601", "20"),
    ("insert into p (id) select 1, 2", "42601", "30"),
    ("insert into p (id, d) values (5, 1)", "42804", "34"),
    ("update p set d = 5", "42804", "18"),
    ("select s::nosuch from p", "42704", "11"),
    ("select rank() over w from p", "42704", "20"),
    ("select 1 union select 1, 2", "42601", "23"),
    ("select 1 union select 2 union all select 1, 2", "42601", "42"),
    ("select sum(sum(id)) from p", "42803", "12"),
]


@pytest.mark.parametrize("statement, state, position", PLACES)
def test_position(connection, statement, state, position):
    connection.execute(TABLE)
    with pytest.raises(psycopg.Error) as failed:
        connection.execute(statement)
    assert (failed.value.sqlstate, failed.value.diag.statement_position) == (state, position)


def test_copy_tells_line_and_column(connection):
    connection.execute(TABLE)
    with pytest.raises(psycopg.Error) as failed, connection.cursor() as cursor:
        with cursor.copy("copy p (id, s) from stdin") as copy:
            copy.write("1\ta\nx\tb\n")
    assert failed.value.sqlstate == "22P02"
    assert failed.value.diag.context == 'COPY p, line 2, column id: "x"'
