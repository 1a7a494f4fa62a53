"""`make bench`: speed and memory of Boathouse through the wire, beside DuckDB, DataFusion and PostgreSQL
measured in the same run on the same machine. Writes Markdown and CSV to bench/results/."""

import argparse
import datetime
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "python")]

import latency  # noqa: E402
import memory  # noqa: E402
import tpch  # noqa: E402
from report import Report  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="1", help="TPC-H scale factor (1)")
    parser.add_argument("--runs", type=int, default=3, help="timed runs a query, after one that warms up (3)")
    parser.add_argument("--only", choices=["tpch", "latency", "memory"], action="append", help="sections to run (all)")
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
    sections = options.only or ["tpch", "latency", "memory"]
    report = Report(options.scale, commit())
    with tpch.sample_server(data, options.scale) as server:
        if "tpch" in sections:
            tpch.measure(server, options.runs, report)
        if "latency" in sections:
            latency.measure(server, report)
    if "memory" in sections:
        memory.measure(data, options.scale, report)
    name = f"{datetime.date.today().isoformat()}-{commit()}"
    for path in report.write(options.out, name):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
