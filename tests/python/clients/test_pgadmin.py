"""pgAdmin: the queries of its templates, taken from the installed package and rendered as browsing renders them, give the
same on the machine's PostgreSQL and on Boathouse: columns with their types, and rows where they are not volatile."""

import importlib.util
import pathlib
import re
import sys

import jinja2
import psycopg
import pytest
from psycopg import pq

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "bench")]

from postgres_process import Postgres  # noqa: E402
from server_process import Server  # noqa: E402

# Templates that change something, of other products than PostgreSQL, or that are no query by themselves.
CHANGES = re.compile(r"(create|update|delete|grant|alter|drop|insert|enable|disable|reindex|truncate|vacuum|backup|attach"
                     r"|detach|refresh|reset|change_password|reassign|validate|begin|end|cmd|command|abort)[^/]*\.sql$")
OTHERS = re.compile(r"/(ppas|pgagent|pgd_\w+|debugger|tests|dbms_\w+|packages|directories|resource_groups|synonyms)/")
# Read one object's id each; without them the templates list all of their kind.
OBJECTS = {
    "tid": "'shop.purchase'::regclass::oid",
    "vid": "'shop.purchase_list'::regclass::oid",
    "idx": "'shop.purchase_day'::regclass::oid",
    "seid": "'shop.ticket'::regclass::oid",
    "fnid": "'shop.net'::regproc::oid",
    "rid": "'pgadmin_reader'::regrole::oid",
    "cid": "(select oid from pg_constraint where conname = 'purchase_pkey')",
    "fkid": "(select oid from pg_constraint where conname = 'purchase_customer_id_fkey')",
    "lid": "(select oid from pg_language where lanname = 'sql')",
    "clid": "1",
}
# The same variable stands for something else in these folders.
ELSEWHERE = {
    "types": {"tid": "'integer'::regtype::oid"},
    "mviews": {"vid": "'shop.daily'::regclass::oid"},
    "check_constraint": {"tid": "'shop.customer'::regclass::oid",
                         "cid": "(select oid from pg_constraint where conname = 'customer_name_check')"},
    "foreign_key": {"cid": "(select oid from pg_constraint where conname = 'purchase_customer_id_fkey')"},
    "casts": {"cid": "(select oid from pg_cast where castsource = 'int4'::regtype and casttarget = 'int8'::regtype)"},
    "collations": {"coid": "'\"C\"'::regcollation::oid"},
}
PLACES = {
    "did": "(select oid from pg_database where datname = current_database())",
    "scid": "'shop'::regnamespace::oid",
    "schema_oid": "'shop'::regnamespace::oid",
}
FIXED = {
    "schema": "shop", "nspname": "shop", "table_nspname": "shop", "nsp_name": "shop", "schema_name": "shop",
    "table": "purchase", "table_name": "purchase", "object_name": "purchase", "name": "purchase", "sname": "shop",
    "tname": "purchase", "schema_names": ["shop"], "search_path": "shop", "constraint_type": "p", "colcnt": 1,
    "chart_names": ["session_stats", "tps_stats", "ti_stats", "to_stats", "bio_stats"], "search_text": "%purchase%",
    "obj_type": "all", "type_ids": "23, 25", "type_id": 23, "limit": 10, "data": {}, "datlastsysoid": 16383,
    "last_system_oid": 16383, "lastsysoid": 16383, "fetch_database": True, "server_type": "pg",
}


def literal(value, *_):
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


class Absent(jinja2.ChainableUndefined):
    """A variable that browsing does not give; some are functions."""

    def __call__(self, *_, **__):
        return ""


class Side:
    """One server with the objects: runs a query, and says which object has which OID there."""

    def __init__(self, conninfo):
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("create database browsed")
        self.connection = psycopg.connect(conninfo, dbname="browsed", autocommit=True)
        for statement in (HERE / "shop.sql").read_text().splitlines():
            self.connection.execute(statement)
        self.oids = {}

    def oid(self, expression):
        if expression not in self.oids:
            [[self.oids[expression]]] = self.connection.execute(f"select {expression}::bigint")
        return self.oids[expression]

    def context(self, folder, detailed):
        expressions = {**PLACES, "tid": OBJECTS["tid"], **(OBJECTS if detailed else {})}
        expressions |= {name: value for name, value in ELSEWHERE.get(folder, {}).items() if name in expressions}
        ids = {name: self.oid(expression) for name, expression in expressions.items()}
        if not detailed and folder == "types":
            del ids["tid"]
        return {**FIXED, **ids, "table_id": ids.get("tid"), "obj_id": ids.get("tid"), "oid": ids.get("tid"),
                "_": lambda text: text}

    def run(self, query):
        """(SQLSTATE, None) or (columns, rows)."""
        result = self.connection.pgconn.exec_(query.encode())
        if self.connection.info.transaction_status != pq.TransactionStatus.IDLE:
            self.connection.pgconn.exec_(b"rollback")
        if result.status != pq.ExecStatus.TUPLES_OK:
            field = result.error_field
            return (field(pq.DiagnosticField.SQLSTATE) or b"").decode(), field(pq.DiagnosticField.MESSAGE_PRIMARY)
        columns = [(result.fname(i).decode(), result.ftype(i)) for i in range(result.nfields)]
        rows = [[result.get_value(i, j) for j in range(result.nfields)] for i in range(result.ntuples)]
        return columns, rows


class Templates(jinja2.FileSystemLoader):
    """The package's templates as pgAdmin finds them: `a/#150000#/b.sql` is the newest of its versions up to that one."""

    VERSIONS = [*(f"{major}_plus" for major in range(15, 9, -1)), "default"]

    def __init__(self):
        [root] = importlib.util.find_spec("pgadmin4").submodule_search_locations
        folders = [str(folder) for folder in sorted(pathlib.Path(root).rglob("templates"))]
        super().__init__(folders)

    def get_source(self, environment, template):
        parts = template.split("#")
        if len(parts) == 1:
            return super().get_source(environment, template)
        for version in self.VERSIONS:
            try:
                return super().get_source(environment, "/".join([parts[0].strip("/"), version, parts[-1].strip("/")]))
            except jinja2.TemplateNotFound:
                continue
        raise jinja2.TemplateNotFound(template)

    def queries(self):
        """The newest version of each template that only reads."""
        chosen = {}
        for name in self.list_templates():
            if not name.endswith(".sql") or CHANGES.search(name) or OTHERS.search(f"/{name}"):
                continue
            version = next((part for part in name.split("/") if re.fullmatch(r"default|\d+_plus", part)), "default")
            if version in self.VERSIONS:
                key = name.replace(f"/{version}/", "/")
                rank = self.VERSIONS.index(version)
                chosen[key] = min(chosen.get(key, (rank, name)), (rank, name))
        return [name for _, name in sorted(chosen.values(), key=lambda entry: entry[1])]


def environment():
    made = jinja2.Environment(loader=Templates(), undefined=Absent,
                              extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    made.filters |= {"qtLiteral": literal, "qtTypeIdent": lambda value, *_: str(value), "hasAny": lambda *_: False,
                     "qtIdent": lambda *parts: ".".join(f'"{part}"' for part in parts if isinstance(part, str))}
    return made


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    with Postgres() as postgres, Server(tmp_path_factory.mktemp("pgadmin") / "data") as boathouse:
        yield Side(postgres.conninfo()), Side(boathouse.conninfo())


# What version 15 has otherwise than version 17, whose catalog Boathouse shows: columns' types, or columns of `*`.
SINCE_15 = {"columns/sql/default/properties.sql", "indexes/sql/default/column_details.sql",
            "subscriptions/sql/15_plus/properties.sql", "dashboard/sql/default/replication_slots.sql"}
# Whose type differs, and why: there is no type inet.
OTHER_TYPES = {"client_addr": 869}
# Rows are each server's own: settings, collations, sizes and counters, sessions and locks, keywords and roles by
# version, the server's schemas (`system`), views' and functions' texts as they were written.
OWN_ROWS = re.compile(
    r"dashboard/|/(stats|coll_\w*stats|get_collations|get_icu_locale|get_ctypes|locks|variables|keywords|extensions)\.sql$"
    r"|^(roles|domain_constraints|check_constraint|mviews|views|functions|extensions|databases|tablespaces)/.*properties"
    r"|^roles/.*nodes|get_definition|get_relations|get_types|edit_mode_types|get_all_schemas|objectquery|schemas/.*count"
    r"|^catalog/|^extensions/|^tables/.*properties|get_schemas|get_oid_name|/databases\.sql$"
)


def test_pgadmin_sees_what_it_sees_on_postgres(sides):
    postgres, boathouse = sides
    templates = environment()
    seen, compared, different = set(), 0, []
    for name in templates.loader.queries():
        for detailed in (False, True):
            try:
                texts = [templates.get_template(name).render(side.context(name.split("/")[0], detailed))
                         for side in sides]
            except (jinja2.TemplateError, TypeError, ValueError, AttributeError):
                # A macro's file, or one that needs what only a dialogue gives.
                continue
            if texts[0] in seen or not is_query(texts[0]):
                continue
            seen.add(texts[0])
            expected, rows = postgres.run(texts[0])
            if isinstance(expected, str):
                continue
            compared += 1
            got, our_rows = boathouse.run(texts[1])
            if isinstance(got, str):
                different.append((name, got, our_rows))
            elif name not in SINCE_15 and described(expected) != described(got):
                different.append((name, [pair for pair in zip(expected, got) if pair[0] != pair[1]]))
            elif name not in SINCE_15 and not OWN_ROWS.search(name) and (theirs := plain(rows)) != (ours := plain(our_rows)):
                different.append((name, [row for row in theirs if row not in ours][:2],
                                  [row for row in ours if row not in theirs][:2]))
    assert not different, "\n".join(map(str, different))
    assert compared > 200


def is_query(text):
    return re.match(r"(select|with|values|\()", re.sub(r"/\*.*?\*/|--[^\n]*", "", text, flags=re.S).strip().lower())


def described(columns):
    return [(name, 25 if OTHER_TYPES.get(name) == oid else oid) for name, oid in columns]


def plain(rows):
    """Rows in any order, with one name for both owners, and without OIDs, transaction numbers and times."""
    def value(text):
        if text is None:
            return None
        text = text.decode().replace("postgres", "admin").replace("heap", "delta")
        text = re.sub(r"\b(1[67]\d{3}|\d{9,10})\b", "(oid)", text)
        return re.sub(r"\d{4}-\d\d-\d\d [\d:.+]+", "(time)", text)

    return sorted(str([value(text) for text in row]) for row in rows)
