"""Resident memory: idle, with a thousand idle connections, under a small limit, and before a slow reader."""

import resource
import time

import psycopg

from server_process import Server
from tpch import QUERIES, sample_server

CONNECTIONS = 1000
SLOW_READER_ROWS = 10_000_000
SMALL_LIMIT = "256MB"


def megabytes(server):
    return server.resident_kilobytes() / 1024


def measure(data, options, kinds, report):
    scale = options.scale
    report.section("Memory", "Resident megabytes of the server process.")
    rows = [*idle(data, report), *slow_reader(data, scale, report)]
    report.table(["situation", "MB"], [[name, f"{value:.0f}"] for name, value in rows])
    small_limit(data, scale, report)


def idle(data, report):
    wanted = CONNECTIONS + 100
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * wanted), hard))
    with Server(data / "empty", config=f"[server]\nmax_connections = {wanted}\n") as server:
        time.sleep(2)
        alone = megabytes(server)
        held = [server.connect() for _ in range(CONNECTIONS)]
        time.sleep(2)
        crowded = megabytes(server)
        for connection in held:
            connection.close()
    report.value("memory", "idle", "Boathouse", alone, "MB")
    report.value("memory", f"{CONNECTIONS} idle connections", "Boathouse", crowded, "MB")
    return [("idle, empty warehouse", alone), (f"with {CONNECTIONS} idle connections", crowded)]


def slow_reader(data, scale, report):
    """Reads ten million rows with pauses; the server's memory is sampled all the while."""
    with sample_server(data, scale) as server, server.connect() as connection:
        connection.execute("set search_path = sample")
        connection.execute("set boathouse.result_cache = off")
        connection.execute("select count(*) from lineitem").fetchall()
        before = highest = megabytes(server)
        copies = "cross join generate_series(1, 200) g(n)"
        sql = f"select l_orderkey, l_partkey, l_shipdate from lineitem {copies} limit {SLOW_READER_ROWS}"
        count = 0
        for _ in connection.cursor().stream(sql, size=1000):
            count += 1
            if count % 250_000 == 0:
                time.sleep(0.5)
                highest = max(highest, megabytes(server))
        assert count == SLOW_READER_ROWS, count
    report.value("memory", "before a slow reader", "Boathouse", before, "MB")
    report.value("memory", "highest during a slow reader", "Boathouse", highest, "MB")
    return [
        ("after a first query", before),
        (f"highest while a slow client reads {SLOW_READER_ROWS:,} rows", highest),
    ]


def small_limit(data, scale, report):
    """Every query finishes, if need be by spilling, or fails with 53200; other sessions go on."""
    outcomes = {"finished": [], "53200": [], "other": []}
    highest = 0.0
    with sample_server(data, scale, config=f"[memory]\nlimit = \"{SMALL_LIMIT}\"\n") as server:
        with server.connect() as other, server.connect() as connection:
            connection.execute("set search_path = sample")
            for query in QUERIES:
                try:
                    connection.execute(query.read_text()).fetchall()
                    outcomes["finished"].append(query.stem)
                except psycopg.errors.OutOfMemory:
                    outcomes["53200"].append(query.stem)
                except psycopg.Error as error:
                    outcomes["other"].append(f"{query.stem} ({error.sqlstate} {str(error).splitlines()[0]})")
                assert other.execute("select 1").fetchone() == (1,)
                highest = max(highest, megabytes(server))
    report.note(
        f"With a memory limit of {SMALL_LIMIT}: {len(outcomes['finished'])} of {len(QUERIES)} queries finished, "
        f"{len(outcomes['53200'])} failed with 53200 ({', '.join(outcomes['53200']) or 'none'}), "
        f"{len(outcomes['other'])} otherwise ({', '.join(outcomes['other']) or 'none'}); "
        f"the process reached {highest:.0f} MB, and another session answered after each."
    )
    report.value("memory", f"highest with a limit of {SMALL_LIMIT}", "Boathouse", highest, "MB")
    for outcome, queries in outcomes.items():
        report.value("memory", f"queries at {SMALL_LIMIT}: {outcome}", "Boathouse", len(queries), "queries")
