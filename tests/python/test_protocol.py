"""The protocol as psycopg uses it: prepared statements, pipelines, transactions, cancel, timeouts, notices."""

import socket
import struct
import threading
import time

import psycopg
import pytest
from psycopg import errors
from psycopg.pq import ExecStatus, TransactionStatus

# Takes minutes if nothing stops it.
ENDLESS = "select sum(a.n * b.n) from generate_series(1, 1000000) a(n), generate_series(1, 1000000) b(n)"


def test_prepared_statements_are_reused(connection):
    connection.execute("create table numbers as select n from generate_series(1, 10) g(n)")
    for number in range(1, 11):
        row = connection.execute("select n * 2 from numbers where n = %s", [number], prepare=True).fetchone()
        assert row == (number * 2,)


def test_pipeline(connection):
    connection.execute("create table piped (n int)")
    with connection.pipeline():
        for number in range(20):
            connection.execute("insert into piped values (%s)", [number])
        cursor = connection.execute("select count(*), sum(n) from piped")
    assert cursor.fetchone() == (20, 190)


def test_an_error_in_a_pipeline_skips_to_the_sync(connection):
    connection.execute("create table piped_wrong (n int)")
    with pytest.raises(errors.UndefinedTable):
        with connection.pipeline():
            connection.execute("select * from missing")
            connection.execute("insert into piped_wrong values (1)")
    assert connection.execute("select count(*) from piped_wrong").fetchone() == (0,)


def test_executemany(connection):
    connection.execute("create table many (n int, word text)")
    with connection.cursor() as cursor:
        cursor.executemany("insert into many values (%s, %s)", [(1, "a"), (2, None), (3, "c")])
    assert connection.execute("select count(*), count(word) from many").fetchone() == (3, 2)


def test_transaction_status(server, database):
    with server.connect(autocommit=False, dbname=database) as connection:
        assert connection.info.transaction_status == TransactionStatus.IDLE
        connection.execute("create table in_transaction (n int)")
        assert connection.info.transaction_status == TransactionStatus.INTRANS
        with pytest.raises(errors.UndefinedTable):
            connection.execute("select * from missing")
        assert connection.info.transaction_status == TransactionStatus.INERROR
        with pytest.raises(errors.InFailedSqlTransaction):
            connection.execute("select 1")
        connection.rollback()
        assert connection.info.transaction_status == TransactionStatus.IDLE


def test_uncommitted_work_is_invisible_to_others(server, database):
    with server.connect(dbname=database) as reader, server.connect(autocommit=False, dbname=database) as writer:
        reader.execute("create table seen_late (n int)")
        writer.execute("insert into seen_late values (1)")
        assert writer.execute("select count(*) from seen_late").fetchone() == (1,)
        assert reader.execute("select count(*) from seen_late").fetchone() == (0,)
        writer.commit()
        assert reader.execute("select count(*) from seen_late").fetchone() == (1,)


def test_repeatable_read_pins_versions(server, database):
    with server.connect(dbname=database) as writer, server.connect(autocommit=False, dbname=database) as reader:
        writer.execute("create table pinned (n int)")
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert reader.execute("select count(*) from pinned").fetchone() == (0,)
        writer.execute("insert into pinned values (1)")
        assert reader.execute("select count(*) from pinned").fetchone() == (0,)
        reader.rollback()
        assert reader.execute("select count(*) from pinned").fetchone() == (1,)


def test_parameter_statuses(connection):
    status = connection.pgconn.parameter_status
    assert status(b"server_encoding") == b"UTF8"
    assert status(b"client_encoding") == b"UTF8"
    assert status(b"standard_conforming_strings") == b"on"
    assert status(b"integer_datetimes") == b"on"
    assert connection.info.server_version >= 150000
    connection.execute("set timezone = 'Asia/Tokyo'")
    assert status(b"TimeZone") == b"Asia/Tokyo"
    connection.execute("set application_name = 'me'")
    assert status(b"application_name") == b"me"


def test_notices_arrive(connection):
    heard = []
    connection.add_notice_handler(lambda diagnostic: heard.append(diagnostic.message_primary))
    connection.execute("drop table if exists never_made")
    assert heard and "never_made" in heard[0]


def test_error_fields(connection):
    with pytest.raises(errors.UndefinedColumn) as caught:
        connection.execute("select 1,\n nosuchcolumn from pg_class")
    diagnostic = caught.value.diag
    assert diagnostic.severity == "ERROR"
    assert diagnostic.sqlstate == "42703"
    assert "nosuchcolumn" in diagnostic.message_primary
    assert diagnostic.statement_position == "12"


def test_errors_of_constraints_name_them(connection):
    connection.execute("create table constrained (n int not null, m int constraint positive check (m > 0))")
    with pytest.raises(errors.NotNullViolation) as caught:
        connection.execute("insert into constrained values (null, 1)")
    fields = caught.value.diag
    assert (fields.schema_name, fields.table_name, fields.column_name) == ("public", "constrained", "n")
    with pytest.raises(errors.CheckViolation) as caught:
        connection.execute("insert into constrained values (1, 0)")
    fields = caught.value.diag
    assert (fields.schema_name, fields.table_name, fields.constraint_name) == ("public", "constrained", "positive")
    with pytest.raises(errors.CheckViolation) as caught, connection.cursor() as cursor:
        with cursor.copy("copy constrained from stdin") as copy:
            copy.write("1\t0\n")
    assert caught.value.diag.constraint_name == "positive"
    with pytest.raises(errors.UndefinedTable) as caught:
        connection.execute("select * from nosuch")
    assert caught.value.diag.table_name is None


def test_options_at_the_start_of_a_session(server, database):
    options = "-c statement_timeout=5s --search-path=pg_catalog -cdatestyle=sql,\\ dmy"
    with server.connect(dbname=database, options=options) as connection:
        shown = [connection.execute(f"show {name}").fetchone()[0]
                 for name in ("statement_timeout", "search_path", "datestyle")]
        assert shown == ["5s", "pg_catalog", "SQL, DMY"]
        connection.execute("set statement_timeout = 1")
        connection.execute("reset statement_timeout")
        assert connection.execute("show statement_timeout").fetchone() == ("5s",)
    for wrong, message in (("-x", "invalid command-line argument"), ("-c geqo", "-c geqo requires a value"),
                           ("-c nosuch=1", "unrecognized configuration parameter")):
        with pytest.raises(psycopg.OperationalError, match=message):
            server.connect(dbname=database, options=wrong)


def test_an_error_is_sent_before_the_sync(connection):
    """asyncpg sends Parse, Describe and Flush, and waits for the answer."""
    pgconn = connection.pgconn
    connection.execute("select 1")
    pgconn.enter_pipeline_mode()
    pgconn.send_prepare(b"", b"select nosuch")
    pgconn.send_flush_request()
    pgconn.flush()
    deadline = time.monotonic() + 10
    while pgconn.is_busy():
        assert time.monotonic() < deadline, "no answer before Sync"
        pgconn.consume_input()
        time.sleep(0.01)
    assert b"nosuch" in pgconn.get_result().error_message
    pgconn.get_result()
    pgconn.pipeline_sync()
    while (result := pgconn.get_result()) is None or result.status != ExecStatus.PIPELINE_SYNC:
        pass
    pgconn.exit_pipeline_mode()


@pytest.mark.parametrize(("sql", "oids"), [
    ("select 1 limit $1 offset $2", [20, 20]),
    ("select left($1, $2), repeat('a', $3)", [25, 23, 23]),
    ("select substr($1, $2, $3)", [25, 23, 23]),
    ("select pg_terminate_backend($1)", [23]),
    ("select set_config($1, $2, $3)", [25, 25, 16]),
    ("select make_date($1, $2, $3)", [23, 23, 23]),
    ("select round($1, 2), power($2, 2), mod($3, 2)", [1700, 701, 23]),
    ("select encode($1, 'hex')", [17]),
    ("select case when $1 then 1 end where not $2", [16, 16]),
    ("select to_timestamp($1)", [701]),
    ("select $1::int, $1::text", [23]),
    ("select $1::text, $1::int", [25]),
    ("select 1 where $1 = 1 and $1 > 2.5", [23]),
    ("select left('abc', $1), $1 + 1", [23]),
])
def test_what_parameters_are(connection, sql, oids):
    """As PostgreSQL tells it: drivers that send binary values go by these."""
    pgconn = connection.pgconn
    assert pgconn.prepare(b"", sql.encode()).error_message == b""
    described = pgconn.describe_prepared(b"")
    assert [described.param_type(number) for number in range(described.nparams)] == oids


def test_a_parameter_of_two_uses_has_one_value(connection):
    values = connection.execute("select %(n)s::int, %(n)s::text, left('abc', %(n)s::int)", {"n": "2"}).fetchone()
    assert values == (2, "2", "ab")


def test_command_tags(connection):
    tag = lambda sql: connection.execute(sql).statusmessage  # noqa: E731
    assert tag("create table tagged (n int)") == "CREATE TABLE"
    assert tag("insert into tagged values (1), (2)") == "INSERT 0 2"
    assert tag("select * from tagged") == "SELECT 2"
    assert tag("truncate tagged") == "TRUNCATE TABLE"
    assert tag("create table made as select 1 as one") == "SELECT 1"
    assert tag("drop table tagged") == "DROP TABLE"
    assert tag("begin") == "BEGIN"
    assert tag("commit") == "COMMIT"
    assert tag("set application_name = 'x'") == "SET"
    assert tag("reset application_name") == "RESET"
    assert tag("create schema tag_schema") == "CREATE SCHEMA"
    assert tag("create view tag_view as select 1 as one") == "CREATE VIEW"


def test_several_statements_in_one_query(connection):
    cursor = connection.execute("select 1; select 2, 3; create table several (n int); insert into several values (1)")
    results = []
    while True:
        results.append(cursor.fetchall() if cursor.description else cursor.statusmessage)
        if not cursor.nextset():
            break
    assert results == [[(1,)], [(2, 3)], "CREATE TABLE", "INSERT 0 1"]


def test_several_statements_are_one_transaction(connection):
    connection.execute("create table all_or_nothing (n int)")
    with pytest.raises(errors.DivisionByZero):
        connection.execute("insert into all_or_nothing values (1); select 1 / 0")
    assert connection.execute("select count(*) from all_or_nothing").fetchone() == (0,)


def test_cancel_stops_the_work(server):
    with server.connect() as connection:
        begun = time.monotonic()
        timer = threading.Timer(0.5, connection.cancel)
        timer.start()
        with pytest.raises(errors.QueryCanceled):
            connection.execute(ENDLESS)
        assert time.monotonic() - begun < 10
        assert connection.execute("select 1").fetchone() == (1,)


def test_statement_timeout(server):
    with server.connect() as connection:
        connection.execute("set statement_timeout = '300ms'")
        begun = time.monotonic()
        with pytest.raises(errors.QueryCanceled) as caught:
            connection.execute(ENDLESS)
        assert time.monotonic() - begun < 10
        assert "statement timeout" in str(caught.value)
        connection.execute("set statement_timeout = 0")
        assert connection.execute("select 1").fetchone() == (1,)


def test_statement_timeout_covers_rows_that_never_wait(server):
    """Each row is there at once, and the client reads as fast."""
    endless = "with recursive t(n) as (select 1 union all select n + 1 from t) select n from t"
    with server.connect() as connection:
        connection.execute("set statement_timeout = '500ms'")
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            for _ in connection.cursor().stream(endless, size=1000):
                pass
        assert time.monotonic() - begun < 10
        assert connection.execute("select 1").fetchone() == (1,)


def test_statement_timeout_covers_a_slow_reader_of_rows(server):
    """The clock runs while rows stream, not only until the first one."""
    with server.connect() as connection:
        connection.execute("set statement_timeout = '1s'")
        with pytest.raises(errors.QueryCanceled):
            rows = connection.cursor().stream("select n, repeat('x', 200) from generate_series(1, 20000000) g(n)")
            next(rows)
            time.sleep(2)
            for _ in rows:
                pass


def processor_seconds(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_vanished_client_stops_its_query(own_server):
    connection = own_server.connect()
    connection.pgconn.send_query(ENDLESS.encode())
    time.sleep(1)
    socket.socket(fileno=socket.dup(connection.fileno())).shutdown(socket.SHUT_RDWR)
    connection.close()
    time.sleep(4)
    before = processor_seconds(own_server)
    time.sleep(2)
    assert processor_seconds(own_server) - before < 0.5, "the server still works for a client that is gone"


def test_graceful_shutdown_lets_a_statement_finish(own_server):
    with own_server.connect() as connection:
        connection.pgconn.send_query(b"select count(*) from generate_series(1, 3000) a(n), generate_series(1, 10000) b(n)")
        time.sleep(0.1)
        code = own_server.stop()
        result = connection.pgconn.get_result()
        assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, result.error_message
        assert result.get_value(0, 0) == b"30000000"
        assert connection.pgconn.get_result() is None
    assert code == 0


def startup_message(version, parameters):
    body = struct.pack("!I", version) + b"".join(
        key.encode() + b"\0" + value.encode() + b"\0" for key, value in parameters.items()
    ) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def test_a_newer_protocol_version_is_negotiated(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(startup_message(0x0003_0063, {"user": "admin", "database": "boathouse", "_pq_.fancy": "1"}))
        answer = raw.recv(4096)
    assert answer[:1] == b"v", answer
    newest, unknown = struct.unpack("!II", answer[5:13])
    assert newest in (0x0003_0000, 0x0003_0002, 0, 2) and unknown == 1
    assert b"_pq_.fancy" in answer


def test_encryption_requests_are_answered(server):
    for code in (80877104,):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            raw.sendall(struct.pack("!II", 8, code))
            assert raw.recv(1) == b"N"


def test_rows_stream(server):
    """The first row arrives long before the last one is made."""
    with server.connect() as connection:
        begun = time.monotonic()
        rows = connection.cursor().stream("select n from generate_series(1, 2000000) g(n)")
        next(rows)
        first = time.monotonic() - begun
        count = 1 + sum(1 for _ in rows)
        total = time.monotonic() - begun
    assert count == 2000000
    assert first < total / 2


def test_large_values(connection):
    text = "x" * 5_000_000
    assert connection.execute("select %s::text", [text]).fetchone() == (text,)
    assert connection.execute("select length(repeat('ab', 1000000))").fetchone() == (2000000,)


def test_many_columns(connection):
    row = connection.execute("select " + ", ".join(f"{n} as c{n}" for n in range(500))).fetchone()
    assert row == tuple(range(500))
