"""ALTER ROLE … SET: what the sessions of a role start with."""

import psycopg
import pytest
from psycopg import errors


@pytest.fixture
def administrator(own_server):
    with own_server.connect() as opened:
        opened.execute("create role loader login password 'secret'")
        opened.execute("create role transformer")
        opened.execute("grant transformer to loader")
        yield opened


def shown(server, name, **parameters):
    with server.connect(user="loader", password="secret", **parameters) as connection:
        return connection.execute("select current_setting(%s)", [name]).fetchone()[0]


def test_sessions_start_with_them(own_server, administrator):
    administrator.execute("alter role loader set search_path to staging, \"Public\"")
    administrator.execute("alter role loader set statement_timeout = '5s'")
    administrator.execute("alter user loader set app.tenant = 'acme'")
    assert shown(own_server, "search_path") == 'staging, "Public"'
    assert shown(own_server, "statement_timeout") == "5s"
    assert shown(own_server, "app.tenant") == "acme"
    # What the client asks for comes after.
    assert shown(own_server, "statement_timeout", options="-c statement_timeout=7s") == "7s"
    with own_server.connect(user="loader", password="secret") as connection:
        connection.execute("set statement_timeout = 0")
        connection.execute("reset statement_timeout")
        assert connection.execute("show statement_timeout").fetchone() == ("5s",)
    assert administrator.execute("select rolconfig from pg_roles where rolname = 'loader'").fetchone() == (
        ['search_path=staging, "Public"', "statement_timeout=5s", "app.tenant=acme"],
    )
    assert administrator.execute("""
        select setdatabase, setrole::regrole::text, cardinality(setconfig) from pg_db_role_setting
    """).fetchone() == (0, "loader", 3)


def test_they_are_taken_back(own_server, administrator):
    administrator.execute("set work_mem = '7MB'")
    administrator.execute("alter role loader set work_mem from current")
    administrator.execute("alter role loader set application_name = 'nightly'")
    assert shown(own_server, "work_mem") == "7MB"
    administrator.execute("alter role loader reset work_mem")
    assert shown(own_server, "work_mem") != "7MB"
    assert shown(own_server, "application_name") == "nightly"
    administrator.execute("alter role loader reset all")
    assert shown(own_server, "application_name") == ""
    assert administrator.execute("select count(*) from pg_db_role_setting").fetchone() == (0,)


def test_a_session_may_begin_as_another_role(own_server, administrator):
    administrator.execute("alter role loader set role = transformer")
    with own_server.connect(user="loader", password="secret") as connection:
        assert connection.execute("select session_user, current_user").fetchone() == ("loader", "transformer")
        # RESET comes back to it, NONE does not.
        connection.execute("set role none")
        assert connection.execute("select current_user").fetchone() == ("loader",)
        for reset in ("reset role", "set role to default"):
            connection.execute("set role none")
            connection.execute(reset)
            assert connection.execute("select current_user").fetchone() == ("transformer",)
    # Only as one that the role is a member of: anything else is left out with a warning.
    administrator.execute("revoke transformer from loader")
    with own_server.connect(user="loader", password="secret") as connection:
        assert connection.execute("select session_user, current_user").fetchone() == ("loader", "loader")
    administrator.execute("alter role loader set role = none")
    warnings = []
    with own_server.connect(user="loader", password="secret") as connection:
        connection.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        assert connection.execute("select session_user, current_user").fetchone() == ("loader", "loader")
    assert warnings == []


def test_who_may_change_them(own_server, administrator):
    administrator.execute("create role other")
    with own_server.connect(user="loader", password="secret") as connection:
        connection.execute("alter role loader set application_name = 'mine'")
        connection.execute("alter role current_user set work_mem = '9MB'")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("alter role other set work_mem = '9MB'")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("alter role admin reset all")
    assert shown(own_server, "work_mem") == "9MB"


@pytest.mark.parametrize("statement, error", [
    ("alter role loader set nonsense = 1", errors.UndefinedObject),
    ("alter role loader set work_mem = 'much'", errors.InvalidParameterValue),
    ("alter role loader set server_version = '9'", errors.CantChangeRuntimeParam),
    ("alter role nobody set work_mem = '9MB'", errors.UndefinedObject),
])
def test_what_is_wrong_is_refused(administrator, statement, error):
    with pytest.raises(error):
        administrator.execute(statement)


def test_they_outlive_the_server(own_server, administrator):
    administrator.execute("alter role loader set work_mem = '9MB'")
    own_server.kill()
    own_server.start()
    assert shown(own_server, "work_mem") == "9MB"
