"""Runs tokio-postgres' own tests, which its crate brings along, against the machine's PostgreSQL and Boathouse: a test
counts where PostgreSQL passes it.

Not a part of `make test`; cargo builds the crate in the suites' cache folder.

    .venv/bin/python tests/suites/tokio_postgres.py [--only NAME] [--show]
"""

import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import psycopg

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "bench"), str(HERE.parent / "python")]

from postgres_process import Postgres  # noqa: E402
from registry import CACHE, crate  # noqa: E402
from server_process import Server  # noqa: E402

VERSION = "0.7.18"
FEATURES = "with-bit-vec-0_8 with-chrono-0_4 with-jiff-0_2 with-serde_json-1 with-smol_str-01 with-time-0_3 with-uuid-1"
# The tests know these by name; passwords are not asked for on loopback.
ROLES = ("postgres", "pass_user", "md5_user", "scram_user", "ssl_user")


def test_program(port):
    """The tests, built to connect to this port."""
    folder = CACHE / "tokio-postgres"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(crate("tokio-postgres", VERSION), folder)
    for path in (folder / "tests").rglob("*.rs"):
        path.write_text(path.read_text().replace("5433", str(port)))
    command = ["cargo", "test", "--test", "test", "--no-run", "--features", FEATURES, "--target-dir",
               CACHE / "tokio-postgres-target"]
    built = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stderr
    return re.search(r"\((\S*deps/test-\w+)\)", built)[1], folder


def outcomes(conninfo, port, only):
    """{test: what it said, None if it passed}."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for role in ROLES:
            if not connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
                connection.execute(f"create role {role} login superuser password 'password'")
        if not connection.execute("select 1 from pg_database where datname = 'postgres'").fetchone():
            connection.execute("create database postgres")
    program, folder = test_program(port)
    command = [program, "--test-threads", "4", *([only] if only else [])]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600).stdout
    texts = dict(re.findall(r"(?ms)^---- (\S+) stdout ----\n(.*?)(?=^---- |^failures:)", said))
    ended = re.findall(r"(?m)^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED)$", said)
    return {name: None if outcome == "ok" else texts.get(name, "it failed") for name, outcome in ended}


def failure_class(text):
    words = re.search(r'message: "((?:[^"\\]|\\.)*)"', text) or re.search(r"panicked at [^\n]*\n([^\n]*)", text)
    return re.sub(r'\\?"[^"]*"', '"…"', words[1] if words else text)[:90]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", help="a part of the tests' names")
    parser.add_argument("--show", action="store_true", help="print what each failing test said")
    options = parser.parse_args()
    with Postgres() as postgres:
        expected = outcomes(postgres.conninfo(), postgres.port, options.only)
    with tempfile.TemporaryDirectory(prefix="tokio-postgres-") as temporary:
        warehouse = pathlib.Path(temporary) / "warehouse"
        with Server(warehouse, config="[server]\ntrust_loopback = true\n") as server:
            answers = outcomes(server.conninfo(), server.port, options.only)
    counted = [test for test, failure in expected.items() if failure is None]
    failures = {test: answers.get(test, "it was not run") for test in counted}
    failures = {test: text for test, text in failures.items() if text is not None}
    print(f"| tokio-postgres {VERSION} | {len(counted)} | {len(counted) - len(failures)} |")
    for words, number in collections.Counter(map(failure_class, failures.values())).most_common():
        print(f"- {number} × {words}")
    if options.show:
        for test, text in failures.items():
            print(f"--- {test}\n{text}")


if __name__ == "__main__":
    main()
