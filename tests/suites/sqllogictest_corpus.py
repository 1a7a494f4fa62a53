"""Runs the sqllogictest files of DataFusion (crates.io: datafusion-sqllogictest) against the machine's PostgreSQL and
Boathouse. A record counts where PostgreSQL does what the file expects; Boathouse has to do the same.

Not a part of `make test`. SQLite's and DuckDB's corpora are in no package registry.

    .venv/bin/python tests/suites/sqllogictest_corpus.py [FILE …] [--show 20] [--folder DIR]
"""

import argparse
import collections
import dataclasses
import hashlib
import pathlib
import re
import sys
import tempfile

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "bench"), str(HERE.parent / "python")]

from postgres_process import Postgres  # noqa: E402
from registry import crate  # noqa: E402
from server_process import Server  # noqa: E402

VERSION = "50.0.0"
# PostgreSQL does not know what the record is about.
FOREIGN = ("42P01", "42883", "42601", "42704")
BOOLEANS = {"t": "true", "f": "false"}


@dataclasses.dataclass
class Record:
    kind: str
    sort: str
    sql: str
    expected: list


def records(script):
    """The statements and queries of a file that concern PostgreSQL."""
    for block in re.split(r"\n[ \t]*\n", re.sub(r"(?m)^#.*\n", "", script)):
        lines = block.strip("\n").split("\n")
        skipped = False
        while lines and re.match(r"(onlyif|skipif)\s", lines[0]):
            word, engine = lines.pop(0).split()[:2]
            skipped |= (word == "onlyif") != (engine.lower().startswith("postgres"))
        if not lines or skipped:
            continue
        if lines[0].split()[:1] == ["halt"]:
            return
        head = lines[0].split()
        if head[:1] == ["statement"] and len(head) > 1:
            text = "\n".join(lines[1:]).split("\n----")[0]
            yield Record(head[1], "", text, [])
        elif head[:1] == ["query"]:
            text, _, expected = "\n".join(lines[1:]).partition("\n----")
            if head[1:2] == ["error"]:
                yield Record("error", "", text, [])
            else:
                sort = next((word for word in head[2:] if word in ("rowsort", "valuesort")), "nosort")
                yield Record("query", sort, text, expected.strip("\n").split("\n") if expected.strip("\n") else [])


def answer(connection, sql):
    """('error', SQLSTATE, message), ('done',) or ('rows', rows of texts)."""
    results = []
    connection.pgconn.send_query(sql.rstrip().rstrip(";").encode())
    while (result := connection.pgconn.get_result()) is not None:
        if result.status == ExecStatus.COPY_IN:
            connection.pgconn.put_copy_end(b"no data")
        results.append(result)
    failed = next((result for result in results if result.status == ExecStatus.FATAL_ERROR), None)
    if failed is not None:
        fields = (failed.error_field(field) or b"" for field in (DiagnosticField.SQLSTATE, DiagnosticField.MESSAGE_PRIMARY))
        return ("error", *(field.decode() for field in fields))
    result = results[-1]
    if result.status != ExecStatus.TUPLES_OK:
        return ("done",)
    types = [result.ftype(column) for column in range(result.nfields)]
    return "rows", [
        [shown(result.get_value(row, column), types[column]) for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]


def shown(value, oid):
    if value is None:
        return "NULL"
    text = value.decode()
    return BOOLEANS.get(text, text) if oid == 16 else text or "(empty)"


def is_as_expected(record, given):
    if record.kind == "error":
        return given[0] == "error" and given[1] not in FOREIGN
    if record.kind != "query":
        return given[0] != "error"
    if given[0] != "rows":
        return False
    values = [value for row in given[1] for value in row]
    if record.sort == "valuesort":
        values.sort()
    hashed = re.fullmatch(r"(\d+) values hashing to (\w+)", record.expected[0]) if record.expected else None
    if hashed:
        digest = hashlib.md5("".join(value + "\n" for value in values).encode()).hexdigest()
        return int(hashed[1]) == len(values) and hashed[2] == digest
    rows = [" ".join(row) for row in given[1]]
    expected = record.expected
    if record.sort == "rowsort":
        rows, expected = sorted(rows), sorted(expected)
    return rows == [re.sub(r"\s+", " ", row).strip() for row in expected] or values == expected


def failure_class(record, given):
    if given[0] == "error":
        return given[1] + " " + re.sub('"[^"]*"', '"…"', given[2])[:70]
    return "no error" if record.kind == "error" else "rows"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="*", help="parts of names of files (all of them)")
    parser.add_argument("--show", type=int, default=0, help="differences to print for each file")
    parser.add_argument("--folder", type=pathlib.Path, help="files of one's own instead")
    options = parser.parse_args()
    folder = options.folder or crate("datafusion-sqllogictest", VERSION) / "test_files"
    files = sorted(path for path in folder.rglob("*.slt*") if path.is_file())
    files = [path for path in files if not options.files or any(name in str(path) for name in options.files)]
    with tempfile.TemporaryDirectory(prefix="sqllogictest-") as temporary:
        with Postgres() as postgres, Server(pathlib.Path(temporary) / "warehouse") as server:
            compare(files, folder, options.show, server, postgres)


def compare(files, folder, show, server, postgres):
    classes, total, alike = collections.Counter(), 0, 0
    for number, path in enumerate(files):
        connections = []
        for base in (server.conninfo(), postgres.conninfo()):
            with psycopg.connect(base, autocommit=True) as connection:
                connection.execute(f"create database slt_{number}")
            conninfo = psycopg.conninfo.make_conninfo(base, dbname=f"slt_{number}")
            connections.append(psycopg.connect(conninfo, autocommit=True))
        ours, theirs = connections
        for connection in connections:
            connection.execute("set statement_timeout = '20s'")
        count = good = printed = 0
        for record in records(path.read_text(errors="replace")):
            theirs_said, ours_said = answer(theirs, record.sql), answer(ours, record.sql)
            if ours.closed:
                print(f"--- {path.name}: the session ended\n{record.sql}")
                break
            if not is_as_expected(record, theirs_said):
                continue
            count += 1
            # The order of rows that nothing orders is each engine's own.
            unordered = record.kind == "query" and not re.search(r"(?i)\border\s+by\b", record.sql)
            same = ours_said[0] == theirs_said[0] and (
                record.kind != "query"
                or (sorted(ours_said[1]) == sorted(theirs_said[1]) if unordered else ours_said == theirs_said)
            )
            if same or is_as_expected(record, ours_said):
                good += 1
                continue
            classes[failure_class(record, ours_said)] += 1
            if printed < show:
                printed += 1
                print(f"--- {record.sql}\n  ours   {str(ours_said)[:300]}\n  theirs {str(theirs_said)[:300]}")
        total, alike = total + count, alike + good
        if count > good or show:
            print(f"| {path.relative_to(folder)} | {count} | {good} |", flush=True)
        for connection in connections:
            connection.close()
    print(f"| all | {total} | {alike} |\n\nWhat differs, most frequent first:\n")
    for failure, number in classes.most_common(60):
        print(f"- {number} × {failure}")


if __name__ == "__main__":
    main()
