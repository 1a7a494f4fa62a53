"""kill -9 among changes of all kinds, definitions and upkeep: what was acknowledged is there, what was refused left nothing, the
statement that the server died in happened or did not, and another reader sees whole commits at every moment."""

import pathlib
import random
import threading

import deltalake
import psycopg

from server_process import Server

ROUNDS = 10
ROWS_A_BATCH = 4
CONNECTION_LOST = (psycopg.OperationalError, psycopg.InterfaceError)


class Model:
    """The batches that are there, each with its version, and the numbers of the other table, as `(number, "noted")`; and what
    the transaction under way would make of them."""

    def __init__(self):
        self.state = {}
        self.pending = None
        self.acknowledged = 0
        self.refused = 0

    def settle(self, stored):
        """Takes what the server has after a crash, which is the state before the statement under way or after it."""
        allowed = [self.state] if self.pending is None else [self.state, self.pending]
        assert stored in allowed, difference(stored, allowed)
        self.state, self.pending = stored, None


def difference(stored, allowed):
    return [sorted(set(stored.items()) ^ set(state.items()), key=str) for state in allowed]


def changes(source, model, number):
    """A statement, or several of one transaction, with what they make of the batches."""
    state = dict(model.state)
    batches = sorted(key for key in state if isinstance(key, int))
    batch = source.choice(batches) if batches else None
    kind = source.choice(["insert", "copy", "update", "update", "delete", "merge", "several", "conflict", "all", "undone"])
    rows = ", ".join(f"({number}, {position}, 0)" for position in range(ROWS_A_BATCH))
    if batch is None or kind == "insert":
        return [f"insert into kept values {rows}"], {**state, number: 0}
    version = state[batch]
    if kind == "copy":
        return [("copy kept from stdin", number)], {**state, number: 0}
    if kind == "update":
        return [f"update kept set version = version + 1 where batch = {batch}"], {**state, batch: version + 1}
    if kind == "delete":
        del state[batch]
        return [f"delete from kept where batch = {batch}"], state
    if kind == "merge":
        return [
            f"merge into kept t using (select b, p from (values ({batch}), ({number})) b(b), generate_series(0, {ROWS_A_BATCH - 1}) p) s "
            "on t.batch = s.b and t.position = s.p when matched then update set version = t.version + 1 "
            "when not matched then insert values (s.b, s.p, 0)"
        ], {**state, batch: version + 1, number: 0}
    if kind == "conflict":
        given = ", ".join(f"({batch}, {position}, 0)" for position in range(ROWS_A_BATCH))
        statement = f"insert into kept values {given} on conflict (batch, position) do update set version = kept.version + 1"
        return [statement], {**state, batch: version + 1}
    if kind == "all":
        return ["update kept_view set version = version + 1"], {**state, **{key: state[key] + 1 for key in batches}}
    if kind == "undone":
        return ["begin", "delete from kept", f"insert into noted values ({number})", "rollback"], state
    return [
        "begin", f"update kept set version = version + 1 where batch = {batch}", "savepoint a", "delete from kept", "rollback to a",
        f"insert into kept values {rows}", f"insert into noted values ({number})", "commit",
    ], {**state, batch: version + 1, number: 0, (number, "noted"): 1}


def change_until_killed(server, model, source, numbers):
    try:
        with server.connect() as connection:
            while True:
                number = next(numbers)
                statements, model.pending = changes(source, model, number)
                try:
                    for statement in statements:
                        run(connection, statement)
                except CONNECTION_LOST:
                    raise
                except psycopg.Error:
                    # Upkeep was in the way: nothing of it may be there.
                    connection.execute("rollback")
                    model.pending = None
                    model.refused += 1
                    continue
                model.state, model.pending = model.pending, None
                model.acknowledged += 1
    except CONNECTION_LOST:
        pass


def run(connection, statement):
    if isinstance(statement, str):
        connection.execute(statement)
        return
    text, number = statement
    with connection.cursor().copy(text) as copy:
        for position in range(ROWS_A_BATCH):
            copy.write_row((number, position, 0))


def define_until_killed(server, tables, numbers):
    """Tables come and go; `tables` has what is acknowledged, and what the statement under way would make of it."""
    try:
        with server.connect() as connection:
            while True:
                number = next(numbers)
                known = dict(tables[0])
                if len(known) > 3:
                    gone = min(known)
                    del known[gone]
                    statement = f"drop table made_{gone}"
                elif known and number % 3 == 0:
                    changed = max(known)
                    known[changed] = "text" if known[changed] == "integer" else "integer"
                    statement = f"alter table made_{changed} alter column n type {known[changed]} using n::text::{known[changed]}"
                else:
                    known[number] = "integer"
                    statement = f"create table made_{number} as select n from generate_series(1, 100) n(n)"
                tables[1] = known
                connection.execute(statement)
                tables[0] = known
    except CONNECTION_LOST:
        pass


def keep_up_until_killed(server, source):
    statements = ["optimize kept", "vacuum kept retain 0 hours", "analyze kept", "vacuum", "optimize kept where batch > 3"]
    try:
        with server.connect() as connection:
            while True:
                try:
                    connection.execute(source.choice(statements))
                except CONNECTION_LOST:
                    raise
                except psycopg.Error:
                    pass
    except CONNECTION_LOST:
        pass


def folder_of(warehouse, column):
    for log in pathlib.Path(warehouse).rglob("_delta_log"):
        # A table that the server died over has no entry yet.
        if any(log.glob("*.json")) and deltalake.DeltaTable(str(log.parent)).schema().fields[0].name == column:
            return str(log.parent)
    raise AssertionError("no such Delta table")


def read_elsewhere(folder, stop, seen, wrong):
    """Another engine: every version that it reads has whole batches, each of one version."""
    while not stop.is_set():
        try:
            rows = deltalake.DeltaTable(folder).to_pyarrow_table().to_pylist()
        except (OSError, deltalake.exceptions.DeltaError) as error:
            # A file that VACUUM took after the log was read.
            if "not found" in str(error).lower() or "no such file" in str(error).lower():
                continue
            wrong.append(str(error))
            return
        found = batches_of((row["batch"], row["position"], row["version"]) for row in rows)
        if any(len(positions) != ROWS_A_BATCH or len(versions) != 1 for positions, versions in found.values()):
            wrong.append(found)
        seen.append(len(found))


def batches_of(rows):
    found = {}
    for batch, position, version in rows:
        positions, versions = found.setdefault(batch, ([], set()))
        positions.append(position)
        versions.add(version)
    return found


def test_changes_definitions_and_upkeep_survive_kill(tmp_path):
    source = random.Random(5)
    model, tables = Model(), [{}, {}]
    numbers, definitions = iter(range(1, 10**9)), iter(range(1, 10**9))
    stop, seen, wrong = threading.Event(), [], []
    with Server(tmp_path / "data") as server:
        with server.connect() as connection:
            connection.execute("create table kept (batch bigint, position int, version int, primary key (batch, position))")
            connection.execute("create table noted (number bigint)")
            connection.execute("create view kept_view as select batch, version from kept where version >= 0 with check option")
        reader = threading.Thread(target=read_elsewhere, args=(folder_of(tmp_path / "data", "batch"), stop, seen, wrong))
        reader.start()
        try:
            for round_number in range(ROUNDS):
                if round_number:
                    server.start()
                threads = [
                    threading.Thread(target=change_until_killed, args=(server, model, random.Random(source.random()), numbers)),
                    threading.Thread(target=define_until_killed, args=(server, tables, definitions)),
                    threading.Thread(target=keep_up_until_killed, args=(server, random.Random(source.random()))),
                ]
                for thread in threads:
                    thread.start()
                threading.Event().wait(source.uniform(0.2, 1.2))
                server.kill()
                for thread in threads:
                    thread.join()
                server.start()
                with server.connect() as connection:
                    check(connection, model, tables)
                server.kill()
        finally:
            stop.set()
            reader.join()
        assert wrong == []
        assert seen
        assert model.acknowledged > ROUNDS
        server.start()
        with server.connect() as connection:
            rows = sorted(connection.execute("select batch, position, version from kept").fetchall())
            connection.execute("vacuum kept retain 0 hours")
        elsewhere = deltalake.DeltaTable(folder_of(tmp_path / "data", "batch")).to_pyarrow_table().to_pylist()
        assert sorted((row["batch"], row["position"], row["version"]) for row in elsewhere) == rows


def check(connection, model, tables):
    found = batches_of(connection.execute("select batch, position, version from kept").fetchall())
    assert all(sorted(positions) == list(range(ROWS_A_BATCH)) for positions, _ in found.values())
    assert all(len(versions) == 1 for _, versions in found.values())
    noted = [number for number, in connection.execute("select number from noted").fetchall()]
    assert len(noted) == len(set(noted))
    stored = {batch: min(versions) for batch, (_, versions) in found.items()}
    model.settle({**stored, **{(number, "noted"): 1 for number in noted}})
    made = dict(
        connection.execute(
            "select substr(table_name, 6)::int, data_type from information_schema.columns where table_name like 'made%'"
        ).fetchall()
    )
    assert made in tables, difference(made, tables)
    tables[:] = [made, made]
    for number in made:
        count = connection.execute(f"select count(*), sum(n::bigint) from made_{number}").fetchone()
        assert count == (100, 5050)
