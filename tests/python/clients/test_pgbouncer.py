"""pgbouncer between client and server, pooling by session and by transaction."""

import os
import socket
import subprocess
import time

import psycopg
import pytest

from server_process import ADMIN_PASSWORD, free_port

SETTINGS = """
[databases]
boathouse = host=127.0.0.1 port={server} dbname=boathouse user=admin password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 2
logfile = {folder}/pgbouncer.log
server_reset_query = DISCARD ALL
ignore_startup_parameters = extra_float_digits
"""


@pytest.fixture(params=["session", "transaction"])
def bouncer(request, demo, program, tmp_path):
    tmp_path.chmod(0o777)
    port = free_port()
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(server=demo.port, password=ADMIN_PASSWORD, port=port, mode=request.param, folder=tmp_path)
    )
    # As root it refuses to run.
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    for parent in tmp_path.parents[:3]:
        if parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o011)
    process = subprocess.Popen([program("pgbouncer"), "-q", *user, str(settings)])
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None, (tmp_path / "pgbouncer.log").read_text()
        time.sleep(0.05)
    yield f"host=127.0.0.1 port={port} dbname=boathouse user=admin connect_timeout=10"
    process.terminate()
    process.wait(10)


def test_more_clients_than_connections(bouncer):
    clients = [psycopg.connect(bouncer, autocommit=True) for _ in range(2)]
    for number, client in enumerate(clients * 5):
        assert client.execute("select %s::int, count(*) from sample.nation", (number,), prepare=False).fetchone() == (
            number, 25,
        )
    for client in clients:
        client.close()
    # The sessions behind were reset and serve the next ones.
    with psycopg.connect(bouncer) as again:
        with pytest.raises(psycopg.errors.DivisionByZero):
            again.execute("select 1 / 0")
        again.rollback()
        assert again.execute("select 1").fetchone() == (1,)
