"""Aggregations that come again after commits of all kinds answer as DuckDB does, whatever is kept of the files."""

import random

import duckdb
import pytest

from server_process import Server

# So few rows are computed in one partition, which keeps nothing.
PARTITIONS = "set boathouse.target_partitions = 2"
QUERIES = [
    "select count(*), sum(n), min(n), max(n) from facts",
    "select k, count(*), sum(n), avg(n), min(t), max(t) from facts group by k order by k nulls last",
    "select k, p, count(n), sum(d), avg(d), max(d) from facts where n % 3 = 0 group by k, p order by k nulls last, p nulls last",
    "select sum(case when k = 'a' then n else 0 end), sum(n * 2 - 1), count(*) filter (where n > 500) from facts where p = 1",
    "select count(distinct k), count(distinct p) from facts where d > 10",
    "select k, count(*) from facts group by k having count(*) > 20 order by count(*) desc, k nulls last limit 3",
    "select bool_and(n >= 0), bool_or(n > 900), count(t) from facts where t like 'x%'",
    "select p, max(c) from (select p, k, count(*) as c from facts group by p, k) s group by p order by p nulls last",
]


def changes(source):
    """A statement that both databases understand."""
    value = lambda choices: source.choice(choices)  # noqa: E731
    kind = source.random()
    if kind < 0.55:
        rows = []
        for _ in range(source.choice([1, 5, 200])):
            n = source.randrange(1000)
            rows.append(
                f"({value(['null', chr(39) + 'a' + chr(39), chr(39) + 'b' + chr(39), chr(39) + 'c' + chr(39)])}, {value(['null', n, n])}, "
                f"{n / 8:.3f}, 'x{n % 17}', {value(['null', 0, 1, 2])})"
            )
        return f"insert into facts values {', '.join(rows)}"
    if kind < 0.75:
        return f"delete from facts where n % {source.randrange(5, 40)} = {source.randrange(5)}"
    if kind < 0.95:
        return f"update facts set n = n + 1, d = d * 2 where p = {source.randrange(3)} and n < {source.randrange(400)}"
    return "delete from facts where k = 'c' and p is null"


def normal(rows):
    return [tuple(float(value) if hasattr(value, "as_tuple") else value for value in row) for row in rows]


def same(ours, theirs):
    if len(ours) != len(theirs):
        return False
    return all(
        one == other or (isinstance(one, float) and other is not None and one == pytest.approx(float(other), rel=1e-9))
        for ours_row, theirs_row in zip(normal(ours), normal(theirs), strict=True)
        for one, other in zip(ours_row, theirs_row, strict=True)
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("partitioned", [False, True], ids=["whole", "partitioned"])
def test_answers_after_commits(tmp_path, seed, partitioned):
    source = random.Random(seed)
    columns = "k text, n bigint, d decimal(12, 3), t text, p int"
    duck = duckdb.connect()
    duck.execute(f"create table facts ({columns})")
    with Server(tmp_path / "data") as server, server.connect() as connection:
        connection.execute(PARTITIONS)
        connection.execute(f"create table facts ({columns})" + (" partitioned by (p)" if partitioned else ""))
        for step in range(25):
            change = changes(source) if step > 3 else changes(random.Random(step * 1000 + 1))
            connection.execute(change)
            duck.execute(change)
            if step % 8 == 7:
                connection.execute(source.choice(["optimize facts", "optimize facts zorder by (n, k)"]))
            for query in QUERIES:
                ours, theirs = connection.execute(query).fetchall(), duck.execute(query).fetchall()
                assert same(ours, theirs), (step, query, ours, theirs)
        hits = connection.execute("select hits from system.caches where name = 'partial aggregate'").fetchone()[0]
        assert hits > 40


def test_the_plan_shows_what_is_read(tmp_path):
    query = "select k, count(*), sum(n) from facts group by k"
    with Server(tmp_path / "data") as server, server.connect() as connection:

        def operator():
            plan = connection.execute(f"explain analyze {query}").fetchall()
            return next((line.strip() for (line,) in plan if "KeptStatesExec" in line), None)

        connection.execute("create table facts (k text, n bigint)")
        assert operator() is None, "what one thread reads in a moment is read anew"
        connection.execute(PARTITIONS)
        for part in range(3):
            connection.execute(f"insert into facts select 'k' || i % 5, i from generate_series({part * 1000}, {part * 1000 + 999}) i")
        assert "files_kept=0, files_read=3" in operator()
        connection.execute("insert into facts values ('new', 1)")
        assert "files_kept=3, files_read=1" in operator()
        connection.execute("set boathouse.partial_aggregates = off")
        assert operator() is None
        connection.execute("reset boathouse.partial_aggregates")
        connection.execute("begin")
        connection.execute("insert into facts values ('mine', 1)")
        assert operator() is None, "what a transaction wrote is nobody else's"
        assert len(connection.execute(query).fetchall()) == 7
        connection.execute("rollback")
        assert len(connection.execute(query).fetchall()) == 6
        connection.execute("select k, count(*), sum(random()) from facts group by k")
        assert "files_kept=4, files_read=0" in operator()
