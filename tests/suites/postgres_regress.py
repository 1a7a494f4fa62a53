"""Runs PostgreSQL's own regression files against Boathouse and the machine's PostgreSQL, statement by
statement, and counts where both answer alike: outcome, SQLSTATE, column names and types, rows.

Not a part of `make test`: most of these files exercise PostgreSQL's internals too, and every failure class has
its reason in docs/clients.md. The files come from Debian's source package of the installed version.

    .venv/bin/python tests/suites/postgres_regress.py [FILE …] [--show 20] [--sources DIR]
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "bench"), str(HERE.parent / "python")]

from postgres_process import Postgres  # noqa: E402
from server_process import Server  # noqa: E402

FILES = (
    "boolean char varchar text int2 int4 int8 float4 float8 numeric uuid strings date time timestamp timestamptz "
    "timetz interval bit rangetypes inet macaddr select select_into select_distinct select_having case join aggregates subselect union window with "
    "groupingsets limit random arrays json jsonb regex expressions comments transactions portals portals_p2 prepare "
    "prepared_xacts insert update delete merge insert_conflict returning copy copy2 temp create_view rowtypes "
    "rangefuncs tsrf namespace privileges sequence identity numerology truncate select_implicit unicode guc"
).split()
# As pg_regress sets them, and an end to what never ends.
SETTINGS = ("statement_timeout = '10s'", "datestyle = 'postgres, mdy'", "intervalstyle = postgres_verbose",
            "timezone = 'PST8PDT'")
SOURCES = "deb-src http://deb.debian.org/debian bookworm main\n"


def fetched_sources(folder):
    """Downloads and unpacks src/test/regress of the installed PostgreSQL."""
    found = sorted(folder.glob("postgresql-*/src/test/regress"))
    if found:
        return found[-1]
    version = sorted(path.name for path in pathlib.Path("/usr/lib/postgresql").iterdir())[-1]
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(SOURCES)
    apt = [
        "apt-get", "-qq", "-o", f"Dir::Etc::sourcelist={folder}/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null",
        "-o", f"Dir::State::lists={folder}/lists",
    ]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "source", "--download-only", f"postgresql-{version}"], cwd=folder, check=True)
    [archive] = folder.glob("postgresql-*.orig.tar.*")
    subprocess.run(["tar", "xf", archive.name, "--wildcards", "*/src/test/regress/*"], cwd=folder, check=True)
    return fetched_sources(folder)


# A function's body that has not come to its END.
ATOMIC = re.compile(r"(?is)\bbegin\s+atomic\b(?!.*\bend\s*;\Z)")
# A plan's text is each engine's own.
EXPLAIN = re.compile(r"(?is)(?:--[^\n]*\n|\s)*explain\b")
TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$\w*\$).*?\1|\\[^\n]*|;|.",
    re.DOTALL,
)


def statements(script):
    """(text, data) of each statement; data is what follows a COPY FROM STDIN. psql's own commands are left out."""
    position, begin = 0, 0
    while position < len(script):
        token = TOKEN.match(script, position)
        text = token.group()
        position = token.end()
        if text.startswith("\\"):
            begin = position
        elif text == ";" and not ATOMIC.search(script[begin:position]):
            statement, data = script[begin:position].strip(), None
            if re.match(r"(?is)^(?:--[^\n]*\n|\s)*copy\b.*\bfrom\s+stdin\b", statement):
                end = script.find("\n\\.\n", position)
                data, position = script[position + 1:end + 1], end + 4
            begin = position
            yield statement, data


def answer(connection, statement, data):
    """What a server says, in a form that compares."""
    pgconn = connection.pgconn
    pgconn.send_query(statement.encode())
    parts = []
    while (result := pgconn.get_result()) is not None:
        if result.status == ExecStatus.COPY_IN:
            pgconn.put_copy_data((data or "").encode())
            pgconn.put_copy_end()
        elif result.status == ExecStatus.COPY_OUT:
            copied = []
            while (chunk := pgconn.get_copy_data(0))[0] > 0:
                copied.append(bytes(chunk[1]))
            parts.append(("copied", tuple(copied)))
        elif result.status == ExecStatus.TUPLES_OK:
            columns = [(result.fname(index), result.ftype(index)) for index in range(result.nfields)]
            rows = [
                tuple(result.get_value(row, column) for column in range(result.nfields))
                for row in range(result.ntuples)
            ]
            ordered = rows if re.search(r"(?i)\border\s+by\b", outside(statement)) else sorted(rows, key=repr)
            parts.append(("rows", tuple(columns), tuple(ordered)))
        elif result.status == ExecStatus.FATAL_ERROR:
            parts.append(("error", (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()))
            parts.append(("message", (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode()))
        else:
            parts.append(("done", bytes(result.command_status or b"")))
    return parts


def outside(statement):
    """The statement without what stands in parentheses: the order of a window or a subquery is not that of its rows."""
    while (shorter := re.sub(r"\([^()]*\)", "", statement)) != statement:
        statement = shorter
    return statement


def agrees(ours, theirs):
    plain = lambda parts: [part for part in parts if part[0] != "message"]  # noqa: E731
    return plain(ours) == plain(theirs)


def failure_class(ours, theirs):
    errors = dict(part for part in ours if len(part) == 2)
    if errors.get("error") == "0A000":
        return f"0A000 {errors['message'][:70]}"
    if "error" in errors:
        expected = dict(part for part in theirs if len(part) == 2).get("error", "an answer")
        return f"{errors['error']} for {expected}: {errors['message'][:60]}"
    if any(part[0] == "error" for part in theirs):
        return "no error"
    if [part[:2] for part in ours if part[0] == "rows"] != [part[:2] for part in theirs if part[0] == "rows"]:
        return "columns"
    return "rows"


def prepared(connection, regress):
    """The tables that most files read, as test_setup.sql makes them, with the data fed through COPY FROM STDIN."""
    script = (regress / "sql" / "test_setup.sql").read_text()
    file = None
    for line in re.findall(r"\\set filename :abs_srcdir '([^']+)'|^(COPY \w+ FROM) :'filename';", script, re.MULTILINE):
        file, copy = line[0] or file, line[1]
        if copy:
            script = script.replace(f"{copy} :'filename';", f"{copy} STDIN;\n{(regress / file[1:]).read_text()}\\.\n", 1)
    for statement, data in statements(script):
        answer(connection, statement, data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="*", help="names of regression files (those that concern users)")
    parser.add_argument("--show", type=int, default=0, help="differences to print for each file")
    parser.add_argument("--sources", type=pathlib.Path, help="where the source package is kept between runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="regress-") as temporary:
        regress = fetched_sources(options.sources or pathlib.Path(temporary))
        with Postgres() as postgres, Server(pathlib.Path(temporary) / "warehouse") as server:
            compare(options, regress, postgres, server)


def compare(options, regress, postgres, server):
    classes = collections.Counter()
    total = alike = 0
    print("| file | statements | answered alike |\n|---|---:|---:|")
    for name in options.files or FILES:
        path = regress / "sql" / f"{name}.sql"
        if not path.exists():
            continue
        conninfos = []
        for index, base in enumerate((server.conninfo(), postgres.conninfo())):
            with psycopg.connect(base, autocommit=True) as connection:
                connection.execute(f"create database regress_{name}")
            conninfos.append(psycopg.conninfo.make_conninfo(base, dbname=f"regress_{name}"))
        good = count = shown = 0
        with (
            psycopg.connect(conninfos[0], autocommit=True) as ours,
            psycopg.connect(conninfos[1], autocommit=True) as theirs,
        ):
            for connection in (ours, theirs):
                for setting in SETTINGS:
                    answer(connection, f"set {setting}", None)
                prepared(connection, regress)
            for statement, data in statements(path.read_text()):
                if ours.closed:
                    break
                if EXPLAIN.match(statement):
                    continue
                count += 1
                pair = answer(ours, statement, data), answer(theirs, statement, data)
                if agrees(*pair):
                    good += 1
                    continue
                classes[failure_class(*pair)] += 1
                if shown < options.show:
                    shown += 1
                    print(f"--- {statement}\n  ours   {str(pair[0])[:300]}\n  theirs {str(pair[1])[:300]}")
        total, alike = total + count, alike + good
        print(f"| {name} | {count} | {good} |", flush=True)
    print(f"| all | {total} | {alike} |\n\nWhat differs, most frequent first:\n")
    for failure, number in classes.most_common(60):
        print(f"- {number} × {failure}")


if __name__ == "__main__":
    main()
