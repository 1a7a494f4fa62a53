"""Loads CSV files into Boathouse as a client does: CREATE TABLE and COPY through the wire."""

import time

from server_process import Server
from workload import live_files

CHUNK = 1 << 20


def load(server, schema, tables, csv_of):
    """`tables`: name → [(column, type)]; `csv_of` gives a table's file, with a header. Returns the seconds it took."""
    with server.connect() as connection:
        connection.execute(f"create schema {schema}")
        begun = time.perf_counter()
        for name, columns in tables.items():
            listed = ", ".join(f'"{column}" {kind}' for column, kind in columns)
            connection.execute(f"create table {schema}.{name} ({listed})")
            copy = f"copy {schema}.{name} from stdin (format csv, header)"
            with open(csv_of(name), "rb") as source, connection.cursor().copy(copy) as sink:
                while data := source.read(CHUNK):
                    sink.write(data)
        return time.perf_counter() - begun


def loaded_server(folder, schema, tables, csv_of):
    """A server on a warehouse that is loaded once and kept: (server, the tables' Parquet files, load seconds or None)."""
    warehouse = folder / "warehouse"
    marker = folder / "load-seconds"
    server = Server(warehouse, startup_seconds=600)
    if not marker.exists():
        marker.write_text(f"{load(server, schema, tables, csv_of):.3f}")
    return server, live_files(server, schema, tables), float(marker.read_text())
