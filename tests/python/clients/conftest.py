"""A server with sample data for the client tests, and where programs reach it."""

import shutil

import pytest

from server_process import ADMIN_PASSWORD, Server


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The demo's server: TPC-H at scale 0.01 in the schema `sample`, 60,175 lines in `lineitem`."""
    folder = tmp_path_factory.mktemp("clients") / "data"
    with Server(folder, subcommand="demo", arguments=["--scale", "0.01"], startup_seconds=300) as server:
        yield server


@pytest.fixture
def url(demo):
    return f"postgresql://admin:{ADMIN_PASSWORD}@127.0.0.1:{demo.port}/boathouse"


@pytest.fixture(scope="session")
def program():
    """Finds a program that `make tools` installs; a test without it fails rather than being skipped."""

    def find(name):
        found = shutil.which(name)
        assert found, f"{name} is missing: run `make tools`"
        return found

    return find
