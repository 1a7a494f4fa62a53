"""Superset, installed in an environment of its own: its engine specification for PostgreSQL browses, charts every time
grain, describes and stops queries, and answers the same on the machine's PostgreSQL and on Boathouse."""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / "bench")]

import psycopg  # noqa: E402
from postgres_process import Postgres  # noqa: E402
from server_process import ADMIN_PASSWORD, REPOSITORY, Server  # noqa: E402

INTERPRETER = pathlib.Path(os.environ.get("SUPERSET_PYTHON", REPOSITORY / ".venv-superset" / "bin" / "python"))


def session(conninfo, url):
    """Starts Superset on a database with the objects."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("create database superset")
    with psycopg.connect(conninfo, dbname="superset", autocommit=True) as connection:
        for statement in (HERE / "shop.sql").read_text().splitlines():
            connection.execute(statement)
    return subprocess.Popen([INTERPRETER, HERE / "superset" / "session.py", f"postgresql+psycopg2://{url}/superset"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process):
    output, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.splitlines()[-1])


def test_superset_does_what_it_does_on_postgres(tmp_path):
    with Postgres() as postgres, Server(tmp_path / "data") as boathouse:
        sessions = [session(postgres.conninfo(), f"postgres@127.0.0.1:{postgres.port}"),
                    session(boathouse.conninfo(), f"admin:{ADMIN_PASSWORD}@127.0.0.1:{boathouse.port}")]
        expected, got = map(said, sessions)
    assert got["spec"] == "PostgresEngineSpec" and got["chart"]["status"] == "success"
    assert {key: got[key] for key in expected if got[key] != expected[key]} == {}
    assert len(got["grains"]) > 20 and len(got["chart"]["rows"]) > 3
