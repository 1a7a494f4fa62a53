"""A repeated query from the result cache, against PostgreSQL's prepared `select 1`: same driver, same run."""

import statistics
import time

import psycopg

from postgres_process import Postgres
from tpch import QUERIES, sample_server

POSTGRES = "PostgreSQL, select 1"
ROUNDS = 10
EXECUTIONS = 300


def measured(statements):
    """Microseconds, median, by name of the prepared statements, each (connection, sql): in rounds that take turns, so that what else the
    machine does meets them all."""
    times = {name: [] for name in statements}
    for _ in range(ROUNDS):
        for name, (connection, sql) in statements.items():
            with connection.cursor() as cursor:
                for _ in range(20):
                    cursor.execute(sql, prepare=True)
                    cursor.fetchall()
                for _ in range(EXECUTIONS):
                    begun = time.perf_counter_ns()
                    cursor.execute(sql, prepare=True)
                    cursor.fetchall()
                    times[name].append((time.perf_counter_ns() - begun) / 1000)
    return {name: statistics.median(taken) for name, taken in times.items()}


def measure(data, options, kinds, report):
    queries = {query.stem: query.read_text() for query in QUERIES if query.stem in ("q01", "q06")}
    queries = {"select 1": "select 1", "count": "select count(*) from lineitem", **queries}
    with Postgres() as postgres, psycopg.connect(postgres.conninfo(), autocommit=True) as reference:
        with sample_server(data, options.scale) as server, server.connect() as connection:
            connection.execute("set search_path = sample")
            of_both = {POSTGRES: (reference, "select 1")}
            times = measured(of_both | {name: (connection, text) for name, text in queries.items()})
    reference = times.pop(POSTGRES)
    report.section(
        "Repeated queries",
        f"Microseconds, median of {ROUNDS * EXECUTIONS} executions of a prepared statement through psycopg on one connection, the statements in turns. "
        "Boathouse answers from its result cache; q01 carries four rows of ten columns, which the driver parses too.",
    )
    rows = [[POSTGRES, f"{reference:.0f}", "1.00"]]
    rows += [[f"Boathouse, {name}", f"{value:.0f}", f"{value / reference:.2f}"] for name, value in times.items()]
    report.table(["statement", "µs", "÷ PostgreSQL"], rows)
    report.value("latency", "select 1", "PostgreSQL", reference, "us")
    for name, value in times.items():
        report.value("latency", name, "Boathouse", value, "us")
