"""Cost against size: a selective query and planning over tables of 1, 100 and 10,000 files, and TPC-H at several scales."""

import statistics
import time

import deltalake
import pyarrow

from server_process import Server
from tpch import QUERIES, sample_server
from workload import Boathouse, Workload, peak_megabytes, time_one

FILE_COUNTS = [1, 100, 10_000]
ROWS_PER_FILE = 100
SCALES = ["0.1", "1"]
RUNS = 200


def files_table(folder, count):
    """A Delta table of many small files, each with a range of keys of its own."""
    if folder.exists():
        return
    keys = pyarrow.array(range(count * ROWS_PER_FILE), pyarrow.int64())
    part = pyarrow.array([key // ROWS_PER_FILE for key in range(count * ROWS_PER_FILE)], pyarrow.int32())
    table = pyarrow.table({"k": keys, "v": keys, "part": part})
    unfinished = folder.with_suffix(".unfinished")
    deltalake.write_deltalake(str(unfinished), table, partition_by=["part"])
    unfinished.rename(folder)


def median_milliseconds(connection, text):
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        connection.execute(text).fetchall()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def measure(data, options, kinds, report):
    folder = data / "files"
    folder.mkdir(exist_ok=True)
    for count in FILE_COUNTS:
        files_table(folder / f"t{count}", count)
    rows = []
    with Server(data / "files-warehouse") as server, server.connect() as connection:
        if not connection.execute("select 1 from pg_namespace where nspname = 'files'").fetchone():
            connection.execute(f"create external location files url 'file://{folder.resolve()}'")
            connection.execute("create schema files")
            for count in FILE_COUNTS:
                connection.execute(
                    f"create table files.t{count} using delta location 'file://{folder.resolve()}/t{count}'"
                )
        connection.execute("set boathouse.result_cache = off")
        for count in FILE_COUNTS:
            key = count * ROWS_PER_FILE // 2
            begun = time.perf_counter()
            connection.execute(f"select v from files.t{count} where k = {key}").fetchall()
            first = (time.perf_counter() - begun) * 1000
            by_key = median_milliseconds(connection, f"select v from files.t{count} where k = {key}")
            by_part = median_milliseconds(connection, f"select sum(v) from files.t{count} where part = {count // 2}")
            planning = median_milliseconds(connection, f"explain select v from files.t{count} where k = {key}")
            rows.append([f"{count:,}", f"{first:.1f}", f"{by_key:.2f}", f"{by_part:.2f}", f"{planning:.2f}"])
            for item, value in [("first", first), ("key", by_key), ("partition", by_part), ("explain", planning)]:
                report.value("files", f"{count} files, {item}", "Boathouse", value, "ms")
    report.section(
        "Number of files",
        f"Milliseconds for one row of a table of {ROWS_PER_FILE} rows a file: at first sight (the log is read), then the median of "
        f"{RUNS}; and EXPLAIN alone, which plans and reads nothing.",
    )
    report.table(["files", "first", "one key", "one partition", "planning"], rows)
    sizes = []
    for scale in dict.fromkeys([*SCALES, options.scale]):
        with sample_server(data, scale) as server:
            system = Boathouse(server, Workload("", {}, {}, "sample"))
            times = [time_one(system, query.read_text(), 1) for query in QUERIES]
            taken = [value for value in times if isinstance(value, float)]
            sizes.append([scale, f"{sum(taken):.0f}", f"{len(taken)}", f"{peak_megabytes(server.process.pid):.0f}"])
            report.value("scale", f"TPC-H {scale}, sum", "Boathouse", sum(taken), "ms")
            system.connection.close()
    report.section("Scale", "The 22 queries of TPC-H one after the other, result cache off.")
    report.table(["scale", "sum, ms", "queries answered", "peak memory, MB"], sizes)
