"""TPC-H: the demo's tables and the 22 queries. All systems read, or loaded, the very files of Boathouse's Delta tables."""

from server_process import Server
from tpch_data import QUERIES, TABLES
from workload import Workload, live_files, measure as measure_workload


def sample_server(data, scale, **options):
    """The demo on a warehouse that is made once per scale."""
    return Server(
        data / f"tpch-{scale}", subcommand="demo", arguments=["--scale", scale], startup_seconds=3600, **options
    )


def measure(data, options, kinds, report):
    queries = {query.stem: query.read_text() for query in QUERIES if not options.query or query.stem in options.query}
    with sample_server(data, options.scale) as server:
        files = live_files(server, "sample", TABLES)
        workload = Workload(f"TPC-H, scale {options.scale}", queries, files, "sample")
        measure_workload(workload, server, options.runs, options.threads, kinds, report)
