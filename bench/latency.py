"""A repeated query from the result cache, against PostgreSQL's prepared `select 1`: same driver, same run."""

import statistics
import time

import psycopg

from postgres_process import Postgres
from tpch import QUERIES, sample_server

EXECUTIONS = 3000


def median_microseconds(connection, sql):
    """Of one prepared statement executed again and again on one connection."""
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute(sql, prepare=True)
            cursor.fetchall()
        times = []
        for _ in range(EXECUTIONS):
            begun = time.perf_counter_ns()
            cursor.execute(sql, prepare=True)
            cursor.fetchall()
            times.append((time.perf_counter_ns() - begun) / 1000)
    return statistics.median(times)


def measure(data, options, kinds, report):
    queries = {query.stem: query.read_text() for query in QUERIES if query.stem in ("q01", "q06")}
    queries = {"select 1": "select 1", "count": "select count(*) from lineitem", **queries}
    with Postgres() as postgres, psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        reference = median_microseconds(connection, "select 1")
    with sample_server(data, options.scale) as server, server.connect() as connection:
        connection.execute("set search_path = sample")
        times = {name: median_microseconds(connection, text) for name, text in queries.items()}
    report.section(
        "Repeated queries",
        f"Microseconds, median of {EXECUTIONS} executions of a prepared statement through psycopg on one connection. "
        "Boathouse answers from its result cache; q01 carries four rows of ten columns, which the driver parses too.",
    )
    rows = [["PostgreSQL, select 1", f"{reference:.0f}", "1.00"]]
    rows += [[f"Boathouse, {name}", f"{value:.0f}", f"{value / reference:.2f}"] for name, value in times.items()]
    report.table(["statement", "µs", "÷ PostgreSQL"], rows)
    report.value("latency", "select 1", "PostgreSQL", reference, "us")
    for name, value in times.items():
        report.value("latency", name, "Boathouse", value, "us")
