"""Wrong input of every kind is answered with a message that says what is wrong."""

import pathlib
import time
import urllib.error
import urllib.request

import psycopg
import pytest

import s3_store
from server_process import ADMIN_PASSWORD, Server, free_port, run_boathouse


def refused(server, **overrides):
    with pytest.raises(psycopg.OperationalError) as caught:
        server.connect(**overrides)
    return str(caught.value)


def test_wrong_password(server):
    assert 'password authentication failed for user "admin"' in refused(server, password="wrong")


def test_an_unknown_user_looks_the_same(server):
    assert 'password authentication failed for user "nobody"' in refused(server, user="nobody")


def test_unknown_database(server):
    assert 'database "nowhere" does not exist' in refused(server, dbname="nowhere")


def test_a_role_that_may_not_log_in(server):
    with server.connect() as connection:
        connection.execute("create role no_login password 'x'")
    assert 'role "no_login" is not permitted to log in' in refused(server, user="no_login", password="x")


def test_too_many_connections(tmp_path):
    with Server(tmp_path / "data", config="[server]\nmax_connections = 3\n") as server:
        held = [server.connect() for _ in range(3)]
        message = refused(server)
        assert "too many" in message
        held.pop().close()
        # The place is free once the server has seen that its client left.
        deadline = time.monotonic() + 10
        while True:
            try:
                server.connect().close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline


# (what the file says, what the message must name)
BROKEN_CONFIGURATIONS = [
    ("[server\n", ["boathouse.toml"]),
    ("[server]\nno_such_key = 1\n", ["no_such_key"]),
    ("[nosuchsection]\na = 1\n", ["nosuchsection"]),
    ("[server]\nlisten = 12\n", ["listen"]),
    ("[memory]\nlimit = \"plenty\"\n", ["limit"]),
]


@pytest.mark.parametrize(("text", "names"), BROKEN_CONFIGURATIONS)
@pytest.mark.parametrize("subcommand", ["serve", "check"])
def test_broken_configuration(tmp_path, text, names, subcommand):
    path = tmp_path / "boathouse.toml"
    path.write_text(text)
    code, output = run_boathouse(subcommand, "--config", str(path), "--warehouse", str(tmp_path / "data"))
    assert code != 0
    for name in names:
        assert name in output
    assert "panicked" not in output


def test_missing_configuration_file(tmp_path):
    code, output = run_boathouse("check", "--config", str(tmp_path / "nosuch.toml"))
    assert code != 0 and "nosuch.toml" in output


def test_unknown_flag():
    code, output = run_boathouse("serve", "--wharehouse", "x")
    assert code == 2 and "--wharehouse" in output


def test_help_and_version():
    for arguments in (["--help"], ["serve", "--help"], ["demo", "--help"], ["check", "--help"]):
        code, output = run_boathouse(*arguments)
        assert code == 0 and "Usage:" in output
    code, output = run_boathouse("--version")
    assert code == 0 and output.startswith("boathouse 0.")


def test_missing_bucket(s3):
    code, output = run_boathouse(
        "check", "--warehouse", "s3://nosuchbucket/house", environment=s3_store.environment(s3), seconds=120
    )
    assert code != 0
    assert "nosuchbucket" in output
    assert "panicked" not in output


def test_unreachable_store():
    environment = s3_store.environment(f"http://127.0.0.1:{free_port()}")
    code, output = run_boathouse("check", "--warehouse", "s3://bucket/house", environment=environment, seconds=240)
    assert code != 0 and "bucket" in output


def test_a_warehouse_that_is_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("not a folder")
    code, output = run_boathouse("check", "--warehouse", str(path))
    assert code != 0 and str(path) in output


def test_a_good_warehouse_passes_the_check(tmp_path):
    with Server(tmp_path / "data") as server:
        server.stop()
    code, output = run_boathouse("check", "--warehouse", str(tmp_path / "data"))
    assert code == 0, output


def test_a_check_writes_nothing(tmp_path):
    code, output = run_boathouse("check", "--warehouse", str(tmp_path / "data"))
    assert code == 0 and "is empty" in output, output
    assert not (tmp_path / "data").exists()


def test_an_address_in_use(tmp_path, server):
    code, output = run_boathouse(
        "serve", "--warehouse", str(tmp_path / "data"), "--listen", f"127.0.0.1:{server.port}",
        environment={"BOATHOUSE_ADMIN_PASSWORD": ADMIN_PASSWORD},
    )
    assert code != 0 and str(server.port) in output


def corrupt(folder, pattern, content=b'{"this is": "cut of'):
    """Overwrites the newest log entry that matches."""
    entry = sorted(pathlib.Path(folder).rglob(pattern))[-1]
    entry.write_bytes(content)
    return entry


def test_a_corrupt_delta_log_entry(tmp_path):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table broken (n int)")
            connection.execute("insert into broken values (1)")
            connection.execute("create table whole (n int)")
        server.stop()
        entry = corrupt(tmp_path / "data", "_delta_log/00000000000000000001.json")
        server.start()
        with server.connect() as connection:
            with pytest.raises(psycopg.Error) as caught:
                connection.execute("select * from broken")
            assert caught.value.sqlstate in ("XX001", "58030"), caught.value.sqlstate
            assert "broken" in str(caught.value) or entry.name in str(caught.value)
            assert connection.execute("select count(*) from whole").fetchone() == (0,)


def test_a_missing_data_file(tmp_path):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table hollow (n int)")
            connection.execute("insert into hollow values (1)")
        server.stop()
        for path in pathlib.Path(tmp_path / "data").rglob("*.parquet"):
            path.unlink()
        server.start()
        with server.connect() as connection:
            with pytest.raises(psycopg.Error) as caught:
                connection.execute("select * from hollow")
            assert caught.value.sqlstate[:2] in ("58", "XX"), caught.value.sqlstate
            assert connection.execute("select 1").fetchone() == (1,)


def test_a_corrupt_catalog_entry(tmp_path):
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table defined (n int)")
        server.stop()
    entry = corrupt(tmp_path / "data", "_boathouse/catalog/*.json")
    code, output = run_boathouse("check", "--warehouse", str(tmp_path / "data"))
    assert code != 0
    assert entry.name in output
    assert "panicked" not in output


def test_a_catalog_entry_from_the_future(tmp_path):
    """An old binary must not guess what a field that it does not know means."""
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table known (n int)")
        server.stop()
    entries = sorted(pathlib.Path(tmp_path / "data").rglob("_boathouse/catalog/*.json"))
    text = entries[-1].read_text()
    assert text.lstrip().startswith("{")
    entries[-1].write_text(text.replace("{", '{"restrictive_from_the_future": true, ', 1))
    code, output = run_boathouse("check", "--warehouse", str(tmp_path / "data"))
    assert code != 0
    assert "restrictive_from_the_future" in output


# (statement, SQLSTATE, text that the message contains)
WRONG_SQL = [
    ("selec 1", "42601", 'syntax error at or near "selec"'),
    ("select * form t", "42601", "syntax error"),
    ("select nosuch(1)", "42883", "function nosuch(integer) does not exist"),
    ("select * from nosuch", "42P01", 'relation "nosuch" does not exist'),
    ("select nosuch from pg_class", "42703", 'column "nosuch" does not exist'),
    ("select 'abc'::int", "22P02", 'invalid input syntax for type integer: "abc"'),
    ("select 1 / 0", "22012", "division by zero"),
    ("select 1 + 'x'", "22P02", 'invalid input syntax for type integer: "x"'),
    ("select date '2024-13-01'", "22008", "date/time field value out of range"),
    ("set nosuch = 1", "42704", 'unrecognized configuration parameter "nosuch"'),
    ("drop table nosuch", "42P01", 'table "nosuch" does not exist'),
    ("create table t (a nosuchtype)", "42704", 'type "nosuchtype" does not exist'),
    ("select count(*), relname from pg_class", "42803", "must appear in the GROUP BY clause"),
    ("update pg_class set relname = 'x'", None, ""),
    ("optimize nosuch", "42P01", 'relation "nosuch" does not exist'),
    ("cluster t", "0A000", "not supported"),
]


@pytest.mark.parametrize(("sql", "state", "text"), WRONG_SQL, ids=[sql for sql, _, _ in WRONG_SQL])
def test_wrong_sql(server, sql, state, text):
    with server.connect() as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(sql)
        message = caught.value.diag.message_primary
        assert state is None or caught.value.sqlstate == state, message
        assert text in message
        assert not message.endswith(".") and "DataFusion" not in message and "Arrow" not in message
        assert connection.execute("select 1").fetchone() == (1,)


def test_wrong_number_of_parameters(server):
    with server.connect() as connection:
        result = connection.pgconn.exec_params(b"select $1::int + $2::int", [b"1"])
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"08P01"
        result = connection.pgconn.exec_params(b"select $1::int", [b"x"])
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"22P02"
        result = connection.pgconn.exec_params(b"select $1::int", [b"xyz"], None, [1])
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) in (b"22P03", b"08P01")


def test_invalid_utf8(server):
    with server.connect() as connection:
        result = connection.pgconn.exec_(b"select '\xff\xfe'")
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"22021"
        assert connection.execute("select 1").fetchone() == (1,)
