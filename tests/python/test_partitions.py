"""How many partitions a statement runs in: one for little work, a share of the cores beside others, all of them alone."""

import os
import threading

import pytest

CORES = os.cpu_count()
GROUPS = "select k % 3, count(*) from {} group by 1"


@pytest.fixture
def tables(connection):
    connection.execute("create table little (k bigint, name char(5))")
    connection.execute("insert into little select k, 'name' from generate_series(1, 1000) as s(k)")
    connection.execute("create table much (k bigint)")
    connection.execute("insert into much select k from generate_series(1, 400000) as s(k)")
    return connection


def plan(connection, query):
    return "\n".join(line for (line,) in connection.execute(f"explain {query}"))


@pytest.mark.skipif(CORES < 2, reason="one core has one partition")
def test_little_work_stays_in_one_partition(tables):
    assert "mode=Single" in plan(tables, GROUPS.format("little"))
    assert "mode=Partial" in plan(tables, GROUPS.format("much"))
    # What has no bound is not little: a thousand rows a thousand times, a series.
    pairs = "select a.k % 3, count(*) from little a, little b where a.k < b.k group by 1"
    assert "mode=Partial" in plan(tables, pairs)
    # Whoever asks for partitions gets them.
    tables.execute(f"set boathouse.target_partitions = {CORES}")
    assert "mode=Partial" in plan(tables, GROUPS.format("little"))
    assert sorted(tables.execute(GROUPS.format("little"))) == [(0, 333), (1, 334), (2, 333)]


@pytest.mark.skipif(CORES < 2, reason="one core has one partition")
def test_beside_others_each_statement_takes_its_share(tables, server, database):
    stop = threading.Event()

    def compute():
        with server.connect(dbname=database) as other:
            while not stop.is_set():
                other.execute("select count(*) from much a, much b where a.k + b.k = 7 and a.k < 300").fetchall()

    others = [threading.Thread(target=compute) for _ in range(CORES)]
    for other in others:
        other.start()
    try:
        seen = {"mode=Partial" in plan(tables, GROUPS.format("much")) for _ in range(300)}
    finally:
        stop.set()
        for other in others:
            other.join()
    assert False in seen, "no statement ran in one partition"
    assert "mode=Partial" in plan(tables, GROUPS.format("much"))


def test_conditions_enter_beside_a_mask_that_only_converts_texts(tables):
    tables.execute("create function shown(name char(5)) returns char(5) return case when current_user = 'nobody' then '-' else name end")
    tables.execute("alter table little alter column name set mask shown")
    assert "full_filters=[little.k = Int64(7)]" in plan(tables, "select name from little where k = 7")
    assert tables.execute("select k from little where k = 7").fetchall() == [(7,)]
    # The masked column's own conditions stay outside.
    assert "full_filters" not in plan(tables, "select k from little where name = 'name'")
