"""Many clients at once: 1, 8 and 64 of them, first as fast as they can (throughput), then with arrivals that do not wait for answers
(open loop, at a fixed part of the throughput with 8 clients), where the wait for a free client counts as latency. The
same statements go to PostgreSQL, and to DuckDB behind a pool of threads. The clients run on the same machine: threads of one
Python process, which get in each other's way the more there are, and for the servers once more pgbench, whose clients cost little."""

import os
import pathlib
import queue
import random
import re
import subprocess
import tempfile
import threading
import time

import psycopg

from postgres_process import Postgres
from tpch import sample_server
from workload import live_files

CLIENTS = [1, 8, 64]
SECONDS = 10
LOAD = 0.5

# Each with the bounds of its parameters.
STATEMENTS = [
    ("select o_orderpriority, count(*), sum(o_totalprice) from orders where o_custkey = {key} group by 1 order by 1", {"key": (1, 14999)}),
    ("select count(*), max(o_totalprice) from orders where o_orderdate = date '1995-01-01' + {days}", {"days": (0, 699)}),
    ("select c_name, c_acctbal from customer where c_custkey = {key}", {"key": (1, 14999)}),
    ("select n_name, count(*), avg(c_acctbal) from customer, nation where c_nationkey = n_nationkey "
     "and c_acctbal > {balance} group by n_name order by n_name", {"balance": (9000, 9998)}),
    ("select c_mktsegment, sum(o_totalprice) from orders, customer where o_custkey = c_custkey "
     "and o_orderdate >= date '1996-01-01' + {first} and o_orderdate < date '1996-01-08' + {last} group by 1 order by 1",
     {"first": (0, 299), "last": (0, 299)}),
]
TABLES = ["orders", "customer", "nation"]


def random_statement(source):
    template, bounds = source.choice(STATEMENTS)
    return template.format(**{name: source.randint(*between) for name, between in bounds.items()})


class Wire:
    """A client of Boathouse or PostgreSQL."""

    def __init__(self, conninfo, setup):
        self.connection = psycopg.connect(conninfo, autocommit=True)
        for statement in setup:
            self.connection.execute(statement)

    def run(self, text):
        self.connection.execute(text).fetchall()

    def close(self):
        self.connection.close()


class Duck:
    """A cursor of one DuckDB database, which its cursors share."""

    def __init__(self, database):
        self.cursor = database.cursor()

    def run(self, text):
        self.cursor.execute(text).fetchall()

    def close(self):
        self.cursor.close()


def closed_loop(clients):
    """Statements a second when each client sends the next one at once."""
    stop = time.perf_counter() + SECONDS
    counts = [0] * len(clients)

    def work(number):
        source = random.Random(number)
        while time.perf_counter() < stop:
            clients[number].run(random_statement(source))
            counts[number] += 1

    in_threads(work, len(clients))
    return sum(counts) / SECONDS


def open_loop(clients, rate):
    """Milliseconds from when a statement was due to its answer, sorted."""
    source = random.Random(7)
    due, arrivals = time.perf_counter() + 0.1, queue.Queue()
    for _ in range(int(rate * SECONDS)):
        due += source.expovariate(rate)
        arrivals.put((due, random_statement(source)))
    taken = []

    def work(number):
        while True:
            try:
                due, text = arrivals.get_nowait()
            except queue.Empty:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            clients[number].run(text)
            taken.append((time.perf_counter() - due) * 1000)

    in_threads(work, len(clients))
    return sorted(taken)


def in_threads(work, count):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure_system(name, make, rows, report):
    rate = None
    throughputs = {}
    for count in CLIENTS:
        clients = [make() for _ in range(count)]
        try:
            throughputs[count] = closed_loop(clients)
        finally:
            for client in clients:
                client.close()
    rate = throughputs[8] * LOAD
    for count in CLIENTS:
        clients = [make() for _ in range(count)]
        try:
            taken = open_loop(clients, rate)
        finally:
            for client in clients:
                client.close()
        at = lambda part, taken=taken: taken[min(int(len(taken) * part), len(taken) - 1)]  # noqa: E731
        quantiles = [at(part) for part in (0.5, 0.95, 0.99)]
        rows.append([f"{name}, {count}", f"{throughputs[count]:.0f}", f"{rate:.0f}", *(f"{value:.1f}" for value in quantiles)])
        report.value("concurrency", f"{count} clients, throughput", name, throughputs[count], "1/s")
        for part, value in zip(("p50", "p95", "p99"), quantiles, strict=True):
            report.value("concurrency", f"{count} clients, {part}", name, value, "ms")


def by_pgbench(name, conninfo, setup, rows, report):
    """Statements a second when pgbench is the clients, one thread of it for all."""
    connection = psycopg.conninfo.conninfo_to_dict(conninfo)
    environment = {
        **os.environ, "PGPASSWORD": str(connection.get("password", "")),
        "PGOPTIONS": " ".join(f"-c {setting}={value}" for setting, value in setup.items()),
    }
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, (template, bounds) in enumerate(STATEMENTS):
            path = pathlib.Path(folder) / f"{number}.sql"
            sets = [f"\\set {name} random({low}, {high})" for name, (low, high) in bounds.items()]
            path.write_text("\n".join([*sets, template.format(**{name: f":{name}" for name in bounds}) + ";\n"]))
            files += ["-f", str(path)]
        for count in CLIENTS:
            command = ["pgbench", "-n", "-c", str(count), "-j", "1", "-T", str(SECONDS), "-h", connection["host"],
                       "-p", str(connection["port"]), "-U", connection["user"], *files, connection["dbname"]]
            answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            throughput = float(re.search(r"^tps = ([0-9.]+)", answer.stdout, re.MULTILINE)[1])
            rows.append([f"{name}, {count} of pgbench", f"{throughput:.0f}", "", "", "", ""])
            report.value("concurrency", f"{count} clients of pgbench, throughput", name, throughput, "1/s")


def measure(data, options, kinds, report):
    import duckdb

    rows = []
    with sample_server(data, options.scale) as server:
        files = live_files(server, "sample", TABLES)
        setup = ["set search_path = sample", "set boathouse.result_cache = off"]
        measure_system("Boathouse", lambda: Wire(server.conninfo(), setup), rows, report)
        settings = {"search_path": "sample", "boathouse.result_cache": "off"}
        by_pgbench("Boathouse", server.conninfo(), settings, rows, report)
    database = duckdb.connect()
    database.execute(f"set threads = {options.threads}")
    for table in TABLES:
        database.execute(f"create table {table} as select * from read_parquet({files[table]!r})")
    measure_system("DuckDB", lambda: Duck(database), rows, report)
    with Postgres() as postgres:
        with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
            load_postgres(connection, database)
        database.close()
        measure_system("PostgreSQL", lambda: Wire(postgres.conninfo(), []), rows, report)
        by_pgbench("PostgreSQL", postgres.conninfo(), {}, rows, report)
    report.section(
        f"Concurrency, scale {options.scale}",
        f"Short statements with random parameters on orders, customer and nation, result cache off; {SECONDS} s each. Throughput: statements "
        f"a second when every client sends the next one at once. Latencies: milliseconds with arrivals at {LOAD:.0%} of the "
        "system's own throughput with 8 clients. The clients share the machine; PostgreSQL has indexes on the keys and on the date.",
    )
    report.table(["system, clients", "throughput", "arrivals/s", "p50", "p95", "p99"], rows)


def load_postgres(connection, database):
    for table in TABLES:
        columns = database.execute(f"select column_name, column_type from (describe {table})").fetchall()
        listed = ", ".join(f"{column} {'text' if kind == 'VARCHAR' else kind}" for column, kind in columns)
        connection.execute(f"create table {table} ({listed})")
        with connection.cursor().copy(f"copy {table} from stdin") as sink:
            for row in database.execute(f"select * from {table}").fetchall():
                sink.write_row(row)
    connection.execute("create index on orders (o_custkey)")
    connection.execute("create index on orders (o_orderdate)")
    connection.execute("create index on customer (c_custkey)")
    connection.execute("vacuum analyze")
