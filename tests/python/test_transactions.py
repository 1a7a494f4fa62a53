"""Transactions over several tables: all of it or nothing, whoever dies, on one server and on two."""

import pathlib
import random
import threading
import time

import deltalake
import psycopg
import pytest

import s3_store
from server_process import Server

# COMMIT of two tables writes two locks, the decision, and two changes.
COMMITS_OF_A_TRANSFER = 5
DECISION = 3
# How many tables the server leaves locked that dies at a commit, before it arrived and after.
EXPECTED_LOCKS = {
    (1, False): 0, (1, True): 1, (2, False): 1, (2, True): 2, (3, False): 2, (3, True): 2,
}
TOTALS = "select (select sum(v) from debit), (select sum(v) from credit)"


def create(connection):
    connection.execute("create table debit (k int, v bigint)")
    connection.execute("create table credit (k int, v bigint)")
    connection.execute("insert into debit values (1, 0), (2, 0)")
    connection.execute("insert into credit values (1, 0), (2, 0)")


def transfer(connection, amount, key=1):
    """One table is updated and the other gets a row, in one transaction."""
    with connection.transaction():
        connection.execute("update debit set v = v - %s where k = %s", [amount, key])
        connection.execute("insert into credit values (%s, %s)", [key, amount])


def managed_tables(location, options):
    """What another Delta reader sees, by the number of rows that each table began with."""
    import pyarrow.fs

    bucket, prefix = location.removeprefix("s3://").split("/", 1)
    files = pyarrow.fs.S3FileSystem(
        endpoint_override=options["AWS_ENDPOINT_URL"], access_key="test", secret_key="test", region="us-east-1",
        scheme="http",
    )
    found = files.get_file_info(pyarrow.fs.FileSelector(f"{bucket}/{prefix}/tables", recursive=True))
    roots = sorted({info.path.rsplit("/_delta_log/", 1)[0] for info in found if "/_delta_log/" in info.path})
    return [deltalake.DeltaTable(f"s3://{root}", storage_options=options) for root in roots]


def is_locked(table):
    return table.history(1)[0]["operation"] == "PREPARE"


def sums(location, options):
    return sorted(sum(table.to_pyarrow_table().column("v").to_pylist()) for table in managed_tables(location, options))


def test_killed_at_each_step(s3):
    """The server dies before or after each of the commits that COMMIT is made of."""
    s3_store.make_bucket(s3, "deadly")
    location, options = "s3://deadly/house", s3_store.storage_options(s3)
    proxy = s3_store.DeadlyProxy(int(s3.rsplit(":", 1)[1]))
    total = 0
    try:
        with Server(location, environment=s3_store.environment(s3)) as other:
            with other.connect() as connection:
                create(connection)
        for commit in range(1, COMMITS_OF_A_TRANSFER + 1):
            for arrives in (False, True):
                with Server(location, environment=s3_store.environment(proxy.endpoint)) as doomed:
                    with doomed.connect(autocommit=False) as connection:
                        connection.execute("update debit set v = v - 1 where k = 1")
                        connection.execute("insert into credit values (1, 1)")
                        proxy.aim(commit, arrives, doomed.kill)
                        with pytest.raises(psycopg.OperationalError):
                            connection.commit()
                    proxy.deadly_commit = None
                    case = f"killed at commit {commit}, arrived: {arrives}"
                # Each table can be read by others, as it was or as it is going to be.
                debit, credit = sums(location, options)
                assert debit in (-total, -total - 1) and credit in (total, total + 1), case
                locked = [table for table in managed_tables(location, options) if is_locked(table)]
                assert len(locked) == EXPECTED_LOCKS.get((commit, arrives), len(locked)), case
                for table in locked:
                    with pytest.raises(Exception, match="boathouseTransaction"):
                        deltalake.write_deltalake(table, table.to_pyarrow_table(), mode="append")
                total += (commit, arrives) >= (DECISION, True)
                with Server(location, environment=s3_store.environment(s3)) as other:
                    with other.connect() as connection:
                        assert connection.execute(TOTALS).fetchone() == (-total, total), case
                        # Whoever writes next needs no help.
                        connection.execute("update debit set v = v where k = 2")
                        connection.execute("insert into credit values (2, 0)")
                        assert connection.execute(TOTALS).fetchone() == (-total, total), case
                assert sums(location, options) == [-total, total], case
    finally:
        proxy.stop()


def test_lost_answers(s3):
    """Every second commit's answer is lost; what was acknowledged happened, in both tables or in none."""
    s3_store.make_bucket(s3, "unsure")
    location, options = "s3://unsure/house", s3_store.storage_options(s3)
    proxy = s3_store.LossyProxy(int(s3.rsplit(":", 1)[1]))
    try:
        with Server(location, environment=s3_store.environment(proxy.endpoint)) as server:
            with server.connect() as connection:
                create(connection)
                proxy.is_lossy = True
                acknowledged = unknown = 0
                for _ in range(8):
                    try:
                        transfer(connection, 1)
                        acknowledged += 1
                    except psycopg.errors.StatementCompletionUnknown:
                        unknown += 1
                proxy.is_lossy = False
                assert proxy.lost >= 8
                debit, credit = connection.execute(TOTALS).fetchone()
        assert -debit == credit
        assert acknowledged <= credit <= acknowledged + unknown
        assert sums(location, options) == [debit, credit]
    finally:
        proxy.stop()


def test_readers_see_all_or_nothing(tmp_path):
    """Two servers move amounts while both read: no statement sees one table changed and the other not."""
    location = str(tmp_path / "data")
    ends = time.monotonic() + 8
    seen, moved, failures = [], [], []

    def move(server, key):
        try:
            with server.connect() as connection:
                while time.monotonic() < ends:
                    try:
                        transfer(connection, random.randint(1, 9), key)
                        moved.append(key)
                    except psycopg.errors.SerializationFailure:
                        pass
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    def read(server, isolation):
        try:
            with server.connect() as connection:
                while time.monotonic() < ends:
                    with connection.transaction():
                        connection.execute(f"set transaction isolation level {isolation}")
                        try:
                            if isolation == "repeatable read":
                                debit = connection.execute("select sum(v) from debit").fetchone()[0]
                                credit = connection.execute("select sum(v) from credit").fetchone()[0]
                            else:
                                debit, credit = connection.execute(TOTALS).fetchone()
                            seen.append((isolation, debit + credit))
                        except psycopg.errors.SerializationFailure:
                            raise psycopg.Rollback() from None
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    with Server(location) as first, Server(location) as second:
        with first.connect() as connection:
            create(connection)
        with second.connect() as connection:
            deadline = time.monotonic() + 15
            while connection.execute("select to_regclass('credit')").fetchone() == (None,):
                assert time.monotonic() < deadline
        jobs = [(move, first, 1), (move, second, 2), (read, first, "read committed"), (read, second, "read committed")]
        jobs.append((read, second, "repeatable read"))
        threads = [threading.Thread(target=job, args=arguments) for job, *arguments in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(set(moved)) == 2 and len(moved) > 4
        assert {isolation for isolation, _ in seen} == {"read committed", "repeatable read"}
        assert {balance for _, balance in seen} == {0}


def test_kill_among_transfers(tmp_path):
    """kill -9 at any moment, many times: both tables, as this server and as others read them, agree."""
    generator = random.Random(11)
    acknowledged = []

    def move(server, key):
        try:
            with server.connect() as connection:
                while True:
                    try:
                        transfer(connection, 1, key)
                        acknowledged.append(key)
                    except psycopg.errors.SerializationFailure:
                        pass
        except psycopg.Error:
            pass

    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            create(connection)
        for round_number in range(8):
            if round_number:
                server.start()
            threads = [threading.Thread(target=move, args=(server, key)) for key in (1, 2)]
            for thread in threads:
                thread.start()
            threading.Event().wait(generator.uniform(0.3, 1.0))
            server.kill()
            for thread in threads:
                thread.join()
        server.start()
        with server.connect() as connection:
            debit, credit = connection.execute(TOTALS).fetchone()
            assert -debit == credit
            # An acknowledged transfer is there; of the others at most the one that each client waited for.
            assert len(acknowledged) <= credit <= len(acknowledged) + 2 * 8
            connection.execute("vacuum")
        logs = pathlib.Path(tmp_path / "data" / "tables").glob("*/_delta_log")
        read = sorted(sum(deltalake.DeltaTable(str(log.parent)).to_pyarrow_table().column("v").to_pylist()) for log in logs)
        assert read == [debit, credit]


def test_columns_and_definitions_move_together(s3):
    """ALTER TABLE killed at each step: the catalog and the Delta log never differ afterwards."""
    s3_store.make_bucket(s3, "altered")
    location, options = "s3://altered/house", s3_store.storage_options(s3)
    proxy = s3_store.DeadlyProxy(int(s3.rsplit(":", 1)[1]))
    columns, rows = ["k"], 1
    try:
        with Server(location, environment=s3_store.environment(s3)) as other:
            with other.connect() as connection:
                connection.execute("create table widened (k int)")
                connection.execute("insert into widened values (1)")
        # A lock, the decision, the change.
        for commit in (1, 2, 3):
            for arrives in (False, True):
                name = f"c{commit}{'b' if arrives else 'a'}"
                with Server(location, environment=s3_store.environment(proxy.endpoint)) as doomed:
                    with doomed.connect(autocommit=False) as connection:
                        connection.execute(f"alter table widened add column {name} text")
                        connection.execute(f"insert into widened (k, {name}) values (2, 'x')")
                        proxy.aim(commit, arrives, doomed.kill)
                        with pytest.raises(psycopg.OperationalError):
                            connection.commit()
                    proxy.deadly_commit = None
                if (commit, arrives) >= (2, True):
                    columns.append(name)
                    rows += 1
                with Server(location, environment=s3_store.environment(s3)) as other:
                    with other.connect() as connection:
                        shown = connection.execute("select * from widened")
                        assert [column.name for column in shown.description] == columns
                        assert len(shown.fetchall()) == rows
                        # A writer also clears away the lock of a transaction that nobody decided.
                        connection.execute("insert into widened (k) values (3)")
                        rows += 1
                (table,) = managed_tables(location, options)
                assert [field.name for field in table.schema().fields] == columns
    finally:
        proxy.stop()


def test_a_lone_statement_outruns_another_server(tmp_path):
    """Two servers update rows of one file: a statement that was overtaken begins anew, and the client does not notice."""
    location, rounds, failures = str(tmp_path / "data"), 10, []

    def update(server, key):
        try:
            with server.connect() as connection:
                for _ in range(rounds):
                    connection.execute("update debit set v = v + 1 where k = %s", [key])
                    time.sleep(random.uniform(0, 0.2))
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    with Server(location) as first:
        with first.connect() as connection:
            create(connection)
        with Server(location) as second:
            threads = [threading.Thread(target=update, args=job) for job in ((first, 1), (second, 2))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert failures == []
            with first.connect() as connection:
                rows = connection.execute("select k, v from debit order by k").fetchall()
            assert rows == [(1, rounds), (2, rounds)]


def test_a_savepoint_does_not_move_a_snapshot(server, database):
    """Under REPEATABLE READ a table that was first looked at by a change which ROLLBACK TO undid stays at that version."""
    with server.connect(dbname=database) as first, server.connect(dbname=database) as second:
        first.execute("create table seen (id int primary key, v int)")
        first.execute("insert into seen values (1, 10), (2, 20)")
        for isolation, rows in [("repeatable read", [(1, 10), (2, 20)]), ("read committed", [(1, 10), (2, 20), (3, 30)])]:
            first.execute(f"begin isolation level {isolation}")
            first.execute("savepoint a")
            first.execute("update seen set v = v + 1")
            first.execute("rollback to a")
            second.execute("insert into seen values (3, 30)")
            assert first.execute("select id, v from seen order by id").fetchall() == rows
            assert first.execute("update seen set v = v + 1").rowcount == len(rows)
            first.execute("rollback")
            second.execute("delete from seen where id = 3")
