"""A session among others: activity, signals, implicit transactions, cursors over the protocol, notifications,
locks that wait."""

import threading
import time

import psycopg
import pytest
from psycopg import errors
from psycopg.pq import TransactionStatus

ENDLESS = "select sum(a.n * b.n) from generate_series(1, 1000000) a(n), generate_series(1, 1000000) b(n)"


def wait_until(question, seconds=10):
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def activity(connection, pid, column):
    row = connection.execute(f"select {column} from pg_stat_activity where pid = %s", [pid]).fetchone()
    return row and row[0]


@pytest.fixture
def other(server, database):
    with server.connect(dbname=database) as opened:
        yield opened


# Activity and signals

def test_every_session_is_listed(connection, other):
    pid = other.info.backend_pid
    assert other.execute("select pg_backend_pid()").fetchone() == (pid,)
    assert activity(connection, pid, "state") == "idle"
    assert activity(connection, pid, "client_addr::text") == "127.0.0.1"
    assert activity(connection, pid, "client_port") > 1023
    other.execute("set application_name = 'another'")
    assert activity(connection, pid, "application_name") == "another"
    other.execute("begin")
    assert activity(connection, pid, "state") == "idle in transaction"
    assert activity(connection, pid, "query") == "begin"
    with pytest.raises(errors.DivisionByZero):
        other.execute("select 1 / 0")
    assert activity(connection, pid, "state") == "idle in transaction (aborted)"
    assert activity(connection, pid, "xact_start") is not None
    other.execute("rollback")
    assert activity(connection, pid, "xact_start") is None
    other.close()
    wait_until(lambda: activity(connection, pid, "pid") is None)


def test_others_do_not_see_what_runs_nor_signal_it(server, connection, database):
    connection.execute("create role watcher login password 'watcher'")
    pid = connection.info.backend_pid
    with server.connect(user="watcher", password="watcher", dbname=database) as watcher:
        query = "select query, state, xact_start, client_addr::text, usename from pg_stat_activity where pid = %s"
        assert watcher.execute(query, [pid]).fetchone() == ("<insufficient privilege>", None, None, None, "admin")
        for function in ("pg_cancel_backend", "pg_terminate_backend"):
            with pytest.raises(errors.InsufficientPrivilege):
                watcher.execute(f"select {function}(%s)", [pid])
        with server.connect(user="watcher", password="watcher", dbname=database) as same:
            assert watcher.execute("select pg_cancel_backend(%s)", [same.info.backend_pid]).fetchone() == (True,)
    connection.execute("drop role watcher")


def test_passwords_do_not_show(connection, other):
    connection.execute("create role secretive password 'hunter2'")
    assert "hunter2" not in activity(other, connection.info.backend_pid, "query")
    connection.execute("drop role secretive")


def test_pg_cancel_backend(connection, other):
    failures = []

    def run():
        try:
            other.execute(ENDLESS)
        except psycopg.Error as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    pid = other.info.backend_pid
    wait_until(lambda: activity(connection, pid, "state") == "active")
    assert activity(connection, pid, "query") == ENDLESS
    assert connection.execute("select pg_cancel_backend(%s)", [pid]).fetchone() == (True,)
    thread.join(20)
    assert [error.sqlstate for error in failures] == ["57014"]
    assert other.execute("select 1").fetchone() == (1,)


def test_pg_terminate_backend(connection, other):
    assert connection.execute("select pg_terminate_backend(%s)", [other.info.backend_pid]).fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError) as ended:
        other.execute("select 1")
    assert ended.value.sqlstate in ("57P01", None)
    connection.execute("select 1")


def test_terminating_can_wait_for_the_end(connection, other):
    pid = other.info.backend_pid
    assert connection.execute("select pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)
    assert activity(connection, pid, "pid") is None


def test_sessions_are_ended_by_what_is_known_of_them(connection, other):
    other.execute("set application_name = 'victim'")
    ended = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'"
    assert connection.execute(ended).fetchall() == [(True,)]
    pid = other.info.backend_pid
    wait_until(lambda: activity(connection, pid, "pid") is None)


def test_unknown_processes_are_warned_of(connection):
    notices = []
    connection.add_notice_handler(lambda notice: notices.append((notice.sqlstate, notice.message_primary)))
    assert connection.execute("select pg_cancel_backend(2147483000)").fetchone() == (False,)
    assert notices == [("01000", "PID 2147483000 is not a PostgreSQL backend process")]


def test_idle_transactions_end(server, database):
    with server.connect(dbname=database) as idle:
        idle.execute("set idle_in_transaction_session_timeout = '100ms'")
        time.sleep(0.3)
        idle.execute("begin")
        time.sleep(0.6)
        with pytest.raises(psycopg.Error) as ended:
            idle.execute("select 1")
        assert ended.value.sqlstate in ("25P03", None)


# Several statements in one simple query

def test_several_statements_are_one_transaction(connection):
    connection.execute("create table several (n int)")
    with pytest.raises(errors.DivisionByZero):
        connection.execute("insert into several values (1); set application_name = 'undone'; select 1 / 0")
    assert connection.execute("select count(*) from several").fetchone() == (0,)
    assert connection.execute("show application_name").fetchone() != ("undone",)
    connection.execute("insert into several values (2); insert into several values (3)")
    assert connection.execute("select count(*) from several").fetchone() == (2,)


def test_blocks_within_several_statements(connection):
    notices = []
    connection.add_notice_handler(lambda notice: notices.append((notice.sqlstate, notice.message_primary)))
    connection.execute("create table blocks (n int)")
    # COMMIT ends the implicit block, with a warning, and what follows is another.
    with pytest.raises(errors.DivisionByZero):
        connection.execute("insert into blocks values (1); commit; insert into blocks values (2); select 1 / 0")
    assert notices.pop() == ("25P01", "there is no transaction in progress")
    # BEGIN takes what came before it into its block.
    connection.execute("insert into blocks values (3); begin; insert into blocks values (4)")
    assert connection.info.transaction_status == TransactionStatus.INTRANS
    connection.execute("rollback")
    assert connection.execute("select n from blocks").fetchall() == [(1,)]
    connection.execute("begin; insert into blocks values (5); commit; insert into blocks values (6)")
    assert connection.execute("select count(*) from blocks").fetchone() == (3,)
    connection.execute("begin; begin; rollback")
    assert notices.pop() == ("25001", "there is already a transaction in progress")
    with pytest.raises(errors.NoActiveSqlTransaction):
        connection.execute("insert into blocks values (7); savepoint s")
    # SET LOCAL and cursors need no BEGIN here.
    connection.execute("set local application_name = 'local'; declare c cursor for select 1; fetch c")
    assert notices == []
    assert connection.execute("select count(*) from blocks").fetchone() == (3,)


# Cursors

def test_server_side_cursors(server, database):
    with server.connect(autocommit=False, dbname=database) as connection:
        with connection.cursor("forward") as cursor:
            cursor.execute("select n from generate_series(1, %s) g(n)", [100000])
            assert cursor.fetchone() == (1,)
            assert len(cursor.fetchmany(500)) == 500
            assert sum(1 for _ in cursor) == 99499
        with connection.cursor("scrolling", scrollable=True) as cursor:
            cursor.execute("select n from generate_series(1, 10) g(n)")
            cursor.scroll(5)
            assert cursor.fetchone() == (6,)
            cursor.scroll(-2)
            assert cursor.fetchone() == (5,)
        with connection.cursor("binary", binary=True) as cursor:
            cursor.execute("select 7::int8, 'text'")
            assert cursor.fetchone() == (7, "text")


def test_binary_cursors_answer_in_binary(connection):
    connection.execute("begin; declare b binary cursor for select 258::int4")
    result = connection.pgconn.exec_(b"fetch b")
    assert (result.fformat(0), result.get_value(0, 0)) == (1, b"\x00\x00\x01\x02")
    connection.execute("rollback")


def test_a_cursor_costs_no_more_than_what_is_fetched(connection):
    connection.execute("begin")
    connection.execute("declare big no scroll cursor for select n, n::text from generate_series(1, 100000000) g(n)")
    for _ in range(3):
        assert len(connection.execute("fetch 1000 from big").fetchall()) == 1000
    assert connection.execute("move 100000 in big").statusmessage == "MOVE 100000"
    assert connection.execute("fetch big").fetchone()
    connection.execute("rollback")


def test_a_held_cursor_outlives_its_transaction(connection):
    connection.execute("create table holding as select n from generate_series(1, 5) g(n)")
    connection.execute("declare held cursor with hold for select n from holding order by n")
    connection.execute("truncate holding")
    assert [row[0] for row in connection.execute("fetch 2 from held").fetchall()] == [1, 2]
    connection.execute("drop table holding")
    assert [row[0] for row in connection.execute("fetch all from held").fetchall()] == [3, 4, 5]
    connection.execute("close held")


# Notifications

def test_notifications_reach_an_idle_listener(connection, other):
    other.execute("listen news")
    connection.execute("begin")
    connection.execute("notify news, 'first'")
    connection.execute("notify news, 'first'")
    connection.execute("select pg_notify('news', 'second')")
    assert list(other.notifies(timeout=0.2)) == []
    connection.execute("commit")
    heard = list(other.notifies(timeout=5, stop_after=2))
    assert [(note.channel, note.payload, note.pid) for note in heard] == [
        ("news", "first", connection.info.backend_pid),
        ("news", "second", connection.info.backend_pid),
    ]


def test_notifications_of_what_was_undone_are_not_sent(connection, other):
    other.execute("begin; listen never; rollback")
    other.execute("listen news")
    connection.execute("begin; notify news, 'undone'; rollback")
    connection.execute("begin; savepoint s; notify news, 'undone'; rollback to s; notify news, 'done'; commit")
    connection.execute("notify never")
    heard = list(other.notifies(timeout=1))
    assert [note.payload for note in heard] == ["done"]
    other.execute("unlisten news")
    connection.execute("notify news, 'late'")
    assert list(other.notifies(timeout=0.2)) == []


def test_no_notifications_within_a_block(connection, other):
    other.execute("listen news")
    other.execute("begin")
    connection.execute("notify news, 'patience'")
    other.execute("select 1")
    assert list(other.notifies(timeout=0.2)) == []
    other.execute("commit")
    assert [note.payload for note in other.notifies(timeout=5, stop_after=1)] == ["patience"]


# Locks

def waits(connection, pid):
    query = "select count(*) from pg_locks where pid = %s and not granted"
    return connection.execute(query, [pid]).fetchone()[0] == 1


def test_advisory_locks_wait_and_can_be_cancelled(connection, other):
    connection.execute("select pg_advisory_lock(42)")
    assert other.execute("select pg_try_advisory_lock(42)").fetchone() == (False,)
    failures = []

    def wait():
        try:
            other.execute("select pg_advisory_lock(42)")
        except psycopg.Error as error:
            failures.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: waits(connection, other.info.backend_pid))
    connection.execute("select pg_advisory_unlock(42)")
    thread.join(10)
    assert not thread.is_alive() and not failures
    thread = threading.Thread(target=lambda: pytest.raises(errors.QueryCanceled, connection.execute, "select pg_advisory_lock(42)"))
    thread.start()
    wait_until(lambda: waits(other, connection.info.backend_pid))
    connection.cancel()
    thread.join(10)
    assert not thread.is_alive()
    other.execute("set lock_timeout = 50")
    connection.execute("select pg_advisory_lock(43)")
    with pytest.raises(errors.LockNotAvailable):
        other.execute("select pg_advisory_lock(43)")


def test_a_session_that_ends_gives_its_locks_back(server, connection, database):
    with server.connect(dbname=database) as holder:
        holder.execute("select pg_advisory_lock(44)")
        assert connection.execute("select pg_try_advisory_lock(44)").fetchone() == (False,)
    wait_until(lambda: connection.execute("select pg_try_advisory_lock(44)").fetchone() == (True,))


def test_deadlocks_are_found(connection, other):
    connection.execute("create table one_of (a int); create table other_of (a int)")
    connection.execute("begin; lock table one_of")
    other.execute("begin; lock table other_of")
    thread = threading.Thread(target=lambda: connection.execute("lock table other_of"))
    thread.start()
    wait_until(lambda: waits(other, connection.info.backend_pid))
    with pytest.raises(errors.DeadlockDetected):
        other.execute("lock table one_of")
    other.execute("rollback")
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(errors.LockNotAvailable):
        other.execute("begin; lock table one_of in access share mode nowait")


# Temporary tables

def test_temporary_tables_are_the_sessions_own(server, connection, other, database):
    connection.execute("create temp table mine (n int)")
    connection.execute("insert into mine select n from generate_series(1, 1000) g(n)")
    other.execute("create temp table mine (word text)")
    other.execute("insert into mine values ('other')")
    assert connection.execute("select count(*) from mine").fetchone() == (1000,)
    assert other.execute("select word from mine").fetchone() == ("other",)
    assert other.execute("select count(*) from pg_class where relname = 'mine'").fetchone() == (1,)
    with server.connect(dbname=database) as third:
        with pytest.raises(errors.UndefinedTable):
            third.execute("select * from mine")
    with connection.cursor() as cursor, cursor.copy("copy mine from stdin") as copy:
        copy.write("7\n8\n")
    assert connection.execute("select count(*) from mine").fetchone() == (1002,)
    with connection.cursor() as cursor, cursor.copy("copy (select sum(n) from mine) to stdout") as copy:
        assert b"".join(copy) == b"500515\n"
    assert connection.execute("select count(*) from pg_catalog.pg_tables where tablename = 'mine'").fetchone() == (1,)


def test_temporary_tables_go_with_the_session(own_server, tmp_path):
    with own_server.connect() as connection:
        connection.execute("create temp table gone (n int)")
        connection.execute("insert into gone values (1)")
        connection.execute("create table stays (n int)")
    log = sorted((tmp_path / "data" / "_boathouse" / "catalog").glob("*.json"))
    assert not any("gone" in entry.read_text() for entry in log)
    assert any("stays" in entry.read_text() for entry in log)
    with own_server.connect() as connection:
        with pytest.raises(errors.UndefinedTable):
            connection.execute("select * from gone")
        assert connection.execute("select count(*) from pg_namespace where nspname like 'pg_temp%'").fetchone() == (0,)


def test_temporary_tables_need_their_privilege_and_keep_to_policies(server, connection, database):
    connection.execute("create role temporary_one login password 'x'")
    connection.execute("create table guarded (n int, owner text)")
    connection.execute("insert into guarded values (1, 'temporary_one'), (2, 'admin')")
    connection.execute("create function own_rows(owner text) returns boolean return owner = current_user")
    connection.execute("alter table guarded set row filter own_rows on (owner)")
    connection.execute("grant select on guarded to temporary_one")
    with server.connect(user="temporary_one", password="x", dbname=database) as one:
        one.execute("create temp table copied as select * from guarded")
        assert one.execute("select n from copied").fetchall() == [(1,)]
        # Neither a table of the same name nor one that a policy's words would mean changes what a policy says.
        one.execute("create temp table guarded as select 9 as n, 'x' as owner")
        assert one.execute("select n from public.guarded").fetchall() == [(1,)]
    connection.execute(f"revoke temporary on database {database} from public")
    with server.connect(user="temporary_one", password="x", dbname=database) as one:
        with pytest.raises(errors.InsufficientPrivilege):
            one.execute("create temp table refused (n int)")
    connection.execute("drop table guarded; drop role temporary_one")


def test_a_cancelled_statement_leaves_its_block_failed(connection, other):
    connection.execute("create temp table before_it (n int)")
    connection.execute("begin")
    connection.execute("insert into before_it values (1)")
    timer = threading.Timer(0.5, connection.cancel)
    timer.start()
    with pytest.raises(errors.QueryCanceled):
        connection.execute(ENDLESS)
    assert connection.info.transaction_status == TransactionStatus.INERROR
    connection.execute("rollback")
    assert connection.execute("select count(*) from before_it").fetchone() == (0,)


def test_transaction_timeout_ends_the_session(server, database):
    with server.connect(dbname=database) as connection:
        connection.execute("set transaction_timeout = '300ms'")
        # Each of these is a transaction of its own.
        for _ in range(3):
            connection.execute("select pg_sleep(0.2)")
        connection.execute("begin")
        connection.execute("select 1")
        with pytest.raises(errors.TransactionTimeout):
            for _ in range(20):
                connection.execute("select pg_sleep(0.1)")
        assert connection.closed


def test_transaction_timeout_reaches_an_idle_transaction(server, database):
    with server.connect(dbname=database) as connection:
        connection.execute("begin")
        connection.execute("set local transaction_timeout = '200ms'")
        time.sleep(0.6)
        with pytest.raises(errors.TransactionTimeout):
            connection.execute("select 1")


def test_what_waits_may_stand_in_values(connection):
    connection.execute("create table late (a text, b int)")
    connection.execute("insert into late values (pg_sleep(0.01) || %s, %s)", ["a", 1])
    connection.execute("insert into late values (pg_sleep(0.01)::text, 2), ('b', 3)")
    assert connection.execute("select * from late order by b").fetchall() == [("a", 1), ("", 2), ("b", 3)]
    assert connection.execute("values (pg_sleep(0.01)::text || 'x')").fetchone() == ("x",)
