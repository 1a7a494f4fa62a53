"""psql against the server: what people type first, and what its backslash commands need."""

import os
import subprocess

import pytest

from server_process import ADMIN_PASSWORD


@pytest.fixture(scope="module")
def shop(server):
    """A database with one of each object, for the describing commands."""
    with server.connect() as connection:
        connection.execute("create database psql_shop")
    with server.connect(dbname="psql_shop") as connection:
        for statement in (
            "create schema warehouse",
            "create table warehouse.items (id int not null, name varchar(20), price numeric(8,2), made timestamp)",
            "comment on table warehouse.items is 'things for sale'",
            "insert into warehouse.items values (1, 'pen', 1.5, '2024-01-01'), (2, null, null, null)",
            "create view warehouse.cheap as select id, name from warehouse.items where price < 2",
            "create function warehouse.twice(n int) returns int return n * 2",
            "create table plain (a int)",
            "create role psql_analyst login password 'x'",
            "grant usage on schema warehouse to psql_analyst",
            "grant select on warehouse.items to psql_analyst",
        ):
            connection.execute(statement)
    return server


@pytest.fixture
def psql(shop):
    def run(*commands, flags=(), stdin=None):
        arguments = ["psql", "-X", "-h", "127.0.0.1", "-p", str(shop.port), "-U", "admin", "-d", "psql_shop", *flags]
        for command in commands:
            arguments += ["-c", command]
        completed = subprocess.run(
            arguments, input=stdin, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PGPASSWORD": ADMIN_PASSWORD, "PAGER": "cat", "LC_ALL": "C.UTF-8"},
        )
        return completed.stdout, completed.stderr, completed.returncode

    return run


def test_a_table_of_rows(psql):
    output, errors, code = psql("select id, name, price from warehouse.items order by id")
    assert (errors, code) == ("", 0)
    assert output == (
        " id | name | price \n"
        "----+------+-------\n"
        "  1 | pen  |  1.50\n"
        "  2 |      |      \n"
        "(2 rows)\n\n"
    )


# (command, what its output must contain)
DESCRIPTIONS = [
    (r"\l", ["psql_shop", "boathouse", "admin"]),
    (r"\dn", ["warehouse", "public"]),
    (r"\dn+", ["warehouse"]),
    (r"\dt", ["plain"]),
    (r"\dt warehouse.*", ["items"]),
    (r"\dt+ warehouse.*", ["items", "things for sale"]),
    (r"\dv warehouse.*", ["cheap"]),
    (r"\d", ["plain"]),
    (r"\d warehouse.items", ["id", "integer", "not null", "character varying(20)", "numeric(8,2)", "timestamp without"]),
    (r"\d+ warehouse.items", ["numeric(8,2)"]),
    (r"\d warehouse.cheap", ["View", "id"]),
    (r"\d+ warehouse.cheap", ["View definition"]),
    (r"\d warehouse.*", ["items", "cheap"]),
    (r"\du", ["admin", "Superuser", "psql_analyst"]),
    (r"\dg", ["admin"]),
    (r"\df warehouse.*", ["twice", "integer", "n integer"]),
    (r"\dp warehouse.*", ["items", "psql_analyst=r"]),
    (r"\z warehouse.items", ["psql_analyst=r"]),
    (r"\dT", []),
    (r"\di", []),
    (r"\ds", []),
    (r"\dm", []),
    (r"\dx", []),
    (r"\dC", []),
    (r"\dS pg_class", ["pg_class"]),
    (r"\d pg_class", ["relname"]),
    (r"\conninfo", ["psql_shop", "admin"]),
    (r"\encoding", ["UTF8"]),
]


@pytest.mark.parametrize(("command", "expected"), DESCRIPTIONS, ids=[command for command, _ in DESCRIPTIONS])
def test_backslash_commands(psql, command, expected):
    output, errors, code = psql(command)
    assert (errors.replace("Did not find any relations.\n", ""), code) == ("", 0)
    for text in expected:
        assert text in output


def test_missing_relation(psql):
    _, errors, _ = psql(r"\d nosuch")
    assert errors == 'Did not find any relation named "nosuch".\n'


def test_copy_in_and_out(psql, tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("7,\"a, b\"\n8,\n")
    output, errors, code = psql(
        "create table psql_copied (id int, word text)",
        rf"\copy psql_copied from '{data}' with (format csv)",
        r"\copy (select * from psql_copied order by id) to stdout",
    )
    assert (errors, code) == ("", 0)
    assert output == "CREATE TABLE\nCOPY 2\n7\ta, b\n8\t\\N\n"


def test_errors_point_at_the_place(psql):
    _, errors, code = psql("select nosuch from plain")
    assert code == 1
    assert errors == (
        'ERROR:  column "nosuch" does not exist\n'
        "LINE 1: select nosuch from plain\n"
        "               ^\n"
    )


def test_a_script(psql):
    output, errors, code = psql(
        flags=["-v", "ON_ERROR_STOP=1", "-A", "-t"],
        stdin="begin;\ncreate table scripted (n int);\ninsert into scripted values (1), (2);\n"
              "select sum(n) from scripted;\nrollback;\n\\echo done\n",
    )
    assert (errors, code) == ("", 0)
    assert output.splitlines() == ["BEGIN", "CREATE TABLE", "INSERT 0 2", "3", "ROLLBACK", "done"]


def test_variables_and_gset(psql):
    output, _, _ = psql(flags=["-A", "-t"], stdin="select 42 as answer \\gset\nselect :answer + 1;\n\\gdesc\n")
    assert output.splitlines()[0] == "43"


def test_bind(psql):
    output, errors, _ = psql(flags=["-A", "-t"], stdin="select 1 as a, 'x' as b \\gdesc\n")
    assert errors == ""
    assert output.splitlines() == ["a|integer", "b|text"]


def test_expanded_and_csv_output(psql):
    output, _, _ = psql(r"\x on", "select id, name from warehouse.items where id = 1")
    assert "-[ RECORD 1 ]" in output
    output, _, _ = psql("select id, name from warehouse.items order by id", flags=["--csv"])
    assert output == "id,name\n1,pen\n2,\n"


def test_fetch_count_uses_cursors(psql):
    """psql's FETCH_COUNT declares a cursor and fetches from it."""
    output, errors, _ = psql(flags=["-A", "-t", "-v", "FETCH_COUNT=1"], stdin="select id from warehouse.items order by id;\n")
    assert (output.splitlines(), errors) == (["1", "2"], "")


def test_tab_completion_queries_run(psql):
    """What psql 15 sends for tab completion of a table name."""
    output, errors, _ = psql(
        "SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', "
        "'f', 'p') AND (c.relname) LIKE 'pl%' AND pg_catalog.pg_table_is_visible(c.oid) "
        "AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') LIMIT 1000",
        flags=["-A", "-t"],
    )
    assert errors == ""
    assert "plain|" in output
