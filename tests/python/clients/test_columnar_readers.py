"""Clients that read through binary COPY into columns: ADBC, connector-x, DuckDB's postgres extension."""

import adbc_driver_postgresql.dbapi as adbc
import connectorx
import duckdb
import duckdb_extensions
import pyarrow

LINES = 60_175


def test_adbc_reads_and_ingests(url):
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("select * from sample.lineitem")
        assert cursor.fetch_arrow_table().num_rows == LINES
        assert connection.adbc_get_table_schema("nation", db_schema_filter="sample").names[0] == "n_nationkey"
        table = pyarrow.table({"a": [1, 2], "b": ["x", None]})
        cursor.adbc_ingest("by_adbc", table, mode="create")
        connection.commit()
        cursor.execute("select a, b from by_adbc order by a")
        assert cursor.fetchall() == [(1, "x"), (2, None)]
        cursor.execute("drop table by_adbc")
        connection.commit()


def test_adbc_lists_objects(url):
    with adbc.connect(url) as connection:
        objects = connection.adbc_get_objects(depth="columns", db_schema_filter="sample").read_all().to_pylist()
    [database] = [entry for entry in objects if entry["catalog_name"] == "boathouse"]
    [schema] = database["catalog_db_schemas"]
    tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
    assert len(tables) == 8 and len(tables["nation"]["table_columns"]) == 4


def test_connectorx(url):
    whole = connectorx.read_sql(url, "select * from sample.nation", return_type="arrow")
    assert whole.num_rows == 25
    query = "select l_orderkey, l_quantity, l_shipdate, l_comment from sample.lineitem"
    split = connectorx.read_sql(url, query, partition_on="l_orderkey", partition_num=3, return_type="arrow")
    assert split.num_rows == LINES
    for protocol in ("binary", "csv", "cursor", "simple"):
        assert connectorx.read_sql(url, query, protocol=protocol, return_type="arrow").num_rows == LINES


def test_duckdb_attaches(demo):
    duckdb_extensions.import_extension("postgres_scanner")
    database = duckdb.connect()
    database.execute("load postgres_scanner")
    conninfo = demo.conninfo().replace("'", "''")
    database.execute(f"attach '{conninfo}' as warehouse (type postgres)")
    assert database.execute("select count(*) from warehouse.sample.lineitem").fetchone() == (LINES,)
    direct = "select l_returnflag, sum(l_quantity) from {} group by 1 order by 1"
    with demo.connect() as connection:
        expected = connection.execute(direct.format("sample.lineitem")).fetchall()
    assert database.execute(direct.format("warehouse.sample.lineitem")).fetchall() == expected
    database.execute("create table warehouse.public.by_duckdb as select 1 as a, 'x' as t")
    assert database.execute("select * from warehouse.public.by_duckdb").fetchall() == [(1, "x")]
    database.execute("drop table warehouse.public.by_duckdb")
