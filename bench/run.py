"""`make bench`: speed and memory of Boathouse through the wire, beside DuckDB, Hyper, ClickHouse, Polars, DataFusion and
PostgreSQL, measured in the same run on the same machine with the same number of threads. Writes Markdown, CSV and SVG to
bench/results/."""

import argparse
import datetime
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "python")]

import concurrency  # noqa: E402
import dashboard  # noqa: E402
import hits  # noqa: E402
import latency  # noqa: E402
import layout  # noqa: E402
import memory  # noqa: E402
import plots  # noqa: E402
import policies  # noqa: E402
import scale  # noqa: E402
import tpcds  # noqa: E402
import tpch  # noqa: E402
from report import Report  # noqa: E402
from workload import kinds_named  # noqa: E402

# In the order in which they run.
SECTIONS = {
    "tpch": tpch, "tpcds": tpcds, "hits": hits, "policies": policies, "latency": latency, "dashboard": dashboard,
    "concurrency": concurrency, "scale": scale, "memory": memory, "layout": layout,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="1", help="scale factor of TPC-H and TPC-DS (1)")
    parser.add_argument("--runs", type=int, default=3, help="timed runs a query, after those that warm up (3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of every other system (all cores)")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="sections to run (all)")
    parser.add_argument("--system", action="append", help="systems beside Boathouse, by the begin of their names (all)")
    parser.add_argument("--query", action="append", help="queries to run, such as q01 (all)")
    parser.add_argument("--data", type=pathlib.Path, help="where warehouses are kept between runs")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "results", help="folder of the results")
    return parser.parse_args()


def commit():
    answer = subprocess.run(["git", "rev-parse", "--short=9", "HEAD"], cwd=HERE, capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"


def main():
    options = arguments()
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    data = options.data or cache / "boathouse-bench"
    data.mkdir(parents=True, exist_ok=True)
    report = Report(options.scale, commit())
    kinds = kinds_named(options.system)
    for section in options.only or SECTIONS:
        SECTIONS[section].measure(data, options, kinds, report)
    sections = "-".join(options.only) if options.only else "all"
    name = f"{datetime.date.today().isoformat()}-{commit()}-{sections}-sf{options.scale}"
    markdown, table = report.write(options.out, name)
    for path in [markdown, table, *plots.draw(table)]:
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
