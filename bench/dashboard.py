"""A dashboard's tiles over TPC-H, by what the caches know: the exact repeat, the repeat after a commit, the same shape with
other parameters, the first sight, and the first sight of a server that was just started. DuckDB answers the same statements
from its own storage. A writer commits to lineitem between the runs that the name says."""

import random
import statistics
import time

import psycopg

from latency import POSTGRES, measured
from peers import Peer
from postgres_process import Postgres
from tpch import sample_server
from tpch_data import TABLES
from workload import live_files

# Parameters come from these values, the first the most often (Zipf).
SEGMENTS = ["BUILDING", "AUTOMOBILE", "MACHINERY", "HOUSEHOLD", "FURNITURE"]
MODES = ["MAIL", "SHIP", "AIR", "TRUCK", "RAIL", "FOB", "REG AIR"]
YEARS = [1995, 1996, 1994, 1997, 1993, 1992]
NATIONS = list(range(25))

TILES = [
    "select count(*) from lineitem where l_shipdate >= date '{year}-01-01' and l_shipdate < date '{year}-12-31'",
    "select l_returnflag, l_linestatus, count(*), sum(l_quantity) from lineitem where l_shipmode = '{mode}' group by 1, 2 order by 1, 2",
    "select extract(month from l_shipdate) as m, sum(l_extendedprice * (1 - l_discount)) from lineitem "
    "where l_shipdate >= date '{year}-01-01' and l_shipdate <= date '{year}-12-31' group by m order by m",
    "select l_shipmode, avg(l_discount), max(l_tax) from lineitem where l_quantity > {nation} group by l_shipmode order by 1",
    "select sum(l_extendedprice * l_discount) from lineitem where l_shipmode = '{mode}' and l_discount between 0.05 and 0.07",
    "select o_orderpriority, count(*) from orders where extract(year from o_orderdate) = {year} group by 1 order by 1",
    "select o_orderstatus, sum(o_totalprice) from orders where o_orderdate >= date '{year}-06-01' group by 1 order by 1",
    "select c_mktsegment, count(*), avg(c_acctbal) from customer where c_nationkey = {nation} group by 1 order by 1",
    "select n_name, count(*) from customer, nation where c_nationkey = n_nationkey and c_mktsegment = '{segment}' group by 1 order by 2 desc, 1",
    "select c_name, sum(o_totalprice) as t from customer, orders where c_custkey = o_custkey and c_nationkey = {nation} "
    "and o_orderdate >= date '{year}-01-01' group by c_custkey, c_name order by t desc, c_name limit 10",
    "select n_name, sum(o_totalprice) from orders, customer, nation where o_custkey = c_custkey and c_nationkey = n_nationkey "
    "and extract(year from o_orderdate) = {year} group by 1 order by 2 desc",
    "select p_brand, count(*) from part where p_size = {nation} + 1 group by 1 order by 2 desc, 1 limit 5",
    "select s_name, s_acctbal from supplier where s_nationkey = {nation} order by s_acctbal desc, s_name limit 10",
    "select date_trunc('quarter', o_orderdate) as q, count(*) from orders, customer where o_custkey = c_custkey "
    "and c_mktsegment = '{segment}' group by q order by q",
    "select l_shipmode, sum(case when o_orderpriority = '1-URGENT' then 1 else 0 end) from lineitem, orders "
    "where l_orderkey = o_orderkey and l_shipdate >= date '{year}-01-01' and l_shipdate < date '{year}-04-01' group by 1 order by 1",
    "select count(distinct l_suppkey) from lineitem where l_shipmode = '{mode}'",
    "select max(l_shipdate), min(l_shipdate) from lineitem where l_suppkey = {nation} + 1",
    "select r_name, count(*) from supplier, nation, region where s_nationkey = n_nationkey and n_regionkey = r_regionkey group by 1 order by 1",
    "select o_custkey, count(*) from orders where o_orderdate >= date '{year}-12-01' group by 1 order by 2 desc, 1 limit 10",
    "select sum(ps_supplycost * ps_availqty) from partsupp, supplier where ps_suppkey = s_suppkey and s_nationkey = {nation}",
]
SETTINGS_PER_TILE = 8
# Commits to lineitem between the runs of each of its tiles.
COMMITS = 3
CLASSES = ["exact repeat", "repeat after a commit", "the same without partial aggregates", "new parameters", "first sight", "first sight after a start"]


def zipf(values, source):
    return source.choices(values, weights=[1 / (rank + 1) for rank in range(len(values))])[0]


def statements(seed):
    """Several parameter settings of each tile, none twice."""
    source = random.Random(seed)
    for tile in TILES:
        seen = dict.fromkeys(
            tile.format(year=zipf(YEARS, source), mode=zipf(MODES, source), nation=zipf(NATIONS, source), segment=zipf(SEGMENTS, source))
            for _ in range(SETTINGS_PER_TILE)
        )
        yield list(seen)


def commit(connection):
    """A small append, as a loader does; it repeats rows that are there."""
    connection.execute("insert into dashboard.lineitem select * from sample.lineitem limit 1000")


def milliseconds(connection, text):
    begun = time.perf_counter()
    connection.execute(text).fetchall()
    return (time.perf_counter() - begun) * 1000


def measure(data, options, kinds, report):
    tiles = list(statements(1))
    times = {name: [] for name in CLASSES}
    with sample_server(data, options.scale) as server:
        with server.connect() as connection:
            connection.execute("create schema if not exists dashboard")
            connection.execute("drop table if exists dashboard.lineitem")
            connection.execute("create table dashboard.lineitem as select * from sample.lineitem")
            connection.execute("analyze dashboard.lineitem")
    with sample_server(data, options.scale) as server, server.connect() as connection:
        connection.execute("set search_path = dashboard, sample")
        times["first sight after a start"] = [milliseconds(connection, settings[0]) for settings in tiles]
        for settings in tiles:
            times["new parameters"] += [milliseconds(connection, text) for text in settings[1:]]
            times["exact repeat"] += [milliseconds(connection, text) for text in settings for _ in range(3)]
        for setting in ["off", "on"]:
            connection.execute(f"set boathouse.partial_aggregates = {setting}")
            name = "repeat after a commit" if setting == "on" else "the same without partial aggregates"
            for settings in tiles:
                if "lineitem" not in settings[0]:
                    continue
                for _ in range(COMMITS):
                    commit(connection)
                    times[name].append(milliseconds(connection, settings[0]))
        connection.execute("set boathouse.result_cache = off")
        connection.execute("set boathouse.plan_cache = off")
        times["first sight"] = [milliseconds(connection, settings[0]) for settings in tiles]
        with Postgres() as postgres, psycopg.connect(postgres.conninfo(), autocommit=True) as other:
            reference = measured({POSTGRES: (other, "select 1")})[POSTGRES] / 1000
        files = live_files(server, "sample", TABLES)
    peer = Peer("DuckDB, native", options.threads)
    try:
        peer.ask("load", files, seconds=3600)
        for settings in tiles:
            peer.ask("run", settings[0])
        theirs = [peer.ask("run", text)[0] for settings in tiles for text in settings]
    finally:
        peer.close()
    report.section(
        f"Dashboard, scale {options.scale}",
        f"{len(TILES)} tiles with {SETTINGS_PER_TILE} settings of Zipf-distributed parameters; milliseconds through psycopg, the simple "
        "protocol. After a commit means: 1,000 rows were appended to lineitem since. After a start: nothing is cached by the server, the "
        "operating system may still hold the files.",
    )
    rows = []
    for name in CLASSES:
        found = sorted(times[name])
        quantile = lambda part, found=found: found[min(int(len(found) * part), len(found) - 1)]  # noqa: E731
        rows.append([name, *(f"{quantile(part):.2f}" for part in (0.5, 0.95)), f"{max(found):.1f}", f"{len(found)}"])
        report.value("dashboard", f"{name}, median", "Boathouse", statistics.median(found), "ms")
        report.value("dashboard", f"{name}, p95", "Boathouse", quantile(0.95), "ms")
    found = sorted(theirs)
    rows.append([peer.name, f"{statistics.median(found):.2f}", f"{found[int(len(found) * 0.95)]:.2f}", f"{found[-1]:.1f}", f"{len(found)}"])
    rows.append(["PostgreSQL, prepared select 1", f"{reference:.3f}", "", "", ""])
    report.value("dashboard", "median", peer.name, statistics.median(found), "ms")
    report.table(["class", "p50", "p95", "max", "statements"], rows)
