"""Runs the test suites of dbt's Postgres adapter, SQLAlchemy's dialect, asyncpg and psycopg2 against the machine's
PostgreSQL and Boathouse: a test counts where PostgreSQL passes it. What fails is listed by what it says.

Not a part of `make test`: it takes the better part of an hour, and what fails has its reason in docs/clients.md.

    .venv/bin/python tests/suites/client_suites.py [dbt sqlalchemy asyncpg psycopg2] [--only EXPRESSION] [--show]
"""

import argparse
import collections
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

import psycopg

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "bench"), str(HERE.parent / "python")]

from postgres_process import Postgres  # noqa: E402
from registry import environment, installed_version, python_source  # noqa: E402
from server_process import Server  # noqa: E402

# dbt's tests of hooks know their user by this name and password.
USER, PASSWORD = "root", "password"
DBT_FOLDERS = (
    "adapter materializations postgres unit_testing show contracts incremental_schema_tests functions sources "
    "test_store_test_failures.py test_unlogged_table.py test_multiple_indexes.py custom_aliases schema"
).split()
PYTEST = ("pytest", "pytest-timeout", "pytest-xdist")


@dataclasses.dataclass
class Suite:
    """`tests`, `copied` and `setup` are of the source distribution's folder."""

    package: str
    requirements: tuple
    tests: tuple
    copied: tuple
    variables: object
    setup: str = ""
    arguments: object = lambda port: ()
    patch: object = lambda folder: None


def without_extensions(folder):
    """SQLAlchemy's suite begins with extensions that few of its tests use."""
    provision = folder / "lib/sqlalchemy/dialects/postgresql/provision.py"
    text = provision.read_text()
    provision.write_text(re.sub(r'^    \("(citext|hstore)", .*\n', "", text, flags=re.MULTILINE))


def without_stacks(folder):
    """dbt walks through the stack and all modules for the name of each behaviour flag, many seconds in a test."""
    conftest = folder / "tests/conftest.py"
    conftest.write_text(
        "from dbt_common.behavior_flags import BehaviorFlagRendered\n\n"
        'BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt")\n\n' + conftest.read_text()
    )


def libpq_variables(port):
    return {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": USER, "PGPASSWORD": PASSWORD, "PGDATABASE": "suite"}


SUITES = {
    "dbt": Suite(
        package="dbt-postgres",
        requirements=("--only-binary dbt-core-experimental-parser", "dbt-core>=1.10", "dbt-postgres>=1.9",
                      "dbt-tests-adapter", "freezegun", *PYTEST),
        tests=tuple(f"tests/functional/{folder}" for folder in DBT_FOLDERS),
        copied=("tests",),
        setup="create role dbt_test_user_1; create role dbt_test_user_2; create role dbt_test_user_3; "
              'create role noaccess login password \'password\'; create database "dbtMixedCase"',
        variables=lambda port: {
            "POSTGRES_TEST_HOST": "127.0.0.1", "POSTGRES_TEST_PORT": str(port), "POSTGRES_TEST_USER": USER,
            "POSTGRES_TEST_PASS": PASSWORD, "POSTGRES_TEST_DATABASE": "suite", "POSTGRES_TEST_THREADS": "4",
            "DBT_TEST_USER_1": "dbt_test_user_1", "DBT_TEST_USER_2": "dbt_test_user_2",
            "DBT_TEST_USER_3": "dbt_test_user_3", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        },
        arguments=lambda port: ("-n", str(os.cpu_count())),
        patch=without_stacks,
    ),
    "sqlalchemy": Suite(
        package="sqlalchemy",
        requirements=("sqlalchemy[asyncio]>=2.1", "psycopg[binary]>=3.2", *PYTEST),
        tests=("test/dialect/test_suite.py",),
        copied=("test", "lib", "tools", "setup.cfg", "pyproject.toml"),
        setup="create schema test_schema; create schema test_schema_2",
        variables=lambda port: {},
        arguments=lambda port: (
            "--dburi", f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{port}/suite", "--maxfail", "100000",
        ),
        patch=without_extensions,
    ),
    "asyncpg": Suite(
        package="asyncpg",
        requirements=("asyncpg>=0.30", "distro", *PYTEST),
        tests=("tests",),
        copied=("tests",),
        variables=libpq_variables,
        arguments=lambda port: ("--ignore", "tests/test__sourcecode.py"),
    ),
    "psycopg2": Suite(
        package="psycopg2-binary",
        requirements=("psycopg2-binary>=2.9", *PYTEST),
        tests=("tests",),
        copied=("tests",),
        variables=lambda port: {
            "PSYCOPG2_TESTDB": "suite", "PSYCOPG2_TESTDB_HOST": "127.0.0.1", "PSYCOPG2_TESTDB_PORT": str(port),
            "PSYCOPG2_TESTDB_USER": USER, "PSYCOPG2_TESTDB_PASSWORD": PASSWORD,
        },
    ),
}


def outcomes(suite, interpreter, folder, conninfo, port, only):
    """{test: None if it passed, otherwise what it said}; skipped tests are left out."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"create role {USER} login superuser password '{PASSWORD}'")
        connection.execute("create database suite")
        # Some tests connect to the database that every new cluster of PostgreSQL has.
        if not connection.execute("select 1 from pg_database where datname = 'postgres'").fetchone():
            connection.execute("create database postgres")
    with psycopg.connect(psycopg.conninfo.make_conninfo(conninfo, dbname="suite"), autocommit=True) as connection:
        for statement in filter(None, suite.setup.split("; ")):
            connection.execute(statement)
    report = folder / f"report-{port}.xml"
    command = [
        interpreter, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "-W", "ignore", "--tb=line",
        "-o", "junit_logging=system-out", "--timeout=300", f"--junitxml={report}", *suite.arguments(port),
        *(["-k", only] if only else []), *suite.tests,
    ]
    subprocess.run(
        command, cwd=folder, env={**os.environ, **suite.variables(port)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    answers = {}
    for case in xml.parse(report).iter("testcase"):
        # SQLAlchemy writes the server's version into the names.
        name = re.sub(r"_\d+_\d+$", "", case.get("classname") or "") + "::" + (case.get("name") or "")
        failed = next((part for part in case if part.tag in ("failure", "error")), None)
        if failed is None and case.find("skipped") is not None:
            continue
        printed = case.findtext("system-out") or ""
        answers[name] = None if failed is None else "\n".join(filter(None, (failed.get("message"), failed.text, printed)))
    return answers


def failure_class(text):
    """The server's own words, or the first line of what the test says."""
    said = re.findall(r"(?:(?:Database Error.*\n\s*)|(?:Error\) ?)|(?:Error: (?:ERROR: +)?))(.+)", text)
    words = next((line for line in said if "exit state" not in line), text.strip().split("\n")[0])
    return re.sub(r'"[^"]*"', '"…"', words)[:90]


def run(name, only, show):
    suite = SUITES[name]
    interpreter = environment(name, suite.requirements)
    version = installed_version(interpreter, suite.package)
    source = python_source(suite.package, version)
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as temporary:
        folder = pathlib.Path(temporary)
        for part in suite.copied:
            copy = shutil.copytree if (source / part).is_dir() else shutil.copy
            copy(source / part, folder / part)
        suite.patch(folder)
        with Postgres() as postgres:
            expected = outcomes(suite, interpreter, folder, postgres.conninfo(), postgres.port, only)
        with Server(folder / "warehouse") as server:
            answers = outcomes(suite, interpreter, folder, server.conninfo(), server.port, only)
    counted = [test for test, failure in expected.items() if failure is None]
    failures = {test: answers.get(test, "it was not run") for test in counted}
    failures = {test: text for test, text in failures.items() if text is not None}
    print(f"| {suite.package} {version} | {len(counted)} | {len(counted) - len(failures)} |", flush=True)
    classes = collections.Counter(failure_class(text) for text in failures.values())
    for words, number in classes.most_common(40):
        print(f"- {number} × {words}")
    if show:
        for test, text in failures.items():
            print(f"--- {test}\n{text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("suites", nargs="*", help=f"of {', '.join(SUITES)}; all of them unless named")
    parser.add_argument("--only", help="pytest's -k")
    parser.add_argument("--show", action="store_true", help="print what each failing test said")
    options = parser.parse_args()
    print("| suite | tests that PostgreSQL passes | Boathouse passes |\n|---|---:|---:|")
    for name in options.suites or SUITES:
        run(name, options.only, options.show)


if __name__ == "__main__":
    main()
