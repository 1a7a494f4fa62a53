"""The systems beside Boathouse, each in a process of its own, so that its peak memory can be told and a
crash is its own. All get the same Parquet files and the same number of threads.

They hand over Arrow data inside their process; only the time of the query counts, as told by that process.
"""

import importlib.metadata
import multiprocessing
import os
import pathlib
import tempfile
import time


class DuckDb:
    """DuckDB on its own storage (a file), or over the Parquet files."""

    package = "duckdb"

    def __init__(self, folder, native, threads):
        import duckdb

        self.native = native
        self.file = pathlib.Path(folder) / "duck.db"
        self.database = duckdb.connect(str(self.file))
        self.database.execute(f"set threads = {threads}")

    def load(self, name, paths):
        kind = "table" if self.native else "view"
        self.database.execute(f"create {kind} {name} as select * from read_parquet({paths!r})")

    def loaded(self):
        self.database.execute("checkpoint")
        return self.file.stat().st_size if self.native else None

    def run(self, text):
        return self.database.sql(text).to_arrow_table()

    def rows(self, text):
        return self.database.sql(text).fetchall()


class DataFusion:
    """Stock DataFusion over the Parquet files."""

    package = "datafusion"

    def __init__(self, folder, native, threads):
        import datafusion

        settings = datafusion.SessionConfig().set("datafusion.sql_parser.dialect", "postgres")
        settings = settings.set("datafusion.sql_parser.parse_float_as_decimal", "true")
        self.context = datafusion.SessionContext(settings.with_target_partitions(threads))
        self.folder = pathlib.Path(folder)

    def load(self, name, paths):
        listing = self.folder / name
        listing.mkdir()
        for path in paths:
            (listing / pathlib.Path(path).name).symlink_to(path)
        self.context.register_parquet(name, str(listing))

    def loaded(self):
        return None

    def run(self, text):
        return self.context.sql(text).collect()

    def rows(self, text):
        return [tuple(row.values()) for batch in self.run(text) for row in batch.to_pylist()]


class Polars:
    """Polars' SQL over data frames in memory."""

    package = "polars"

    def __init__(self, folder, native, threads):
        os.environ["POLARS_MAX_THREADS"] = str(threads)
        import polars

        self.polars = polars
        self.context = polars.SQLContext()

    def load(self, name, paths):
        self.context.register(name, self.polars.read_parquet(paths))

    def loaded(self):
        return None

    def run(self, text):
        return self.context.execute(text.rstrip().rstrip(";")).collect()

    def rows(self, text):
        return self.run(text).rows()


class Hyper:
    """Tableau's engine on a file of its own."""

    package = "tableauhyperapi"

    def __init__(self, folder, native, threads):
        from tableauhyperapi import Connection, CreateMode, HyperProcess, Telemetry

        parameters = {"log_config": "", "hard_concurrent_query_thread_limit": str(threads)}
        self.file = pathlib.Path(folder) / "data.hyper"
        self.process = HyperProcess(telemetry=Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters=parameters)
        self.connection = Connection(self.process.endpoint, str(self.file), CreateMode.CREATE_AND_REPLACE)

    def load(self, name, paths):
        listed = ", ".join(f"'{path}'" for path in paths)
        self.connection.execute_command(
            f"create table {name} as select * from external(array[{listed}], format => 'parquet')"
        )

    def loaded(self):
        return self.file.stat().st_size

    def run(self, text):
        return self.connection.execute_list_query(text)

    def rows(self, text):
        plain = lambda value: value.to_date() if hasattr(value, "to_date") else value  # noqa: E731
        return [tuple(map(plain, row)) for row in self.run(text)]

    def close(self):
        self.connection.close()
        self.process.close()


class ClickHouse:
    """chdb, ClickHouse as a library, on MergeTree tables."""

    package = "chdb"

    def __init__(self, folder, native, threads):
        from chdb import session

        self.folder = pathlib.Path(folder) / "chdb"
        self.session = session.Session(str(self.folder))
        self.session.query("create database bench")
        self.session.query("use bench")
        self.session.query(f"set max_threads = {threads}")
        # As the standard has it: outer joins give NULL, subqueries may be correlated.
        self.session.query("set join_use_nulls = 1")
        self.session.query("set allow_experimental_correlated_subqueries = 1")

    def load(self, name, paths):
        # Braces around whole paths match nothing.
        files = " union all ".join(f"select * from file('{path}', Parquet)" for path in paths)
        self.session.query(
            f"create table {name} engine = MergeTree order by tuple() settings allow_nullable_key = 1 as {files}"
        )

    def loaded(self):
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def run(self, text):
        return self.session.query(text.rstrip().rstrip(";"), "Arrow")

    def rows(self, text):
        import pyarrow

        answer = self.run(text).bytes()
        table = pyarrow.ipc.open_file(answer).read_all()
        decode = lambda value: value.decode() if isinstance(value, bytes) else value  # noqa: E731
        return [tuple(map(decode, row.values())) for row in table.to_pylist()]


KINDS = {
    "DuckDB, native": (DuckDb, True),
    "DuckDB, Parquet": (DuckDb, False),
    "Hyper": (Hyper, True),
    "Polars, memory": (Polars, True),
    "ClickHouse (chdb)": (ClickHouse, True),
    "DataFusion, Parquet": (DataFusion, False),
}


def serve(kind, threads, connection):
    """The child's loop: one request, one answer."""
    engine, native = KINDS[kind]
    with tempfile.TemporaryDirectory(prefix="boathouse-bench-", ignore_cleanup_errors=True) as folder:
        system = None
        while True:
            request, argument = connection.recv()
            begun = time.perf_counter()
            try:
                if request == "load":
                    system = engine(folder, native, threads)
                    for name, paths in argument.items():
                        system.load(name, paths)
                    answer = system.loaded()
                elif request == "run":
                    system.run(argument)
                    answer = None
                elif request == "rows":
                    answer = system.rows(argument)
                else:
                    if hasattr(system, "close"):
                        system.close()
                    return
            except Exception as error:  # noqa: BLE001
                connection.send((None, None, str(error).splitlines()[0][:200] if str(error) else repr(error)))
                continue
            connection.send(((time.perf_counter() - begun) * 1000, answer, None))


def peak_megabytes(process):
    """The most memory that a process and those it started held, each at its own time."""
    total = 0
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if int(folder.name) == process:
            total += int(status["VmHWM"].split()[0]) / 1024
        elif int(status["PPid"]) == process and "VmHWM" in status:
            total += peak_megabytes(int(folder.name))
    return total


class Failed(Exception):
    """What the other system answered instead of rows."""


class Peer:
    """A handle on the child process of one system."""

    def __init__(self, kind, threads):
        self.kind = kind
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(kind, threads, theirs), daemon=True)
        self.process.start()
        theirs.close()

    @property
    def name(self):
        package = KINDS[self.kind][0].package
        return f"{self.kind} {importlib.metadata.version(package)}"

    def ask(self, request, argument=None, seconds=600):
        try:
            self.connection.send((request, argument))
            if not self.connection.poll(seconds):
                self.process.kill()
                raise Failed(f"no answer in {seconds} s")
            milliseconds, answer, error = self.connection.recv()
        except (EOFError, OSError) as gone:
            raise Failed("its process ended") from gone
        if error is not None:
            raise Failed(error)
        return milliseconds, answer

    def peak_megabytes(self):
        return peak_megabytes(self.process.pid)

    def close(self):
        if self.process.is_alive():
            try:
                self.connection.send(("end", None))
                self.process.join(10)
            except OSError:
                pass
        self.process.kill()
        self.process.join()
