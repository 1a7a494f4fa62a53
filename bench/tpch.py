"""TPC-H through the wire, against DuckDB (its own storage, and Parquet) and stock DataFusion (Parquet).

All Parquet readers read the very files of Boathouse's Delta tables. The others run inside this process
and hand over Arrow data, without a network protocol: what the wire costs counts against Boathouse.
"""

import importlib.metadata
import pathlib
import statistics
import tempfile
import time

from report import geometric_mean
from server_process import Server
from tpch_data import QUERIES, parquet_files

HERE = pathlib.Path(__file__).resolve().parent


def sample_server(data, scale, **options):
    """The demo on a warehouse that is made once per scale."""
    return Server(
        data / f"tpch-{scale}", subcommand="demo", arguments=["--scale", scale], startup_seconds=3600, **options
    )


def timed(run, runs):
    """Median of several runs in milliseconds, after one that warms up; None where the query fails."""
    try:
        run()
        times = []
        for _ in range(runs):
            begun = time.perf_counter()
            run()
            times.append((time.perf_counter() - begun) * 1000)
        return statistics.median(times)
    except Exception as error:  # noqa: BLE001
        print(f"failed: {str(error).splitlines()[0]}", flush=True)
        return None


def boathouse_runner(server):
    connection = server.connect()
    connection.execute("set search_path = sample")
    connection.execute("set boathouse.result_cache = off")
    return lambda text: connection.execute(text).fetchall()


def duckdb_runner(files, native):
    import duckdb

    database = duckdb.connect()
    for name, paths in files.items():
        kind = "table" if native else "view"
        database.execute(f"create {kind} {name} as select * from read_parquet({paths!r})")
    return lambda text: database.execute(text).to_arrow_table()


def datafusion_runner(files, folder):
    import datafusion

    settings = datafusion.SessionConfig().set("datafusion.sql_parser.dialect", "postgres")
    settings = settings.set("datafusion.sql_parser.parse_float_as_decimal", "true")
    context = datafusion.SessionContext(settings)
    for name, paths in files.items():
        listing = pathlib.Path(folder) / name
        listing.mkdir()
        for path in paths:
            (listing / pathlib.Path(path).name).symlink_to(path)
        context.register_parquet(name, str(listing))
    return lambda text: context.sql(text).collect()


def measure(server, runs, report):
    files = parquet_files(server.warehouse)
    version = importlib.metadata.version
    with tempfile.TemporaryDirectory() as folder:
        systems = {
            "Boathouse": boathouse_runner(server),
            f"DataFusion {version('datafusion')}, Parquet": datafusion_runner(files, folder),
            f"DuckDB {version('duckdb')}, Parquet": duckdb_runner(files, native=False),
            f"DuckDB {version('duckdb')}, native": duckdb_runner(files, native=True),
        }
        times = {name: [] for name in systems}
        for query in QUERIES:
            text = query.read_text()
            for name, run in systems.items():
                times[name].append(timed(lambda run=run, text=text: run(text), runs))
                print(f"{query.stem} {name}: {times[name][-1]}", flush=True)
    report.section(
        "TPC-H",
        f"Milliseconds, median of {runs} runs after one that warms up; Boathouse through the wire with its result "
        "cache off, the others inside the measuring process. A dash is a query that failed.",
    )
    written = lambda value: "–" if value is None else f"{value:.1f}"  # noqa: E731
    rows = [
        [query.stem, *(written(times[name][index]) for name in systems)] for index, query in enumerate(QUERIES)
    ]
    complete = [index for index in range(len(QUERIES)) if all(times[name][index] for name in systems)]
    rows.append(["sum", *(written(sum(times[name][index] for index in complete)) for name in systems)])
    means = {name: geometric_mean([times[name][index] for index in complete]) for name in systems}
    rows.append(["geometric mean", *(written(means[name]) for name in systems)])
    ours = means["Boathouse"]
    rows.append(["Boathouse ÷ system", *(f"{ours / means[name]:.2f}" for name in systems)])
    report.table(["query", *systems], rows)
    if len(complete) < len(QUERIES):
        report.note(f"Sum and means cover the {len(complete)} queries that every system answered.")
    for name in systems:
        for index, query in enumerate(QUERIES):
            if times[name][index] is not None:
                report.value("tpch", query.stem, name, times[name][index], "ms")
        report.value("tpch", "geometric mean", name, means[name], "ms")
