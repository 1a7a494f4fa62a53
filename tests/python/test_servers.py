"""Two servers on one warehouse: on a local folder, on S3, and behind a proxy that loses commit answers."""

import threading
import time

import deltalake
import psycopg
import pytest

import s3_store
from server_process import Server

# The stated bound for seeing another server's changes, with room for a slow machine.
FRESHNESS_SECONDS = 15


def eventually(probe, expected):
    """Repeats a probe until it gives the expected answer or the bound has passed."""
    deadline = time.monotonic() + FRESHNESS_SECONDS
    while True:
        try:
            seen = probe()
        except psycopg.Error as error:
            seen = error
        if seen == expected:
            return
        assert time.monotonic() < deadline, f"still {seen!r}, not {expected!r}"
        time.sleep(0.1)


@pytest.fixture(params=["folder", "s3"])
def warehouse(request, tmp_path):
    """(location, environment for servers, storage options for deltalake)"""
    if request.param == "folder":
        return str(tmp_path / "data"), {}, None
    endpoint = request.getfixturevalue("s3")
    s3_store.make_bucket(endpoint, "warehouse")
    return "s3://warehouse/main", s3_store.environment(endpoint), s3_store.storage_options(endpoint)


def test_each_sees_what_the_other_did(warehouse):
    location, environment, _ = warehouse
    with Server(location, environment=environment) as first, Server(location, environment=environment) as second:
        with first.connect() as one, second.connect() as two:
            one.execute("create table shared (n int)")
            eventually(lambda: two.execute("select count(*) from shared").fetchone(), (0,))
            one.execute("insert into shared values (1)")
            eventually(lambda: two.execute("select sum(n) from shared").fetchone(), (1,))
            two.execute("insert into shared values (2)")
            eventually(lambda: one.execute("select sum(n) from shared").fetchone(), (3,))
            one.execute("create role visitor login password 'v'")
            one.execute("grant select on shared to visitor")

            def as_visitor():
                with second.connect(user="visitor", password="v") as visitor:
                    return visitor.execute("select count(*) from shared").fetchone()

            eventually(as_visitor, (2,))
            one.execute("create function only_two(n int) returns boolean return n = 2")
            one.execute("alter table shared set row filter only_two on (n)")
            eventually(as_visitor, (1,))
            one.execute("drop table shared")

            def state():
                try:
                    return two.execute("select count(*) from shared").fetchone()
                except psycopg.errors.UndefinedTable:
                    return "gone"

            eventually(state, "gone")


def test_concurrent_writers_lose_nothing(warehouse):
    location, environment, options = warehouse
    batches = 10
    with Server(location, environment=environment) as first, Server(location, environment=environment) as second:
        with first.connect() as one:
            one.execute("create table contended (writer int, n int)")
        with second.connect() as two:
            eventually(lambda: two.execute("select count(*) from contended").fetchone(), (0,))
        failures = []

        def write(server, writer):
            try:
                with server.connect() as connection:
                    for number in range(batches):
                        connection.execute("insert into contended values (%s, %s)", [writer, number])
            except Exception as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=write, args=(server, n)) for n, server in enumerate([first, second, first, second])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        with first.connect() as one:
            eventually(lambda: one.execute("select count(*) from contended").fetchone(), (4 * batches,))
            counted = one.execute("select writer, count(*), count(distinct n) from contended group by 1 order by 1")
            assert counted.fetchall() == [(writer, batches, batches) for writer in range(4)]


def test_concurrent_definitions_do_not_collide(warehouse):
    location, environment, _ = warehouse
    with Server(location, environment=environment) as first, Server(location, environment=environment) as second:
        outcomes = []

        def define(server):
            with server.connect() as connection:
                for number in range(5):
                    try:
                        connection.execute(f"create table contested_{number} (n int)")
                        outcomes.append("made")
                    except (psycopg.errors.DuplicateTable, psycopg.errors.SerializationFailure):
                        outcomes.append("refused")

        threads = [threading.Thread(target=define, args=(server,)) for server in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("made") == 5 and outcomes.count("refused") == 5
        with first.connect() as one:
            eventually(
                lambda: one.execute(
                    "select count(*), count(distinct oid) from pg_class where relname like 'contested%'"
                ).fetchone(),
                (5, 5),
            )


def test_a_warehouse_on_s3_survives_its_server(s3):
    s3_store.make_bucket(s3, "lake")
    environment = s3_store.environment(s3)
    with Server("s3://lake/house", environment=environment) as server:
        with server.connect() as connection:
            connection.execute("create table kept (n int, word text)")
            connection.execute("insert into kept select n, 'word ' || n from generate_series(1, 1000) g(n)")
        server.kill()
    with Server("s3://lake/house", environment=environment) as server:
        with server.connect() as connection:
            assert connection.execute("select count(*), max(word) from kept").fetchone() == (1000, "word 999")


def test_what_was_fetched_from_s3_is_read_from_local_disk(s3, tmp_path):
    s3_store.make_bucket(s3, "far")
    folder = tmp_path / "blocks"
    settings = ["--set", "caches.hot_columns=0", "--set", "caches.result=0", "--set", f"caches.disk_folder={folder}"]
    blocks = "select hits, misses, bytes > 0 from system.caches where name = 'disk block'"
    total = "select sum(n), max(word) from kept"
    with Server("s3://far/house", environment=s3_store.environment(s3), arguments=settings) as server:
        with server.connect() as connection:
            connection.execute("create table kept (n int, word text)")
            connection.execute("insert into kept select n, 'word ' || n from generate_series(1, 100000) g(n)")
            assert connection.execute(total).fetchone() == (5000050000, "word 99999")
            eventually(lambda: connection.execute(blocks).fetchone()[2], True)
            hits, misses, _ = connection.execute(blocks).fetchone()
            assert connection.execute(total).fetchone() == (5000050000, "word 99999")
            assert connection.execute(blocks).fetchone() == (hits + misses, misses, True)
            connection.execute("set boathouse.hot_columns = off")
            assert connection.execute(total).fetchone() == (5000050000, "word 99999")
            assert connection.execute(blocks).fetchone() == (hits + misses, misses, True)
        server.stop()
        assert not any(folder.iterdir())
    settings += ["--set", "caches.disk=0"]
    with Server("s3://far/house", environment=s3_store.environment(s3), arguments=settings) as server:
        with server.connect() as connection:
            assert connection.execute(total).fetchone() == (5000050000, "word 99999")
            assert connection.execute(blocks).fetchone() is None


def test_lost_commit_answers(s3):
    """Every second commit's answer is lost: what was acknowledged is there once, and errors are honest."""
    s3_store.make_bucket(s3, "lossy")
    proxy = s3_store.LossyProxy(int(s3.rsplit(":", 1)[1]))
    try:
        with Server("s3://lossy/house", environment=s3_store.environment(proxy.endpoint)) as server:
            with server.connect() as connection:
                connection.execute("create table counted (n int)")
                proxy.is_lossy = True
                acknowledged, unknown = [], []
                for number in range(12):
                    try:
                        connection.execute("insert into counted values (%s)", [number])
                        acknowledged.append(number)
                    except psycopg.errors.StatementCompletionUnknown:
                        unknown.append(number)
                for number in range(4):
                    connection.execute(f"create table lossy_{number} (n int)")
                connection.execute("truncate lossy_1")
                assert proxy.lost >= 4
                proxy.is_lossy = False
                stored = [row[0] for row in connection.execute("select n from counted order by n").fetchall()]
                assert len(stored) == len(set(stored)), "a commit landed twice"
                assert set(acknowledged) <= set(stored) <= set(acknowledged) | set(unknown)
                tables = connection.execute("select count(*) from pg_class where relname like 'lossy%'").fetchone()
                assert tables == (4,)
        found = deltalake_rows(s3, "lossy", "house")
        assert sorted(found) == stored
    finally:
        proxy.stop()


def deltalake_rows(endpoint, bucket, prefix):
    """The rows of the only table with rows, as PyPI's deltalake reads them."""
    import pyarrow.fs

    options = s3_store.storage_options(endpoint)
    files = pyarrow.fs.S3FileSystem(
        endpoint_override=endpoint, access_key="test", secret_key="test", region="us-east-1", scheme="http"
    )
    selector = pyarrow.fs.FileSelector(f"{bucket}/{prefix}", recursive=True)
    logs = {info.path.rsplit("/_delta_log/", 1)[0] for info in files.get_file_info(selector) if "/_delta_log/" in info.path}
    rows = []
    for log in logs:
        rows += deltalake.DeltaTable(f"s3://{log}", storage_options=options).to_pyarrow_table().column("n").to_pylist()
    return rows
