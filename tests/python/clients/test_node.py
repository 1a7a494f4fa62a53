"""node-postgres: typed rows, parameters, named statements, cursors, several statements at once, LISTEN."""

import json
import os
import pathlib
import subprocess

from server_process import ADMIN_PASSWORD

FOLDER = pathlib.Path(__file__).parent / "node"


def test_node_postgres(demo, program):
    environment = {**os.environ, "PGPORT": str(demo.port), "PGPASSWORD": ADMIN_PASSWORD}
    done = subprocess.run(
        [program("node"), str(FOLDER / "client.js")], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(done.stdout)
    assert answers["types"] == [{"a": 1, "b": "2", "c": "1.50", "d": True, "f": {"x": 1}, "g": [1, 2], "h": None}]
    assert answers["parameters"] == [{"x": 2, "y": ["a", "b"], "z": {"q": 1}}]
    assert answers["named"] == ["ALGERIA", "ARGENTINA", "BRAZIL"]
    assert answers["cursor"] == 15000
    assert answers["several"] == [[{"a": 1}], [{"b": 2}]]
    assert answers["listen"] == "hello"
    assert answers["error"] == ["42703", "8"]
