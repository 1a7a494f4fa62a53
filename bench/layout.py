"""What files of other shapes cost: size, load and cold scans of lineitem and hits for each compression, row group and file
size, and what ZORDER BY leaves to be read. `make bench BENCH_ARGS="--only layout"`; the reasons for the defaults are in
docs/operations.md. CPU milliseconds of the server, all threads: hot columns and the result cache are off, the operating
system holds the files."""

import os

import hits
from loading import load
from tpch import sample_server

LAYOUTS = {
    "snappy": {},
    "none": {"compression": '"none"'},
    "lz4": {"compression": '"lz4"'},
    "zstd(1)": {"compression": '"zstd(1)"'},
    "zstd(3)": {"compression": '"zstd(3)"'},
    "snappy, 128 Ki rows a group": {"row_group_rows": 131072},
    "snappy, 256 Ki rows a group": {"row_group_rows": 262144},
    "snappy, 32 MB files": {"file_size": '"32MB"'},
    "snappy, 512 MB files": {"file_size": '"512MB"'},
}

SCANS = {
    "lineitem": [
        "select sum(l_extendedprice * (1 - l_discount)), sum(l_quantity), count(*) from lineitem",
        "select l_returnflag, l_linestatus, count(*), sum(l_tax) from lineitem group by 1, 2",
        "select sum(l_extendedprice) from lineitem where l_shipdate >= date '1994-03-01' and l_shipdate < date '1994-04-01'",
        "select count(*) from lineitem where l_comment like '%special%'",
        "select max(l_orderkey), min(l_partkey), max(l_suppkey) from lineitem where l_shipmode = 'AIR'",
    ],
    "hits": [
        "select count(*) from hits where adv_engine_id <> 0",
        "select region_id, count(*) from hits group by region_id",
        "select count(*) from hits where url like '%google%'",
        "select search_phrase, count(*) from hits where search_phrase <> '' group by search_phrase order by 2 desc, 1 limit 10",
        "select max(title), min(referer), sum(duration) from hits where event_date = date '2013-07-15'",
    ],
}

SOURCES = {"lineitem": "sample.lineitem", "hits": "web.hits"}
HITS_ROWS = 1_000_000

# Queries that ask for few rows, and the columns that rows may be near by.
CURVES = ["", "l_shipdate", "l_partkey", "l_shipdate, l_partkey", "l_shipdate, l_partkey, l_suppkey"]
PRUNED = [
    "select sum(l_extendedprice) from lineitem where l_shipdate >= date '1994-03-01' and l_shipdate < date '1994-03-08'",
    "select sum(l_extendedprice) from lineitem where l_partkey between 1000 and 1200",
    "select sum(l_extendedprice) from lineitem where l_suppkey between 100 and 120",
]
CURVE_FILES = {"file_size": '"16MB"'}


def cpu_milliseconds(server):
    total = 0
    for thread in os.listdir(f"/proc/{server.process.pid}/task"):
        try:
            with open(f"/proc/{server.process.pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
        except OSError:
            pass
    return total / 1e6


def spent(server, connection, text):
    before = cpu_milliseconds(server)
    cursor = connection.execute(text)
    if cursor.description:
        cursor.fetchall()
    return cpu_milliseconds(server) - before


def scan(server, connection, queries, runs):
    """The least of several runs, summed."""
    return sum(min(spent(server, connection, query) for _ in range(runs + 1)) for query in queries)


def configured(settings):
    return "[storage]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def cold(connection, schema):
    connection.execute(f"set search_path = {schema}")
    for cache in ["hot_columns", "result_cache"]:
        connection.execute(f"set boathouse.{cache} = off")


def prepare(data, scale):
    """Puts the web table beside TPC-H's."""
    with sample_server(data, scale) as server:
        with server.connect() as connection:
            found = connection.execute("select count(*) from pg_namespace where nspname = 'web'").fetchone()[0]
        if not found:
            file = hits.generate(data / "hits-layout.csv", HITS_ROWS)
            load(server, "web", {"hits": hits.COLUMNS}, lambda name: file)


def measure(data, options, kinds, report):
    report.section(f"Layout of files, scale {options.scale}", "Size and CPU time of the server; see bench/layout.py.")
    rows = []
    prepare(data, options.scale)
    for table, queries in SCANS.items():
        for name, settings in LAYOUTS.items():
            with sample_server(data, options.scale, config=configured(settings)) as server, server.connect() as connection:
                connection.execute("drop schema if exists layout cascade")
                connection.execute("create schema layout")
                loaded = spent(server, connection, f"create table layout.{table} as select * from {SOURCES[table]}")
                cold(connection, "layout")
                detail = connection.execute(f"describe detail {table}").fetchone()
                megabytes = detail[8] / 1e6
                read = scan(server, connection, queries, options.runs)
                rows.append([table, name, f"{detail[7]}", f"{megabytes:.1f}", f"{loaded:.0f}", f"{read:.0f}"])
                for what, value, unit in [("size", megabytes, "MB"), ("load", loaded, "ms"), ("scans", read, "ms")]:
                    report.value("layout", f"{table}, {name}: {what}", "Boathouse", value, unit)
                connection.execute("drop schema layout cascade")
    report.table(["table", "layout", "files", "MB", "load, CPU ms", "scans, CPU ms"], rows)
    curves(data, options, report)


def curves(data, options, report):
    rows = []
    with sample_server(data, options.scale, config=configured(CURVE_FILES)) as server, server.connect() as connection:
        connection.execute("drop schema if exists layout cascade")
        connection.execute("create schema layout")
        connection.execute("create table layout.lineitem as select * from sample.lineitem")
        cold(connection, "layout")
        for curve in CURVES:
            sort = spent(server, connection, f"optimize lineitem zorder by ({curve})") if curve else 0
            reads = [scan(server, connection, [query], options.runs) for query in PRUNED]
            rows.append([curve or "as loaded", f"{sort:.0f}", *(f"{read:.1f}" for read in reads)])
            for query, read in zip(["a week", "200 parts", "20 suppliers"], reads, strict=True):
                report.value("layout", f"{curve or 'as loaded'}: {query}", "Boathouse", read, "ms")
        connection.execute("drop schema layout cascade")
    report.note("16 MB files of lineitem with near values near each other (`ZORDER BY`), CPU ms.")
    report.table(["order", "OPTIMIZE", "a week of l_shipdate", "200 l_partkey", "20 l_suppkey"], rows)
