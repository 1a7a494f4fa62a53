"""Composite types as clients know them: introspected by psycopg and asyncpg, then sent and read in text and in binary."""

import asyncio
import datetime
import decimal
import io

import asyncpg
import deltalake
import psycopg
import pytest
from server_process import ADMIN_PASSWORD
from psycopg.types.composite import CompositeInfo, register_composite

TYPES = """
create type part as (name text, price numeric(10,2));
create type parcel as (label varchar(20), first part, others part[], made timestamptz, n int);
create table parcels (id int, content parcel);
"""
MADE = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
PRICE = decimal.Decimal("1.50")


@pytest.fixture
def typed(connection):
    connection.autocommit = True
    for statement in TYPES.strip().split(";\n"):
        connection.execute(statement)
    for name in ("part", "parcel"):
        register_composite(CompositeInfo.fetch(connection, name), connection)
    return connection


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_reads_rows_and_gives_them(typed, binary):
    part, parcel = (typed.adapters.types[name].python_type for name in ("part", "parcel"))
    content = parcel('say "hi", \\', part("a b", PRICE), [part("", None), part("(x)", PRICE)], MADE, None)
    mark = "%b" if binary else "%t"
    typed.execute(f"insert into parcels values (1, {mark}), (2, null)", [content])
    cursor = typed.cursor(binary=binary)
    assert cursor.execute("select content from parcels order by id").fetchall() == [(content,), (None,)]
    assert cursor.execute("select (content).first, (content).others from parcels where id = 1").fetchone() == (
        content.first, content.others,
    )
    assert cursor.execute(f"select id from parcels where content = {mark}", [content]).fetchall() == [(1,)]


@pytest.mark.parametrize("options", ["format text", "format csv", "format binary"])
def test_copy_carries_rows_both_ways(typed, options):
    typed.execute("""insert into parcels values (1, row('a,"b', row('x', 2), '{"(y,3)"}', '2024-05-06 07:08:09Z', 4))""")
    typed.execute("insert into parcels values (2, null), (3, '(,,,,)')")
    out = io.BytesIO()
    with typed.cursor().copy(f"copy (select * from parcels order by id) to stdout ({options})") as copy:
        for data in copy:
            out.write(data)
    before = typed.execute("select id, content::text from parcels order by id").fetchall()
    typed.execute("truncate parcels")
    with typed.cursor().copy(f"copy parcels from stdin ({options})") as copy:
        copy.write(out.getvalue())
    assert typed.execute("select id, content::text from parcels order by id").fetchall() == before


def test_asyncpg_introspects_and_sends_records(server, database, typed):
    async def run():
        connection = await asyncpg.connect(
            host="127.0.0.1", port=server.port, user="admin", password=ADMIN_PASSWORD, database=database
        )
        try:
            content = ("l", ("x", PRICE), [("y", None)], MADE, 7)
            await connection.execute("insert into parcels values ($1, $2)", 1, content)
            row = await connection.fetchrow("select content, (content).first from parcels")
            assert row["content"]["others"][0]["name"] == "y"
            assert row["content"]["made"] == MADE
            assert row["first"]["price"] == PRICE
            await connection.copy_records_to_table("parcels", records=[(2, content), (3, None)])
            assert await connection.fetchval("select count(*) from parcels where content = $1", content) == 2
            attributes = (await connection.prepare("select content from parcels")).get_attributes()
            assert (attributes[0].type.name, attributes[0].type.kind) == ("parcel", "composite")
            assert await connection.fetchval("select array_agg(content) from parcels where id < 3") == [content, content]
        finally:
            await connection.close()

    asyncio.run(run())


def test_the_oid_outlives_the_server(own_server):
    with own_server.connect() as connection:
        connection.execute("create type kept as (a int)")
        before = connection.execute("select oid, typrelid, typarray from pg_type where typname = 'kept'").fetchone()
    own_server.stop()
    own_server.start()
    with own_server.connect() as connection:
        after = connection.execute("select oid, typrelid, typarray from pg_type where typname = 'kept'").fetchone()
        assert after == before
        described = connection.execute("select row(1)::kept").description
        assert described[0].type_code == before[0]


def test_other_engines_read_a_struct(own_server):
    with own_server.connect() as connection:
        connection.execute("create type part as (name varchar(9), at time, wait interval, id uuid)")
        connection.execute("create table stored (k int, p part)")
        connection.execute("insert into stored values (1, row('x', '01:02:03', '2 days', null)), (2, null)")
        location = connection.execute("describe detail stored").fetchone()
        columns = connection.execute("describe detail stored").description
        url = dict(zip([column.name for column in columns], location))["location"]
        rows = deltalake.DeltaTable(url).to_pyarrow_table().sort_by("k").to_pylist()
        assert rows[0]["p"]["name"] == "x"
        assert rows[0]["p"]["wait"] == "2 days"
        assert rows[1]["p"] is None
        connection.execute("alter table stored rename column k to key")
        assert connection.execute("select key, p::text from stored order by key").fetchall() == [
            (1, '(x,01:02:03,"2 days",)'), (2, None),
        ]


def test_a_mask_hides_the_fields(own_server):
    with own_server.connect() as connection:
        connection.autocommit = True
        for statement in (
            "create type pay as (grade text, amount int)",
            "create table staff (id int, salary pay)",
            "insert into staff values (1, row('A', 4321)), (2, row('B', 5))",
            "create role clerk login password 'secret'",
            "grant select, update on staff to clerk",
            "create function no_pay(s pay) returns pay return case when current_user = 'admin' then s "
            "else row('?', 0)::pay end",
            "alter table staff alter column salary set mask no_pay",
        ):
            connection.execute(statement)
    with own_server.connect(user="clerk", password="secret") as clerk:
        clerk.autocommit = True
        for query in (
            "select (salary).amount from staff", "select salary from staff", "select (salary).* from staff",
            "select row_to_json(salary) from staff", "select max((salary).amount) from staff",
            "select salary::text from staff order by salary", "select (s).salary from staff s",
            "select array_agg(salary) from staff", "select id from staff where (salary).amount > 4000",
            "select (salary).amount, count(*) from staff group by 1", "select to_jsonb(s) from staff s",
            "explain analyze select id from staff where (salary).amount > 4000",
        ):
            assert "4321" not in str(clerk.execute(query).fetchall()), query
        assert clerk.execute("select id from staff where (salary).amount > 0").fetchall() == []
        assert clerk.execute("select id from staff where salary = row('A', 4321)::pay").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            clerk.execute("update staff set salary.amount = 1")
