"""Runs recorded statements of real clients against a server, and recorded conversations message by message, and prints
the table of docs/clients.md: where names, types, modifiers, parameters and SQLSTATEs are PostgreSQL's, and where the
number of rows is.

Not a part of `make test`: recordings hold the clients' own texts, which are not kept here. A recording is a folder with
fixture.sql (the objects), one <client>.sql of named statements (`-- name: x`, then the text; `{{regclass:t}}` is an
OID), expected_*.jsonl (what PostgreSQL answered) and wire/*.jsonl (messages in order, F the client's and B the
server's).

    .venv/bin/python tests/suites/client_corpus.py --corpus DIR --port 5433 [--file psql] [--failures] [--slow 10]
"""

import argparse
import collections
import json
import pathlib
import re
import sys
import time

from psycopg import pq
from psycopg.pq import DiagnosticField, ExecStatus

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "python" / "clients")]

from wire import Wire, fields  # noqa: E402

DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY)
# What a table of the recording may lack here, tried in this order.
SIMPLER = [(r"materialized ", ""), (r"generated always as identity ", "")]
OIDS = {
    "namespace": "select oid from pg_namespace where nspname = '{}'",
    "database": "select oid from pg_database where datname = '{}'",
    "constraint": "select oid from pg_constraint where conname = '{}'",
    "ext": "select oid from pg_extension where extname = '{}'",
    "regclass": "select '{}'::regclass::oid",
    "regproc": "select '{}'::regproc::oid",
    "type": "select '{}'::regtype::oid",
}


class Client:
    """A connection that answers in the recording's terms."""

    def __init__(self, arguments, database):
        conninfo = (f"host={arguments.host} port={arguments.port} user={arguments.user} "
                    f"password={arguments.password} dbname={database}")
        self.connection = pq.PGconn.connect(conninfo.encode())
        if self.connection.status != pq.ConnStatus.OK:
            sys.exit(self.connection.error_message.decode())
        self.connection.notice_handler = None
        self.oids = {}

    def settle(self):
        if self.connection.transaction_status:
            self.connection.exec_(b"rollback")

    def substituted(self, text):
        def oid(match):
            if match[0] not in self.oids:
                result = self.connection.exec_(OIDS[match[1]].format(match[2].replace("'", "''")).encode())
                self.settle()
                found = result.get_value(0, 0) if result.status == ExecStatus.TUPLES_OK and result.ntuples else b"0"
                self.oids[match[0]] = found.decode()
            return self.oids[match[0]]

        return re.sub(r"\{\{(\w+):([^}]*)\}\}", oid, text)

    def run(self, text, described):
        """One result, or a list of them."""
        if described:
            for result in (self.connection.prepare(b"", text.encode().rstrip(b"; \n")),
                           self.connection.describe_prepared(b"")):
                if result.status not in DONE:
                    return failed(result)
            return {"columns": shape(result), "params": [result.param_type(i) for i in range(result.nparams)]}
        self.connection.send_query(text.encode())
        results = []
        while (result := self.connection.get_result()) is not None:
            results.append(failed(result) if result.status not in DONE else
                           {"columns": shape(result), "rows": result.ntuples})
            if result.status in (ExecStatus.COPY_IN, ExecStatus.COPY_OUT):
                break
        return results[0] if len(results) == 1 else {"results": results}


def failed(result):
    field = result.error_field
    return {"sqlstate": (field(DiagnosticField.SQLSTATE) or b"?").decode(),
            "message": (field(DiagnosticField.MESSAGE_PRIMARY) or b"?").decode()}


def shape(result):
    # Types that the recording made have OIDs of their own.
    return [[(result.fname(i) or b"").decode(), min(result.ftype(i), 16384), result.fmod(i)]
            for i in range(result.nfields)]


def difference(expected, got):
    """What differs first: (in the shape, in the rows)."""
    if "results" in expected or "results" in got:
        pairs = list(zip(expected.get("results", []), got.get("results", [])))
        if len(pairs) != len(expected.get("results", [])) or len(pairs) != len(got.get("results", [])):
            return f"results: {[part.get('message') for part in got.get('results', [got])]}", None
        found = [difference(*pair) for pair in pairs]
        return next((part for part, _ in found if part), None), next((rows for _, rows in found if rows), None)
    if expected.get("sqlstate") != got.get("sqlstate"):
        message = got.get("message")
        return f"SQLSTATE {got.get('sqlstate')} for {expected.get('sqlstate')} {message or ''}", None
    columns = [[name, min(oid, 16384), modifier] for name, oid, modifier in expected.get("columns", [])]
    if columns != got.get("columns", []):
        pairs = [pair for pair in zip(columns, got.get("columns", [])) if pair[0] != pair[1]]
        return f"columns: {pairs[:1] or (len(columns), len(got.get('columns', [])))}", None
    if expected.get("params", got.get("params")) != got.get("params"):
        return f"parameters: {got.get('params')} for {expected['params']}", None
    rows = (got.get("rows"), expected.get("rows"))
    return None, None if None in rows or rows[0] == rows[1] else f"{rows[0]} rows for {rows[1]}"


def statements(path):
    """(name, text) of a file."""
    name, lines = None, []
    for line in [*path.read_text().splitlines(), "-- name: end"]:
        begin = re.match(r"-- name: (\S+)", line)
        if begin:
            if name:
                yield name, "\n".join(lines).strip()
            name, lines = begin[1], []
        elif not line.startswith("--# "):
            lines.append(line)


def make_objects(arguments):
    """The recording's objects, unless they are there; what a Delta table lacks is made simpler or left out."""
    client = Client(arguments, "boathouse")
    if client.connection.exec_(b"select 1 from pg_database where datname = 'shop'").ntuples:
        return
    for line in (arguments.corpus / "fixture.sql").read_text().splitlines():
        if line.startswith("\\c "):
            client = Client(arguments, line[3:].strip())
        elif line and not line.startswith("--"):
            for text in line.split(";"):
                make(client, text.strip())


def make(client, text):
    attempts = [text]
    for pattern, simpler in SIMPLER:
        attempts.append(re.sub(pattern, simpler, attempts[-1]))
    for attempt in dict.fromkeys(filter(None, attempts)):
        result = client.connection.exec_(attempt.encode())
        if result.status in DONE:
            return
    if text:
        print(f"left out: {text[:80]}: {failed(result)['message']}")


def replayed(arguments, path):
    """A recorded conversation: how many answers there were, how many are alike, and those that are not."""
    count, alike, unlike = 0, 0, []
    by_connection = collections.defaultdict(list)
    for line in path.read_text().splitlines():
        message = json.loads(line)
        by_connection[message["conn"]].append(message)
    for messages in by_connection.values():
        parameters = next((message["params"] for message in messages if message["msg"] == "Startup"), None)
        if parameters is None:
            continue
        extra = {key: value.strip("'") for key, value in parameters.items() if key not in ("user", "database")}
        database = {"postgres": "boathouse"}.get(parameters["database"], parameters["database"])
        wire = Wire(arguments.host, arguments.port, arguments.user, arguments.password, database, extra)
        wire.socket.settimeout(5)
        for batch, expected in batches(messages):
            # Cancel requests come on a connection of their own, and not all bytes were recorded.
            lost = any("\ufffd" in str(message.get("params")) for message in batch)
            if lost or batch[-1]["msg"] not in ("Query", "Sync", "Flush") or "57014" in str(expected):
                continue
            for message in batch:
                send(wire, message)
            got = answered(wire, batch)
            count += 1
            if got == expected:
                alike += 1
            else:
                unlike.append((batch, expected, got))
        wire.close()
    return count, alike, unlike


def batches(messages):
    """What the client sent at once, and what came back."""
    batch, answers = [], []
    begun = False
    for message in messages:
        kind = message["msg"]
        if not begun:
            begun = kind == "ReadyForQuery"
        elif message["dir"] == "F" and not kind.startswith("Copy"):
            if answers:
                yield batch, answers
                batch, answers = [], []
            batch.append(message)
        elif message["dir"] == "B" and (said := readable(message)):
            answers.append(said)
    if answers:
        yield batch, answers


def readable(message):
    kind = message["msg"]
    return {
        "RowDescription": lambda: ["T", [[name, min(oid, 16384), modifier, code]
                                         for name, oid, _, modifier, code in message["cols"]]],
        "ParameterDescription": lambda: ["t", message["oids"]],
        "CommandComplete": lambda: ["C", re.sub(r"\d+", "n", message["tag"])],
        "ErrorResponse": lambda: ["E", message["fields"]["C"]],
        "ReadyForQuery": lambda: ["Z", message["status"]],
        "PortalSuspended": lambda: ["s"],
        "CopyInResponse": lambda: ["G"],
        "CopyOutResponse": lambda: ["H"],
    }.get(kind, lambda: None)()


def recorded(value, form):
    """A parameter's bytes; of a binary one, those beyond ASCII were recorded as `\\xb0`."""
    if value is None:
        return None
    text = value.encode("latin-1", "replace")
    return re.sub(rb"\\x([0-9a-f]{2})", lambda byte: bytes.fromhex(byte[1].decode()), text) if form else text


def send(wire, message):
    kind = message["msg"]
    name = lambda key: message.get(key, "").encode() + b"\0"  # noqa: E731
    pack = lambda code, numbers: len(numbers).to_bytes(2, "big") + b"".join(  # noqa: E731
        number.to_bytes(code, "big") for number in numbers)
    if kind == "Query":
        wire.send("Q", name("sql"))
    elif kind == "Parse":
        wire.send("P", name("name") + name("sql") + pack(4, message["param_oids"]))
    elif kind == "Bind":
        formats = message["param_formats"]
        formats = (formats or [0]) * (1 if len(formats) > 1 else len(message["params"]))
        values = [recorded(value, form) for value, form in zip(message["params"], formats)]
        body = name("portal") + name("stmt") + pack(2, message["param_formats"]) + len(values).to_bytes(2, "big")
        for value in values:
            body += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
        wire.send("B", body + pack(2, message["result_formats"]))
    elif kind in ("Describe", "Close"):
        wire.send(kind[0], message["what"].encode() + name("name"))
    elif kind == "Execute":
        wire.send("E", name("portal") + message["max_rows"].to_bytes(4, "big"))
    elif kind in ("Sync", "Flush"):
        wire.send({"Sync": "S", "Flush": "H"}[kind], b"")


def answered(wire, batch):
    """The server's answers, in the recording's terms. COPY FROM gets no rows: they were not recorded."""
    flushed = batch[-1]["msg"] == "Flush"
    pending = sum(2 if message["msg"] == "Describe" and message["what"] == "S" else 1
                  for message in batch if message["msg"] != "Flush") if flushed else None
    answers = []
    while True:
        try:
            kind, body = wire.receive()
        except TimeoutError:
            # It skips to a Sync, because of an error that the recording does not have.
            answers.append(["skipped"])
            resynchronize(wire)
            return answers
        if kind == "G":
            answers.append(["G"])
            if body[0]:
                wire.send("d", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff")
            wire.send("c", b"")
        elif kind == "T":
            count = int.from_bytes(body[:2], "big")
            answers.append(["T", list(columns(body, count))])
        elif kind == "t":
            oids = [int.from_bytes(body[at:at + 4], "big") for at in range(2, len(body), 4)]
            answers.append(["t", oids])
        elif kind == "C":
            answers.append(["C", re.sub(r"\d+", "n", body.rstrip(b"\0").decode())])
        elif kind == "E":
            answers.append(["E", fields(body)["C"]])
            if pending is not None:
                resynchronize(wire)
        elif kind in "sHZ":
            answers.append([kind, body.decode()] if kind == "Z" else [kind])
        if pending is not None and kind in "123tnTsCIE":
            pending = 0 if kind == "E" else pending - 1
        if kind == "Z" or pending == 0:
            return answers


def resynchronize(wire):
    wire.send("S", b"")
    while wire.receive()[0] != "Z":
        pass


def columns(body, count):
    position = 2
    for _ in range(count):
        end = body.index(b"\0", position)
        oid = int.from_bytes(body[end + 7:end + 11], "big")
        modifier = int.from_bytes(body[end + 13:end + 17], "big", signed=True)
        code = int.from_bytes(body[end + 17:end + 19], "big")
        yield [body[position:end].decode(), min(oid, 16384), modifier, code]
        position = end + 19


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5433)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--file", default="")
    parser.add_argument("--failures", action="store_true")
    parser.add_argument("--slow", type=float, default=10, help="milliseconds that a statement should stay below")
    arguments = parser.parse_args()
    make_objects(arguments)
    expected = collections.defaultdict(dict)
    for path in arguments.corpus.glob("expected_*.jsonl"):
        for line in path.read_text().splitlines():
            answer = json.loads(line)
            expected[answer["file"]][answer["name"]] = answer
    total, slow = [0, 0, 0], []
    print("| client | statements | same shape | same rows |\n|---|---|---|---|")
    for file, answers in sorted(expected.items()):
        if not file.startswith(arguments.file):
            continue
        client, counts = Client(arguments, "shop"), [0, 0, 0]
        for name, text in statements(arguments.corpus / file):
            if name not in answers:
                continue
            client.settle()
            text, described = client.substituted(text), answers[name].get("status") == "described"
            started = time.perf_counter()
            got = client.run(text, described)
            slow.append((round((time.perf_counter() - started) * 1000, 1), name))
            in_shape, in_rows = difference(answers[name], got)
            counts = [counts[0] + 1, counts[1] + (not in_shape), counts[2] + (not in_shape and not in_rows)]
            if arguments.failures and (in_shape or in_rows):
                print(f"  {name}: {in_shape or in_rows}")
        total = [sum(pair) for pair in zip(total, counts)]
        print(f"| {file.removesuffix('.sql')} | {' | '.join(map(str, counts))} |")
    print(f"| all | {' | '.join(map(str, total))} |")
    print("slow:", [entry for entry in sorted(slow, reverse=True) if entry[0] > arguments.slow][:20])
    for path in sorted((arguments.corpus / "wire").glob("*.jsonl")):
        if path.name.startswith(arguments.file):
            count, alike, unlike = replayed(arguments, path)
            print(f"{path.stem}: {alike} of {count} answers alike")
            for batch, theirs, ours in unlike if arguments.failures else []:
                print(f"  {str([message.get('sql', message['msg']) for message in batch])[:200]}\n    {theirs}\n    {ours}")


if __name__ == "__main__":
    main()
