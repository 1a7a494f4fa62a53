"""Runs a set of queries on Boathouse and on the systems beside it, checks every answer against DuckDB's, and
writes one table: milliseconds a query, sums, geometric means, load time, size on disk, peak memory."""

import dataclasses
import pathlib
import statistics
import time

import deltalake
from peers import KINDS, Failed, Peer, peak_megabytes
from report import geometric_mean
from same_rows import is_same

REFERENCE = "DuckDB, native"
# The first reads of a column decide whether it is kept decoded, and the next ones decode it.
WARM_UPS = 3


@dataclasses.dataclass
class Workload:
    """Queries (name → text) over tables (name → Parquet files), which Boathouse has in `schema`."""

    name: str
    queries: dict
    files: dict
    schema: str
    # Seconds that Boathouse took to load the tables, where it loaded them here.
    load_seconds: float | None = None


class Boathouse:
    """One connection to the server, its result cache off."""

    def __init__(self, server, workload):
        self.server = server
        self.workload = workload
        self.connection = server.connect()
        self.connection.execute(f"set search_path = {workload.schema}")
        self.connection.execute("set boathouse.result_cache = off")
        self.connection.execute("set statement_timeout = '600s'")

    def rows(self, text):
        return self.connection.execute(text).fetchall()

    def milliseconds(self, text):
        begun = time.perf_counter()
        self.rows(text)
        return (time.perf_counter() - begun) * 1000


class Other:
    """A peer with the tables loaded."""

    def __init__(self, kind, workload, threads):
        self.peer = Peer(kind, threads)
        milliseconds, self.size = self.peer.ask("load", workload.files, seconds=3600)
        self.load_seconds = milliseconds / 1000 if self.size is not None else None

    def rows(self, text):
        return self.peer.ask("rows", text)[1]

    def milliseconds(self, text):
        return self.peer.ask("run", text)[0]


def live_files(server, schema, tables):
    """The Parquet files of tables, as their Delta logs list them."""
    found = {}
    with server.connect() as connection:
        for table in tables:
            cursor = connection.execute(f"describe detail {schema}.{table}")
            detail = dict(zip((column.name for column in cursor.description), cursor.fetchone(), strict=True))
            log = deltalake.DeltaTable(detail["location"].removeprefix("file://"))
            found[table] = [uri.removeprefix("file://") for uri in log.file_uris()]
    return found


def same_answer(actual, expected):
    """Row by row, or in any order: what ORDER BY leaves open, engines decide each in their way."""
    same = lambda left, right: len(left) == len(right) and all(  # noqa: E731
        len(a) == len(b) and all(map(is_same, a, b)) for a, b in zip(left, right, strict=True)
    )
    if same(actual, expected):
        return True
    in_order = lambda rows: sorted(rows, key=lambda row: [(value is not None, str(value)) for value in row])  # noqa: E731
    return same(in_order(actual), in_order(expected))


def time_one(system, text, runs):
    """Median of several runs after those that warm up; the failure's text otherwise."""
    try:
        for _ in range(WARM_UPS):
            system.milliseconds(text)
        return statistics.median(system.milliseconds(text) for _ in range(runs))
    except Exception as error:  # noqa: BLE001
        return str(error).splitlines()[0][:160] if str(error) else repr(error)


def answer_of(system, text):
    try:
        return system.rows(text)
    except Exception:  # noqa: BLE001
        return None


def measure(workload, server, runs, threads, kinds, report):
    ours = Boathouse(server, workload)
    systems = {"Boathouse": ours}
    peers = []
    try:
        for kind in kinds:
            try:
                other = Other(kind, workload, threads)
            except Failed as failed:
                report.note(f"{kind} could not load the tables: {failed}")
                continue
            peers.append(other.peer)
            systems[other.peer.name] = other
            print(f"{kind}: loaded", flush=True)
        reference = next((name for name in systems if name.startswith(REFERENCE)), None)
        times = {name: {} for name in systems}
        differing = []
        failures = []
        for query, text in workload.queries.items():
            expected = answer_of(systems[reference], text) if reference else None
            for name, system in systems.items():
                took = time_one(system, text, runs)
                times[name][query] = took if isinstance(took, float) else None
                if not isinstance(took, float):
                    failures.append((name, query, took))
                elif expected is not None and name != reference:
                    actual = answer_of(system, text)
                    if actual is None or not same_answer(actual, expected):
                        differing.append((name, query))
                print(f"{workload.name} {query} {name}: {took}", flush=True)
        write(workload, systems, times, reference, differing, failures, runs, report)
        usage(workload, systems, server, report)
    finally:
        ours.connection.close()
        for peer in peers:
            peer.close()


def write(workload, systems, times, reference, differing, failures, runs, report):
    report.section(
        workload.name,
        f"Milliseconds, median of {runs} runs after {WARM_UPS} that warm up. Boathouse through the wire with its result cache "
        "off; the others inside a process of their own, without a network protocol. A dash is a query that failed; ≠ marks an "
        "answer other than DuckDB's.",
    )
    shown = lambda value: "–" if value is None else f"{value:.1f}"  # noqa: E731
    rows = []
    for query in workload.queries:
        cells = [shown(times[name][query]) + (" ≠" if (name, query) in differing else "") for name in systems]
        against = times[reference][query] if reference else None
        mine = times["Boathouse"][query]
        rows.append([query, *cells, f"{mine / against:.2f}" if mine and against else "–"])
    # A system that failed often would leave too few queries to compare: sums cover what it and Boathouse answered.
    sums, means, ratios, counts = [], [], [], []
    for name in systems:
        both = [query for query in workload.queries if times[name][query] and times["Boathouse"][query]]
        mine = geometric_mean([times["Boathouse"][query] for query in both])
        theirs = geometric_mean([times[name][query] for query in both])
        sums.append(f"{sum(times[name][query] for query in both):.0f}")
        means.append(f"{theirs:.1f}")
        ratios.append(f"{mine / theirs:.2f}")
        counts.append(f"{len(both)}")
        report.value(workload.name, "geometric mean", name, theirs, "ms")
        report.value(workload.name, "Boathouse ÷ system", name, mine / theirs, "")
        for query in workload.queries:
            if times[name][query] is not None:
                report.value(workload.name, query, name, times[name][query], "ms")
    rows += [
        ["queries answered", *counts, ""], ["sum", *sums, ""], ["geometric mean", *means, ""],
        ["Boathouse ÷ system", *ratios, ""],
    ]
    report.table(["query", *systems, "Boathouse ÷ DuckDB"], rows)
    report.note("Each system's sum, mean and ratio cover the queries that both it and Boathouse answered.")
    for name, query, text in failures:
        report.note(f"- {name} failed {query}: {text}")


def usage(workload, systems, server, report):
    """Load time, size on disk and peak memory, where a system has its own storage."""
    rows = []
    ours = sum(pathlib.Path(path).stat().st_size for paths in workload.files.values() for path in paths)
    for name, system in systems.items():
        if name == "Boathouse":
            seconds, size, memory = workload.load_seconds, ours, peak_megabytes(server.process.pid)
        else:
            seconds, size, memory = system.load_seconds, system.size, system.peer.peak_megabytes()
        rows.append([
            name, "–" if seconds is None else f"{seconds:.1f}", "–" if size is None else f"{size / 2**20:.0f}", f"{memory:.0f}",
        ])
        report.value(workload.name, "peak memory", name, memory, "MB")
        if size is not None:
            report.value(workload.name, "size on disk", name, size / 2**20, "MB")
        if seconds is not None:
            report.value(workload.name, "load", name, seconds, "s")
    report.table(["system", "load, s", "disk, MB", "peak memory, MB"], rows)


def kinds_named(names):
    """The systems to run beside Boathouse: all of them, or those whose names begin like one of `names`."""
    if not names:
        return list(KINDS)
    return [kind for kind in KINDS if any(kind.lower().startswith(name.lower()) for name in names)]
