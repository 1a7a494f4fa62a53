"""psqlODBC through pyodbc with UseDeclareFetch, the path of Tableau and Excel."""

import pathlib

import pyodbc
import pytest

from server_process import ADMIN_PASSWORD

DRIVERS = sorted(pathlib.Path("/usr/lib").glob("**/psqlodbcw.so"))


@pytest.fixture(params=[False, True], ids=["whole", "declare-fetch"])
def declares(request):
    return request.param


@pytest.fixture
def connection(declares, demo):
    assert DRIVERS, "psqlODBC is missing: run `make tools`"
    opened = pyodbc.connect(
        f"Driver={DRIVERS[0]};Server=127.0.0.1;Port={demo.port};Database=boathouse;Uid=admin;Pwd={ADMIN_PASSWORD};"
        f"UseDeclareFetch={int(declares)};Fetch=1000"
    )
    yield opened
    opened.close()


def test_browsing(connection):
    cursor = connection.cursor()
    tables = {row.table_name for row in cursor.tables(schema="sample").fetchall()}
    assert len(tables) == 8 and "nation" in tables
    columns = [(row.column_name, row.type_name) for row in cursor.columns(table="nation", schema="sample").fetchall()]
    assert columns[0] == ("n_nationkey", "int4") and len(columns) == 4
    assert cursor.primaryKeys(table="nation", schema="sample").fetchall() == []
    # As PostgreSQL answers for a table without indexes.
    assert cursor.statistics("nation", schema="sample").fetchall() == []
    assert cursor.getTypeInfo().fetchall()


def test_reading(connection):
    cursor = connection.cursor()
    rows = cursor.execute("select l_orderkey, l_quantity, l_shipdate, l_comment from sample.lineitem").fetchall()
    assert len(rows) == 60_175
    assert cursor.execute("select n_name from sample.nation where n_nationkey = ?", 3).fetchval() == "CANADA"


def test_writing_and_rolling_back(connection):
    cursor = connection.cursor()
    cursor.execute("create table by_odbc (id int, name varchar(20))")
    cursor.executemany("insert into by_odbc values (?, ?)", [(1, "a"), (2, "b")])
    connection.commit()
    cursor.execute("insert into by_odbc values (3, 'c')")
    connection.rollback()
    assert cursor.execute("select count(*) from by_odbc").fetchval() == 2
    cursor.execute("drop table by_odbc")
    connection.commit()


def test_what_tableau_probes(connection, declares):
    """Temporary tables work, and GROUP BY 2 over one column does not."""
    cursor = connection.cursor()
    cursor.execute('create local temporary table "#Tableau_1_Connect" (col integer) on commit preserve rows')
    cursor.execute('drop table "#Tableau_1_Connect"')
    if not declares:
        # The driver puts this into a cursor otherwise, which PostgreSQL refuses too.
        cursor.execute("select * into temporary probe from (select 1 as col) as subquery limit 1")
        assert cursor.execute("select col from probe").fetchval() == 1
    with pytest.raises(pyodbc.Error) as caught:
        cursor.execute("select 1 as one group by 2")
    assert caught.value.args[0] == "42P10"
    connection.rollback()
