"""asyncpg: everything prepared and binary, types looked up in the catalog, COPY, cursors, nested transactions."""

import asyncio
import datetime
import decimal
import ipaddress
import uuid

import asyncpg
import pytest


def run(url, work):
    async def connected():
        connection = await asyncpg.connect(url, timeout=20)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


def test_values_of_many_types(url):
    values = [
        True, 7, 2**40, 1.5, decimal.Decimal("12.50"), "text", b"\x00\xff", datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc), datetime.timedelta(days=3, seconds=5),
        uuid.UUID(int=7), [1, 2, None], ["a", "b,c"],
    ]
    types = [
        "bool", "int4", "int8", "float8", "numeric", "text", "bytea", "date", "timestamptz", "interval", "uuid",
        "int4[]", "text[]",
    ]
    columns = ", ".join(f"${index}::{name}" for index, name in enumerate(types, 1))

    async def work(connection):
        return list(await connection.fetchrow(f"select {columns}", *values))

    assert run(url, work) == values


def test_ranges_bits_and_addresses(url):
    zone = datetime.timezone(datetime.timedelta(hours=-8))
    values = [
        asyncpg.Range(1, 6), asyncpg.Range(decimal.Decimal("1.50"), None, lower_inc=False), asyncpg.Range(empty=True),
        [asyncpg.Range(1, 2), None], datetime.time(4, 5, 6, tzinfo=zone), asyncpg.BitString("101"),
        asyncpg.BitString("1011001110"), ipaddress.ip_interface("192.168.1.5/24"), ipaddress.ip_network("10.0.0.0/8"),
        "08:00:2b:01:02:03",
    ]
    types = [
        "int4range", "numrange", "tstzrange", "int8range[]", "timetz", "bit(3)", "varbit", "inet", "cidr", "macaddr",
    ]
    columns = ", ".join(f"c{index} {name}" for index, name in enumerate(types))
    places = ", ".join(f"${index}" for index in range(1, len(types) + 1))

    async def work(connection):
        await connection.execute(f"create table spelled ({columns})")
        await connection.execute(f"insert into spelled values ({places})", *values)
        row = list(await connection.fetchrow("select * from spelled where c0 @> 3"))
        await connection.execute("drop table spelled")
        return row

    assert run(url, work) == values


def test_json_codec_and_arrays_without_parameters(url):
    async def work(connection):
        await connection.set_type_codec("jsonb", encoder=str, decoder=str.upper, schema="pg_catalog")
        return await connection.fetchrow("select array[1, 2, 3] as a, '{\"a\": 1}'::jsonb as j")

    assert tuple(run(url, work)) == ([1, 2, 3], '{"A": 1}')


def test_parameters_as_bounds_of_window_frames(url):
    """One prepared statement, whose frames are other ones each time."""
    rows = "select n, sum(n) over (order by n rows between $1 preceding and $2 following) from generate_series(1, 4) n"
    days = (
        "select sum(n) over w from (select n, date '2024-01-01' + n as d from generate_series(1, 4) n) "
        "window w as (order by d range between $1::interval preceding and current row)"
    )

    async def work(connection):
        statement = await connection.prepare(rows)
        sums = [[row[1] for row in await statement.fetch(*bounds)] for bounds in ((1, 1), (0, 2), (1, 1))]
        sums.append([row[0] for row in await connection.fetch(days, datetime.timedelta(days=1))])
        await connection.execute(f"create table framed as {rows.replace('$1', '0').replace('$2', '0')}")
        await connection.execute(f"insert into framed {rows}", 1, 1)
        sums.append([row[0] for row in await connection.fetch("select sum from framed order by n, sum")])
        with pytest.raises(asyncpg.InvalidPrecedingOrFollowingSizeError, match="starting offset must not be negative"):
            await statement.fetch(-1, 1)
        with pytest.raises(asyncpg.NullValueNotAllowedError, match="ending offset must not be null"):
            await statement.fetch(1, None)
        return [parameter.name for parameter in statement.get_parameters()], sums

    around, after = [3, 6, 9, 7], [6, 9, 7, 4]
    assert run(url, work) == (["int8", "int8"], [around, after, around, [1, 3, 5, 7], [1, 3, 2, 6, 3, 9, 4, 7]])


def test_copy_executemany_and_cursor(url):
    async def work(connection):
        await connection.execute("create table by_asyncpg (id int, name text)")
        await connection.copy_records_to_table("by_asyncpg", records=[(1, "x"), (2, None)])
        await connection.executemany("insert into by_asyncpg values ($1, $2)", [(3, "a"), (4, "b")])
        async with connection.transaction():
            cursor = connection.cursor("select id from by_asyncpg order by id", prefetch=2)
            seen = [record["id"] async for record in cursor]
        status = await connection.execute("drop table by_asyncpg")
        return seen, status

    assert run(url, work) == ([1, 2, 3, 4], "DROP TABLE")


def test_nested_transactions_are_savepoints(url):
    async def work(connection):
        async with connection.transaction():
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with connection.transaction():
                    await connection.execute("select 1 / 0")
            return await connection.fetchval("select 42")

    assert run(url, work) == 42


def test_pool_resets_and_listens(url):
    async def main():
        async with asyncpg.create_pool(url, min_size=2, max_size=2) as pool:
            heard = asyncio.get_running_loop().create_future()
            async with pool.acquire() as listener, pool.acquire() as other:
                def hear(*message):
                    heard.set_result(message[3])

                await listener.add_listener("channel", hear)
                await other.execute("notify channel, 'hello'")
                message = await asyncio.wait_for(heard, 10)
                await listener.remove_listener("channel", hear)
            async with pool.acquire() as again:
                return message, await again.fetchval("select 1")

    assert asyncio.run(main()) == ("hello", 1)


def test_a_cached_statement_is_prepared_again(url):
    async def work(connection):
        await connection.execute("create table changing (a int)")
        try:
            await connection.execute("insert into changing values (1)")
            before = await connection.fetchval("select * from changing")
            await connection.execute("alter table changing alter column a type text")
            # Inside a transaction nothing can be tried again.
            with pytest.raises(asyncpg.InvalidCachedStatementError):
                async with connection.transaction():
                    await connection.fetchval("select * from changing")
            await connection.execute("alter table changing alter column a type bigint using a::bigint + 1")
            return before, await connection.fetchval("select * from changing")
        finally:
            await connection.execute("drop table changing")

    assert run(url, work) == (1, 2)
