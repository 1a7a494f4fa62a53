"""TPC-DS: all 99 queries. The texts come at run time from DuckDB's extension, the data from tpcgen-cli."""

import json
import pathlib
import shutil
import subprocess
import sys

from loading import loaded_server
from workload import Workload, measure as measure_workload

HERE = pathlib.Path(__file__).resolve().parent


def texts(data):
    """Columns of the tables and texts of the queries, fetched once."""
    kept = data / "tpcds-texts.json"
    if not kept.exists():
        environment = data / "tpcds-venv"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--requirement", HERE / "requirements-tpcds.txt"], check=True)
        printed = subprocess.run(
            [environment / "bin" / "python", HERE / "tpcds_texts.py"], check=True, capture_output=True, text=True
        )
        kept.write_text(printed.stdout)
    return json.loads(kept.read_text())


def generate(folder, scale):
    """CSV files by tpcgen-cli, which is installed beside this interpreter."""
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        program = pathlib.Path(sys.executable).parent / "tpcgen-cli"
        subprocess.run([program, "tpcds", "csv", "-s", scale, "-o", unfinished], check=True, stdout=subprocess.DEVNULL)
        unfinished.rename(folder)
    return folder


def measure(data, options, kinds, report):
    known = texts(data)
    folder = data / f"tpcds-{options.scale}"
    folder.mkdir(exist_ok=True)
    csv = generate(folder / "csv", options.scale)
    server, files, seconds = loaded_server(folder, "tpcds", known["tables"], lambda name: csv / f"{name}.csv")
    queries = {f"q{int(number):02}": text for number, text in known["queries"].items()}
    if options.query:
        queries = {name: text for name, text in queries.items() if name in options.query}
    with server:
        workload = Workload(f"TPC-DS, scale {options.scale}", queries, files, "tpcds", seconds)
        measure_workload(workload, server, options.runs, options.threads, kinds, report)
