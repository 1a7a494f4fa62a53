"""PL/pgSQL as a client sees it: notices and errors with their context, cancel and time limits, the extended protocol."""

import random
import threading
import time
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import errors


# A notice's fields are gone once its handler returns.
FIELDS = ["severity", "sqlstate", "message_primary", "message_detail", "message_hint", "context"]


@pytest.fixture
def notices(connection):
    heard = []
    connection.add_notice_handler(
        lambda notice: heard.append(SimpleNamespace(**{name: getattr(notice, name) for name in FIELDS}))
    )
    return heard


def test_notices_say_where_they_arose(connection, notices):
    connection.execute("""DO $$
BEGIN
  RAISE NOTICE 'hello %', 1.50::numeric(5,2) USING HINT = 'a hint';
  RAISE WARNING 'careful' USING ERRCODE = '01004', DETAIL = 'a detail';
  RAISE DEBUG 'not asked for';
  DROP TABLE IF EXISTS no_such_table;
END $$""")
    first, second, third = notices
    assert (first.severity, first.sqlstate, first.message_primary) == ("NOTICE", "00000", "hello 1.50")
    assert first.message_hint == "a hint"
    assert first.context == "PL/pgSQL function inline_code_block line 3 at RAISE"
    assert (second.severity, second.sqlstate, second.message_detail) == ("WARNING", "01004", "a detail")
    assert third.context == (
        'SQL statement "DROP TABLE IF EXISTS no_such_table"\n'
        "PL/pgSQL function inline_code_block line 6 at SQL statement"
    )


def test_client_min_messages_decides_what_is_heard(connection, notices):
    connection.execute("set client_min_messages = warning")
    connection.execute("DO $$ BEGIN RAISE NOTICE 'no'; RAISE WARNING 'yes'; RAISE INFO 'always'; END $$")
    assert [notice.message_primary for notice in notices] == ["yes", "always"]


def test_client_min_messages_decides_about_statements_too(connection, notices):
    connection.execute("set client_min_messages = warning")
    connection.execute("drop table if exists no_such_table")
    connection.execute("set client_min_messages = debug1")
    connection.execute("create temp table chatty (id serial)")
    assert [(notice.severity, notice.message_primary) for notice in notices] == [
        ("DEBUG", 'CREATE TABLE will create implicit sequence "chatty_id_seq" for serial column "chatty.id"')
    ]


def test_notices_arrive_while_the_block_runs(connection):
    heard = []
    connection.add_notice_handler(lambda notice: heard.append((notice.message_primary, time.monotonic())))
    connection.execute("""DO $$
BEGIN
  RAISE NOTICE 'first';
  DROP TABLE IF EXISTS no_such_table;
  PERFORM pg_sleep(0.5);
  RAISE NOTICE 'second';
  PERFORM pg_sleep(0.5);
END $$""")
    ended = time.monotonic()
    (first, at_first), (dropped, _), (second, at_second) = heard
    assert (first, second) == ("first", "second") and "does not exist" in dropped
    assert at_second - at_first > 0.4 and ended - at_second > 0.4


def failure(connection, body):
    with pytest.raises(psycopg.Error) as failed:
        connection.execute(body)
    connection.rollback()
    return failed.value


def test_errors_say_where_they_arose(connection):
    error = failure(connection, "DO $$\nDECLARE x int := 0;\nBEGIN\n  x := 1 / x;\nEND $$")
    assert isinstance(error, errors.DivisionByZero)
    assert error.diag.context == "PL/pgSQL function inline_code_block line 4 at assignment"
    error = failure(connection, "DO $$ BEGIN PERFORM missing(1); END $$")
    assert error.diag.internal_query == "SELECT missing(1)"
    assert error.diag.internal_position == "8"
    assert error.diag.statement_position is None
    error = failure(connection, "DO $$ BEGIN NULL; FOO; END $$")
    assert (error.sqlstate, error.diag.statement_position) == ("42601", "19")
    error = failure(connection, "DO $$ BEGIN DO 'BEGIN RAISE ''inner''; END'; END $$")
    assert error.diag.context == (
        "PL/pgSQL function inline_code_block line 1 at RAISE\n"
        "SQL statement \"DO 'BEGIN RAISE ''inner''; END'\"\n"
        "PL/pgSQL function inline_code_block line 1 at DO"
    )


def test_raised_errors_name_their_objects(connection):
    error = failure(connection, "DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'm', ERRCODE = 'MY042', TABLE = 't', "
                                "COLUMN = 'c', CONSTRAINT = 'k', SCHEMA = 's'; END $$")
    diag = error.diag
    assert (error.sqlstate, diag.table_name, diag.column_name, diag.constraint_name, diag.schema_name) == (
        "MY042", "t", "c", "k", "s")


@pytest.mark.parametrize("body", [
    "LOOP NULL; END LOOP",
    "LOOP PERFORM 1; END LOOP",
    "LOOP BEGIN PERFORM pg_sleep(10); EXCEPTION WHEN OTHERS OR query_canceled THEN NULL; END; END LOOP",
])
def test_endless_loops_end(connection, body):
    connection.execute("set statement_timeout = 200")
    began = time.monotonic()
    assert failure(connection, f"DO $$ BEGIN {body}; END $$").sqlstate == "57014"
    connection.execute("reset statement_timeout")
    threading.Timer(0.2, connection.cancel).start()
    assert failure(connection, f"DO $$ BEGIN {body}; END $$").sqlstate == "57014"
    assert time.monotonic() - began < 10
    assert connection.execute("select 1").fetchone() == (1,)


def test_blocks_in_blocks_without_end_are_refused(connection):
    body = "NULL;"
    for _ in range(150):
        body = f"BEGIN {body} END;"
    assert failure(connection, f"DO $$ {body} $$").sqlstate == "54001"
    # A block that runs itself again and again.
    connection.execute("create table self (body text)")
    connection.execute("insert into self values (%s)", [
        "DO $$ DECLARE b text; BEGIN SELECT body INTO b FROM self; EXECUTE b; END $$"])
    connection.commit()
    error = failure(connection, "DO $$ DECLARE b text; BEGIN SELECT body INTO b FROM self; EXECUTE b; END $$")
    assert error.sqlstate == "54001"


def test_the_extended_protocol_runs_blocks(connection):
    connection.execute("create table done (n int)")
    for _ in range(2):
        connection.execute("DO $$ BEGIN INSERT INTO done VALUES (1); END $$", prepare=True)
    connection.commit()
    with pytest.raises(errors.RaiseException):
        connection.execute("DO $$ BEGIN INSERT INTO done VALUES (2); RAISE 'no'; END $$", prepare=True)
    connection.rollback()
    assert connection.execute("select count(*) from done").fetchone() == (2,)


def test_commits_inside_a_block_are_seen_by_others(server, connection, database):
    connection.autocommit = True
    connection.execute("create table seen (n int)")
    connection.execute("DO $$ BEGIN FOR i IN 1..3 LOOP INSERT INTO seen VALUES (i); COMMIT; END LOOP; "
                       "INSERT INTO seen VALUES (4); ROLLBACK; END $$")
    with server.connect(dbname=database) as other:
        assert other.execute("select array_agg(n order by n) from seen").fetchone() == ([1, 2, 3],)


def test_no_body_breaks_the_server(connection):
    """Random bodies end well or with an error that has an SQLSTATE."""
    connection.autocommit = True
    connection.execute("set statement_timeout = 500")
    words = ("BEGIN END IF THEN ELSIF ELSE LOOP WHILE FOR IN 1..3 REVERSE BY EXIT CONTINUE WHEN RETURN RAISE NOTICE "
             "EXCEPTION OTHERS DECLARE x int := = ; ; ; 1 + ( ) [ ] , % 'a%' << >> <<l>> l SELECT INTO STRICT PERFORM "
             "EXECUTE USING GET STACKED DIAGNOSTICS ROW_COUNT CASE NULL x x.y $1 FOREACH ARRAY record r r.* FROM "
             "pg_class CONSTANT NOT DEFAULT ALIAS %TYPE %ROWTYPE ASSERT SQLSTATE '22012' .. \"\u00e4\" found").split()
    whole = ["DECLARE x int := 1; r record; BEGIN", "x := x + 1;", "FOR i IN 1..2 LOOP", "END LOOP;",
             "IF x > 0 THEN", "END IF;", "SELECT 1 AS a INTO r;", "RAISE NOTICE '%', x;", "BEGIN", "END;",
             "EXCEPTION WHEN OTHERS THEN", "r.a := x;", "PERFORM r.*;", "CASE x WHEN 1 THEN", "END CASE;"]
    chance = random.Random(20261121)
    for _ in range(400):
        pieces = chance.choices(words + whole * 3, k=chance.randint(1, 25))
        try:
            connection.execute("DO $body$ " + " ".join(pieces).replace("$body$", "") + " END $body$")
        except psycopg.Error as error:
            assert error.sqlstate and not error.sqlstate.startswith("XX"), " ".join(pieces)
