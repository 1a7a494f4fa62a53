"""Admission: `execution.max_concurrent` queries compute at once, the others wait in line."""

import threading
import time

import psycopg
import pytest

from server_process import Server

ENDLESS = "select count(*) from numbers a, numbers b, numbers c where a.n + b.n > c.n"


@pytest.fixture
def one_at_a_time(tmp_path):
    with Server(tmp_path / "data", config="[execution]\nmax_concurrent = 1\n") as server:
        with server.connect() as connection:
            connection.execute("create table numbers as select n from generate_series(1, 100000) n")
        yield server


def test_a_query_waits_for_its_turn_and_others_do_not_starve(one_at_a_time):
    server = one_at_a_time
    with server.connect() as busy, server.connect() as waiting:
        stopped = []

        def run():
            with pytest.raises(psycopg.errors.QueryCanceled):
                busy.execute(ENDLESS)

        def stop():
            stopped.append(time.monotonic())
            busy.cancel()

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.5)
        # What reads no table is answered at once.
        assert waiting.execute("select 1").fetchone() == (1,)
        # A wait is a part of the statement: its time limit ends it.
        waiting.execute("set statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            waiting.execute("select sum(n) from numbers")
        waiting.execute("reset statement_timeout")
        threading.Timer(0.7, stop).start()
        assert waiting.execute("select sum(n) from numbers").fetchone() == (5000050000,)
        answered = time.monotonic()
        thread.join()
        # Which of the two clients hears first is chance.
        assert stopped[0] <= answered
        [(queued, rows)] = waiting.execute(
            "select queue_microseconds, rows from system.queries "
            "where statement like 'select sum(n)%' and sqlstate = '00000'"
        ).fetchall()
        assert queued > 300_000 and rows == 1


def test_a_query_whose_rows_nobody_reads_gives_its_place(one_at_a_time):
    server = one_at_a_time
    with server.connect() as idle, server.connect() as other:
        rows = idle.cursor().stream("select a.n from numbers a, numbers b")
        next(rows)
        assert other.execute("select count(*) from numbers").fetchone() == (100000,)
        idle.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            for _ in rows:
                pass
