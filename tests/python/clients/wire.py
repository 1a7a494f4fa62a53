"""PostgreSQL's protocol message by message: what a client sends is written down one message a line, and what comes
back is read into values that can be compared. For replaying what drivers do; everything else uses a driver."""

import base64
import dataclasses
import hashlib
import hmac
import json
import os
import re
import shlex
import socket
import struct


@dataclasses.dataclass
class Step:
    """One message of the client; `options` are its words of the form key=value."""

    kind: str
    options: dict
    text: str = ""


def read_script(text):
    """A script's steps. A line at the margin is a message; indented lines below it are its SQL; `#` begins a comment."""
    steps = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            steps[-1].text += line[4:] + "\n"
            continue
        kind, *words = shlex.split(line)
        steps.append(Step(kind.lower(), dict(word.split("=", 1) for word in words)))
    for step in steps:
        step.text = step.text.rstrip("\n")
    return steps


def numbers(text):
    return [int(number) for number in text.split(",")] if text else []


class Wire:
    """A connection that sends one message at a time."""

    def __init__(self, host, port, user, password, database, parameters=None):
        self.socket = socket.create_connection((host, port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.password, self.user = password, user
        self.row_types = []
        words = {"user": user, "database": database, **(parameters or {})}
        body = b"".join(f"{key}\0{value}\0".encode() for key, value in words.items()) + b"\0"
        self.socket.sendall(struct.pack("!ii", len(body) + 8, 196608) + body)
        self.greeting = self._authenticate()

    def close(self):
        try:
            self.send("X", b"")
        except OSError:
            pass
        self.socket.close()

    def send(self, kind, body):
        self.socket.sendall(kind.encode() + struct.pack("!i", len(body) + 4) + body)

    def receive(self):
        """The next message: its kind and its body."""
        while len(self.buffer) < 5 or len(self.buffer) < 1 + struct.unpack("!i", self.buffer[1:5])[0]:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            self.buffer += more
        end = 1 + struct.unpack("!i", self.buffer[1:5])[0]
        kind, body, self.buffer = chr(self.buffer[0]), self.buffer[5:end], self.buffer[end:]
        return kind, body

    def _authenticate(self):
        greeting, scram = [], None
        while True:
            kind, body = self.receive()
            if kind == "R":
                code = struct.unpack("!i", body[:4])[0]
                if code == 10:
                    scram = Scram(self.password)
                    first = scram.first()
                    self.send("p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
                elif code == 11:
                    self.send("p", scram.final(body[4:]))
            elif kind == "E":
                raise ConnectionError(fields(body))
            else:
                greeting.append((kind, body))
            if kind == "Z":
                return greeting

    def play(self, step):
        """Sends the message of a step."""
        options = step.options
        name, portal = options.get("name", "").encode() + b"\0", options.get("portal", "").encode() + b"\0"
        text = step.text.encode() + b"\0"
        if step.kind == "query":
            self.send("Q", text)
        elif step.kind == "parse":
            types = numbers(options.get("types"))
            self.send("P", name + text + struct.pack(f"!h{len(types)}I", len(types), *types))
        elif step.kind == "bind":
            values = [encoded(value) for value in json.loads(options.get("values", "[]"))]
            formats, results = numbers(options.get("formats")), numbers(options.get("results"))
            body = portal + name + struct.pack(f"!h{len(formats)}h", len(formats), *formats)
            body += struct.pack("!h", len(values))
            for value in values:
                body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
            self.send("B", body + struct.pack(f"!h{len(results)}h", len(results), *results))
        elif step.kind == "describe":
            self.send("D", b"P" + portal if "portal" in options else b"S" + name)
        elif step.kind == "execute":
            self.send("E", portal + struct.pack("!i", int(options.get("rows", "0"))))
        elif step.kind == "close":
            self.send("C", b"P" + portal if "portal" in options else b"S" + name)
        elif step.kind == "call":
            values = [encoded(value) for value in json.loads(options.get("values", "[]"))]
            formats = numbers(options.get("formats"))
            body = struct.pack(f"!Ih{len(formats)}h", int(options["function"]), len(formats), *formats)
            body += struct.pack("!h", len(values))
            for value in values:
                body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
            self.send("F", body + struct.pack("!h", int(options.get("result", "0"))))
        elif step.kind in ("sync", "flush"):
            self.send({"sync": "S", "flush": "H"}[step.kind], b"")
        else:
            raise ValueError(f"no message is called {step.kind}")

    def answer(self, pending):
        """Messages up to ReadyForQuery, or as many answers as messages since the last Sync await after a Flush."""
        messages = []
        while True:
            kind, body = self.receive()
            messages.append((kind, body))
            if kind == "Z" or (pending is not None and pending == sum(kind in "123tnTsCIE" for kind, _ in messages)):
                return messages
            if kind == "E" and pending is not None:
                return messages


def encoded(value):
    """A parameter of a script: NULL, text, or bytes in hexadecimal after a backslash and an x."""
    if value is None:
        return None
    if value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    return value.encode()


def fields(body):
    """The fields of an ErrorResponse or a NoticeResponse."""
    parts = body.split(b"\0")
    return {chr(part[0]): part[1:].decode() for part in parts if part}


class Scram:
    """SCRAM-SHA-256, the client's side."""

    def __init__(self, password):
        self.password = password.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()

    def first(self):
        self.bare = f"n=,r={self.nonce}"
        return f"n,,{self.bare}".encode()

    def final(self, challenge):
        challenge = challenge.decode()
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={parts['r']}"
        message = f"{self.bare},{challenge},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        proof = bytes(left ^ right for left, right in zip(key, signature))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()


class Replay:
    """Plays a script to one server and reads its answers with the server's own OIDs taken out."""

    def __init__(self, connect, helper):
        """`connect` opens the Wire with startup parameters; `helper` runs a query and answers its rows."""
        self.connect, self.helper = connect, helper
        self.names = {}

    def run(self, script):
        """For each message that ends a batch: the messages that came back, each as one comparable value."""
        steps = list(script)
        startup = steps.pop(0).options if steps and steps[0].kind == "startup" else {}
        wire = self.connect(startup)
        answers, batch = [("startup", self._greeting(wire.greeting))], []
        try:
            for step in steps:
                step = dataclasses.replace(step, text=self._substituted(step.text))
                step.options = {key: self._substituted(value) for key, value in step.options.items()}
                wire.play(step)
                batch.append(step)
                if step.kind in ("query", "call", "sync", "flush"):
                    pending = None if step.kind != "flush" else sum(
                        2 if item.kind == "describe" and "portal" not in item.options else 1
                        for item in batch if item.kind != "flush"
                    )
                    rows = next((item.options["check"] for item in batch if "check" in item.options), "rows")
                    answers.append((self._title(batch), self._readable(wire.answer(pending), rows)))
                    batch = []
        finally:
            wire.close()
        return answers

    @staticmethod
    def _title(batch):
        shown = (step.text or (f"call {step.options}" if step.kind == "call" else step.kind) for step in batch)
        return " ".join(shown)[:200]

    def _substituted(self, text):
        """`{regclass:x}` is the OID that this server gives to x."""
        def oid(match):
            [[found]] = self.helper(f"select '{match[2]}'::{match[1]}::oid")
            return str(found)
        return re.sub(r"\{(reg\w+):([^}]*)\}", oid, text)

    def _name(self, kind, oid):
        """Types and relations that were made here go by their names."""
        if oid and (kind == "regclass" or oid >= 16384):
            if (kind, oid) not in self.names:
                [[self.names[kind, oid]]] = self.helper(f"select {oid}::oid::{kind}::text")
            return self.names[kind, oid]
        return oid

    def _greeting(self, messages):
        known = {}
        for kind, body in messages:
            if kind == "S":
                key, value = body.split(b"\0")[:2]
                known[key.decode()] = value.decode()
        for volatile in ("server_version", "session_authorization", "TimeZone", "is_superuser"):
            known.pop(volatile, None)
        return known

    def _readable(self, messages, rows):
        """What is compared: all rows in order, sorted, their number, or only the other messages."""
        out, data = [], []
        for kind, body in messages:
            if kind == "D":
                data.append(self._row(body))
                continue
            if data:
                out.append(("D", {"rows": data, "sorted": sorted(map(repr, data)), "count": len(data)}.get(rows)))
                data = []
            out.append(self._message(kind, body, rows))
        return out

    @staticmethod
    def _row(body):
        count, position, values = struct.unpack("!h", body[:2])[0], 2, []
        for _ in range(count):
            size = struct.unpack("!i", body[position:position + 4])[0]
            position += 4
            values.append(None if size < 0 else body[position:position + size])
            position += max(size, 0)
        return values

    def _message(self, kind, body, rows):
        if kind == "T":
            return kind, self._columns(body)
        if kind == "t":
            count = struct.unpack("!h", body[:2])[0]
            return kind, [self._name("regtype", oid) for oid in struct.unpack(f"!{count}I", body[2:])]
        if kind == "C":
            tag = body.rstrip(b"\0").decode()
            return kind, re.sub(r"\d+$", "n", tag) if rows == "shape" else tag
        if kind in "EN":
            found = fields(body)
            return kind, (found["S"], found["C"], found["M"])
        if kind == "S":
            return kind, tuple(part.decode() for part in body.split(b"\0")[:2])
        if kind == "Z":
            return kind, body.decode()
        if kind == "V":
            return kind, body
        if kind == "A":
            return kind, tuple(part.decode() for part in body[4:].split(b"\0")[:2])
        return (kind,)

    def _columns(self, body):
        count, position, columns = struct.unpack("!h", body[:2])[0], 2, []
        for _ in range(count):
            end = body.index(b"\0", position)
            name = body[position:end].decode()
            table, number, oid, length, modifier, code = struct.unpack("!IhIhih", body[end + 1:end + 19])
            relation = self._name("regclass", table)
            # Versions of PostgreSQL number the columns of its catalogs differently.
            shown = number if table >= 16384 else None
            columns.append((name, relation, shown, self._name("regtype", oid), length, modifier, code))
            position = end + 19
        return columns

