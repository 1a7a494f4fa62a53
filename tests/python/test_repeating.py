"""One statement over and over, which is answered from memory: whatever happens between two of them shows in the next one."""

import threading

import psycopg
import pytest

TIMES = 5


@pytest.fixture
def table(own_server):
    with own_server.connect() as admin:
        for statement in (
            "create table t (a int, d date)",
            "insert into t values (1, '2024-03-01'), (2, '2024-03-02')",
            "create role reader login password 'secret'",
            "grant select on t to reader",
        ):
            admin.execute(statement)
    return own_server


@pytest.fixture(params=["prepared", "unprepared", "simple"])
def ask(request):
    """Runs a query often enough for it to be answered from memory; all answers must be the same."""

    def run(connection, query):
        cursor = psycopg.ClientCursor(connection) if request.param == "simple" else connection.cursor()
        answers = {tuple(cursor.execute(query, prepare=request.param == "prepared").fetchall()) for _ in range(TIMES)}
        assert len(answers) == 1, answers
        return answers.pop()

    return run


QUERY = "select count(*), sum(a), min(d)::text from t"


def test_what_others_do_shows_at_once(table, ask):
    with table.connect() as admin, table.connect(user="reader", password="secret") as reader:
        assert ask(reader, QUERY) == ((2, 3, "2024-03-01"),)
        admin.execute("insert into t values (3, '2024-02-01')")
        assert ask(reader, QUERY) == ((3, 6, "2024-02-01"),)
        admin.execute("delete from t where a = 1")
        assert ask(reader, QUERY) == ((2, 5, "2024-02-01"),)
        admin.execute("create function odd(n int) returns boolean language sql as 'select n % 2 = 1'")
        admin.execute("alter table t set row filter odd on (a)")
        assert ask(reader, QUERY) == ((1, 3, "2024-02-01"),)
        admin.execute("alter table t drop row filter")
        assert ask(reader, QUERY) == ((2, 5, "2024-02-01"),)
        admin.execute("revoke select on t from reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(reader, QUERY)
        admin.execute("grant select on t to reader")
        assert ask(reader, QUERY) == ((2, 5, "2024-02-01"),)
        admin.execute("alter table t rename to u")
        with pytest.raises(psycopg.errors.UndefinedTable):
            ask(reader, QUERY)
        admin.execute("create view t as select 7 as a, date '2000-01-01' as d")
        admin.execute("grant select on t to reader")
        assert ask(reader, QUERY) == ((1, 7, "2000-01-01"),)


def test_what_the_session_does_shows_at_once(table, ask):
    query = "select d::text, current_setting('application_name') from t order by a limit 1"
    with table.connect() as connection:
        before = ask(connection, query)[0]
        assert before[0] == "2024-03-01"
        connection.execute("set datestyle = german")
        connection.execute("set application_name = 'another'")
        assert ask(connection, query) == (("01.03.2024", "another"),)
        connection.execute("create temporary table t as select 9 as a, date '2030-01-01' as d")
        assert ask(connection, query) == (("01.01.2030", "another"),)
        connection.execute("drop table pg_temp.t")
        with connection.transaction():
            connection.execute("update t set d = '2020-01-01' where a = 1")
            assert ask(connection, query) == (("01.01.2020", "another"),)
            raise psycopg.Rollback
        assert ask(connection, query) == (("01.03.2024", "another"),)
        connection.execute("set role reader")
        assert ask(connection, "select current_user, count(*) from t group by 1") == (("reader", 2),)
        connection.execute("reset role")
        assert ask(connection, "select current_user, count(*) from t group by 1") == (("admin", 2),)


def test_what_moves_is_computed_each_time(table):
    with table.connect() as connection:
        for query in ("select random() from t", "select clock_timestamp() from t", "select gen_random_uuid() from t"):
            answers = [connection.execute(query, prepare=True).fetchone()[0] for _ in range(TIMES)]
            assert len(set(answers)) == TIMES, query
        connection.execute("create sequence s")
        answers = [connection.execute("select nextval('s')", prepare=True).fetchone()[0] for _ in range(TIMES)]
        assert answers == list(range(1, TIMES + 1))


def test_each_run_is_recorded(table, ask):
    with table.connect() as connection:
        ask(connection, QUERY)
        with table.connect() as other:
            shown = other.execute("select state, query from pg_stat_activity where pid = %s", [connection.info.backend_pid])
            assert shown.fetchone() == ("idle", QUERY)
            runs = other.execute("select rows, result_cache from system.queries where statement = %s order by started", [QUERY])
            assert runs.fetchall() == [(1, "miss")] + [(1, "hit")] * (TIMES - 1)


def test_what_is_shown_to_run_is_what_was_sent(table):
    with table.connect() as connection, table.connect() as watcher:
        cursor = psycopg.ClientCursor(connection)
        for _ in range(TIMES):
            cursor.execute(QUERY + " ;")
            shown = watcher.execute("select query from pg_stat_activity where pid = %s", [connection.info.backend_pid])
            assert shown.fetchone() == (QUERY + " ;",)


def test_messages_come_between(table, ask):
    with table.connect() as listener, table.connect() as other:
        heard = []
        listener.add_notify_handler(lambda message: heard.append(message.payload))
        listener.execute("listen news")
        ask(listener, QUERY)
        other.execute("notify news, 'one'")
        ask(listener, QUERY)
        assert heard == ["one"]


def test_a_session_that_is_ended_answers_no_more(table, ask):
    with table.connect() as connection, table.connect() as other:
        ask(connection, QUERY)
        assert other.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid]).fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError):
            ask(connection, QUERY)


def test_an_answer_is_never_older_than_a_commit(table):
    """A writer commits, then reads what one that repeats its question is told: never less than was committed before."""
    committed = [2]
    failures = []
    with table.connect() as writer, table.connect() as reader:
        done = threading.Event()

        def write():
            for _ in range(40):
                writer.execute("insert into t values (0, '2024-01-01')")
                committed[0] += 1
            done.set()

        thread = threading.Thread(target=write)
        thread.start()
        while not done.is_set():
            least = committed[0]
            count = reader.execute("select count(*) from t", prepare=True).fetchone()[0]
            if count < least:
                failures.append((count, least))
        thread.join()
        assert not failures
        assert reader.execute("select count(*) from t", prepare=True).fetchone() == (42,)
