"""What an error of a CHECK constraint tells of the row that breaks it."""

import psycopg
import pytest


def detail(connection, statement):
    """The DETAIL of a statement's 23514."""
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute(statement)
    return refused.value.diag.message_detail


def test_the_row_is_shown_as_by_postgres(connection):
    connection.execute("create temporary table checked (a int, b int check (b > 0), c text, d money)")
    long = "x" * 100
    insert = f"insert into checked values (1, 2, 'x', 3), (2, -1, '{long}', 1.5)"
    assert detail(connection, insert) == f"Failing row contains (2, -1, {'x' * 64}..., $1.50)."
    connection.execute("insert into checked values (1, 1, null)")
    assert detail(connection, "update checked set b = b - 9") == "Failing row contains (1, -8, null, null)."


def test_no_row_is_shown_of_a_table_with_policies(own_server):
    with own_server.connect() as owner:
        owner.execute("create table guarded (a int, b int check (b > 0), secret text)")
        owner.execute("insert into guarded values (1, 1, 'hidden')")
        assert detail(owner, "update guarded set b = -1") == "Failing row contains (1, -1, hidden)."
        owner.execute("create function masked(text) returns text return '?'")
        owner.execute("alter table guarded alter column secret set mask masked")
        assert detail(owner, "update guarded set b = -1") is None
        assert detail(owner, "insert into guarded values (2, -1, 'new')") is None


def test_no_row_is_shown_to_who_may_not_read_it(own_server):
    with own_server.connect() as owner:
        owner.execute("create role clerk login password 'c'")
        owner.execute("create table unread (a int, b int check (b > 0))")
        owner.execute("grant insert on unread to clerk")
        with own_server.connect(user="clerk", password="c") as clerk:
            assert detail(clerk, "insert into unread values (1, -1)") is None
