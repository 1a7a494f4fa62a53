"""Two warehouses that differ only in data that the policies hide answer every statement with the same bytes.

`tests/two_worlds/world.sql` builds a world; `{{world}}` in it is 1 or 2, the only difference.
`tests/two_worlds/attacks.sql` holds the statements, each block after a line `-- attack: name`. In a block,
`-- warm: statement` is run by the superuser before, `-- mask: regex` names output that varies from run to run,
and `-- channel:` says what the attack listens to.
"""

import contextlib
import pathlib
import re

import psycopg
import pytest
import random_attacks
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus

from server_process import Server

NO_CACHES = ["set boathouse.result_cache = off", "set boathouse.plan_cache = off"]
FOLDER = pathlib.Path(__file__).resolve().parents[1] / "two_worlds"


class Attack:
    def __init__(self, name, block):
        self.name = name
        directives = re.findall(r"^-- *(channel|warm|mask): *(.+)$", block, flags=re.MULTILINE)
        self.warm = [text.strip() for kind, text in directives if kind == "warm"]
        self.masks = [re.compile(text.strip().encode()) for kind, text in directives if kind == "mask"]
        self.statements = statements(block)


def attacks():
    if not (FOLDER / "attacks.sql").exists():
        return []
    blocks = re.split(r"^-- attack: *(.+)$", (FOLDER / "attacks.sql").read_text(), flags=re.MULTILINE)
    return [Attack(name.strip(), block) for name, block in zip(blocks[1::2], blocks[2::2], strict=True)]


def statements(script):
    """Each statement apart, so that one error does not hide the next."""
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [part.strip() for part in re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE) if part.strip()]


@contextlib.contextmanager
def two_worlds(tmp_path_factory):
    """Two servers, each with one of the worlds."""
    with contextlib.ExitStack() as running:
        servers = []
        for number in (1, 2):
            server = running.enter_context(Server(tmp_path_factory.mktemp(f"world{number}") / "data"))
            with server.connect() as connection:
                for statement in statements((FOLDER / "world.sql").read_text().replace("{{world}}", str(number))):
                    connection.execute(statement.encode())
            servers.append(server)
        yield servers


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    with two_worlds(tmp_path_factory) as servers:
        yield servers


@pytest.fixture(scope="module")
def untouched_worlds(tmp_path_factory):
    """Where no attack has moved rows: which of two failing rows is met first follows their order in the files."""
    with two_worlds(tmp_path_factory) as servers:
        yield servers


def transcript(server, prelude, attack):
    """Everything that the server answers, as bytes."""
    with server.connect() as superuser:
        for statement in [*prelude, *attack.warm]:
            execute(superuser.pgconn, statement)
    with server.connect(user="attacker", password="attacker") as connection:
        heard = []
        connection.add_notice_handler(lambda notice: heard.append(("notice", notice.severity, notice.message_primary)))
        said = []
        for statement in [*prelude, *attack.statements]:
            said.append(statement)
            said += [contents(result, attack.masks) for result in execute(connection.pgconn, statement)]
            said += heard
            heard.clear()
    return said


def execute(pgconn, statement):
    pgconn.send_query(statement.encode())
    results = []
    while (result := pgconn.get_result()) is not None:
        results.append(result)
        if result.status == ExecStatus.COPY_OUT:
            data = []
            while True:
                size, chunk = pgconn.get_copy_data(0)
                if size <= 0:
                    break
                data.append(bytes(chunk))
            results.append(b"".join(data))
        elif result.status == ExecStatus.COPY_IN:
            pgconn.put_copy_end(b"no data")
    return results


def contents(result, masks):
    def masked(value):
        for pattern in masks:
            value = value and pattern.sub(b"<masked>", value)
        return value

    if isinstance(result, bytes):
        return masked(result)
    columns = [
        (result.fname(index), result.ftype(index), result.ftable(index), result.ftablecol(index),
         result.fmod(index), result.fformat(index))
        for index in range(result.nfields)
    ]
    rows = [[masked(result.get_value(row, index)) for index in range(result.nfields)] for row in range(result.ntuples)]
    errors = [masked(result.error_field(field)) for field in DiagnosticField]
    return (ExecStatus(result.status).name, result.command_status, columns, rows, errors)


def test_there_are_enough_attacks():
    assert len(attacks()) >= 40


def test_the_worlds_differ(worlds):
    """Otherwise the tests below would prove nothing."""
    differing = []
    for table in hidden_tables(worlds[0]):
        answers = []
        for server in worlds:
            with server.connect() as connection:
                answers.append(sorted(map(repr, connection.execute(f"select * from {table}").fetchall())))
        differing.append(answers[0] != answers[1])
    assert any(differing)


def hidden_tables(server):
    with server.connect() as connection:
        return [
            f'"{schema}"."{name}"'
            for schema, name in connection.execute(
                "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE' "
                "and table_schema not in ('information_schema', 'pg_catalog', 'system')"
            ).fetchall()
        ]


@pytest.mark.parametrize("caches", ["caches", "no-caches"])
@pytest.mark.parametrize("attack", attacks(), ids=lambda attack: attack.name)
def test_attack(worlds, attack, caches):
    prelude = NO_CACHES if caches == "no-caches" else []
    transcripts = [transcript(server, prelude, attack) for server in worlds]
    for first, second in zip(*transcripts, strict=True):
        assert first == second


# Of two failing rows of one world any may be met first, in whichever partition. What the worlds' data decide
# differs each time.
RACES = 10
# What an ungoverned table's plan names, and how long planning took.
OF_A_RUN = [re.compile(rb"Planning Time: [0-9.]+ ms"), re.compile(rb"\[\[\S*parquet\]\]")]


@pytest.mark.parametrize("caches", ["caches", "no-caches"])
@pytest.mark.parametrize("seed", range(8))
def test_random_attacks(untouched_worlds, seed, caches):
    prelude = NO_CACHES if caches == "no-caches" else []
    with contextlib.ExitStack() as open_connections:
        connections = []
        for server in untouched_worlds:
            connection = open_connections.enter_context(server.connect(user="attacker", password="attacker"))
            for statement in prelude:
                connection.execute(statement)
            connections.append(connection.pgconn)
        for statement in random_attacks.statements(seed, 40):
            first, second = (answers(pgconn, statement) for pgconn in connections)
            for _ in range(RACES):
                if first == second:
                    break
                first, second = (answers(pgconn, statement) for pgconn in connections)
            assert first == second, statement


def answers(pgconn, statement):
    """What a statement answers; without ORDER BY, the order of rows follows the files."""
    notices = []
    pgconn.notice_handler = lambda result: notices.append(result.error_field(DiagnosticField.MESSAGE_PRIMARY))
    said = [contents(result, OF_A_RUN) for result in execute(pgconn, statement)]
    if pgconn.transaction_status != TransactionStatus.IDLE:
        execute(pgconn, "rollback")
    said += [(ExecStatus.NONFATAL_ERROR.name, b"", [], [[notice]], []) for notice in notices]
    if " order by " in statement:
        return said
    return [
        sorted(one.splitlines()) if isinstance(one, bytes) else (*one[:3], sorted(one[3], key=str), one[4]) for one in said
    ]
