"""What drivers send, message by message, to the machine's PostgreSQL and to Boathouse on the same objects: the answers
agree in their order, in names, types, modifiers and table columns, in rows, tags and SQLSTATEs."""

import pathlib
import sys

import psycopg
import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "bench")]

from postgres_process import Postgres  # noqa: E402
from server_process import ADMIN_PASSWORD, Server  # noqa: E402
from wire import Replay, Wire, read_script  # noqa: E402

REPLAYS = HERE / "replays"
OBJECTS = [line for line in (REPLAYS / "objects.sql").read_text().splitlines() if line]
SHAPES = [line for line in (REPLAYS / "shapes.sql").read_text().splitlines() if line]


def made(conninfo, database):
    """A database with the objects, on the server of `conninfo`; a connection to it for looking up OIDs."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"create database {database}")
    helper = psycopg.connect(conninfo, dbname=database, autocommit=True)
    for statement in OBJECTS:
        helper.execute(statement)
    return helper


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """The same replayer for both servers: PostgreSQL's, then ours."""
    with Postgres() as postgres, Server(tmp_path_factory.mktemp("replays") / "data") as boathouse:
        places = [
            (postgres.conninfo(), postgres.port, "postgres", ""),
            (boathouse.conninfo(), boathouse.port, "admin", ADMIN_PASSWORD),
        ]
        replays = []
        for conninfo, port, user, password in places:
            helper = made(conninfo, "replayed")

            def connect(parameters, port=port, user=user, password=password):
                return Wire("127.0.0.1", port, user, password, "replayed", parameters)

            replays.append(Replay(connect, lambda query, helper=helper: helper.execute(query).fetchall()))
        yield replays


@pytest.mark.parametrize("script", sorted(REPLAYS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_client_gets_the_same_answers(sides, script):
    expected, got = (side.run(read_script(script.read_text())) for side in sides)
    greeting, ours = expected.pop(0)[1], got.pop(0)[1]
    assert greeting == {key: ours.get(key) for key in greeting}
    differences = [(title, theirs, ours) for (title, theirs), (_, ours) in zip(expected, got) if theirs != ours]
    assert not differences, "\n\n".join(f"{title}\n  {theirs}\n  {ours}" for title, theirs, ours in differences)
    assert len(expected) == len(got)


def test_columns_are_described_alike(sides):
    script = "".join(f"parse\n    {shape}\ndescribe name=\nsync\n" for shape in SHAPES)
    expected, got = (side.run(read_script(script))[1:] for side in sides)
    differences = [(title, theirs, ours) for (title, theirs), (_, ours) in zip(expected, got) if theirs != ours]
    assert not differences, "\n\n".join(f"{title}\n  {theirs}\n  {ours}" for title, theirs, ours in differences)
