"""pgjdbc: the whole DatabaseMetaData, batches, binary results after five executions, fetch sizes, COPY."""

import pathlib
import subprocess

from server_process import ADMIN_PASSWORD

PROGRAM = pathlib.Path(__file__).parent / "jdbc" / "Client.java"
DRIVER = pathlib.Path("/usr/share/java/postgresql.jar")


def test_jdbc(demo, program):
    assert DRIVER.exists(), "pgjdbc is missing: run `make tools`"
    with demo.connect() as connection:
        connection.execute("create table jdbc_key (id int primary key)")
    url = f"jdbc:postgresql://127.0.0.1:{demo.port}/boathouse"
    done = subprocess.run(
        [program("java"), "-cp", str(DRIVER), str(PROGRAM), url, ADMIN_PASSWORD], capture_output=True, text=True,
        timeout=150,
    )
    failures = [line for line in done.stdout.splitlines() if not line.startswith("ok ")]
    assert done.returncode == 0 and not failures, "\n".join(failures) + done.stderr
    answers = dict(line.removeprefix("ok ").split(" = ", 1) for line in done.stdout.splitlines())
    assert answers["getTables"] == "8" and answers["getColumns"] == "61" and answers["getPrimaryKeys"] == "1"
    assert answers["fetch size"] == "60175"
    assert answers["binary results"] == "8 1.50 2024-01-01 00:00:00.0 true n8"
    assert answers["result metadata"] == "varchar 20 numeric 10,2"
