"""Servers that the tests share. Every test that could harm others' starts a server of its own."""

import itertools
import os
import pathlib
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from server_process import Server, binary, free_port  # noqa: E402

numbers = itertools.count(1)

# A test that takes longer waits for something that never comes.
TEST_SECONDS = int(os.environ.get("BOATHOUSE_TEST_SECONDS", "180"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    def give_up(*_):
        raise TimeoutError(f"{item.name} took more than {TEST_SECONDS} seconds")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TEST_SECONDS)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def pytest_configure():
    if not binary().exists():
        raise pytest.UsageError(f"{binary()} is missing: build it first (make build)")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for the tests that only add objects of their own."""
    with Server(tmp_path_factory.mktemp("warehouse") / "data") as shared:
        yield shared


@pytest.fixture
def own_server(tmp_path):
    """A server for one test."""
    with Server(tmp_path / "data") as own:
        yield own


@pytest.fixture
def database(server):
    """A fresh database on the shared server."""
    name = f"test_{next(numbers)}"
    with server.connect() as connection:
        connection.execute(f"create database {name}")
    return name


@pytest.fixture
def connection(server, database):
    with server.connect(dbname=database) as opened:
        yield opened


@pytest.fixture
def s3(tmp_path):
    """A real S3 server on loopback, which enforces conditional requests: (endpoint, environment)."""
    import socket
    import time

    port = free_port()
    log = open(tmp_path / "moto.log", "wb")
    process = subprocess.Popen(
        [sys.executable, str(pathlib.Path(__file__).with_name("s3_server.py")), "-H", "127.0.0.1", "-p", str(port)],
        stdout=log, stderr=log,
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        log.close()
