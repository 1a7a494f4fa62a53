"""Prints what DuckDB's TPC-DS extension has as JSON: the columns of each table and the texts of the 99 queries.
Runs in an environment of its own (requirements-tpcds.txt), because the extension exists for one version."""

import json

import duckdb
from duckdb_extensions import import_extension

import_extension("tpcds")
database = duckdb.connect()
database.execute("load tpcds")
database.execute("call dsdgen(sf = 0)")
tables = {}
columns = "select table_name, column_name, data_type from duckdb_columns() where not internal order by table_oid, column_index"
for table, column, kind in database.execute(columns).fetchall():
    tables.setdefault(table, []).append((column, kind))
queries = dict(database.execute("select query_nr, query from tpcds_queries() order by 1").fetchall())
print(json.dumps({"tables": tables, "queries": queries}))
