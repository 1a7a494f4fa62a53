"""PostgreSQL's own programs as clients: pg_dump both ways, and postgres_fdw in another server."""

import asyncio
import pathlib
import subprocess
import sys
import threading

import psycopg
import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / "bench")]

from postgres_process import Postgres  # noqa: E402
from server_process import ADMIN_PASSWORD, Server  # noqa: E402

COLUMNS = """select table_name, column_name, data_type, numeric_precision, numeric_scale, character_maximum_length,
    is_nullable, column_default, is_identity from information_schema.columns
    where table_schema = 'shop' order by table_name, ordinal_position"""
CONSTRAINTS = """select conname, contype::text, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'shop'::regnamespace and contype <> 'n' and contype <> 'c' order by 1"""
ROWS = [f"select * from shop.{relation} order by 1" for relation in ("customer", "purchase", "purchase_list", "daily")]


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as started:
        yield started


@pytest.fixture(scope="module")
def boathouse(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("tools") / "data") as started:
        yield started


def database(server, name, statements=()):
    """A connection to a new database of the server."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    opened = psycopg.connect(server.conninfo(), dbname=name, autocommit=True)
    for statement in statements:
        opened.execute(statement)
    return opened


def shop():
    text = (HERE / "shop.sql").read_text()
    # Roles are the whole server's: a dump of one database has none.
    return [line for line in text.splitlines() if "pgadmin_" not in line] + ["refresh materialized view shop.daily"]


class OlderVersion:
    """Passes messages on to a server and says version 15 for it: pg_dump dumps no newer server than itself."""

    def __init__(self, port):
        self.server_port, self.loop = port, asyncio.new_event_loop()

    async def pass_on(self, reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def answer(self, reader, writer):
        kind = b""
        while kind != b"Z":
            head = await reader.readexactly(5)
            kind, body = head[:1], await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
            if body.startswith(b"server_version\0"):
                body = b"server_version\0" + b"15.0\0"
            writer.write(kind + (len(body) + 4).to_bytes(4, "big") + body)
        await self.pass_on(reader, writer)

    async def connected(self, reader, writer):
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        try:
            await asyncio.gather(self.pass_on(reader, upstream_writer), self.answer(upstream_reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    def __enter__(self):
        self.server = self.loop.run_until_complete(asyncio.start_server(self.connected, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


def ran(command, **arguments):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **arguments)
    assert done.returncode == 0 and "ERROR" not in done.stderr, done.stderr
    return done.stdout


def restored(dump, server, name):
    """A connection to a new database that holds what was dumped."""
    opened = database(server, name)
    conninfo = psycopg.conninfo.make_conninfo(server.conninfo(), dbname=name)
    ran(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", conninfo], input=dump)
    return opened


def assert_alike(original, copy, questions):
    for question in questions:
        theirs, ours = original.execute(question).fetchall(), copy.execute(question).fetchall()
        assert theirs == ours, question


def test_a_dump_of_postgres_is_restored(postgres, boathouse):
    original = database(postgres, "dumped", shop())
    conninfo = psycopg.conninfo.make_conninfo(postgres.conninfo(), dbname="dumped")
    dump = ran(["pg_dump", "--no-owner", conninfo])
    assert_alike(original, restored(dump, boathouse, "restored"), [COLUMNS, CONSTRAINTS, *ROWS])


def test_a_dump_is_restored_into_postgres(postgres, boathouse):
    original = database(boathouse, "dumped", shop())
    with OlderVersion(boathouse.port) as older:
        conninfo = f"host=127.0.0.1 port={older.port} user=admin password={ADMIN_PASSWORD} dbname=dumped"
        dump = ran(["pg_dump", "--no-owner", f"{conninfo} sslmode=disable gssencmode=disable"])
    copy = restored(dump, postgres, "restored")
    assert_alike(original, copy, [COLUMNS, CONSTRAINTS, *ROWS, "select shop.net(12, 0.2)"])
    assert not copy.execute("select from pg_namespace where nspname = 'system'").fetchall()


def test_postgres_fdw(postgres, boathouse):
    ours = database(boathouse, "far", shop())
    with database(postgres, "near") as near:
        for statement in (
            "create extension postgres_fdw",
            f"create server far foreign data wrapper postgres_fdw options (host '127.0.0.1', port '{boathouse.port}', "
            "dbname 'far', fetch_size '7')",
            f"create user mapping for postgres server far options (user 'admin', password '{ADMIN_PASSWORD}')",
            "create schema shop",
            "import foreign schema shop from server far into shop",
        ):
            near.execute(statement)
        assert_alike(ours, near, ROWS)
        joined = ("select c.name, sum(p.amount) from shop.purchase p join shop.customer c on c.id = p.customer_id "
                  "where p.day > '2024-01-10' group by c.name order by 1 limit 3")
        plan = "\n".join(line for line, in near.execute(f"explain (verbose, costs off) {joined}"))
        assert "INNER JOIN" in plan and "Remote SQL" in plan
        assert_alike(ours, near, [joined])
        near.execute("insert into shop.customer values (11, 'far', 'f@'), (12, 'away', null)")
        near.execute("update shop.customer set name = 'nearer' where id = 11")
        near.execute("delete from shop.customer where id = 12")
        with near.transaction():
            near.execute("insert into shop.customer values (13, 'kept', null)")
            with pytest.raises(psycopg.errors.CheckViolation), near.transaction():
                near.execute("insert into shop.customer values (14, '', null)")
        assert ours.execute("select id, name from shop.customer where id > 10 order by 1").fetchall() == [
            (11, "nearer"), (13, "kept")]
        near.execute("analyze shop.purchase")
