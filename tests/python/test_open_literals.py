"""Statements that differ in the literals of their WHERE share a plan, and answer, name, type and fail as each of them would
with a plan of its own."""

import random

import psycopg

COLUMNS = {
    "i": "int",
    "b": "bigint",
    "s": "smallint",
    "n": "numeric(12,2)",
    "f": "double precision",
    "d": "date",
    "m": "timestamp",
    "t": "text",
    "v": "varchar(8)",
    "c": "char(4)",
    "o": "boolean",
}
ROWS = (
    "select case when k % 11 = 0 then null else k % 40 end, k::bigint * 100000000, k % 7, k % 50 + 0.25, k / 4.0, "
    "date '1995-01-01' + k % 60, timestamp '1995-01-01' + interval '1 hour' * k, case when k % 13 = 0 then null else 'x' || k % 30 end, "
    "'v' || k % 20, 'c' || k % 5, k % 2 = 0 from generate_series(1, 500) as g(k)"
)
STATEMENTS = [
    "select * from {table} where {condition} order by i nulls last, b, s",
    "select t, 5 as five, count(*), sum(n) from {table} where {condition} group by 1, 2 order by 1 nulls first limit 7",
    "select 7, i + 7, 'x' from {table} where {condition} order by 2, 1 offset 2",
    "select count(*), max(d), min(m), avg(f) from {table} where {condition} having count(*) > 1",
    "select x.i, y.t from {table} x join {table} y on x.b = y.b and y.i > 3 where {condition} order by x.i nulls last, y.t nulls last, x.b",
    "select x.t, y.i from {table} x left join {table} y on x.i = y.s where {condition} order by 1 nulls last, 2 nulls last, x.b, y.b limit 50",
    "select distinct s from {table} where {condition} and exists (select 1 from {table} z where z.i = 5 and z.b > 7) order by s",
    "with w as (select * from {table} where i > 3) select count(*), sum(b) from w where {condition}",
    "select i, rank() over (order by n desc, b) from {table} where {condition} order by 2 limit 5",
]


def literal(source, column):
    number = source.choice([0, 3, 5, 7, 12, 40, 1995, 40000, 700000000, 3000000000, 20000000000])
    date = f"date '1995-0{source.randrange(1, 4)}-{source.randrange(1, 29):02}'"
    fitting = {
        "i": [f"{number}", f"{source.randrange(40)}", f"-{source.randrange(3)}", f"{source.randrange(40)} + 1", f"({number} - 2)"],
        "n": [f"{source.randrange(50)}", "7.25", f"{source.randrange(9)} + 0.25"],
        "d": [date, f"{date} + {source.randrange(30)}", f"{date} - {source.randrange(30)}", "'1995-02-03'", "date '1995-02-31'"],
        "m": [date, f"{date} + interval '1 day'", "timestamp '1995-01-05 10:00'", "'1995-01-05'", f"{date} + {source.randrange(9)}"],
        "t": [f"'x{source.randrange(30)}'", "'x''y'", "''", "e'x1'", "null"],
        "v": [f"'v{source.randrange(20)}'", "'v1 '", "'much too long for it'"],
        "c": [f"'c{source.randrange(5)}'", "'c1 '", "'c1  '"],
        "o": ["true", "'t'", "'maybe'"],
    }
    fitting["b"] = fitting["s"] = fitting["i"] + ["2147483647 + 1", "'12'"]
    fitting["f"] = fitting["n"]
    if source.random() < 0.04:
        column = source.choice(list(COLUMNS))
    return source.choice(fitting[column])


def condition(source, prefix, depth=0):
    """A condition with places for literals, and the columns that they are compared with."""
    kind = source.random()
    if depth < 2 and kind < 0.35:
        left, first = condition(source, prefix, depth + 1)
        right, second = condition(source, prefix, depth + 1)
        return f"({left} {source.choice(['and', 'or'])} {right})", first + second
    if depth < 2 and kind < 0.42:
        inner, columns = condition(source, prefix, depth + 1)
        return f"not ({inner})", columns
    column = source.choice(list(COLUMNS))
    name = prefix + column
    form = source.choice(["{c} {o} {{}}"] * 5 + ["{{}} {o} {c}", "{c} between {{}} and {{}}", "{c} in ({{}}, {{}})", "abs({c}) = {{}}"])
    if form.startswith("abs") and column not in "ibsnf":
        form = "{c} {o} {{}}"
    text = form.format(c=name, o=source.choice(["=", "<>", "<", "<=", ">", ">="]))
    return text, [column] * text.count("{}")


def answer(connection, text):
    try:
        cursor = connection.execute(text)
        return [(column.name, column.type_code, column.precision) for column in cursor.description], cursor.fetchall()
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary, error.diag.statement_position


def hits(connection):
    return connection.execute("select hits from system.caches where name = 'plan'").fetchone()[0]


def test_random_statements_answer_the_same_with_a_shared_plan(connection, server, database):
    connection.execute(f"create table facts ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
    connection.execute(f"insert into facts {ROWS}")
    connection.execute("create table guarded as select * from facts")
    connection.execute("create function shown(t text) returns text return case when current_user = 'admin' then '-' || t else null end")
    connection.execute("alter table guarded alter column t set mask shown")
    connection.execute("create function mine(s smallint) returns boolean return s < 5")
    connection.execute("alter table guarded set row filter mine on (s)")
    connection.execute("set boathouse.result_cache = off")
    source = random.Random(20)
    failed = shared = 0
    with server.connect(dbname=database) as alone:
        alone.execute("set boathouse.result_cache = off")
        alone.execute("set boathouse.plan_cache = off")
        for _ in range(150):
            template = source.choice(STATEMENTS)
            shape, columns = condition(source, "x." if " x " in template else "")
            template = template.format(table=source.choice(["facts", "facts", "guarded"]), condition=shape)
            before = hits(connection)
            for _ in range(4):
                text = template.format(*(literal(source, column) for column in columns))
                expected = answer(alone, text)
                assert answer(connection, text) == expected, text
                failed += isinstance(expected[0], str)
            # Describing and running are one hit for a plan of its own, two for a shared one.
            shared += hits(connection) - before > 4
    assert 20 < failed < 300, failed
    assert shared > 20, shared


def test_a_shared_plan_sees_new_rows_and_policies(connection):
    connection.execute("create table seen (k int, t text)")
    count = "select count(*) from seen where k > {} and t <> 'z{}'"
    for number in range(3):
        assert connection.execute(count.format(number, number)).fetchone() == (0,)
    connection.execute("insert into seen values (10, 'a'), (20, 'b')")
    for number in range(3, 6):
        assert connection.execute(count.format(number, number)).fetchone() == (2,)
    connection.execute("create function some_rows(k int) returns boolean return k < 15")
    connection.execute("alter table seen set row filter some_rows on (k)")
    for number in range(6, 9):
        assert connection.execute(count.format(number, number)).fetchone() == (1,)
    connection.execute("alter table seen drop row filter")
    connection.execute("alter table seen alter column k type bigint")
    for number in range(2147483650, 2147483653):
        assert connection.execute(count.format(number, number)).fetchone() == (0,)
