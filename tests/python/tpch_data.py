"""The TPC-H tables of a demo warehouse, as other engines read them."""

import pathlib

import deltalake

QUERIES = sorted((pathlib.Path(__file__).resolve().parents[2] / "bench" / "tpch").glob("q*.sql"))
KEY_COLUMNS = {
    "l_orderkey": "lineitem", "o_orderkey": "orders", "c_custkey": "customer", "p_partkey": "part",
    "s_suppkey": "supplier", "ps_partkey": "partsupp", "n_nationkey": "nation", "r_regionkey": "region",
}
TABLES = set(KEY_COLUMNS.values())


def parquet_files(warehouse):
    """The live files of each TPC-H table, as the Delta log lists them."""
    found = {}
    for log in pathlib.Path(warehouse).rglob("_delta_log"):
        table = deltalake.DeltaTable(str(log.parent))
        name = KEY_COLUMNS.get(table.schema().fields[0].name)
        if name is not None:
            found[name] = [uri.removeprefix("file://") for uri in table.file_uris()]
    return found
